"""Reads the log as it grows and keeps the schema of every source. One thread of the worker, in no hurry.

Once: the schema and the position move in one transaction.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Max

from jetbridge.delivery import isolation, ledger, log_reader, pauses
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.delivery.pauses import PROBE_SECONDS, PauseRegistry
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, EventLog, Record
from jetbridge.source_schema.models import READER, MetricBucket, NameRow
from jetbridge.source_schema.names import event_of, names_of

#: How often it looks for news, and writes down what it saw.
EVERY_SECONDS = 1.0
#: Records that are written down together; while there are more, it rests as long as it worked.
GATHERED = 20_000
BATCH_RECORDS = 1_000
TRIM_SECONDS = 3_600.0

#: A new reader begins at the beginning: a schema is of what came before, too.
_START = Counts(0, {})
#: Minutes that are kept for charts; those whose records are still in the log stay longer.
KEPT = 14 * 24 * 60
#: Names kept per source, events and properties together. What comes later is counted under its source only.
NAMES_KEPT = 5_000
#: Of so many messages with the same event in one batch the properties are looked at; each stands for its like.
SAMPLE = 50

ADD_MINUTE = """
INSERT INTO source_schema_minute (source_id, minute, messages, invalid, first, last, last_at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (source_id, minute) DO UPDATE SET
  messages = source_schema_minute.messages + excluded.messages,
  invalid = source_schema_minute.invalid + excluded.invalid,
  last = excluded.last,
  last_at = excluded.last_at
"""

ADD_NAME = """
INSERT INTO source_schema_name (source_id, type, event, name, total, kinds, first_at, last_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (source_id, type, event, name) DO UPDATE SET
  total = source_schema_name.total + excluded.total,
  kinds = source_schema_name.kinds | excluded.kinds,
  last_at = excluded.last_at
"""

#: Where records of the earlier log were, there are others now. The counts stay, at the place where the two logs part.
LEAVE_POSITIONS = """
UPDATE source_schema_minute SET first = CASE WHEN first > %s THEN %s ELSE first END, last = %s WHERE last > %s
"""


class Name(NamedTuple):
    source: int
    type: str
    event: str
    name: str


class _Minute:
    """See `MetricBucket`."""

    __slots__ = ("first", "invalid", "last", "last_at", "messages")

    def __init__(self, first: int) -> None:
        self.first = first
        self.messages = self.invalid = self.last = self.last_at = 0

    def add(self, record: Record) -> None:
        if record.type == INVALID:
            self.invalid += 1
        elif record.type != EMAIL_EVENT:
            self.messages += 1
        self.last, self.last_at = record.position, record.received_at


class _Seen:
    """See `NameRow`."""

    __slots__ = ("first_at", "kinds", "last_at", "total")

    def __init__(self, first_at: int) -> None:
        self.first_at = first_at
        self.total = self.kinds = self.last_at = 0

    def add(self, total: int, kinds: int, at: int) -> None:
        self.total += total
        self.kinds |= kinds
        self.last_at = at


class SchemaCounts:
    """`accepts` says of a name that is new whether it is within the limit."""

    def __init__(self, accepts: Callable[[Name], bool]) -> None:
        self._accepts = accepts
        self._minutes: dict[tuple[int, int], _Minute] = {}
        self._names: dict[Name, _Seen] = {}

    def add(self, records: Iterable[Record]) -> None:
        """A batch. Bodies of one source, type and event are looked at together."""
        groups: defaultdict[tuple[int, str, str], list[Record]] = defaultdict(list)
        for record in records:
            key = (record.source, record.received_at // 60_000)
            row = self._minutes.get(key)
            if row is None:
                row = self._minutes[key] = _Minute(record.position)
            row.add(record)
            if record.body and record.type not in {INVALID, EMAIL_EVENT}:
                groups[record.source, record.type, _event_of(record)].append(record)
        for (source, kind, event), group in groups.items():
            self._add_names(Name(source, kind, event, ""), group)

    def save(self) -> None:
        """Inside the caller's transaction."""
        with connection.cursor() as cursor:
            cursor.executemany(
                ADD_MINUTE,
                [
                    (*key, row.messages, row.invalid, row.first, row.last, row.last_at)
                    for key, row in self._minutes.items()
                ],
            )
            cursor.executemany(
                ADD_NAME,
                [(*key, row.total, row.kinds, row.first_at, row.last_at) for key, row in self._names.items()],
            )

    def _add_names(self, of: Name, group: Sequence[Record]) -> None:
        self._see(of, len(group), 0, group[0].received_at, group[-1].received_at)
        step = -(-len(group) // SAMPLE)
        for record in group[::step]:
            at = record.received_at
            for name, kind in _names_of(record):
                self._see(Name(of.source, of.type, of.event, name), step, kind, at, at)

    def _see(self, key: Name, total: int, kind: int, first_at: int, last_at: int) -> None:
        row = self._names.get(key)
        if row is None:
            if not self._accepts(key):
                return
            row = self._names[key] = _Seen(first_at)
        row.add(total, kind, last_at)


def _event_of(record: Record) -> str:
    try:
        return event_of(record.body) if record.type == "track" else ""
    except Exception as error:  # noqa: BLE001 - a record that cannot be read is counted, and stops no other
        isolation.note(error, f"The schema at position {record.position}")
        return ""


def _names_of(record: Record) -> list[tuple[str, int]]:
    try:
        return list(names_of(record.body, record.type))
    except Exception as error:  # noqa: BLE001 - as above
        isolation.note(error, f"The schema at position {record.position}")
        return []


class NameLimit:
    """Which names are kept already, and whether its source may have one more."""

    def __init__(self) -> None:
        self._known: dict[int, set[Name]] = {}

    def accepts(self, name: Name) -> bool:
        known = self._known.get(name.source)
        if known is None:
            rows = NameRow.objects.filter(source_id=name.source)
            known = self._known[name.source] = {
                Name(*row) for row in rows.values_list("source_id", "type", "event", "name")
            }
        if name not in known:
            if len(known) >= NAMES_KEPT:
                return False
            known.add(name)
        return True


@dataclass
class SchemaReader:
    """`run(stop)` works until `stop` is set; it may die anywhere. `clock` gives seconds."""

    event_log: EventLog
    clock: Callable[[], float] = time.monotonic
    _limit: NameLimit = field(default_factory=NameLimit)

    def run(self, stop: Event) -> None:
        ledger.begin(READER, _START)
        pauses.resume(READER)
        log_reader, registry = LogReader(self.event_log, READER, self.clock), PauseRegistry()
        trimmed_at = -TRIM_SECONDS
        while not stop.is_set():
            begun = self.clock()
            try:
                records = self.step(log_reader)
            except PauseError as error:
                registry.pause(READER, error)
                registry.wait(stop, PROBE_SECONDS)
                continue
            registry.resume(READER)
            if begun - trimmed_at > TRIM_SECONDS:
                trim(self.event_log)
                trimmed_at = begun
            is_behind = records >= GATHERED
            stop.wait(self.clock() - begun if is_behind else EVERY_SECONDS)

    def step(self, log_reader: LogReader) -> int:
        """Take what comes next, up to GATHERED records; how many. Raises PauseError if there is none that can be read."""
        counts, total = SchemaCounts(self._limit.accepts), 0
        while total < GATHERED:
            try:
                records = log_reader.read(BATCH_RECORDS)
            except PauseError:
                if not total:
                    raise
                break  # what came before it is taken
            if not records:
                break
            counts.add(records)
            total += len(records)
            log_reader.moved(records[-1].position, log_reader.place_of(records[-1]))
        if total:
            with transaction.atomic():
                counts.save()
                ledger.move(READER, log_reader.position, log_reader.place)
        return total


def trim(event_log: EventLog) -> None:
    """Delete the minutes that are too old for charts and whose records have left the log."""
    oldest = event_log.read(0, limit=1)
    first = oldest[0].position if oldest else event_log.counts().end + 1
    MetricBucket.objects.filter(minute__lt=int(time.time() // 60) - KEPT, last__lt=first).delete()


def begin_in_replaced_log(event_log: EventLog, reading: ConsumerOffset, start: int) -> int:
    """Where the schema goes on in a log that took the place of the one it was counted from, at `start` at the earliest:
    nothing is counted twice. In the transaction that moves its position.

    An older copy of the same log begins with what was counted: all that was received up to the last record that was. What
    came after that to the copy, and all of another log, is new.
    """
    counted = 0
    until = MetricBucket.objects.aggregate(at=Max("last_at"))["at"]
    if until is not None and reading.log == event_log.identity:
        counted = min(reading.position, log_reader.position_before(event_log, until + 1))
    with connection.cursor() as cursor:
        cursor.execute(LEAVE_POSITIONS, [counted] * 4)
    return max(start, counted)
