"""From parsed calls to the event log: the step that every door ends with."""

from collections.abc import Callable
from datetime import UTC, datetime

from jetbridge.control.directory import SourceRef
from jetbridge.eventlog.base import INVALID, Entry
from jetbridge.ingest.callers import Callers
from jetbridge.ingest.durable import DurableLog
from jetbridge.spec.parsed import Parsed, Rejected


def now() -> datetime:
    return datetime.now(UTC)


class Intake:
    """What all doors share: who may come in, the log, the clock."""

    def __init__(self, callers: Callers, log: DurableLog, *, clock: Callable[[], datetime] = now) -> None:
        self.callers = callers
        self.log = log
        self.clock = clock

    async def keep(self, source: SourceRef, parsed: Parsed, received_at: datetime) -> None:
        """Return when every item, good or not, is durable. Raises Backpressure."""
        at = int(received_at.timestamp() * 1000)
        entries = [Entry(source.id, item.type, at, item.body) for item in parsed.accepted]
        if parsed.rejected:
            entries.extend(invalid_entry(source, item, at) for item in parsed.rejected)
        await self.log.append(entries)


def invalid_entry(source: SourceRef, item: Rejected, at: int) -> Entry:
    return Entry(source.id, INVALID, at, item.body, f"{item.reason.code}: {item.reason}")
