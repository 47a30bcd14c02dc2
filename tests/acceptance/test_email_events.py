"""Email events through the running program: whose they are."""

from typing import TYPE_CHECKING, Any

import pytest
from mailjet_rest import Client as MailjetClient

from .test_changes import Workplace

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = [pytest.mark.acceptance]


def send(loop: "Loop", email: str, custom_id: str = "") -> int:
    """Send one mail with Mailjet's own client; its MessageID."""
    client = MailjetClient(auth=("public", "private"), version="v3.1", api_url=loop.sandbox_url)
    mail = {
        "From": {"Email": "shop@example.com"},
        "To": [{"Email": email}],
        "TextPart": "Hello",
        "CustomID": custom_id,
    }
    sent = client.send.create(data={"Messages": [mail]}).json()
    client.close()
    return int(sent["Messages"][0]["To"][0]["MessageID"])


def test_whose_an_email_event_is(loop: "Loop", eventually: Any) -> None:
    """The CustomID's if the account says so, else who was identified with the address, else the address alone."""
    workplace = Workplace(loop)
    (account,) = workplace.api("GET", "mailjet-accounts")["items"]
    assert workplace.identify(loop.write_key, "ada") == 200
    loop.settle()

    def people(*message_ids: int) -> list[tuple[str | None, str | None]]:
        def calls() -> dict[str, Any]:
            return {call["properties"]["email_id"]: call for call in list(loop.segment.calls)}

        eventually(lambda: calls().keys() >= set(map(str, message_ids)), "the events are at Segment")
        found = [calls()[str(message_id)] for message_id in message_ids]
        return [(call.get("userId"), call.get("anonymousId")) for call in found]

    def mails() -> list[int]:
        return [
            send(loop, "ada@example.com", "u-of-the-sender"),
            send(loop, "ada@example.com"),
            send(loop, "Bob@example.com", "17"),
            send(loop, "bob@example.com", "x" * 300),
        ]

    ada, bob = ("ada", None), (None, "bob@example.com")
    assert people(*mails()) == [ada, ada, bob, bob]
    workplace.api("PATCH", f"mailjet-accounts/{account['id']}", {"custom_id_is_user_id": True})
    assert people(*mails()) == [("u-of-the-sender", None), ada, ("17", None), bob]
    workplace.api("PATCH", f"mailjet-accounts/{account['id']}", {"custom_id_is_user_id": False})
    assert people(*mails()) == [ada, ada, bob, bob]
