import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from jetbridge.delivery import ledger
from jetbridge.delivery.log_reader import LOG_REPLACED, LogReader
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, Entry, LogDamaged
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.source_schema import reader as schema_reader
from jetbridge.source_schema import volumes
from jetbridge.source_schema.models import READER, MetricBucket, NameRow
from jetbridge.source_schema.names import kind_names
from jetbridge.source_schema.reader import SchemaReader

MINUTE = 60_000
AT = {"messageId": "m", "timestamp": "2026-01-01T00:00:00Z", "receivedAt": "2026-01-01T00:00:00Z"}


def call(kind: str, *, at: int = 0, source: int = 1, **fields: Any) -> Entry:
    return Entry(source, kind, at, json.dumps({"type": kind} | AT | fields).encode())


@pytest.fixture
def read(event_log: SqliteEventLog) -> Any:
    """`read()`: what was appended since; `read.log` is the log."""
    ledger.begin(READER, Counts(0, {}))
    reader = SchemaReader(event_log)
    return lambda: reader.step(LogReader(event_log, READER))


def names(source: int = 1) -> dict[str, tuple[int, list[str]]]:
    rows = NameRow.objects.filter(source_id=source).order_by("type", "event", "name")
    return {f"{row.type}/{row.event}/{row.name}": (row.total, kind_names(row.kinds)) for row in rows}


def test_events_traits_and_properties_are_counted_with_the_kinds_of_their_values(
    event_log: SqliteEventLog, read: Any
) -> None:
    event_log.append(
        [
            call("identify", traits={"email": "a@b.com", "age": 36, "vip": True, "a": {}, "b": []}),
            call("identify", traits={"email": None, "age": "old"}),
            call("track", event="Order Completed", properties={"total": -9.5}),
            call("track", event="Order Completed"),
            call("page", properties={"path": "/"}, source=2),
            Entry(1, INVALID, 0, b"{", "bad_json: The body is no JSON."),
            Entry(1, EMAIL_EVENT, 0, b'{"event":"open"}'),
            Entry(1, "identify", 0, b""),
        ]
    )
    read()
    assert names() == {
        "identify//": (2, []),
        "identify//a": (1, ["object"]),
        "identify//age": (2, ["text", "number"]),
        "identify//b": (1, ["list"]),
        "identify//email": (2, ["text", "null"]),
        "identify//vip": (1, ["boolean"]),
        "track/Order Completed/": (2, []),
        "track/Order Completed/total": (1, ["number"]),
    }
    assert names(2) == {"page//": (1, []), "page//path": (1, ["text"])}


def test_traits_in_the_context_are_those_of_an_identify_without_others(
    event_log: SqliteEventLog, read: Any
) -> None:
    context = {"traits": {"Email": "a@b.com", "age": 36, "tags": []}}
    event_log.append(
        [
            call("identify", context=context),
            call("identify", traits={}, context=context),
            call("identify", traits={"plan": "pro"}, context=context),
            call("identify", context={"traits": "x"}),
            call("track", event="Order", context=context),
        ]
    )
    read()
    assert names() == {
        "identify//": (4, []),
        "identify//Email": (2, ["text"]),
        "identify//age": (2, ["number"]),
        "identify//plan": (1, ["text"]),
        "identify//tags": (2, ["list"]),
        "track/Order/": (1, []),
    }


def test_minutes_count_messages_and_say_where_they_are(event_log: SqliteEventLog, read: Any) -> None:
    event_log.append(
        [call("identify", at=MINUTE + 1), call("identify", source=2), call("track", at=MINUTE + 9)]
    )
    read()
    event_log.append([Entry(1, INVALID, MINUTE + 20, b"", "x: y"), call("identify", at=2 * MINUTE)])
    read()
    rows = MetricBucket.objects.filter(source_id=1).order_by("minute")
    assert list(rows.values_list("minute", "messages", "invalid", "first", "last", "last_at")) == [
        (1, 2, 1, 1, 4, MINUTE + 20),
        (2, 1, 0, 5, 5, 2 * MINUTE),
    ]


def test_the_schema_moves_with_the_position_and_counts_nothing_twice(
    event_log: SqliteEventLog, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_log.append([call("identify")])

    def fail(*_: Any) -> None:
        raise RuntimeError("killed before the position moved")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(ledger, "move", fail)
        read()
    read()
    read()
    assert names() == {"identify//": (1, [])}
    assert MetricBucket.objects.get().messages == 1


def test_of_many_messages_that_are_alike_a_sample_is_looked_at(event_log: SqliteEventLog, read: Any) -> None:
    event_log.append(call("track", event="Seen", properties={"n": number}) for number in range(1_000))
    event_log.append([call("track", event="Rare")])
    read()
    assert names() == {
        "track/Rare/": (1, []),
        "track/Seen/": (1_000, []),
        "track/Seen/n": (1_000, ["number"]),
    }


def test_names_that_are_made_up_by_the_thousand_are_kept_up_to_a_number(
    event_log: SqliteEventLog, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_reader, "NAMES_KEPT", 3)
    event_log.append(call("track", event=f"event {number}") for number in range(10))
    event_log.append([call("track", event="x" * 500, source=2)])
    read()
    assert list(names()) == ["track/event 0/", "track/event 1/", "track/event 2/"]
    assert list(names(2)) == [f"track/{'x' * 200}/"]
    event_log.append([call("track", event="event 1"), call("track", event="event 11")])
    SchemaReader(event_log).step(LogReader(event_log, READER))
    assert names()["track/event 1/"] == (2, [])
    assert len(names()) == 3
    assert MetricBucket.objects.get(source_id=1).messages == 12


def test_it_reads_what_was_there_before_it_and_stops_when_told(
    event_log: SqliteEventLog, eventually: Any
) -> None:
    event_log.append([call("identify")])
    stop = threading.Event()

    def body() -> None:
        SchemaReader(event_log).run(stop)
        connections.close_all()

    thread = threading.Thread(target=body)
    thread.start()
    eventually(lambda: names() == {"identify//": (1, [])}, "the first message is seen")
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_minutes_go_when_they_are_old_and_their_records_left_the_log(
    event_log: SqliteEventLog, read: Any
) -> None:
    event_log.append([call("identify"), call("identify", at=MINUTE)])
    event_log.append([call("identify", at=volumes.now() * MINUTE)])
    read()
    schema_reader.trim(event_log)
    assert MetricBucket.objects.count() == 3
    event_log.retain(received_before=MINUTE, max_bytes=10**12, upto=3)
    schema_reader.trim(event_log)
    assert sorted(MetricBucket.objects.values_list("first", flat=True)) == [2, 3]
    event_log.retain(received_before=10**15, max_bytes=10**12, upto=3)
    schema_reader.trim(event_log)
    assert list(MetricBucket.objects.values_list("first", flat=True)) == [3]


def test_a_record_that_cannot_be_read_is_counted_and_stops_no_other(
    event_log: SqliteEventLog, read: Any
) -> None:
    bodies = [b"{", b"[" * 5_000, b'{"event":5}', b'"\xff"', b'{"traits":7}']
    event_log.append(Entry(1, kind, 0, body) for body in bodies for kind in ("track", "identify"))
    event_log.append([call("identify", traits={"plan": "pro"})])
    assert read() == event_log.counts().end
    assert names()["identify//"] == (6, [])
    assert "identify//plan" in names()
    assert [row.messages for row in MetricBucket.objects.all()] == [11]


def test_a_log_that_is_replaced_while_it_is_read_is_not_taken_for_the_one_before(
    event_log: SqliteEventLog, read: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was: the schema went on in the new log at the old position, and no light said so."""
    event_log.append(call("track", event="a") for _ in range(3))
    read()
    before = ConsumerOffset.objects.get(consumer=READER)
    read_log = event_log.read

    def replaced(after: int, **options: Any) -> Any:
        for path in home.glob("eventlog.db*"):
            path.unlink()
        event_log.append(call("track", event="b") for _ in range(5))
        return read_log(after, **options)

    monkeypatch.setattr(event_log, "read", replaced)
    with pytest.raises(PauseError) as caught:
        read()
    assert caught.value.code == LOG_REPLACED
    after = ConsumerOffset.objects.get(consumer=READER)
    assert (after.position, after.log, after.mark) == (3, before.log, before.mark)


def test_what_lies_in_front_of_a_damaged_page_is_counted(
    event_log: SqliteEventLog, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_reader, "BATCH_RECORDS", 2)
    event_log.append(call("track", event="a") for _ in range(5))
    read_log = event_log.read

    def damaged(after: int, **options: Any) -> Any:
        if after >= 4:
            raise LogDamaged(after, RuntimeError("a page"))
        return read_log(after, **options)

    monkeypatch.setattr(event_log, "read", damaged)
    assert read() == 4
    assert (ledger.position(READER), names()["track/a/"]) == (4, (4, []))
    with pytest.raises(LogDamaged):
        read()
