"""Names of email events, chosen per destination: what is accepted, and who sees which name."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jetbridge.control.directory import DestinationRef, destinations_of
from jetbridge.control.models import Destination, Workspace
from jetbridge.delivery.batch import RoutedBatch
from jetbridge.errors import ConfigurationError, PauseError
from jetbridge.eventlog.base import Record
from jetbridge.integrations import registry
from jetbridge.integrations.email_event_names import NAME_CHARACTERS, OWN_NAMES, PRESET, email_event_names_of
from jetbridge.routing.route import EVENT_TYPE_DISABLED, FILTERED_BY_DESTINATION_FILTER
from jetbridge.services import destination_settings
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.spec.message import Message, encode

PAGE = Path(__file__).parents[2] / "docs" / "mailjet-events.md"
BEGIN, END = "<!-- made by tests/integrations/test_email_event_names.py -->\n", "<!-- end of names -->\n"
MAILJET, WEBSITE = 1, 2


def ref(**settings: Any) -> DestinationRef:
    secrets = {"url": "https://example.com/in"}
    return DestinationRef(1, 1, "webhook", "Hook", {MAILJET: "mailjet", WEBSITE: "http"}, settings, secrets)


def track(event: str) -> Message:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Message(type="track", message_id="m", timestamp=now, received_at=now, user_id="u", event=event)


def name_at(destination: DestinationRef, event: str, source: int = MAILJET) -> str | None:
    """The name under which a destination gets an event."""
    route = registry.destination(destination.kind).route(destination)
    record = Record(1, source, "track", 0, encode(track(event)), None)
    routed = RoutedBatch([record], route)
    return routed.items[0].message.event if routed.items else next(iter(routed.filtered))


@pytest.fixture(autouse=True)
def _home(home: Any) -> None: ...


@pytest.fixture
def row() -> Destination:
    workspace = Workspace.objects.create(name="Main")
    return workspace.destinations.create(kind="segment", name="Segment", secrets='{"writeKey": "k"}')


def test_every_destination_has_them_that_accepts_track_calls() -> None:
    having = {row.kind for row in registry.destinations().values() if row.setting(PRESET.name)}
    assert having == {row.kind for row in registry.destinations().values() if "track" in row.accepts}
    assert having == {"segment", "warehouse", "webhook"}


@pytest.mark.parametrize("preset", PRESET.choices)
def test_a_preset_names_every_event(preset: str) -> None:
    names = {key: name_at(ref(emailEventNames=preset), name) for key, name in EVENT_NAMES.items()}
    assert names["open"] == {"spec": "Email Opened", "source": "Email Opened", "mailjet": "open"}[preset]
    assert (
        names["unsub"] == {"spec": "Unsubscribed", "source": "Email Unsubscribed", "mailjet": "unsub"}[preset]
    )
    assert len(set(names.values())) == 7


def test_the_table_of_the_docs_is_this_one() -> None:
    """If it is not: put what is expected between the two comments of docs/mailjet-events.md."""
    columns = {preset: email_event_names_of({"emailEventNames": preset}) for preset in PRESET.choices}
    lines = ["| Mailjet | `spec` (if not set) | `source` | `mailjet` |", "|---|---|---|---|"]
    for event_type, name in EVENT_NAMES.items():
        lines.append(f"| {event_type} | {' | '.join(names.get(name, name) for names in columns.values())} |")
    page = PAGE.read_text()
    assert page[page.index(BEGIN) + len(BEGIN) : page.index(END)] == "\n".join(lines) + "\n"


def test_own_names_win_over_the_preset() -> None:
    found = ref(emailEventNames="source", ownEmailEventNames={"unsub": "Went", "blocked": "Email Bounced"})
    assert name_at(found, "Unsubscribed") == "Went"
    assert name_at(found, "Email Blocked") == name_at(found, "Email Bounced") == "Email Bounced"
    assert name_at(found, "Email Opened") == "Email Opened"


def test_calls_of_other_sources_keep_their_names() -> None:
    found = ref(emailEventNames="mailjet")
    assert name_at(found, "Email Opened", WEBSITE) == "Email Opened"
    assert name_at(found, "Order Completed") == "Order Completed"


def test_filters_and_the_choice_of_events_see_the_name_of_the_log() -> None:
    filters = json.dumps([{"name": "No opens", "if": 'event = "Email Opened"'}])
    found = ref(emailEventNames="mailjet", filters=filters)
    assert name_at(found, "Email Opened") == FILTERED_BY_DESTINATION_FILTER
    assert name_at(found, "Email Bounced") == "bounce"
    other = json.dumps([{"name": "No opens", "if": 'event = "open"'}])
    assert name_at(ref(emailEventNames="mailjet", filters=other), "Email Opened") == "open"
    settings = {"emailEventNames": "mailjet", "events": "Email Bounced"}
    segment = DestinationRef(1, 1, "segment", "S", {MAILJET: "mailjet"}, settings, {"writeKey": "k"})
    assert name_at(segment, "Email Bounced") == "bounce"
    assert name_at(segment, "Email Opened") == EVENT_TYPE_DISABLED


def test_a_preview_has_the_name_of_the_destination() -> None:
    found = ref(ownEmailEventNames={"open": "Seen"})
    webhook = registry.destination("webhook")
    decision = webhook.route(found).decide(track("Email Opened"), MAILJET)
    assert '"event": "Seen"' in webhook.preview(found, decision.message, offline=True).request


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"opened": "Seen"}, "'opened' is no type of Mailjet's events"),
        ({"open": 5}, "The name of open has to be a text"),
        ({"open": " Seen"}, "without blanks at its ends"),
        ({"open": "a\nb"}, "without line breaks"),
        ({"open": "\ud800"}, "has to be a text"),
        ({"open": "a\u202eb"}, "has to be a text"),
        ({"open": "x" * (NAME_CHARACTERS + 1)}, "longer than 100 characters"),
        ([], "has to be a JSON object"),
        ("{", "is not JSON"),
    ],
)
def test_what_is_no_name_is_refused(value: Any, problem: str) -> None:
    assert problem in OWN_NAMES.problem(value)


def test_they_are_set_and_a_name_that_two_have_is_noted(row: Destination) -> None:
    text = json.dumps({"blocked": "Email Bounced", "open": "", "click": "💌" * NAME_CHARACTERS})
    preset, own = destination_settings.change(row.id, {PRESET.name: "source", OWN_NAMES.name: text})
    assert (preset.before, preset.after) == ("spec", "source")
    note = "bounce and blocked are both named Email Bounced: context.mailjet.event tells them apart."
    assert (
        [*preset.notes, *own.notes]
        == destination_settings.notes_of(Destination.objects.get(id=row.id))
        == [note]
    )
    (stored,) = destinations_of(row.workspace_id)
    assert email_event_names_of(stored.settings) == {
        "Unsubscribed": "Email Unsubscribed",
        "Email Blocked": "Email Bounced",
        "Email Link Clicked": "💌" * NAME_CHARACTERS,
    }
    with pytest.raises(ConfigurationError, match="'bounced' is no type of Mailjet's events"):
        destination_settings.change(row.id, {OWN_NAMES.name: {"bounced": "x"}})


def test_names_are_compared_with_those_of_the_preset(row: Destination) -> None:
    (own,) = destination_settings.change(row.id, {OWN_NAMES.name: {"bounce": "blocked", "spam": "blocked"}})
    assert own.notes == ("bounce and spam are both named blocked: context.mailjet.event tells them apart.",)
    (preset,) = destination_settings.change(row.id, {PRESET.name: "mailjet"})
    assert preset.notes == (
        "bounce, blocked and spam are all named blocked: context.mailjet.event tells them apart.",
    )
    (own,) = destination_settings.change(row.id, {OWN_NAMES.name: {"bounce": "Email Blocked"}})
    assert own.notes == ()


def test_settings_that_got_in_and_are_no_names_hold_the_destination() -> None:
    for settings in (
        {"emailEventNames": "theirs"},
        {"ownEmailEventNames": {"open": ["x"]}},
        {"ownEmailEventNames": 1},
    ):
        with pytest.raises(PauseError, match="ames of email events: "):
            registry.destination("webhook").route(ref(**settings))
