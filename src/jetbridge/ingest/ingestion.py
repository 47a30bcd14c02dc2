"""From parsed calls to the event log: the step that every endpoint ends with."""

from collections import Counter
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import TypeVar

from jetbridge.control.directory import SourceRef
from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.eventlog.base import INVALID, Entry
from jetbridge.http.request_body import BodyBudget, BodyError
from jetbridge.ingest.async_log import AsyncLog
from jetbridge.ingest.body import http_error
from jetbridge.ingest.responses import HTTPError
from jetbridge.ingest.source_auth import SourceAuth
from jetbridge.ingest.turns import Turns
from jetbridge.spec.parse import Parsed, Rejected, without_write_keys

T = TypeVar("T")

#: Entries between two moments when others may be served.
_SLICE = 1_000
#: Why a body was not read, where no library sends it again.
_NEVER_READ = frozenset({"payload_too_large", "bad_encoding"})


def now() -> datetime:
    return datetime.now(UTC)


class Ingestion:
    """What all endpoints share: who may come in, the log, the clock."""

    def __init__(
        self,
        source_auth: SourceAuth,
        log: AsyncLog,
        *,
        clock: Callable[[], datetime] = now,
        max_body_bytes: int = 128_000_000,
        body_seconds: float = 20.0,
    ) -> None:
        """`max_body_bytes` is what all bodies that are being read may hold together, `body_seconds` how long
        one of them may take to arrive.
        """
        self.source_auth = source_auth
        self.log = log
        self.clock = clock
        self.body_seconds = body_seconds
        self.body_budget = BodyBudget(max_body_bytes)
        self._turns = Turns()
        #: Requests that were not taken, by code.
        self.rejected_requests: Counter[str] = Counter()

    def note(self, error: HTTPError | MessageRejected | Backpressure) -> HTTPError:
        """Count a request that was not taken, and say how it is answered."""
        if isinstance(error, MessageRejected):
            error = HTTPError(400, error.code, str(error))
        elif isinstance(error, Backpressure):
            error = HTTPError(
                503, "unavailable", error.public_message, retry_after_seconds=error.retry_after_seconds
            )
        self.rejected_requests[error.code] += 1
        return error

    async def work(self, size: int, steps: Generator[None, None, T]) -> T:
        """What long work on a body of `size` bytes returns; others are served meanwhile.

        Raises what it raises, and HTTPError: too many bodies are held at once.
        """
        try:
            self.body_budget.take(size)
        except BodyError as error:
            raise http_error(error, size) from None
        try:
            return await self._turns.run(steps)
        finally:
            self.body_budget.give_back(size)

    async def append(self, source: SourceRef, parsed: Parsed, received_at: datetime) -> None:
        """Return when every item, good or not, is durable. Raises Backpressure."""
        await self.log.append(await self._turns.run(_entries(source, parsed, milliseconds(received_at))))

    async def append_unreadable(
        self, source: SourceRef, body: bytes, reason: MessageRejected | HTTPError
    ) -> None:
        """Count a body of which nothing could be read, unless its sender will send it again."""
        if isinstance(reason, HTTPError):
            if reason.code not in _NEVER_READ:
                return
            reason = MessageRejected(reason.code, str(reason))
        kept = without_write_keys(body) or b" "  # a record without a body is one whose person was forgotten
        await self.append(source, Parsed([], [Rejected(kept, reason)]), self.clock())


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
