"""What every event log engine promises. `tests/eventlog/test_contract.py` holds the promises as tests.

A position is a whole number: the place of one record. Positions rise in the order in which records became
visible to readers, never repeat, and may leave gaps (a JetStream stream sequence behaves the same). The log
keeps no positions of its consumers: a consumer stores its position in the same transaction as the effects
of what it read, which is what makes its effects happen once.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol, Self

from jetbridge.errors import Backpressure, PauseError

#: Type of a record that is no message: an item that failed on ingest, kept so that a person can find it.
INVALID = "invalid"
#: Type of a record that is no message: an email event as Mailjet sent it, before it became a track call.
EMAIL_EVENT = "email_event"
#: The `error` of an email event that had failed and is in the log once more, to be read again.
RETRIED = "retried"
#: Types of records that no destination receives.
NO_MESSAGES = (INVALID, EMAIL_EVENT)


class Entry(NamedTuple):
    """What is appended. `received_at` is in ms since 1970. `error` says why an INVALID failed, and of an EMAIL_EVENT that it had failed
    and is to be read once more (`RETRIED`).

    `is_incomplete`: a message that came without some value. It is counted, and not kept: the body names the values.
    """

    source: int
    type: str
    received_at: int
    body: bytes
    error: str | None = None
    is_incomplete: bool = False


class Record(NamedTuple):
    """An entry and its place."""

    position: int
    source: int
    type: str
    received_at: int
    body: bytes
    error: str | None


class Search(NamedTuple):
    """Which records are meant (`eventlog.search` makes them): those of these sources that `matches`. Each holds one of the `needles` (ASCII, lower case) in its body,
    in whatever case; without needles every record has to be looked at. Of these `types`, if any are named;
    those emptied only if it says so. `respelled`: what a body that is not plain ASCII holds may be spelled otherwise
    than the needles, so these are looked at, too.
    """

    sources: frozenset[int]
    needles: tuple[str, ...]
    matches: Callable[[Record], bool]
    types: frozenset[str] = frozenset()
    emptied: bool = False
    respelled: bool = False


class PositionRange(NamedTuple):
    """The positions after one and up to another."""

    after: int
    upto: int


class Place(NamedTuple):
    """What a position means something by: the identity of its log, and the mark of the record that is there.

    Empty: not known; of a position at which no record is (any more), no mark is known.
    """

    log: str = ""
    mark: str = ""


def mark(record: Record) -> str:
    """What tells a record from another one at the same position in another copy of the log: 16 digits of its frame, and
    16 of its body, if an erasure has not emptied it.
    """
    frame = f"{record.position} {record.source} {record.type} {record.received_at}"
    return _digits(frame.encode()) + (_digits(record.body) if record.body else "")


def is_same_record(one: str, other: str) -> bool:
    """Whether two marks can be of one record, before and after it was emptied."""
    return one.startswith(other) or other.startswith(one)


def _digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


class Counts(NamedTuple):
    """How many records there ever were, by (source, type), and the position up to which that is true.

    `incomplete`: how many of them came without some value, by source.
    """

    end: int
    by_source_and_type: dict[tuple[int, str], int]
    incomplete: Mapping[int, int] = MappingProxyType({})
    place: Place = Place()


class LogUnavailable(Backpressure):
    """The log cannot take records now (full disk, locked file). Nothing of the append was kept."""

    @property
    def public_message(self) -> str:
        return "The event log takes no records now. Send this again in a few seconds."


#: Code of a pause because a part of the log cannot be read.
LOG_DAMAGED = "LOG_DAMAGED"


class LogDamaged(PauseError):
    """A part of the log cannot be read; what comes before it was given out."""

    def __init__(self, after: int, error: Exception) -> None:
        super().__init__(
            LOG_DAMAGED,
            f"The event log cannot be read after position {after:,}: {error}. Put a backup of eventlog.db in its place, or "
            "stop Jetbridge and run `jetbridge admin recover-log`, which saves all that can be read and counts what "
            "is lost.",
        )


class EventLog(Protocol):
    @property
    def identity(self) -> str:
        """Made by chance when the log was made: another log has another one."""

    @property
    def generation(self) -> int:
        """Grows whenever something else takes the log's place, be it an older copy of it."""

    def append(self, entries: Iterable[Entry]) -> None:
        """Return once every entry is on stable storage, all or none. Blocks. Safe from any thread.

        Raises LogUnavailable; the caller may try again with the same entries.
        """

    def read(self, after: int, *, limit: int = 1000, max_bytes: int = 8_000_000) -> Sequence[Record]:
        """Records after a position, in order; empty at the end. At least one if there is one.

        Raises LogDamaged when the next one cannot be read.
        """

    def read_before(
        self, before: int, *, down_to: int = 0, search: Search | None = None, limit: int = 50
    ) -> Sequence[Record]:
        """Records before a position and after `down_to`, the newest first, `limit` at the most.

        With a search only those that it means; if they are rare, the whole span is looked at. See
        `scan_backwards` for how to bound that.
        """

    def place(self, position: int) -> Place:
        """What is at a position now."""

    def counts(self) -> Counts:
        """Totals since the log began; retention does not lower them."""

    def first_received(
        self, after: int, sources: Collection[int], *, of_type: str | None = None
    ) -> int | None:
        """When the first message of these sources after a position was received (ms), or the first record `of_type`.

        None if there is none among the records that are looked at, some thousands.
        """

    def retain(self, *, received_before: int, max_bytes: int, upto: int) -> int:
        """Delete old records and give the disk back; return how many went.

        A record goes if its position is at most `upto` (what every consumer has passed) and it was received
        before `received_before` (ms), or while the log is larger than `max_bytes`.
        """

    def find(self, search: Search, *, after: int = 0, upto: int | None = None) -> Iterator[Record]:
        """Records that a search means, in order. Reads the whole span: slow. Raises LogDamaged."""

    def scrub(self, search: Search) -> int:
        """Empty the bodies of records for good, those that a search means; return how many.

        Position, type and counts stay. A record with an empty body is one that was scrubbed.
        """

    def size_bytes(self) -> int:
        """Bytes on the disk."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None:
        """Close it."""
