"""django-anymail, unmodified but for its address: the other half of the users of Mailjet's Send API."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from anymail.exceptions import AnymailRequestsAPIError
from anymail.message import AnymailMessage, attach_inline_image
from django.conf import settings
from django.core.mail import get_connection

if TYPE_CHECKING:
    from conftest import Box

if not settings.configured:  # Another project's tests may run in the same process.
    settings.configure()

Compose = Callable[..., AnymailMessage]


@pytest.fixture
def compose(box: "Box") -> Compose:
    connection = get_connection(
        "anymail.backends.mailjet.EmailBackend",
        api_key="key",
        secret_key="secret",
        api_url=f"{box.url}/v3.1/",
    )

    def make(**parts: Any) -> AnymailMessage:
        defaults = {
            "subject": "Receipt",
            "body": "Thank you",
            "from_email": "Shop <shop@example.com>",
            "to": ["Ada <ada@example.com>"],
        }
        return AnymailMessage(**{**defaults, **parts}, connection=connection)

    return make


def statuses(message: AnymailMessage) -> dict[str, str | None]:
    return {email: row.status for email, row in message.anymail_status.recipients.items()}


def test_a_simple_message(box: "Box", compose: Compose) -> None:
    message = compose()

    assert message.send() == 1

    assert message.anymail_status.status == {"sent"}
    assert box.get(f"message/{message.anymail_status.message_id}")[0]["Status"] == "sent"


def test_all_options(box: "Box", compose: Compose) -> None:
    message = compose(
        to=["to1@example.com", "Two <to2@example.com>"],
        cc=["cc1@example.com", "Copy <cc2@example.com>"],
        bcc=["bcc1@example.com"],
        reply_to=["reply@example.com"],
        headers={"X-Campaign": "spring"},
        metadata={"order": 7},
        tags=["receipts"],
        track_clicks=True,
        track_opens=True,
    )
    message.attach("a.txt", "text", "text/plain")
    image = attach_inline_image(message, b"GIF89a", filename="a.gif")
    message.attach_alternative(f"<p><img src='cid:{image}'>", "text/html")

    message.send()

    addresses = [
        "to1@example.com",
        "to2@example.com",
        "cc1@example.com",
        "cc2@example.com",
        "bcc1@example.com",
    ]
    assert statuses(message) == dict.fromkeys(addresses, "sent")
    assert box.get("campaign/receipts")[0]["Subject"] == "Receipt"
    events = [row["event"] for row in box.call("GET", "/sandbox/events").json()["events"]]
    assert {event["Payload"] for event in events} == {'{"order": 7}'}


def test_a_batch_is_sent_as_one_message_each(box: "Box", compose: Compose) -> None:
    message = compose(
        to=["ada@example.com", "bob@example.com"],
        merge_data={"ada@example.com": {"name": "Ada"}, "bob@example.com": {"name": "Bob"}},
        merge_metadata={"ada@example.com": {"order": 1}},
        metadata={"shop": "x"},
    )

    message.send()

    assert statuses(message) == {"ada@example.com": "sent", "bob@example.com": "sent"}
    events = [row["event"] for row in box.call("GET", "/sandbox/events").json()["events"]]
    assert [event["Payload"] for event in events] == ['{"shop": "x", "order": 1}', '{"shop": "x"}']


def test_a_stored_template_needs_neither_text_nor_sender(compose: Compose) -> None:
    message = compose(body="", template_id="176375", merge_global_data={"name": "Ada"})
    message.from_email = None

    message.send()

    assert message.anymail_status.status == {"sent"}


def test_a_bad_recipient_fails_alone_in_a_batch(box: "Box", compose: Compose) -> None:
    message = compose(
        to=["ada@example.com", "bob@localhost"],
        merge_data={"ada@example.com": {}, "bob@localhost": {}},
    )

    message.send()

    assert statuses(message) == {"ada@example.com": "sent", "bob@localhost": "failed"}
    assert [row["Email"] for row in box.get("contact")] == ["ada@example.com"]


def test_sandbox_mode_sends_nothing(box: "Box", compose: Compose) -> None:
    message = compose(esp_extra={"SandboxMode": True})

    message.send()

    assert message.anymail_status.status == {"sent"}
    assert message.anymail_status.message_id == "0"
    assert box.get("message") == []


def test_too_many_recipients_are_an_error_of_the_whole_call(box: "Box", compose: Compose) -> None:
    message = compose(to=[f"u{number}@example.com" for number in range(51)])

    with pytest.raises(AnymailRequestsAPIError, match="Total number of recipients exceeded"):
        message.send()
    assert box.get("contact") == []


def test_a_wrong_key_is_an_error(box: "Box") -> None:
    connection = get_connection(
        "anymail.backends.mailjet.EmailBackend", api_key="key", secret_key="no", api_url=f"{box.url}/v3.1/"
    )

    with pytest.raises(AnymailRequestsAPIError) as failure:
        AnymailMessage("Hi", "Text", "a@example.com", ["b@example.com"], connection=connection).send()
    assert failure.value.status_code == 401
