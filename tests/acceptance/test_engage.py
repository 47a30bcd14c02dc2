"""Audiences through the real program, by official clients alone: Segment's library, and Mailjet's on the other side."""

from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mailjet_rest.errors import DoesNotExistError
from segment.analytics import Client as Segment

from jetbridge.control.models import Source, SourceKind
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import Message, decode

from .test_changes import Workplace

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = pytest.mark.acceptance

KEY = "order_completed_last_30days"
WINDOW = timedelta(days=30)


def test_an_order_sets_a_property_that_is_false_thirty_days_later(
    loop: "Loop", home: Path, eventually: Any
) -> None:
    workplace = Workplace(loop)
    definition = {"event": "Order Completed", "within": "30d"}
    created = workplace.api(
        "POST", "audiences", {"name": "Order completed last 30days", "definition": definition}
    )
    audience = f"audiences/{created['id']}"
    workplace.api("PUT", f"{audience}/destinations/{loop.destination('mailjet')['id']}", {})
    eventually(lambda: workplace.api("GET", audience)["state"] == "live", "the audience is computed")

    # The two orders differ in nothing but their age. Calls have their moments in milliseconds.
    now = datetime.now(UTC).replace(microsecond=0)
    left_at = now + timedelta(seconds=20)
    _send(loop, {"u1": now, "u2": left_at - WINDOW})
    eventually(lambda: _property(loop, "bob@example.com") is True, "an order of less than 30 days counts")
    eventually(lambda: _property(loop, "ada@example.com") is True, "so does one of now")
    eventually(lambda: _property(loop, "bob@example.com") is False, "the order is 30 days old")
    assert _property(loop, "ada@example.com") is True
    properties = loop.mailjet.contactmetadata.get(filters={"Limit": 1000}).json()["Data"]
    assert [row["Datatype"] for row in properties if row["Name"] == KEY] == ["bool"]
    loop.settle()

    ada, bob = (_sent(home, user_id) for user_id in ("u1", "u2"))
    assert [call.traits for call in ada] == [{KEY: True, "email": "ada@example.com"}]
    assert [(call.traits or {})[KEY] for call in bob] == [True, False]
    entered, left = bob
    assert entered.timestamp < left_at <= left.timestamp, "not a millisecond early"
    assert left.received_at >= left_at


def _send(loop: "Loop", ordered_at: dict[str, datetime]) -> None:
    emails = {"u1": "ada@example.com", "u2": "bob@example.com"}
    failed: list[Exception] = []
    client = Segment(loop.write_key, host=loop.url, on_error=lambda error, _: failed.append(error))
    for user_id, moment in ordered_at.items():
        client.identify(user_id, {"email": emails[user_id]})
        client.track(user_id, "Order Completed", {"total": 10}, timestamp=moment)
    client.shutdown()
    assert failed == []


def _property(loop: "Loop", email: str) -> object:
    """As Mailjet has it now; None without one."""
    with suppress(DoesNotExistError):
        (row,) = loop.mailjet.contactdata.get(id=email).json()["Data"]
        return {pair["Name"]: pair["Value"] for pair in row["Data"]}.get(KEY)
    return None


def _sent(home: Path, user_id: str) -> list[Message]:
    """Engage's calls about a person, in the order of the log."""
    own = Source.objects.get(kind=SourceKind.ENGAGE).id
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        calls = [decode(record.body) for record in log.read(0, limit=10_000) if record.source == own]
    return [call for call in calls if call.user_id == user_id]
