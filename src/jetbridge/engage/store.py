"""The file in which Engage computes: one per workspace, so that no statement can reach people of another.

The worker is its only writer; pages, API and commands read it while that writes (write-ahead log). One transaction per
batch holds all that follows from the batch, the position in the event log included: whatever dies, dies before or after.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from jetbridge.db.sqlite import WRITER_PRAGMAS, is_damage, quick_check
from jetbridge.engage import dialect
from jetbridge.engage.compiler import COMPUTED_TABLES, NEVER
from jetbridge.heartbeat import beat
from jetbridge.identity.identifiers import EMAIL, USER_ID
from jetbridge.identity.tables import TABLES as PEOPLE

#: How long a statement waits for others who write.
BUSY_SECONDS = 30.0

#: `state` of a definition: `computing` for the first time, `live`, or `failed` with its `error`. While a changed definition
#: is computed, its rows stand under `<key>\x1f<version>`, and the former membership stays.
COMPUTING, LIVE, FAILED = "computing", "live", "failed"

#: Whether an identifier is of a kind that makes its person a member of audiences which do not include anonymous people.
KNOWN = f"type IN ('{USER_ID}', '{EMAIL}')"

#: `event`, `membership` and `computed` are read by compiled
#: statements. Times are in ms since 1970.
TABLES = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- Of memberships: members, and those who will be or no longer be by time alone; nobody else has a row. Of computed values: one
-- that is null has a row only if time alone will change it. `since`: the moment at which the value was found; 0: not known.
{COMPUTED_TABLES}
-- A messageId counts once per source as long as its event is kept: `id` is 16 bytes of its digest.
CREATE TABLE IF NOT EXISTS message (
    source INTEGER NOT NULL, id BLOB NOT NULL, ts INTEGER NOT NULL, PRIMARY KEY (source, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS message_by_time ON message (ts);
CREATE INDEX IF NOT EXISTS membership_by_profile ON membership (profile);
CREATE INDEX IF NOT EXISTS membership_due ON membership (flip_at) WHERE flip_at < {NEVER};
CREATE INDEX IF NOT EXISTS computed_by_profile ON computed (profile);
CREATE INDEX IF NOT EXISTS computed_due ON computed (flip_at) WHERE flip_at < {NEVER};
-- What the worker has made of each definition. `place` is the profile up to which it is computed, `since` the moment from
-- which events count, `fingerprint` what it was computed by. `size` counts those whose `member` or `value` is not `empty`.
CREATE TABLE IF NOT EXISTS definition (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL DEFAULT 0,
    place INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    computed_at INTEGER NOT NULL DEFAULT 0, fingerprint TEXT NOT NULL DEFAULT '', empty TEXT NOT NULL DEFAULT '0'
) WITHOUT ROWID;
-- Keys under which no definition stands any more, and rows perhaps do.
CREATE TABLE IF NOT EXISTS dropped (key TEXT PRIMARY KEY) WITHOUT ROWID;
-- Destinations that are sent a definition no more: what they were sent is deleted.
CREATE TABLE IF NOT EXISTS dropped_sync (key TEXT, destination INTEGER, PRIMARY KEY (key, destination)) WITHOUT ROWID;
-- How many entered and left on a day (days since 1970, UTC), and how many were members at its end.
CREATE TABLE IF NOT EXISTS daily_change (
    key TEXT NOT NULL, day INTEGER NOT NULL, entered INTEGER NOT NULL, exited INTEGER NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (key, day)
) WITHOUT ROWID;
-- The last value (JSON) that each destination was sent of each identifier ("email:ada@example.com"), and its timestamp.
CREATE TABLE IF NOT EXISTS sent (
    key TEXT NOT NULL, destination INTEGER NOT NULL, profile INTEGER NOT NULL, identifier TEXT NOT NULL,
    value TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (key, destination, profile, identifier)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sent_by_profile ON sent (profile);
-- Calls that the event log does not hold yet: written with the change, deleted when they are appended. An id is never given
-- twice, because after a crash the worker remembers which the log may hold.
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, destination INTEGER NOT NULL, profile INTEGER NOT NULL,
    identifier TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL,
    is_first_sync INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_order ON outbox (is_first_sync, id);
CREATE INDEX IF NOT EXISTS outbox_by_profile ON outbox (profile);
-- The first sync of each activation: how many people it was begun with, and by which options (`Target.options`).
CREATE TABLE IF NOT EXISTS first_sync (
    key TEXT NOT NULL, destination INTEGER NOT NULL, began_at INTEGER NOT NULL, people INTEGER NOT NULL, options TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (key, destination)
) WITHOUT ROWID;
-- Walks through the profiles up to `place`, each of which brings `sent` in line with what is true: a first sync, the differences
-- of a changed definition, or the end of a deleted one (`is_last`).
CREATE TABLE IF NOT EXISTS sync_run (
    key TEXT NOT NULL, destination INTEGER NOT NULL, place INTEGER NOT NULL, resends INTEGER NOT NULL, is_last INTEGER NOT NULL,
    PRIMARY KEY (key, destination)
) WITHOUT ROWID;
"""


def path(home: Path, workspace: int) -> Path:
    return home / f"engage-{workspace}.db"


def open_for_writing(file: Path) -> sqlite3.Connection:
    """Make the tables where they are missing. Transactions are the caller's: BEGIN IMMEDIATE and COMMIT."""
    if not file.exists():
        _remove_beside(file)
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.executescript(WRITER_PRAGMAS)
    has_people = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'profile'").fetchone()
    connection.executescript(f"BEGIN IMMEDIATE; {TABLES} {'' if has_people else PEOPLE} COMMIT;")
    for table in ("membership", "computed"):
        if "since" not in {column[1] for column in connection.execute(f"PRAGMA table_info({table})")}:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN since INTEGER NOT NULL DEFAULT 0")
    dialect.prepare(connection)
    return connection


def reader(workspace: int) -> str:
    """Its name in the ledger. Whoever switches Engage on lets it begin at the end of the log: `ledger.begin(reader(…), …)`."""
    return f"engage {workspace}"


def is_damaged(file: Path) -> bool:
    """Reads the whole file."""
    return file.exists() and bool(quick_check(file, beat, most=1))


class Checkpoint(NamedTuple):
    """What the file itself says, without its write-ahead log."""

    id: str = ""
    position: int = 0


def checkpoint(file: Path) -> Checkpoint | None:
    """None if the file holds something else than a store. Raises sqlite3.Error if it cannot be read.

    A worker at work does not see that somebody writes into its file: it has pages in memory, and in the write-ahead log.
    """
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            meta = Meta(connection)
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
                return Checkpoint()
            return Checkpoint(meta.text("id"), meta.number("position"))
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return None
        raise


def suspect(file: Path) -> Path:
    """Exists when a reader has met damage: the worker looks at the whole file, and deletes it."""
    return file.with_name(f"{file.name}.suspect")


def set_aside(file: Path) -> None:
    """Make room for a new store. The damaged one stays beside it, until the next erasure of a person or the next damage."""
    file.replace(aside(file))
    _remove_beside(file)


def _remove_beside(file: Path) -> None:
    """The write-ahead log of a file that is gone: SQLite would read it into the next one."""
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def file_id(file: Path) -> tuple[int, int]:
    """Which file is at a path; (0, 0) if none is."""
    with suppress(FileNotFoundError):
        status = file.stat()
        return status.st_dev, status.st_ino
    return 0, 0


def aside(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


class Meta:
    """Named values of a store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def text(self, name: str) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
        return row[0] if row else ""

    def number(self, name: str) -> int:
        return int(self.text(name) or 0)

    def moment(self, name: str) -> datetime | None:
        ms = self.number(name)
        return datetime.fromtimestamp(ms / 1000, UTC) if ms else None

    def set(self, **values: object) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            [(name, str(value)) for name, value in values.items()],
        )

    def add(self, name: str, number: int) -> None:
        if number:
            self.set(**{name: self.number(name) + number})


@contextmanager
def open_for_reading(file: Path) -> Iterator[sqlite3.Connection | None]:
    """A snapshot for pages, API and commands; None where nothing was computed yet."""
    if not file.exists():
        yield None
        return
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None
    )
    try:
        dialect.prepare(connection)
        connection.execute("PRAGMA cache_size = -32000")
        connection.execute("BEGIN")
        has_tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
        yield connection if has_tables else None  # the worker makes the file first
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            with suppress(OSError):
                suspect(file).touch()
        raise
    finally:
        connection.close()
