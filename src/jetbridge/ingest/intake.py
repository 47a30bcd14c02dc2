"""From parsed calls to the event log: the step that every door ends with."""

from collections import Counter
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import TypeVar

from jetbridge.control.directory import SourceRef
from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.eventlog.base import INVALID, Entry
from jetbridge.http.request_body import BodyBudget, BodyError
from jetbridge.ingest.answer import Refused
from jetbridge.ingest.body import refused
from jetbridge.ingest.callers import Callers
from jetbridge.ingest.durable import DurableLog
from jetbridge.ingest.turns import Turns
from jetbridge.spec.parse_carefully import without_keys
from jetbridge.spec.parsed import Parsed, Rejected

T = TypeVar("T")

#: Entries between two moments when others may be served.
_SLICE = 1_000
#: Why a body was not read, where no library sends it again.
_NEVER_READ = frozenset({"payload_too_large", "bad_encoding"})


def now() -> datetime:
    return datetime.now(UTC)


class Intake:
    """What all doors share: who may come in, the log, the clock."""

    def __init__(
        self,
        callers: Callers,
        log: DurableLog,
        *,
        clock: Callable[[], datetime] = now,
        max_body_bytes: int = 128_000_000,
        body_seconds: float = 20.0,
    ) -> None:
        """`max_body_bytes` is what all bodies that are being read may hold together, `body_seconds` how long
        one of them may take to arrive.
        """
        self.callers = callers
        self.log = log
        self.clock = clock
        self.body_seconds = body_seconds
        self.body_budget = BodyBudget(max_body_bytes)
        self._turns = Turns()
        #: Requests that were not taken, by code.
        self.refusals: Counter[str] = Counter()

    def note(self, error: Refused | MessageRejected | Backpressure) -> Refused:
        """Count a request that was not taken, and say how it is answered."""
        if isinstance(error, MessageRejected):
            error = Refused(400, error.code, str(error))
        elif isinstance(error, Backpressure):
            error = Refused(
                503, "unavailable", error.public_message, retry_after_seconds=error.retry_after_seconds
            )
        self.refusals[error.code] += 1
        return error

    async def work(self, size: int, steps: Generator[None, None, T]) -> T:
        """What long work on a body of `size` bytes returns; others are served meanwhile.

        Raises what it raises, and Refused: too many bodies are held at once.
        """
        try:
            self.body_budget.take(size)
        except BodyError as error:
            raise refused(error, size) from None
        try:
            return await self._turns.run(steps)
        finally:
            self.body_budget.give_back(size)

    async def keep(self, source: SourceRef, parsed: Parsed, received_at: datetime) -> None:
        """Return when every item, good or not, is durable. Raises Backpressure."""
        await self.log.append(await self._turns.run(_entries(source, parsed, milliseconds(received_at))))

    async def keep_unreadable(
        self, source: SourceRef, body: bytes, reason: MessageRejected | Refused
    ) -> None:
        """Count a body of which nothing could be read, unless its sender will send it again."""
        if isinstance(reason, Refused):
            if reason.code not in _NEVER_READ:
                return
            reason = MessageRejected(reason.code, str(reason))
        kept = without_keys(body) or b" "  # a record without a body is one whose person was forgotten
        await self.keep(source, Parsed([], [Rejected(kept, reason)]), self.clock())


def _entries(source: SourceRef, parsed: Parsed, at: int) -> Generator[None, None, list[Entry]]:
    entries: list[Entry] = []
    for start in range(0, len(parsed.accepted), _SLICE):
        entries += [
            Entry(source.id, item.type, at, item.body, is_incomplete=item.is_incomplete)
            for item in parsed.accepted[start : start + _SLICE]
        ]
        yield
    for item in parsed.rejected:
        entries.append(invalid_entry(source, item, at))
        yield
    return entries


def milliseconds(moment: datetime) -> int:
    """Since 1970, as the log has it."""
    return int(moment.timestamp() * 1000)


def invalid_entry(source: SourceRef, item: Rejected, at: int) -> Entry:
    return Entry(source.id, INVALID, at, item.body, f"{item.reason.code}: {item.reason}")
