"""Audiences through the real worker, from Segment's own library to the contact property at Mailjet."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mailjet_rest.errors import DoesNotExistError
from segment.analytics import Client as Segment

from jetbridge.console.audit import Actor
from jetbridge.control.models import Destination, Source, SourceKind, Workspace
from jetbridge.engage import services
from jetbridge.engage.models import ComputationClass
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import decode

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = pytest.mark.acceptance

KEY = "order_completed_last_30days"


def test_an_order_sets_a_property_that_is_false_thirty_days_later(
    loop: "Loop", home: Path, eventually: Any
) -> None:
    actor = Actor(Workspace.objects.get(), None, "a test")
    services.create(
        actor,
        ComputationClass.AUDIENCE,
        "Order completed last 30days",
        {"event": "Order Completed", "within": "30d"},
        destinations=[Destination.objects.get(kind="mailjet")],
    )
    left_at = (datetime.now(UTC) + timedelta(seconds=20)).replace(microsecond=0)
    client = Segment(loop.write_key, host=loop.url)
    client.identify("u1", {"email": "ada@example.com"})
    client.identify("u2", {"email": "bob@example.com"})
    client.track("u1", "Order Completed", {"total": 10}, timestamp=datetime.now(UTC))
    client.track("u2", "Order Completed", {"total": 10}, timestamp=left_at - timedelta(days=30))
    client.shutdown()

    def value(email: str) -> Any:
        with suppress(DoesNotExistError):  # not yet
            (row,) = loop.mailjet.contactdata.get(id=email).json()["Data"]
            return {each["Name"]: each["Value"] for each in row["Data"]}.get(KEY)

    eventually(lambda: value("ada@example.com") is True, "who has ordered is a member")
    eventually(lambda: value("bob@example.com") is False, "the order is 30 days old", seconds=90)
    assert value("ada@example.com") is True
    loop.settle()

    own = Source.objects.get(kind=SourceKind.ENGAGE).id
    log = SqliteEventLog(home / "eventlog.db")
    calls = [decode(record.body) for record in log.read(0, limit=10_000) if record.source == own]
    log.close()
    sent = [(call.traits or {})[KEY] for call in calls if call.user_id == "u2"]
    assert sent == [True, False]
    assert calls[-1].timestamp >= left_at, "not one millisecond early"
