"""From parsed calls to the event log: the step that every door ends with."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from jetbridge.control.directory import SourceRef
from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.eventlog.base import INVALID, Entry
from jetbridge.ingest.answer import Refused
from jetbridge.ingest.body import Allowance
from jetbridge.ingest.callers import Callers
from jetbridge.ingest.durable import DurableLog
from jetbridge.spec.parsed import Parsed, Rejected


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
        self.allowance = Allowance(max_body_bytes)
        #: Requests that were not taken, by code.
        self.refusals: Counter[str] = Counter()

    def note(self, error: Refused | MessageRejected | Backpressure) -> Refused:
        """Count a request that was not taken, and say how it is answered."""
        if isinstance(error, MessageRejected):
            error = Refused(400, error.code, str(error))
        elif isinstance(error, Backpressure):
            error = Refused(503, "unavailable", str(error), retry_after_seconds=error.retry_after_seconds)
        self.refusals[error.code] += 1
        return error

    async def keep(self, source: SourceRef, parsed: Parsed, received_at: datetime) -> None:
        """Return when every item, good or not, is durable. Raises Backpressure."""
        at = milliseconds(received_at)
        entries = [Entry(source.id, item.type, at, item.body) for item in parsed.accepted]
        if parsed.rejected:
            entries.extend(invalid_entry(source, item, at) for item in parsed.rejected)
        await self.log.append(entries)


def milliseconds(moment: datetime) -> int:
    """Since 1970, as the log has it."""
    return int(moment.timestamp() * 1000)


def invalid_entry(source: SourceRef, item: Rejected, at: int) -> Entry:
    return Entry(source.id, INVALID, at, item.body, f"{item.reason.code}: {item.reason}")
