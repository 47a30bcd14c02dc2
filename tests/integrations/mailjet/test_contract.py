"""The contract of every destination, kept by Mailjet. It delivers to the contact state; what is sent, its client sends."""

import base64
from typing import Any
from uuid import uuid4

import pytest

from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Workspace
from jetbridge.errors import DeliveryError
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.settings import account_behind
from jetbridge.integrations.testing import (
    Attempt,
    NextStep,
    Response,
    StatusContract,
    StubService,
    secrets_of,
    step_of,
)

SECRET_KEY = "secret-key-4711"


class TestMailjet(StatusContract):
    destination = MAILJET
    success = Response(200, b'{"Count": 1, "Data": [{"ID": 1}], "Total": 1}')

    @pytest.fixture
    def settings(self, service: StubService) -> dict[str, Any]:
        workspace = Workspace.objects.create(id=1, name="Shop")
        # A pair that Mailjet has asked for patience is spared by the whole process.
        self.api_key = f"public-{uuid4().hex}"
        account = accounts.add_account(workspace, service.url, self.api_key, SECRET_KEY)
        connection = accounts.connect_list(account, 10_001, "Customers")
        return {
            "apiKey": connection.authentication_key,
            "listId": "10001",
            "mapping": "firstName = first_name",
            "formerContact": "delete",
        }

    def next_step(self, status: int) -> NextStep:
        """As docs/mailjet-errors.md has it, for a body that is no error of Mailjet's."""
        if status == 304:
            return "delivered"
        if status == 423:
            return "retry"
        if status in {401, 403, 405}:
            return "pause"
        return "fail" if 400 <= status < 500 and status not in {408, 429} else super().next_step(status)

    def attempt(self, ref: DestinationRef) -> Attempt:
        account = account_behind(ref)
        assert account
        client = MailjetClient(account.api_url, account.api_key, account.secret_key)
        try:
            client.upsert_contact("ada@example.com", "Ada", {})
        except DeliveryError as error:
            return Attempt(step_of(error), error)
        return Attempt("delivered")

    def secrets(self, ref: DestinationRef) -> set[str]:
        pair = base64.b64encode(f"{self.api_key}:{SECRET_KEY}".encode()).decode()
        return {*secrets_of(ref), SECRET_KEY, pair}
