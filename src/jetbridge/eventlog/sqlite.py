"""The embedded event log: one SQLite file, write-ahead log, a sync to disk before every acknowledgement.

Any number of processes may append and read; SQLite's write lock orders them. AUTOINCREMENT keeps positions
from being used again after retention has emptied the table.
"""

import sqlite3
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from jetbridge.eventlog.base import Counts, Entry, LogUnavailable, Record
from jetbridge.eventlog.search import Search

SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS record (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  source INTEGER NOT NULL,
  type TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  error TEXT
);
CREATE TABLE IF NOT EXISTS accepted (
  source INTEGER NOT NULL,
  type TEXT NOT NULL,
  total INTEGER NOT NULL,
  PRIMARY KEY (source, type)
) WITHOUT ROWID;
"""

APPEND = "INSERT INTO record (source, type, received_at, body, error) VALUES "

#: Rows per statement, with its SQL. Fewer statements are cheaper, and each one hands Python's interpreter lock
#: to the thread that serves requests, which may keep it for milliseconds.
APPENDS = [(size, APPEND + ", ".join(["(?, ?, ?, ?, ?)"] * size)) for size in (200, 20, 1)]

COUNT = """
INSERT INTO accepted (source, type, total) VALUES (?, ?, ?)
ON CONFLICT (source, type) DO UPDATE SET total = total + excluded.total
"""

READ = """
SELECT position, source, type, received_at, body, error
FROM record WHERE position > ? ORDER BY position LIMIT ?
"""

READ_BEFORE = """
SELECT position, source, type, received_at, body, error
FROM record WHERE position < ? AND position > ? ORDER BY position DESC LIMIT ?
"""

END = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'record'), 0)"

DELETE_OLD = """
DELETE FROM record WHERE position IN (
  SELECT position FROM record WHERE position <= ? AND received_at < ? ORDER BY position LIMIT ?)
"""

EMPTY = """
UPDATE record SET body = x'', error = CASE WHEN error IS NULL THEN NULL ELSE 'forgotten: Its person was forgotten.' END
WHERE position = ?
"""

#: Positions that one step of a search covers.
FIND_STEP = 20_000

#: Rows that one retention step deletes: a step holds the write lock, and appends wait for it.
RETAIN_STEP = 5_000


class SqliteEventLog:
    """See `EventLog` for the contract. One connection per thread."""

    def __init__(self, path: Path, *, max_disk_bytes: int | None = None, busy_seconds: float = 10.0) -> None:
        """`max_disk_bytes` is where the file stops growing, as if the disk were full there."""
        self._path = path
        self._busy_seconds = busy_seconds
        self._max_disk_bytes = max_disk_bytes
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._opening = threading.Lock()
        with self._opening_errors():
            self._connection().executescript(SCHEMA)

    def append(self, entries: Iterable[Entry]) -> None:
        rows = list(entries)
        totals = Counter((row.source, row.type) for row in rows)
        try:
            with self._write() as connection:
                _insert(connection, rows)
                connection.executemany(COUNT, [(*key, total) for key, total in totals.items()])
        except sqlite3.OperationalError as error:
            raise LogUnavailable(f"The event log at {self._path} takes no records: {error}.") from error

    def read(self, after: int, *, limit: int = 1000, max_bytes: int = 8_000_000) -> Sequence[Record]:
        cursor = self._connection().execute(READ, (after, limit))
        return list(_within(max_bytes, cursor))

    def read_before(
        self, before: int, *, down_to: int = 0, search: Search | None = None, limit: int = 50
    ) -> Sequence[Record]:
        if search is None:
            cursor = self._connection().execute(READ_BEFORE, (before, down_to, limit))
            return [Record._make(row) for row in cursor]
        cursor = self._connection().execute(
            f"{_selected(search)} ORDER BY position DESC", (down_to, before - 1, *_values(search))
        )
        records = (record for row in cursor if search.matches(record := Record._make(row)))
        found = list(islice(records, limit))
        cursor.close()  # else its view of the log stays open, and the write-ahead log grows
        return found

    def counts(self) -> Counts:
        connection = self._connection()
        connection.execute("BEGIN")  # one snapshot for both queries
        try:
            (end,) = connection.execute(END).fetchone()
            rows = connection.execute("SELECT source, type, total FROM accepted").fetchall()
        finally:
            connection.execute("COMMIT")
        return Counts(end, {(source, kind): total for source, kind, total in rows})

    def find(self, search: Search, *, after: int = 0, upto: int | None = None) -> Iterator[Record]:
        end = self.counts().end if upto is None else upto
        statement, values = f"{_selected(search)} ORDER BY position", _values(search)
        while after < end:
            step = min(after + FIND_STEP, end)
            found = self._connection().execute(statement, (after, step, *values))
            yield from [row for row in map(Record._make, found.fetchall()) if search.matches(row)]
            after = step

    def scrub(self, search: Search) -> int:
        found = [(record.position,) for record in self.find(search)]
        connection = self._connection()
        connection.execute("PRAGMA secure_delete = ON")  # else the bytes stay in the file until it is needed
        for start in range(0, len(found), RETAIN_STEP):
            with self._write():
                connection.executemany(EMPTY, found[start : start + RETAIN_STEP])
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(found)

    def retain(self, *, received_before: int, max_bytes: int, upto: int) -> int:
        gone = 0
        while step := self._delete(received_before, upto):
            gone += step
        while self.size_bytes() > max_bytes and (step := self._delete(_FAR_FUTURE, upto)):
            gone += step
        return gone

    def size_bytes(self) -> int:
        """Bytes of the database file, without the write-ahead log."""
        (pages,) = self._connection().execute("PRAGMA page_count").fetchone()
        (page_size,) = self._connection().execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page_size)

    def close(self) -> None:
        with self._opening:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _delete(self, received_before: int, upto: int) -> int:
        with self._write() as connection:
            gone = connection.execute(DELETE_OLD, (upto, received_before, RETAIN_STEP)).rowcount
        if gone:
            # executescript: the pragma frees one page per step, and execute() takes only the first step.
            self._connection().executescript("PRAGMA incremental_vacuum")
        return gone

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open()
        return connection

    def _open(self) -> sqlite3.Connection:
        # check_same_thread: close() runs in another thread than the one that opened.
        connection = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        if self._max_disk_bytes is not None:
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {self._max_disk_bytes // page_size}")
        self._connections.append(connection)
        return connection

    @contextmanager
    def _opening_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise LogUnavailable(f"The event log at {self._path} cannot be opened: {error}.") from error


_FAR_FUTURE = 2**62


def _selected(search: Search) -> str:
    """Records of a span that a search may mean. Holds places only; see `_values`."""
    statement = f"""
SELECT position, source, type, received_at, body, error FROM record
WHERE position > ? AND position <= ? AND source IN ({_places(search.sources)})"""  # noqa: S608
    if search.types:
        statement += f" AND type IN ({_places(search.types)})"
    if not search.emptied:
        statement += " AND length(body) > 0"
    if search.needles:
        holds = ["instr(lower(CAST(body AS TEXT)), ?)"] * len(search.needles)
        statement += f" AND ({' OR '.join(holds)})"
    return statement


def _values(search: Search) -> tuple[int | str, ...]:
    return (*search.sources, *search.types, *search.needles)


def _places(values: Collection[object]) -> str:
    return ", ".join(["?"] * len(values))


def _insert(connection: sqlite3.Connection, rows: list[Entry]) -> None:
    start = 0
    for size, statement in APPENDS:
        while len(rows) - start >= size:
            connection.execute(statement, list(chain.from_iterable(rows[start : start + size])))
            start += size


def _within(max_bytes: int, rows: Iterable[tuple[int, int, str, int, bytes, str | None]]) -> Iterator[Record]:
    size = 0
    for row in rows:
        size += len(row[4])
        if size > max_bytes and size != len(row[4]):
            return
        yield Record(*row)
