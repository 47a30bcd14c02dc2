"""The contract of every destination, kept by the webhook: one message per request, and batches."""

from typing import Any

import pytest

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery.base import DeliveryItem
from jetbridge.integrations.testing import HTTPContract, NextStep, RecordedProgress, StubService
from jetbridge.integrations.webhook import destination as delivery
from jetbridge.integrations.webhook.definition import WEBHOOK
from jetbridge.integrations.webhook.payload import encode

from .conftest import SHARED, SIGNING


class TestWebhook(HTTPContract):
    destination = WEBHOOK

    @pytest.fixture
    def settings(self, service: StubService) -> dict[str, Any]:
        return {
            "url": f"{service.url}/in?token=t0000000000000001",
            "headers": {"Authorization": "Bearer b0000000000000001"},
            "sharedSecret": SHARED,
            "signingSecret": SIGNING,
        }

    def next_step(self, status: int) -> NextStep:
        """409: the receiver has something against this message."""
        return "fail" if status == 409 else super().next_step(status)


class TestBatches(TestWebhook):
    @pytest.fixture
    def settings(self, service: StubService) -> dict[str, Any]:
        return {"url": service.url, "signingSecret": SIGNING, "batchSize": 100, "gzip": True}

    def test_each_message_is_encoded_once(
        self, ref: DestinationRef, service: StubService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its size is measured by the bytes that are sent."""
        encoded: list[object] = []
        monkeypatch.setattr(delivery, "encode", lambda value: encoded.append(value) or encode(value))
        self.open(ref).deliver(
            [DeliveryItem(at, self.message(at)) for at in range(1, 31)], RecordedProgress()
        )
        assert (len(service.requests), len(encoded)) == (1, 30)
