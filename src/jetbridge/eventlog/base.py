"""What every event log engine promises. `tests/eventlog/test_contract.py` holds the promises as tests.

A position is a whole number: the place of one record. Positions rise in the order in which records became
visible to readers, never repeat, and may leave gaps (a JetStream stream sequence behaves the same). The log
keeps no positions of its consumers: a consumer stores its position in the same transaction as the effects
of what it read, which is what makes its effects happen once.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from jetbridge.errors import Backpressure

if TYPE_CHECKING:
    from jetbridge.eventlog.search import Search

#: Type of a record that is no message: an item that failed on ingest, kept so that a person can find it.
INVALID = "invalid"
#: Type of a record that is no message: an email event as Mailjet sent it, before it became a track call.
EMAIL_EVENT = "email_event"


class Entry(NamedTuple):
    """What is appended. `received_at` is in ms since 1970; `error` is set for INVALID only."""

    source: int
    type: str
    received_at: int
    body: bytes
    error: str | None = None


class Record(NamedTuple):
    """An entry and its place."""

    position: int
    source: int
    type: str
    received_at: int
    body: bytes
    error: str | None


class Counts(NamedTuple):
    """How many records there ever were, by (source, type), and the position up to which that is true."""

    end: int
    by_source_and_type: dict[tuple[int, str], int]


class LogUnavailable(Backpressure):
    """The log cannot take records now (full disk, locked file). Nothing of the append was kept."""


class EventLog(Protocol):
    def append(self, entries: Iterable[Entry]) -> None:
        """Return once every entry is on stable storage, all or none. Blocks. Safe from any thread.

        Raises LogUnavailable; the caller may try again with the same entries.
        """

    def read(self, after: int, *, limit: int = 1000, max_bytes: int = 8_000_000) -> Sequence[Record]:
        """Records after a position, in order; empty at the end. At least one if there is one."""

    def read_before(
        self, before: int, *, down_to: int = 0, search: "Search | None" = None, limit: int = 50
    ) -> Sequence[Record]:
        """Records before a position and after `down_to`, the newest first, `limit` at the most.

        With a search only those that it means; if they are rare, the whole span is looked at. See
        `look_back` for how to bound that.
        """

    def counts(self) -> Counts:
        """Totals since the log began; retention does not lower them."""

    def retain(self, *, received_before: int, max_bytes: int, upto: int) -> int:
        """Delete old records and give the disk back; return how many went.

        A record goes if its position is at most `upto` (what every consumer has passed) and it was received
        before `received_before` (ms), or while the log is larger than `max_bytes`.
        """

    def find(self, search: "Search", *, after: int = 0, upto: int | None = None) -> Iterator[Record]:
        """Records that a search means, in order. Reads the whole span: slow."""

    def scrub(self, search: "Search") -> int:
        """Empty the bodies of records for good, those that a search means; return how many.

        Position, type and counts stay. A record with an empty body is one that was scrubbed.
        """

    def close(self) -> None: ...
