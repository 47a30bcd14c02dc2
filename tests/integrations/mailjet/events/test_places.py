"""Every field of every event of Mailjet has its documented place in the call, and the table of the docs is made of the code's."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jetbridge.integrations.mailjet.api.events import EVENT_TYPES, parse
from jetbridge.integrations.mailjet.events.track import email_event_to_track, places
from jetbridge.spec.email_events import EVENT_NAMES

PAGE = Path(__file__).parents[4] / "docs" / "mailjet-events.md"
BEGIN, END = "<!-- made by tests/integrations/mailjet/events/test_places.py -->\n", "<!-- end -->\n"

#: Fields that Mailjet documents (Event API guide) or was seen to send, by type of event.
COMMON = ["event", "time", "MessageID", "Message_GUID", "email", "mj_campaign_id", "mj_contact_id", "customcampaign", "CustomID", "Payload"]  # fmt: skip
OWN = {
    "sent": ["mj_message_id", "smtp_reply"],
    "open": ["ip", "geo", "agent"],
    "click": ["ip", "geo", "agent", "url"],
    "bounce": ["blocked", "hard_bounce", "error_related_to", "error", "comment"],
    "blocked": ["error_related_to", "error"],
    "spam": ["source"],
    "unsub": ["mj_list_id", "ip", "geo", "agent"],
}
FIELDS = [(field, event_type) for event_type in EVENT_TYPES for field in [*COMMON, *OWN[event_type]]]
VALUES: dict[str, Any] = {
    "time": 1433333949,
    "MessageID": 1152921509597813712,
    "email": "ada@example.com",
    "mj_campaign_id": 7257,
    "mj_contact_id": 4,
    "mj_list_id": 12,
    "blocked": False,
    "hard_bounce": True,
}


def call(event_type: str) -> dict[str, Any]:
    """The call of an event in which every field has a value of its own."""
    sent = {field: VALUES.get(field, f"value of {field}") for field in [*COMMON, *OWN[event_type]]}
    event, raw = parse(json.dumps({**sent, "event": event_type}).encode())
    at = datetime(2026, 11, 23, tzinfo=UTC)
    message = email_event_to_track(event, raw, email="ada@example.com", user_id="u1", received_at=at)
    built: dict[str, Any] = msgspec.to_builtins(message)
    return built


def at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree[name]
    return tree


@pytest.mark.parametrize(("field", "event_type"), FIELDS)
def test_every_field_is_found_at_its_places(field: str, event_type: str) -> None:
    made, value = call(event_type), VALUES.get(field, f"value of {field}")
    for path in places(field, event_type):
        found = at(made, path)
        if path == "event":
            assert found == EVENT_NAMES[event_type]
        elif path == "timestamp":
            assert found == "2015-06-03T12:19:09Z"
        elif path == "properties.link_id":
            assert len(found) == 16
        elif field in {"MessageID", "mj_campaign_id", "mj_list_id"} and path != f"context.mailjet.{field}":
            assert found == str(value)
        elif field == "event":
            assert found == event_type
        else:
            assert found == (str(value) if field == "MessageID" else value)


def test_every_property_comes_from_a_documented_field() -> None:
    for event_type in EVENT_TYPES:
        documented = {path for field in [*COMMON, *OWN[event_type]] for path in places(field, event_type)}
        made = {f"properties.{name}" for name in call(event_type)["properties"]}
        assert made <= documented


def test_the_table_of_the_docs_is_this_one() -> None:
    """If it is not: put what is expected between the two comments of docs/mailjet-events.md."""
    page = PAGE.read_text()
    assert page[page.index(BEGIN) + len(BEGIN) : page.index(END)] == table()


def table() -> str:
    lines = ["| field of the event | of | where it is in the call |", "|---|---|---|"]
    for field in dict.fromkeys(field for field, _ in FIELDS):
        of = [event_type for each, event_type in FIELDS if each == field]
        where = dict.fromkeys(f"`{path}`" for event_type in of for path in places(field, event_type))
        lines.append(
            f"| `{field}` | {'all' if len(of) == len(EVENT_TYPES) else ', '.join(of)} | {', '.join(where)} |"
        )
    return "\n".join(lines) + "\n"
