"""Engage of a workspace at work: what comes in, an engine whose clock the test sets, and what came of it."""

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jetbridge.control.models import Destination, Source, SourceKind, Workspace
from jetbridge.delivery import ledger
from jetbridge.engage import store
from jetbridge.engage.consumer import Engine
from jetbridge.engage.models import Activation, Computation, Space
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import Message, decode, encode

START = 1_767_225_600_000  # 2026-01-01
SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000

ORDERED = {"event": "Order Completed", "within": "30d"}


def moment(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


@dataclass
class EngageBench:
    """`now` is what the engine takes for the time."""

    log: SqliteEventLog
    space: Space
    source: Source
    destination: Destination
    now: int = START
    _engine: Engine | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def file(self) -> Path:
        return store.path(self.log._path.parent, self.space.workspace_id)

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            space = Space.objects.get(id=self.space.id)
            self._engine = Engine(space, self.log, clock=lambda: self.now, configuration_seconds=0)
        return self._engine

    def crash(self) -> None:
        """The engine is gone, with all that it did not write down."""
        if self._engine:
            self._engine.close()
            self._engine = None

    def begin_anew(self) -> None:
        """Another workspace with Engage, at the start; the log goes on."""
        self.crash()
        fresh = make_bench(self.log)
        self.space, self.source, self.destination, self.now = (
            fresh.space,
            fresh.source,
            fresh.destination,
            START,
        )

    def run(self, *, turns: int = 10_000) -> None:
        """Until there is nothing to do: twice in a row, because what is appended is read then."""
        idle = 0
        for _ in range(turns):
            idle = idle + 1 if self.engine.turn() > 0 else 0
            if idle > 1 and self.engine._log_reader.unread == 0:
                return
        pytest.fail(f"it has not come to rest in {turns} turns")

    # ---- what comes in

    def send(self, kind: str = "track", *, source: Source | None = None, ago: int = 0, **fields: Any) -> str:
        id_ = fields.pop("message_id", None) or f"m{next(self._numbers)}"
        timestamp = fields.pop("timestamp", None) or moment(self.now - ago)
        message = Message(
            type=kind, message_id=id_, timestamp=timestamp, received_at=moment(self.now), **fields
        )
        self.log.append([Entry((source or self.source).id, kind, self.now, encode(message))])
        return id_

    def identify(self, user: str, email: str | None = None, **traits: Any) -> None:
        self.send("identify", user_id=user, traits={**({"email": email} if email else {}), **traits})

    def order(self, user: str, *, ago: int = 0, **properties: Any) -> str:
        return self.send(user_id=user, event="Order Completed", ago=ago, properties=properties)

    def define(self, key: str, definition: Any, *, sends: bool = True, **fields: Any) -> Computation:
        is_trait = "computed" in definition
        row = Computation.objects.create(
            space=self.space,
            computation_class="trait" if is_trait else "audience",
            name=key,
            key=key,
            definition=definition,
            **fields,
        )
        Computation.objects.filter(id=row.id).update(created_at=moment(self.now))
        if sends:
            self.activate(row)
        return row

    def activate(
        self, row: Computation, destination: Destination | None = None, **options: Any
    ) -> Activation:
        return Activation.objects.create(
            computation=row, destination=destination or self.destination, **options
        )

    def change(self, row: Computation, definition: Any) -> None:
        row.definition, row.version = definition, row.version + 1
        row.save()

    # ---- what came of it

    def calls(self, kind: str = "identify") -> list[Message]:
        records = self.log.read(0, limit=1_000_000, max_bytes=1 << 40)
        return [
            decode(row.body)
            for row in records
            if row.source == self.space.source_id and row.type == kind and row.body
        ]

    def sent(self, key: str) -> list[tuple[str | None, Any]]:
        """User and value of each call, in order."""
        return [
            (call.user_id, (call.traits or {})[key]) for call in self.calls() if key in (call.traits or {})
        ]

    def query(self, statement: str, *values: object) -> list[Any]:
        connection = sqlite3.connect(self.file)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def members(self, key: str) -> set[str]:
        """UserIds, or other identifiers of those that have none."""
        rows = self.query(
            "SELECT (SELECT value FROM identifier AS i WHERE i.profile = m.profile ORDER BY type = 'user_id' DESC, type, value LIMIT 1) "
            "FROM membership AS m WHERE audience = ? AND member = 1",
            key,
        )
        return {value for (value,) in rows}

    def written(self, key: str) -> dict[str, str]:
        """The JSON of each user's value."""
        return dict(
            self.query(
                "SELECT i.value, c.value FROM computed AS c JOIN identifier AS i ON i.profile = c.profile AND i.type = 'user_id' "
                "WHERE trait = ?",
                key,
            )
        )

    def state(self, key: str) -> str:
        rows = self.query("SELECT state FROM definition WHERE key = ?", key)
        return str(rows[0][0]) if rows else ""


def make_bench(event_log: SqliteEventLog) -> EngageBench:
    """A workspace with a source, a destination that takes everything, and Engage."""
    workspace = Workspace.objects.create(name=f"Shop {Workspace.objects.count()}")
    source = Source.objects.create(workspace=workspace, name="Web", kind=SourceKind.HTTP)
    own = Source.objects.create(workspace=workspace, name="Engage", kind=SourceKind.ENGAGE)
    destination = Destination.objects.create(workspace=workspace, kind="webhook", name="Hook")
    space = Space.objects.create(workspace=workspace, source=own)
    ledger.begin(store.reader(workspace.id), event_log.counts())
    return EngageBench(event_log, space, source, destination)
