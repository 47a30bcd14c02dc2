"""Saves what can be read of a damaged event log: a new file with all records but those in damaged pages.

Positions, counts and identity stay, so that readers go on where they were. What is lost is reported by position.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from jetbridge.db.sqlite import is_damage
from jetbridge.eventlog.sqlite import END, IDENTITY, SCHEMA

_READ = (
    "SELECT position, source, type, received_at, body, error FROM record WHERE position > ? ORDER BY position"
)
_WRITE = "INSERT INTO record (position, source, type, received_at, body, error) VALUES (?, ?, ?, ?, ?, ?)"
#: Records that are written at once.
CHUNK = 1_000
#: Positions that a search for the next good record goes ahead at first; doubled until there is one.
STEP = 1

_Row = tuple[int, int, str, int, bytes, str | None]


class Gap(NamedTuple):
    """Positions that cannot be read: after one, and up to another."""

    after: int
    upto: int


class Recovered(NamedTuple):
    """`counted`: the totals of all that was ever accepted could be read, so that losses can be counted by source."""

    gaps: list[Gap]
    counted: bool


def recover(damaged: Path, to: Path, *, passed: Callable[[int], object] = int) -> Recovered:
    """Copy all that can be read to a new file, which is synced. `passed` gets the position up to which it is done.

    Raises sqlite3.Error if not even the list of tables can be read.
    """
    gaps: list[Gap] = []
    with (
        closing(sqlite3.connect(damaged, isolation_level=None)) as source,
        closing(sqlite3.connect(to, isolation_level=None)) as target,
    ):
        source.execute("PRAGMA cell_size_check = ON")
        target.executescript(SCHEMA + "PRAGMA synchronous = OFF;")
        try:
            (end,) = source.execute(END).fetchone()
        except sqlite3.DatabaseError:
            end = source.execute("SELECT max(position) FROM record").fetchone()[0] or 0
        rows = _rows(source, end, gaps)
        while chunk := list(islice(rows, CHUNK)):
            target.execute("BEGIN")
            target.executemany(_WRITE, chunk)
            target.execute("COMMIT")
            passed(chunk[-1][0])
        counted = _copy_rest(source, target, end)
        target.execute("PRAGMA synchronous = FULL")
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Recovered(gaps, counted)


def _rows(source: sqlite3.Connection, end: int, gaps: list[Gap]) -> Iterator[_Row]:
    after = 0
    while True:
        try:
            for row in source.execute(_READ, (after,)):
                _, source_id, type_, received_at, body, error = row
                # A damaged page may be read as something else.
                if (
                    isinstance(type_, str)
                    and isinstance(error, str | None)
                    and isinstance(source_id, int)
                    and isinstance(received_at, int)
                    and isinstance(body, bytes)
                ):
                    yield row
                else:
                    gaps.append(Gap(row[0] - 1, row[0]))
                after = row[0]
        except (sqlite3.DatabaseError, TypeError) as damage:
            if not is_damage(damage):
                raise
            start = _next_good(source, after, end)
            gaps.append(Gap(after, start))
            after = start
        else:
            return
        if after >= end:
            return


def _next_good(source: sqlite3.Connection, after: int, end: int) -> int:
    """The least position after which a record can be read; the end if there is none."""

    def is_bad(position: int) -> bool:
        try:
            source.execute(f"{_READ} LIMIT 1", (position,)).fetchall()
        except sqlite3.DatabaseError:
            return True
        return False

    low, step = after, STEP
    while is_bad(min(low + step, end)) and low + step < end:
        low, step = low + step, step * 2
    high = min(low + step, end)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_bad(middle) else (low, middle)
    return high


def _copy_rest(source: sqlite3.Connection, target: sqlite3.Connection, end: int) -> bool:
    """Identity, counts and the end; counts that cannot be read are made of the records that can: False."""
    counted = True
    with suppress(sqlite3.DatabaseError):
        target.executemany("INSERT INTO identity VALUES (?)", source.execute(IDENTITY).fetchall())
    try:
        totals = source.execute("SELECT source, type, total FROM accepted").fetchall()
    except sqlite3.DatabaseError:
        counted = False
        totals = target.execute("SELECT source, type, count(*) FROM record GROUP BY source, type").fetchall()
    target.executemany("INSERT INTO accepted VALUES (?, ?, ?)", totals)
    target.execute("DELETE FROM sqlite_sequence")
    target.execute("INSERT INTO sqlite_sequence VALUES ('record', ?)", (end,))
    return counted
