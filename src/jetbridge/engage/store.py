"""The file in which Engage computes: one per workspace, so that no statement can reach people of another.

The worker is its only writer; pages, API and commands read it while that writes (write-ahead log). One transaction per
batch holds all that follows from the batch, the position in the event log included: whatever dies, dies before or after.
"""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from jetbridge.db.sqlite import WRITER_PRAGMAS, is_damage, quick_check
from jetbridge.engage import dialect
from jetbridge.engage.dialect import NEVER
from jetbridge.errors import JetbridgeError
from jetbridge.heartbeat import beat
from jetbridge.identity.identifiers import ANONYMOUS_ID, EMAIL, USER_ID
from jetbridge.identity.tables import TABLES as PEOPLE
from jetbridge.spec.emails import normalise

#: How long a statement waits for others who write.
BUSY_SECONDS = 30.0
#: `state` of a definition: `computing` for the first time, `live`, or `failed` with its `error`. While a changed definition
#: is computed, its rows stand under `<key>\x1f<version>`, and the former membership stays.
COMPUTING, LIVE, FAILED = "computing", "live", "failed"
#: Whether an identifier is of a kind that makes its person a member of audiences which do not include anonymous people.
KNOWN = f"type IN ('{USER_ID}', '{EMAIL}')"
#: The tables that a compiled SELECT reads. `traits` and `props` are JSON objects, in UTF-8 without needless escapes, and
#: no text in them has U+0000, where SQLite's JSON ends a text. `seq` is the order of the log. `membership.audience` is
#: the audience's key; a member has `member` 1. `computed.trait` is the computed trait's key, `value` is JSON, null too.
COMPUTED_TABLES = """
-- The primary key's columns come first: else SQLite before 3.41 finds a NULL in `props` of every row (quick_check).
CREATE TABLE IF NOT EXISTS event (
    profile INTEGER NOT NULL, name TEXT NOT NULL, ts INTEGER NOT NULL, seq INTEGER NOT NULL, props TEXT NOT NULL,
    PRIMARY KEY (profile, name, ts, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS membership (
    audience TEXT NOT NULL, profile INTEGER NOT NULL, member INTEGER NOT NULL, flip_at INTEGER NOT NULL,
    since INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (audience, profile)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS computed (
    trait TEXT NOT NULL, profile INTEGER NOT NULL, value TEXT NOT NULL, flip_at INTEGER NOT NULL,
    since INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (trait, profile)
) WITHOUT ROWID;
"""
#: Times are in ms since 1970.
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
#: Steps of SQLite's virtual machine after which the time is looked at.
_INSTRUCTIONS = 10_000
#: Longest time for one person, or a page of members.
PERSON_SECONDS = 5.0


def json_list(values: Iterable[object]) -> str:
    """For `json_each`."""
    return msgspec.json.encode(list(values)).decode()


def number(connection: sqlite3.Connection, statement: str) -> int:
    """The one value of a SELECT; 0 for NULL."""
    return connection.execute(statement).fetchone()[0] or 0


def moment(ms: int | None) -> datetime | None:
    """None for 0, which stands for a moment that is not known."""
    return datetime.fromtimestamp(ms / 1_000, UTC) if ms else None


# ---- the file


def path(home: Path, workspace: int) -> Path:
    return home / f"engage-{workspace}.db"


def open_for_writing(file: Path) -> sqlite3.Connection:
    """Make the tables where they are missing. Transactions are the caller's: BEGIN IMMEDIATE and COMMIT."""
    if not file.exists():
        _remove_beside(file)
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.executescript(WRITER_PRAGMAS)
    connection.executescript(f"BEGIN IMMEDIATE; {TABLES} {PEOPLE} COMMIT;")
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


def quarantine(file: Path) -> None:
    """Make room for a new store. The damaged one stays beside it, until the next erasure of a person or the next damage."""
    file.replace(damaged_copy(file))
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


def damaged_copy(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged")


# ---- writing


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
        return moment(self.number(name))

    def set(self, **values: object) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            [(name, str(value)) for name, value in values.items()],
        )

    def add(self, name: str, number: int) -> None:
        if number:
            self.set(**{name: self.number(name) + number})


def drop_definition(connection: sqlite3.Connection, key: str) -> None:
    """Forget a definition, or a version of it that is being computed. `Evaluator.clean` deletes its rows."""
    connection.execute("DELETE FROM definition WHERE key = ?", [key])
    connection.execute("INSERT OR IGNORE INTO dropped VALUES (?)", [key])


@dataclass
class Changes:
    """What messages and time have changed, as profiles that are evaluated for it."""

    #: For every definition: new ones, those with new identifiers, survivors of merges.
    all: set[int] = field(default_factory=set)
    events: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    #: By the name at the top of the traits.
    traits: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    #: By the key under which the rows of a definition stand.
    due: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


# ---- reading


@contextmanager
def open_for_reading(home: Path, workspace: int | None) -> Iterator[sqlite3.Connection | None]:
    """A snapshot for pages, API and commands; None where nothing was computed yet."""
    if workspace is None or not (file := path(home, workspace)).exists():
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


class QueryTimeoutError(JetbridgeError):
    """The answer would take longer than a person waits."""


@contextmanager
def time_limit(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Statements that still run after `seconds` end with QueryTimeoutError."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _INSTRUCTIONS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise QueryTimeoutError(f"Reading the people took longer than {seconds:g} s.") from error
    finally:
        connection.set_progress_handler(None, 0)


class Identifier(NamedTuple):
    """`type` is user_id, email, anonymous_id or another one of Segment's."""

    type: str
    value: str


def find_profile(connection: sqlite3.Connection, person: str) -> int | None:
    """The id of the profile that `type:value` names, as in Segment's Profile API, or an identifier alone."""
    type_, colon, value = person.partition(":")
    if colon and type_ == "segment_id":
        return _by_segment_id(connection, value)
    if colon and (profile := _owner(connection, type_, value)):
        return profile
    for type_ in (USER_ID, EMAIL, ANONYMOUS_ID):
        if profile := _owner(connection, type_, person):
            return profile
    return _by_segment_id(connection, person)


def _owner(connection: sqlite3.Connection, type_: str, value: str) -> int | None:
    if type_ == EMAIL:
        value = normalise(value) or value
    row = connection.execute(
        "SELECT profile FROM identifier WHERE type = ? AND value = ?", (type_, value)
    ).fetchone()
    return row[0] if row else None


def _by_segment_id(connection: sqlite3.Connection, segment_id: str) -> int | None:
    """Also of a profile that was merged into another one."""
    row = connection.execute(
        "SELECT id FROM profile WHERE segment_id = :id UNION ALL SELECT profile FROM merged WHERE segment_id = :id",
        {"id": segment_id},
    ).fetchone()
    return row[0] if row else None


def identifiers_of(connection: sqlite3.Connection, profiles: Sequence[int]) -> dict[int, list[Identifier]]:
    """By profile: user_id first, then email, then the others by name."""
    rows = connection.execute(
        "SELECT profile, type, value FROM identifier WHERE profile IN (SELECT value FROM json_each(?))",
        (json_list(profiles),),
    )
    by_profile: dict[int, list[Identifier]] = {}
    for id_, type_, value in rows:
        by_profile.setdefault(id_, []).append(Identifier(type_, value))
    first = {USER_ID: 0, EMAIL: 1}
    for identifiers in by_profile.values():
        identifiers.sort(key=lambda identifier: (first.get(identifier.type, 2), identifier))
    return by_profile


def segment_ids(connection: sqlite3.Connection, profiles: Sequence[int]) -> dict[int, str]:
    rows = connection.execute(
        "SELECT id, segment_id FROM profile WHERE id IN (SELECT value FROM json_each(?))",
        (json_list(profiles),),
    )
    return dict(rows.fetchall())


def computed_values(connection: sqlite3.Connection, key: str, profiles: Sequence[int]) -> dict[int, Any]:
    """Of a computed trait."""
    rows = connection.execute(
        "SELECT profile, value FROM computed WHERE trait = ? AND profile IN (SELECT value FROM json_each(?))",
        (key, json_list(profiles)),
    )
    return {id_: msgspec.json.decode(value) for id_, value in rows}
