"""Row 12: messages into a warehouse, tracks and ten event tables, beside the same rows ready-made by appender and COPY.

`jetbridge` reads messages from the log, routes them, makes rows, fits them into the tables, leaves out ids that are there, loads, and moves
its position, in batches of up to 10,000 with a transaction each: a consumer as the worker has it. The floor only appends: rows are made and
typed beforehand, in the same tables and batches of 10,000.

On a machine that does other work, too, the rate says little. So the processor's time is measured, and the rate without the time for which
the consumer's thread was ready and waited for a processor: what it would be on an idle machine, and a little less, because the waits of
DuckDB's own threads and of PostgreSQL's server stay in it.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from tests import postgres

from benchmarks.figures import Series, compare, interleaved, line, per_second, title
from benchmarks.home import Bench, bench
from benchmarks.options import Options
from benchmarks.outside import megabytes
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination
from jetbridge.delivery import ledger
from jetbridge.delivery.base import DeliveryItem, Progress
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.base import Entry
from jetbridge.integrations.warehouse.column_types import ColumnType, Value
from jetbridge.integrations.warehouse.database import Database, Session, TableName
from jetbridge.integrations.warehouse.definition import WAREHOUSE
from jetbridge.integrations.warehouse.destination import BATCHES, WarehouseSink
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.integrations.warehouse.postgres import PostgreSQL
from jetbridge.integrations.warehouse.schemas import schema_of
from jetbridge.integrations.warehouse.selection import EVERYTHING
from jetbridge.integrations.warehouse.sql import SQLSession
from jetbridge.spec.message import Message, decode, encode
from jetbridge.worker.process import tune_gc

EVENTS = 10
SCHEMA = "web"
TARGET = ("10,000/s", "")


def run(options: Options) -> None:
    tune_gc()  # as the worker does
    total = options.size(100_000)
    title(f"12. {total:,} messages into tracks and {EVENTS} event tables, batches of {BATCHES.records:,}")
    messages = _put_into_log(total)
    with tempfile.TemporaryDirectory() as folder, postgres.running() as server:
        engines: dict[str, Callable[[], Database]] = {
            "DuckDB": lambda: DuckDB(Path(tempfile.mkdtemp(dir=folder), "w.duckdb")),
            "PostgreSQL": lambda: PostgreSQL(server.parameters(server.create_database())),
        }
        for name, create in engines.items():
            _compare(options, messages, name, create)
        _measure_memory(total, folder)
    messages.place.event_log.close()


class _Messages(NamedTuple):
    """`total` messages in the log of a place, for a warehouse."""

    place: Bench
    warehouse: DestinationRef
    total: int


def _put_into_log(total: int) -> _Messages:
    place = bench()
    row = Destination.objects.create(workspace_id=place.workspace, name="Warehouse", kind="warehouse")
    row.sources.add(place.source)
    ledger.begin_destination(row.id, [place.source], place.event_log.counts())
    for bodies in _batched(message_bodies(total)):
        place.event_log.append([Entry(place.source, "track", 0, body) for body in bodies])
    ref = directory.destination(row.id)
    assert ref
    return _Messages(place, ref, total)


def _batched(bodies: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(bodies, BATCHES.records)):
        yield batch


def message_bodies(count: int) -> Iterator[bytes]:
    """Encoded track calls of 840 bytes, as the log has them: 12 columns of context, 11 properties of every type."""
    chance, noon = random.Random(1), datetime(2026, 11, 29, 12, tzinfo=UTC)
    for number in range(count):
        yield encode(_message(number, chance, noon + timedelta(milliseconds=number)))


def _message(number: int, chance: random.Random, at: datetime) -> Message:
    page = f"/products/{number % 300}"
    return Message(
        type="track",
        message_id=f"{chance.getrandbits(128):032x}",
        timestamp=at,
        received_at=at + timedelta(milliseconds=5),
        original_timestamp=at.isoformat(),
        sent_at=at.isoformat(),
        user_id=f"user-{number % 5_000}",
        anonymous_id=f"{chance.getrandbits(64):016x}",
        event=f"Event {number % EVENTS}",
        context={
            "ip": "10.1.2.3",
            "library": {"name": "analytics.js", "version": "2.1.0"},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "locale": "en-US",
            "page": {"url": f"https://shop.example{page}", "path": page, "title": "Product", "referrer": ""},
            "campaign": {"name": "spring", "source": "mail", "medium": "email"},
        },
        properties={
            "total": number % 1_000,
            "price": number * 0.5,
            "gift": number % 2 == 0,
            "coupon": f"c{number % 50}",
            "currency": "EUR",
            "orderId": f"o{number}",
            "orderedAt": at.isoformat(),
            "products": [{"sku": "a", "quantity": 1}],
            "address": {"zip": "3011", "city": "Bern"},
            f"only{number % EVENTS}": number,
        },
    )


def _compare(options: Options, messages: _Messages, name: str, create: Callable[[], Database]) -> None:
    prepared = _record(messages.total, create())
    costs: list[_Cost] = []
    series = interleaved(
        {
            f"jetbridge, {name}": lambda: _consume(messages, create(), costs),
            f"{name} alone": lambda: _append_all(prepared, create()),
        },
        max(1, options.rounds // 2),
    )
    compare(series, floor=f"{name} alone", targets={f"jetbridge, {name}": TARGET})
    unqueued = Series(tuple(cost.unqueued_rate for cost in costs))
    line("  jetbridge: without waits for a processor", unqueued, TARGET[0])
    processor = Series(tuple(cost.processor_seconds for cost in costs), form="{:.1f}", unit=" s")
    line("  jetbridge: processor time", processor)


class _Cost(NamedTuple):
    processor_seconds: float
    #: Messages per second, if the thread had never waited for a processor.
    unqueued_rate: float


def _consume(messages: _Messages, database: Database, costs: list[_Cost]) -> float:
    """Messages per second from the log into the warehouse, as a worker's thread does it. Adds to `costs` what it took."""
    place, ref, total = messages
    ledger.move(destination_consumer(ref.id), 0)
    stop = Event()
    consumer = Consumer(
        event_log=place.event_log,
        destination_id=ref.id,
        destination=_UntilEnd(ref, database, total, stop),
        route=WAREHOUSE.route(ref),
        policy=replace(BATCHES, linger_seconds=0),  # what is left for the last batch is less than a batch
    )

    def work() -> int:
        consumer.run(stop)
        return total

    begun, queued = time.process_time(), _queued_seconds()
    rate = per_second(work)
    queued = _queued_seconds() - queued
    costs.append(_Cost(time.process_time() - begun, total / (total / rate - queued)))
    with database.transaction([]) as session:
        assert isinstance(session, SQLSession)
        tracks = session.qualified(TableName(schema_of(ref.id, place.source, {}), "tracks"))
        assert session.execute(f"SELECT count(*) FROM {tracks}") == [(total,)]
    return rate


def _queued_seconds() -> float:
    """For how long this thread has been ready and waited for a processor."""
    _, nanoseconds, _ = Path("/proc/thread-self/schedstat").read_text().split()
    return int(nanoseconds) / 1e9


class _UntilEnd(WarehouseSink):
    """Stops the consumer with the last message."""

    def __init__(self, ref: DestinationRef, database: Database, total: int, stop: Event) -> None:
        super().__init__(ref, database, EVERYTHING, {})
        self._left, self._stop = total, stop

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        super().deliver(items, progress)
        self._left -= len(items)
        if self._left <= 0:
            self._stop.set()


Insert = tuple[TableName, dict[str, ColumnType], list[Sequence[Value]]]


def _record(total: int, database: Database) -> list[list[Insert]]:
    """What the loader inserts, batch by batch."""
    batches: list[list[Insert]] = []
    with database.transaction([]) as session:
        kind = type(session)
    original = kind.insert

    def insert(self: Session, table: TableName, columns: Any, rows: Any) -> None:
        kept = list(rows)
        batches[-1].append((table, dict(columns), kept))
        original(self, table, columns, kept)

    kind.insert = insert  # type: ignore[method-assign]
    try:
        for bodies in _batched(message_bodies(total)):
            batches.append([])
            load(database, [Arrival(SCHEMA, decode(body)) for body in bodies])
    finally:
        kind.insert = original  # type: ignore[method-assign]
    return batches


def _append_all(batches: Sequence[Sequence[Insert]], database: Database) -> float:
    return per_second(lambda: _append(batches, database))


def _append(batches: Sequence[Sequence[Insert]], database: Database) -> int:
    count = 0
    for number, inserts in enumerate(batches):
        with database.transaction([SCHEMA]) as session:
            session.create_schema(SCHEMA)
            for table, columns, rows in inserts:
                if number == 0:
                    session.create_table(table, columns)
                session.insert(table, columns, rows)
                count += len(rows) if table.name == "tracks" else 0
    return count


def _measure_memory(total: int, folder: str) -> None:
    """Of a process that does nothing else, with a home of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.warehouse", str(total), Path(folder, "memory.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        line("DuckDB: resident, at its highest", megabytes(process.pid, field="VmHWM"), "450 MB")
        process.stdin.close()


def _consume_alone(total: int, path: Path) -> None:
    tune_gc()
    _consume(_put_into_log(total), DuckDB(path), [])
    print("loaded", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _consume_alone(int(sys.argv[1]), Path(sys.argv[2]))
