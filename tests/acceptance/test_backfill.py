"""Callbacks get lost, the worker is killed while it reads Mailjet's history, and a warehouse and Segment have every event."""

import json
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from jetbridge.control.models import MailjetAccount
from jetbridge.integrations.mailjet.contacts.contact import load_contacts
from jetbridge.integrations.mailjet.models import Backfill
from jetbridge.spec.email_events import EVENT_NAMES

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = pytest.mark.acceptance

PEOPLE = 12
CAMPAIGN = {"subject": "News", "open": 1, "click": 0.5, "bounce": 0.25, "spam": 0.1, "unsub": 0.4, "seed": 5}


def rows(file: Path) -> list[tuple[str, str]]:
    """User and event of every row of the warehouse, whoever has it open just now; none before it is there."""
    try:
        with duckdb.connect(file, read_only=True) as connection:
            [(schema,)] = connection.execute(
                "SELECT schema_name FROM information_schema.tables JOIN information_schema.schemata ON table_schema = schema_name "
                "WHERE table_name = 'tracks'"
            ).fetchall()
            return connection.execute(f"SELECT user_id, event_text FROM {schema}.tracks").fetchall()
    except (duckdb.Error, ValueError):
        return []


def test_every_event_arrives_once_although_callbacks_were_lost_and_the_worker_died(
    loop: "Loop", eventually: Any, home: Path
) -> None:
    calls = [
        {"type": "identify", "userId": f"u{n}", "traits": {"email": f"p{n}@example.com"}}
        for n in range(PEOPLE)
    ]
    body = json.dumps({"batch": calls, "writeKey": loop.write_key}).encode()
    request = urllib.request.Request(f"{loop.url}/v1/batch", body, {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=60).close()
    source = loop.status()["sources"]
    events_source = next(row["name"] for row in source if row["kind"] == "mailjet")
    added = json.loads(
        loop.jetbridge("destinations", "add", "warehouse", "--source", events_source, "--json")
    )
    file = home / "warehouses" / f"{added['destination']['id']}.duckdb"
    eventually(lambda: len(loop.subscribers()) == PEOPLE, "everybody is on the list")

    loop.sandbox("POST", "/sandbox/faults", {"kind": "lost_events", "rate": 0.7})
    loop.sandbox("POST", "/sandbox/campaigns", CAMPAIGN | {"list_id": loop.setup["list_id"]})
    told = [row["event"] for row in json.loads(loop.sandbox("GET", "/sandbox/events?limit=1000"))["events"]]
    expected = Counter(
        (f"u{event['email'].split('@')[0][1:]}", EVENT_NAMES[event["event"]]) for event in told
    )

    loop.sandbox(
        "POST", "/sandbox/faults", {"kind": "latency", "seconds": 0.3, "endpoint": "messagehistory/*"}
    )
    loop.jetbridge("destinations", "backfill", "--yes")
    eventually(lambda: Backfill.objects.get().done > 0, "the backfill is at work")
    # On a machine that stands still for seconds it may have ended: then it proves the rest.
    loop.kill("worker")
    eventually(lambda: Backfill.objects.get().state == "ended", "the backfill has ended", seconds=120)
    ended = Backfill.objects.get()
    assert (ended.done, ended.unreadable, ended.skipped) == (PEOPLE, 0, 0)
    assert ended.calls < 2 * PEOPLE  # it has not begun anew: of messages, clicks and campaigns

    eventually(lambda: len(rows(file)) >= len(told), "every event is in the warehouse", seconds=120)
    assert Counter(rows(file)) == expected
    eventually(
        lambda: len({call["messageId"] for call in loop.segment.calls}) >= len(told), "Segment has all"
    )
    by_id = {call["messageId"]: (call["userId"], call["event"]) for call in loop.segment.calls}
    assert Counter(by_id.values()) == expected

    # Consent was learned of callbacks and of the history alike.
    unwilling = {event["email"] for event in told if event["event"] in {"unsub", "spam"}}
    emails = {f"p{number}@example.com" for number in range(PEOPLE)}
    contacts = load_contacts(MailjetAccount.objects.get().id, emails)
    list_id = loop.setup["list_id"]
    assert len(unwilling) >= 4
    assert unwilling == {
        email
        for email, contact in contacts.items()
        if contact.desired.opted_out or list_id in contact.desired.address_unsubscribes
    }
