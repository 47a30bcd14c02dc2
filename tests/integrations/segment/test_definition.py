"""What the settings of a Segment destination let through, and what they accept."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from jetbridge.control.directory import DestinationRef
from jetbridge.integrations.segment.definition import SEGMENT
from jetbridge.routing.route import EVENT_TYPE_DISABLED
from jetbridge.spec.email_events import PROPERTIES
from jetbridge.spec.message import Message

MAILJET, WEBSITE = 1, 2
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPENED = Message(type="track", event="Email Opened", message_id="m", timestamp=NOW, received_at=NOW)
CLICKED = Message(type="track", event="Email Link Clicked", message_id="m", timestamp=NOW, received_at=NOW)
REF = DestinationRef(1, 1, "segment", "Segment", {MAILJET: "mailjet", WEBSITE: "http"}, {}, {"writeKey": "w"})


@pytest.fixture(autouse=True)
def _home(home: object) -> None: ...


def why_not(events: str, message: Message, source: int = MAILJET) -> str | None:
    return SEGMENT.route(replace(REF, settings={"events": events})).decide(message, source).reason


def test_without_a_choice_every_email_event_goes_on() -> None:
    assert [why_not(events, OPENED) for events in ("", " , ")] == [None, None]


def test_email_events_that_are_not_chosen_are_filtered() -> None:
    chosen = "Email Link Clicked, Unsubscribed"
    assert (why_not(chosen, OPENED), why_not(chosen, CLICKED)) == (EVENT_TYPE_DISABLED, None)


def test_the_choice_does_not_concern_what_other_sources_say() -> None:
    assert why_not("Unsubscribed", OPENED, WEBSITE) is None


@pytest.mark.parametrize(
    ("events", "accepted"),
    [("", True), (", ".join(PROPERTIES), True), ("Email Opened,", True), ("Opened", False), ("open", False)],
)
def test_only_names_of_email_events_are_accepted(events: str, *, accepted: bool) -> None:
    problems = SEGMENT.problems({"writeKey": "w", "events": events})
    assert (problems == {}) is accepted
    assert all("Email Delivered" in sentence for sentence in problems.values())
