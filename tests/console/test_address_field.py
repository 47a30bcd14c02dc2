"""What is an address is one question with one answer, whoever asks it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from jetbridge.alerts import rules
from jetbridge.console.auth.forms import AddressField
from jetbridge.control import membership
from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.control.people import Role, User
from jetbridge.errors import ConfigurationError, MessageRejected
from jetbridge.integrations.mailjet.contacts.mapping import Mapping
from jetbridge.integrations.mailjet.contacts.traits import contact_change
from jetbridge.spec.message import Message
from mailjet_sandbox.contacts import is_email

BAD = [
    "b@example..com", "b..c@example.com", ".b@example.com", "b@-example.com", "b@192.168.0.10", "x²@example.com",
    "b@example", "b\ufffd@example.com", "=?utf-8?q?b?=@example.com", "b c@example.com",
]  # fmt: skip
NOON = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("email", BAD)
def test_no_address_is_refused_alike_everywhere(people: Any, email: str) -> None:
    with pytest.raises(ValidationError, match="is no email address"):
        AddressField().clean(email)
    with pytest.raises(ConfigurationError, match="is no email address"):
        membership.invite(people.workspace, email, Role.EDITOR, people.owner)
    rule = AlertRule(workspace=people.workspace, kind=AlertKind.PAUSE, emails=email)
    assert any("is no email address" in problem.message for problem in rules.problems(rule))
    message = Message(
        type="identify", message_id="m", timestamp=NOON, received_at=NOON, traits={"email": email}
    )
    with pytest.raises(MessageRejected, match="is no email address"):
        contact_change(message, 1, Mapping())


@pytest.mark.parametrize("email", [bad for bad in BAD if ".." in bad or bad.startswith(".")])
def test_the_sandbox_refuses_empty_parts_too(email: str) -> None:
    assert not is_email(email)


@pytest.mark.parametrize(
    ("said", "address"),
    [
        (" Ada@Example.com ", "ada@example.com"),
        ("françois@example.com", "françois@example.com"),
        ("ada\u200b@m\u00fcnchen.de", "ada@xn--mnchen-3ya.de"),
        ("", ""),
    ],
)
def test_a_form_gives_the_one_spelling(said: str, address: str) -> None:
    assert AddressField(required=False).clean(said) == address


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("stored", ["ada@münchen.de", "ada@xn--mnchen-3ya.de"])
def test_somebody_logs_in_by_either_spelling_of_the_domain(stored: str) -> None:
    user = User.objects.create_user("x@example.com", "a long enough secret")
    User.objects.filter(id=user.id).update(email=stored)
    for said in ("Ada@München.de", "ada@xn--mnchen-3ya.de"):
        client = Client()
        answer = client.post("/login", {"email": said, "password": "a long enough secret"})
        assert answer.status_code == 302
