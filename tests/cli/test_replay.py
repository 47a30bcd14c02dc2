"""`jetbridge destinations replay`: counted first, asked for, listed, cancelled; `messages list` knows of replays."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.cli import message_queries
from jetbridge.control.directory import load_destinations
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.base import DeliveryCounts
from jetbridge.delivery.batch import RoutedBatch
from jetbridge.delivery.consumer import ReplayFeed
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.models import Outcome, Replay
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.routing.route import Route

from .test_status import SPEC, identify

if TYPE_CHECKING:
    from conftest import Jetbridge

OFF = {"integrations": {"Mailjet": False}}


def fill(log: SqliteEventLog) -> tuple[int, int]:
    """Three messages before the destination began and three after it, one of each a second; every third is
    not for Mailjet.
    """
    joined = connect.join(SPEC)
    source, destination = joined.http_source.id, joined.to_mailjet.id
    bodies = [identify(n, **(OFF if n % 3 == 2 else {})) for n in range(6)]
    entries = [Entry(source, "identify", 1_000 * (n + 1), body) for n, body in enumerate(bodies)]
    log.append(entries[:3])
    ledger.begin_destination(destination, [source], log.counts())
    log.append(entries[3:])
    routed = RoutedBatch(log.read(3), route())
    with ledger.commit(destination, 6, routed.consumed, DeliveryCounts(filtered=routed.filtered)) as counts:
        counts.delivered += len(routed.items)
    return source, destination


def route() -> Route:
    (ref,) = load_destinations()
    return Route(MAILJET.accepts, MAILJET.names, ref.source_kinds)


def work(log: SqliteEventLog, destination: int) -> None:
    """What the consumer does with the open replays."""
    feed = ReplayFeed(log, destination, route())
    while batch := feed.next(1_000):
        with batch.commit() as counts:
            counts.delivered += len(batch.items)


def test_a_replay_is_counted_and_asked_for(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    _, destination = fill(event_log)
    counted = (
        "Mailjet (Customers): 4 messages after position 2 up to 6: 4 identify.\n"
        "Routing would let 2 of them through.\n"
    )
    assert (
        jetbridge(
            "destinations", "replay", str(destination), "--since", "1970-01-01T00:00:03", "--dry-run"
        ).out
        == counted
    )
    assert Replay.objects.count() == 0
    assert jetbridge("destinations", "replay", str(destination), "--after", "2").out.startswith(
        counted + "Replay 1 is requested"
    )
    (row,) = Replay.objects.all()
    assert (row.after, row.position, row.upto, row.messages, row.done) == (2, 2, 6, 4, 0)


def test_a_replay_is_counted_and_asked_for_in_json(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    _, destination = fill(event_log)
    command = ("destinations", "replay", "Mailjet (Customers)", "--after", "2", "--json")
    count = {"messages": 4, "let_through": 2, "by_type": {"identify": 4}, "after": 2, "upto": 6}
    assert jetbridge(*command, "--dry-run").json == {"count": count, "replay": None}
    asked = jetbridge(*command).json
    assert (asked["count"], asked["replay"]["state"], asked["replay"]["id"]) == (count, "open", 1)
    assert (
        jetbridge("destinations", "replay", "--cancel", "1", "--json").json["replay"]["state"] == "cancelled"
    )
    entries = AuditEntry.objects.order_by("id").values_list("who", "action", "thing_id")
    assert list(entries) == [
        ("jetbridge destinations replay", "destination.replayed", destination),
        ("jetbridge destinations replay", "destination.replay-cancelled", destination),
    ]


def test_replays_are_listed_and_cancelled(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    source, destination = fill(event_log)
    jetbridge("destinations", "replay", str(destination), "--until", "1970-01-01T00:00:04")
    work(event_log, destination)
    jetbridge("destinations", "replay", str(destination), "--source", str(source), "--yes")
    assert jetbridge("destinations", "replay", "--cancel", "2").out == (
        "Replay 2 reads no further. What it has read stays delivered.\n"
    )
    rows = jetbridge("destinations", "replay", "--list", "--json").json["replays"]
    assert [(row["id"], row["state"], row["done"], row["messages"]) for row in rows] == [
        (2, "cancelled", 0, 6),
        (1, "ended", 3, 3),
    ]
    assert (
        "Mailjet (Customers)  ended  3 of 3 messages, positions 0 to 3"
        in jetbridge("destinations", "replay", "--list").out
    )
    assert jetbridge("destinations", "replay", "--cancel", "2").err == (
        "Error: There is no open replay 2: see `jetbridge destinations replay --list`.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["99"], "There is no destination 99: `jetbridge destinations list` lists them."),
        (["1", "--source", "99"], "Mailjet (Customers) has no source 99; it has 1, 3."),
        ([], "Name one destination by its id"),
        (["1", "--list"], "Name one destination by its id"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    jetbridge: "Jetbridge", event_log: SqliteEventLog, arguments: list[str], sentence: str
) -> None:
    fill(event_log)
    result = jetbridge("destinations", "replay", *arguments)
    assert result.status != 0
    assert sentence in result.err


def test_an_empty_span_is_no_replay(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    _, destination = fill(event_log)
    out = jetbridge("destinations", "replay", str(destination), "--since", "2999-01-01").out
    assert out == (
        "Mailjet (Customers): there is nothing to replay. The event log retains no messages that it has read there.\n"
    )
    for span in (("--since", "1h", "--until", "2h"), ("--after", "5", "--upto", "5")):
        backwards = jetbridge("destinations", "replay", str(destination), *span)
        assert (backwards.status, backwards.out) == (2, "")
        assert "The span ends before it begins" in backwards.err
    assert Replay.objects.count() == 0


def filtered(log: Any, **chosen: Any) -> list[tuple[str, int]]:
    (ref,) = load_destinations()
    lines = message_queries.routed(ref, MAILJET, log, Choice(**chosen))
    return [(line.message_id, line.total) for line in lines]


def test_what_replays_filtered_is_listed_as_often_as_it_is_counted(event_log: SqliteEventLog) -> None:
    source, destination = fill(event_log)
    assert filtered(event_log) == [("m5", 1)]
    for source_id in (None, source, source + 1):
        Replay.objects.create(
            destination_id=destination, source_id=source_id, after=0, position=0, upto=6, messages=6
        )
    work(event_log, destination)
    assert filtered(event_log) == [("m2", 2), ("m5", 3)]
    assert Outcome.objects.get(outcome="filtered").total == 5


class Counting:
    """An event log that counts what is read from it, but for the search by time."""

    def __init__(self, log: SqliteEventLog) -> None:
        self._log = log
        self.records = 0

    def read(self, after: int, *, limit: int = 1000) -> Any:
        records = self._log.read(after, limit=limit)
        self.records += len(records) if limit > 1 else 0
        return records

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def test_the_list_of_the_filtered_reads_no_further_than_it_has_to(event_log: SqliteEventLog) -> None:
    fill(event_log)
    log = Counting(event_log)
    assert (filtered(log, reason="UNSUPPORTED_EVENT_TYPE"), log.records) == ([], 0)
    since = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert (filtered(log, since=since), log.records) == ([("m5", 1)], 2)
    assert filtered(log, until=since) == []
