"""The embedded event log: one SQLite file, write-ahead log, a sync to disk before every acknowledgement.

Any number of processes may append and read; SQLite's write lock orders them. AUTOINCREMENT keeps positions
from being used again after retention has emptied the table.

SQLite would go on writing into a file that was removed, replaced or overwritten meanwhile, and what it acknowledged would be
gone with it. So every use looks whether the file at the path is still the one that is open (`file_guard`), and opens the
other one if not. An append looks once more before it is acknowledged. The write-ahead log is moved into the file right after such
a look, and not by SQLite's own choice.
"""

import logging
import sqlite3
import threading
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Self

from jetbridge.db.sqlite import is_damage
from jetbridge.eventlog.base import (
    NO_MESSAGES,
    Counts,
    Entry,
    LogDamaged,
    LogUnavailable,
    Place,
    Record,
    Search,
    mark,
)
from jetbridge.eventlog.file_guard import (
    COUNTS,
    FileId,
    GuardedFile,
    Overwritten,
    close_file,
    file_at,
    open_file,
)
from jetbridge.heartbeat import beat

log = logging.getLogger(__name__)

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
CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS last_mark (position INTEGER NOT NULL, mark TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accepted (
  source INTEGER NOT NULL,
  type TEXT NOT NULL,
  total INTEGER NOT NULL,
  PRIMARY KEY (source, type)
) WITHOUT ROWID;
"""

TABLES = "SELECT count(*) FROM sqlite_master WHERE name IN ('record', 'identity', 'accepted', 'last_mark')"

IDENTITY = "SELECT id FROM identity"
NEW_IDENTITY = """
INSERT INTO identity SELECT lower(hex(randomblob(16))) WHERE NOT EXISTS (SELECT 1 FROM identity)
"""

APPEND = "INSERT INTO record (source, type, received_at, body, error) VALUES "

#: In place of a type: messages of any type that came without some value.
INCOMPLETE = "*incomplete"

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

AT = "SELECT position, source, type, received_at, body, error FROM record WHERE position = ?"

FIRST_RECEIVED = """
SELECT received_at FROM record
WHERE position > ? AND position <= ? AND source IN ({sources}) AND type {types} ORDER BY position LIMIT 1
"""

END = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'record'), 0)"

DELETE_OLD = """
DELETE FROM record WHERE position IN (
  SELECT position FROM record WHERE position <= ? AND received_at < ? ORDER BY position LIMIT ?)
"""

#: The last record of all keeps its mark when retention deletes it: a reader that begins in an empty log stands there.
KEEP_MARK = "INSERT INTO last_mark VALUES (?, ?)"
LAST_MARK = "SELECT mark FROM last_mark WHERE position = ?"

EMPTY = """
UPDATE record SET body = x'', error = CASE WHEN error IS NULL THEN NULL ELSE 'forgotten: Its person was forgotten.' END
WHERE position = ?
"""

#: Positions that one step of a search covers.
FIND_STEP = 20_000

#: The write-ahead log is moved into the file after so many bytes; a transaction writes that many besides its bodies.
CHECKPOINT_BYTES, TRANSACTION_BYTES = 4_000_000, 20_000

#: Rows that one retention step deletes: a step holds the write lock, and appends wait for it.
RETAIN_STEP = 5_000


class SqliteEventLog:
    """See `EventLog` for the contract. One connection per thread."""

    def __init__(
        self,
        path: Path,
        *,
        max_disk_bytes: int | None = None,
        busy_seconds: float = 10.0,
        must_open: bool = True,
    ) -> None:
        """`max_disk_bytes` is where the file stops growing, as if the disk were full there.

        Raises LogUnavailable if the file cannot be opened now; unless it `must_open`, every call tries it anew.
        """
        self._path = path
        self._busy_seconds = busy_seconds
        self._max_disk_bytes = max_disk_bytes
        self._local = threading.local()
        self._connections: dict[sqlite3.Connection, GuardedFile] = {}
        self._opening = threading.Lock()
        #: Of the file that was opened last: its identity, as a text and as a number, and how often another one was.
        self._identity = ""
        self._owner = 0
        self._generation = 0
        self._newest: FileId | None = None
        self._unmoved_bytes = 0
        try:
            self._connection()
        except LogUnavailable:
            if must_open:
                raise

    @property
    def identity(self) -> str:
        self._connection()
        return self._identity

    @property
    def generation(self) -> int:
        self._connection()
        return self._generation

    def append(self, entries: Iterable[Entry]) -> None:
        rows = list(entries)
        totals = Counter((row.source, row.type) for row in rows)
        totals.update((row.source, INCOMPLETE) for row in rows if row.is_incomplete)
        try:
            with self._write() as connection:
                start = 0
                for size, statement in APPENDS:
                    while len(rows) - start >= size:
                        values = map(_COLUMNS, rows[start : start + size])
                        connection.execute(statement, list(chain.from_iterable(values)))
                        start += size
                connection.executemany(COUNT, [(*key, total) for key, total in totals.items()])
        except sqlite3.DatabaseError as error:
            raise LogUnavailable(f"The event log at {self._path} takes no records: {error}.") from error
        if not self._is_current():
            raise LogUnavailable(f"The event log at {self._path} was replaced. Send this again.")
        self._checkpoint(TRANSACTION_BYTES + sum(len(row.body) for row in rows))

    def read(self, after: int, *, limit: int = 1000, max_bytes: int = 8_000_000) -> Sequence[Record]:
        records: list[Record] = []
        size = 0
        try:
            for row in self._connection().execute(READ, (after, limit)):
                size += len(row[4])
                if size > max_bytes and records:
                    break
                records.append(Record(*row))
        except (sqlite3.DatabaseError, TypeError) as error:
            if not is_damage(error):
                raise
            if not records:
                raise LogDamaged(after, error) from error
        return records

    def read_before(
        self, before: int, *, down_to: int = 0, search: Search | None = None, limit: int = 50
    ) -> Sequence[Record]:
        newest: list[Record] = []
        with _damage_is_the_end():
            if search is None:
                cursor = self._connection().execute(READ_BEFORE, (before, down_to, limit))
                newest.extend(Record._make(row) for row in cursor)
                return newest
            cursor = self._connection().execute(
                f"{_selected(search)} ORDER BY position DESC", (down_to, before - 1, *_values(search))
            )
            with closing(cursor):  # else its view of the log stays open, and the write-ahead log grows
                records = (record for row in cursor if search.matches(record := Record._make(row)))
                newest.extend(islice(records, limit))
        return newest

    def place(self, position: int) -> Place:
        return _place_at(self._connection(), position)

    def counts(self) -> Counts:
        connection = self._connection()
        connection.execute("BEGIN")  # one snapshot for all queries
        try:
            (end,) = connection.execute(END).fetchone()
            rows = connection.execute("SELECT source, type, total FROM accepted").fetchall()
            place = _place_at(connection, end)
        finally:
            connection.execute("COMMIT")
        totals = {(source, kind): total for source, kind, total in rows if kind != INCOMPLETE}
        incomplete = {source: total for source, kind, total in rows if kind == INCOMPLETE}
        return Counts(end, totals, incomplete, place)

    def first_received(
        self, after: int, sources: Collection[int], *, of_type: str | None = None
    ) -> int | None:
        statement = FIRST_RECEIVED.format(
            sources=_places(sources), types="= ?" if of_type else f"NOT IN ({_places(NO_MESSAGES)})"
        )
        values = (after, after + FIND_STEP, *sources, *((of_type,) if of_type else NO_MESSAGES))
        row = None
        with _damage_is_the_end():
            row = self._connection().execute(statement, values).fetchone()
        return int(row[0]) if row else None

    def find(self, search: Search, *, after: int = 0, upto: int | None = None) -> Iterator[Record]:
        end = self.counts().end if upto is None else upto
        statement, values = f"{_selected(search)} ORDER BY position", _values(search)
        while after < end:
            beat()
            step = min(after + FIND_STEP, end)
            try:
                rows = self._connection().execute(statement, (after, step, *values)).fetchall()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                raise LogDamaged(after, error) from error
            yield from [record for record in map(Record._make, rows) if search.matches(record)]
            after = step

    def scrub(self, search: Search) -> int:
        positions = [(record.position,) for record in self.find(search)]
        connection = self._connection()
        connection.execute("PRAGMA secure_delete = ON")  # else the bytes stay in the file until it is needed
        for start in range(0, len(positions), RETAIN_STEP):
            with self._write():
                connection.executemany(EMPTY, positions[start : start + RETAIN_STEP])
        connection.execute("PRAGMA secure_delete = OFF")
        self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(positions)

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
            for connection in list(self._connections):
                self._close(connection)
            self._local = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _delete(self, received_before: int, upto: int) -> int:
        beat()
        with self._write() as connection:
            (end,) = connection.execute(END).fetchone()
            last = _mark_at(connection, end)
            gone = connection.execute(DELETE_OLD, (upto, received_before, RETAIN_STEP)).rowcount
            if gone and last:
                connection.execute("DELETE FROM last_mark")
                connection.execute(KEEP_MARK, (end, last))
        if gone:
            # executescript: the pragma frees one page per step, and execute() takes only the first step.
            self._connection().executescript("PRAGMA incremental_vacuum")
            self._checkpoint(CHECKPOINT_BYTES)
        return gone

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            (writes,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {(writes + 1) % COUNTS}")
            connection.execute(f"PRAGMA application_id = {self._owner}")
            connection.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _checkpoint(self, written: int) -> None:
        """Move the write-ahead log into the file, once that is worth it. What a reader still needs of it stays for the next time."""
        self._unmoved_bytes += written
        if self._unmoved_bytes < CHECKPOINT_BYTES:
            return
        connection = self._connection()
        with suppress(sqlite3.DatabaseError):
            ((_, pages, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if moved == pages:
                self._unmoved_bytes = 0
        self._is_current()  # to know the header

    def _connection(self) -> sqlite3.Connection:
        local = self._local
        connection: sqlite3.Connection | None = getattr(local, "connection", None)
        if connection is not None:
            if self._is_current():
                return connection
            if file_at(self._path) == local.file.id:
                try:
                    local.file.rehouse()
                except Overwritten as error:
                    raise LogUnavailable(str(error)) from error
        with self._opening:
            try:
                if connection is not None:
                    log.warning("%s is another file than before.", self._path)
                    local.connection = None
                    self._close(connection)
                local.connection, local.file = self._open()
            except (sqlite3.DatabaseError, FileNotFoundError) as error:
                raise LogUnavailable(f"The event log at {self._path} cannot be opened: {error}.") from error
            return local.connection  # type: ignore[no-any-return]

    def _is_current(self) -> bool:
        """Whether the file at the path is the one that this thread has open, and holds what this log has written."""
        file: GuardedFile = self._local.file
        return file_at(self._path) == file.id and file.is_intact()

    def _open(self) -> tuple[sqlite3.Connection, GuardedFile]:
        """A connection to the file at the path, and which file that is."""
        while True:
            before = file_at(self._path)
            # check_same_thread: close() runs in another thread than the one that opened.
            connection = sqlite3.connect(
                self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(connection)
                file = open_file(self._path)
            except BaseException:
                connection.close()
                raise
            self._connections[connection] = file
            if before == file.id:
                break
            self._close(
                connection
            )  # it has just been made, or was replaced meanwhile: which one is open is not known
        if file.id != self._newest:
            self._newest, self._generation = file.id, self._generation + 1
            self._unmoved_bytes = CHECKPOINT_BYTES  # the first append writes the header of the file
        return connection, file

    def _close(self, connection: sqlite3.Connection) -> None:
        file = self._connections.pop(connection)
        connection.close()
        close_file(file)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cell_size_check = ON")  # a damaged page is noticed where it is read
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # see `_checkpoint`
        if self._max_disk_bytes is not None:
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {self._max_disk_bytes // page_size}")
        # SCHEMA takes the write lock, even where all is there; who only reads must not wait for it.
        if connection.execute(TABLES).fetchone() != (4,):
            connection.executescript(SCHEMA)
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):  # a backup has none
            with suppress(sqlite3.OperationalError):  # while somebody reads it: the next start does it
                connection.execute("PRAGMA journal_mode = WAL")
        if not connection.execute(IDENTITY).fetchone():
            connection.execute(NEW_IDENTITY)
        (self._identity,) = connection.execute(IDENTITY).fetchone()
        # The identity in 31 bits, none of which is 0 for all.
        self._owner = zlib.crc32(self._identity.encode()) % COUNTS or 1


@contextmanager
def _damage_is_the_end() -> Iterator[None]:
    """Show what lies in front of a damaged page: for those who look, not for those who count."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise


def _place_at(connection: sqlite3.Connection, position: int) -> Place:
    """The identity as it is in the file now, which somebody may have written over."""
    row = connection.execute(IDENTITY).fetchone()
    return Place(row[0] if row else "", _mark_at(connection, position))


def _mark_at(connection: sqlite3.Connection, position: int) -> str:
    row = None
    with _damage_is_the_end():
        row = connection.execute(AT, (position,)).fetchone()
        if row:
            return mark(Record._make(row))
        row = connection.execute(LAST_MARK, (position,)).fetchone()
    return row[0] if row else ""


_FAR_FUTURE = 2**62


def _selected(search: Search) -> str:
    """Records of a range that may match a search. Holds places only; see `_values`."""
    statement = f"""
SELECT position, source, type, received_at, body, error FROM record
WHERE position > ? AND position <= ? AND source IN ({_places(search.sources)})"""  # noqa: S608
    if search.types:
        statement += f" AND type IN ({_places(search.types)})"
    if not search.emptied:
        statement += " AND length(body) > 0"
    if search.needles:
        conditions = ["instr(lower(CAST(body AS TEXT)), ?)"] * len(search.needles)
        if search.respelled:  # fewer characters than bytes, or escapes
            conditions += ["length(CAST(body AS TEXT)) <> length(body)", r"instr(CAST(body AS TEXT), '\u')"]
        statement += f" AND ({' OR '.join(conditions)})"
    return statement


def _values(search: Search) -> tuple[int | str, ...]:
    return (*search.sources, *search.types, *search.needles)


def _places(values: Collection[object]) -> str:
    return ", ".join(["?"] * len(values))


#: Of an entry, what is kept.
_COLUMNS = itemgetter(slice(5))
