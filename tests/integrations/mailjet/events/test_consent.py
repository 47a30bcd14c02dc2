from typing import Any

import pytest

from jetbridge.integrations.mailjet.api.events import EmailEvent
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.events.reader import opt_out_of

AT = 1_700_000_000
RECEIVED_MS = AT * 1000 + 5_000
#: The end of the second that Mailjet notes.
SAID_MS = AT * 1000 + 999


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event": "unsub", "mj_list_id": 7}, OptOut("a@b.com", SAID_MS, 7)),
        ({"event": "unsub", "mj_list_id": "7"}, OptOut("a@b.com", SAID_MS, 7)),
        ({"event": "unsub", "mj_list_id": 0}, OptOut("a@b.com", SAID_MS)),
        ({"event": "unsub"}, OptOut("a@b.com", SAID_MS)),
        ({"event": "unsub", "email": "\u200ba@b.com"}, OptOut("a@b.com", SAID_MS, respelled=True)),
        ({"event": "spam"}, OptOut("a@b.com", SAID_MS)),
        ({"event": "bounce", "hard_bounce": True}, OptOut("a@b.com", SAID_MS, bounced=True)),
        ({"event": "bounce", "hard_bounce": False}, None),
        ({"event": "bounce"}, None),
        ({"event": "blocked"}, None),
        ({"event": "open"}, None),
    ],
)
def test_events_that_say_no_more_mail(fields: dict[str, Any], expected: OptOut | None) -> None:
    event = EmailEvent(**{"time": AT, "email": " A@b.com", **fields})
    assert opt_out_of(event, "a@b.com", RECEIVED_MS) == expected


def test_an_event_without_a_time_counts_from_its_receipt() -> None:
    assert opt_out_of(EmailEvent(event="spam"), "a@b.com", 5) == OptOut("a@b.com", 5)


def test_an_unsubscribe_from_a_far_future_does_not_outlast_every_consent() -> None:
    event = EmailEvent(event="spam", time=99_999_999_999)
    assert opt_out_of(event, "a@b.com", RECEIVED_MS) == OptOut("a@b.com", RECEIVED_MS)


def test_an_event_is_the_last_word_of_its_second_and_not_later_than_its_receipt() -> None:
    at_once = AT * 1000 + 400
    assert opt_out_of(EmailEvent(event="spam", time=AT), "a@b.com", at_once) == OptOut("a@b.com", at_once)
