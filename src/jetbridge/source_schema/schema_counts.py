"""What a part of the log adds to the schema, gathered in memory and written at once."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from django.db import connection

from jetbridge.delivery import isolation
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Record
from jetbridge.source_schema.models import NameRow
from jetbridge.source_schema.names import event_of, names_of

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
        """A batch. Bodies are looked at together, by what they have in common."""
        alike: defaultdict[tuple[int, str, str], list[Record]] = defaultdict(list)
        for record in records:
            self._add_minute(record)
            if record.body and record.type not in {INVALID, EMAIL_EVENT}:
                alike[record.source, record.type, _event_of(record)].append(record)
        for (source, kind, event), group in alike.items():
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

    def _add_minute(self, record: Record) -> None:
        key = (record.source, record.received_at // 60_000)
        row = self._minutes.get(key)
        if row is None:
            row = self._minutes[key] = _Minute(record.position)
        row.add(record)

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
