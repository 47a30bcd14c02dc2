"""A workspace with one source, a destination that records what it is given, and a consumer in a thread."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from jetbridge.control.models import Destination as DestinationRow
from jetbridge.control.models import Source, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.base import DeliveryItem, Progress
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.routing.route import Route
from jetbridge.spec.message import Message, encode

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Recorder:
    """A destination that delivers everything; `raises` are raised first, one per attempt."""

    raises: list[Exception] = field(default_factory=list)
    attempts: list[list[str]] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    closed: bool = False

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        ids = [item.message.message_id for item in items]
        self.attempts.append(ids)
        if self.raises:
            raise self.raises.pop(0)
        with progress.commit() as counts:
            counts.delivered += len(items)
        self.delivered += ids

    def close(self) -> None:
        self.closed = True


@dataclass
class Bench:
    """One source, one destination, one log."""

    log: SqliteEventLog
    source: Source
    row: DestinationRow
    sent: int = 0

    @property
    def home(self) -> Path:
        return self.log._path.parent

    @property
    def reader(self) -> str:
        return destination_consumer(self.row.id)

    def send(self, number: int = 1, *, kind: str = "identify", **fields: Any) -> list[str]:
        """Append messages; their ids."""
        ids = [f"m{self.sent + index}" for index in range(number)]
        self.sent += number
        self.log.append(
            Entry(
                self.source.id,
                kind,
                1_000,
                encode(Message(type=kind, message_id=id_, timestamp=NOW, received_at=NOW, **fields)),
            )
            for id_ in ids
        )
        return ids

    def begin(self) -> None:
        ledger.begin_destination(self.row.id, [self.source.id], self.log.counts())


@pytest.fixture
def bench(event_log: SqliteEventLog) -> Bench:
    workspace = Workspace.objects.create(name="Main")
    source = workspace.sources.create(name="Website", kind="http")
    row = workspace.destinations.create(name="Recorder", kind="recorder")
    row.sources.add(source)
    return Bench(event_log, source, row)


Run = Callable[..., threading.Event]


@pytest.fixture
def run(bench: Bench) -> Iterator[Run]:
    """`stop = run(destination)` starts a consumer; it is stopped when the test ends, or by `stop.set()`."""
    running: list[tuple[threading.Event, threading.Thread]] = []

    def start(destination: Any, at: Bench = bench, **options: Any) -> threading.Event:
        route = Route(frozenset({"identify"}), ("Recorder",), {at.source.id: "http"})
        consumer = Consumer(
            event_log=at.log, destination_id=at.row.id, destination=destination, route=route, **options
        )
        stop = threading.Event()

        def body() -> None:
            try:
                consumer.run(stop)
            finally:
                connections.close_all()

        thread = threading.Thread(target=body)
        thread.start()
        running.append((stop, thread))
        return stop

    yield start
    for stop, thread in running:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
