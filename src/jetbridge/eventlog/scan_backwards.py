"""Looking back through the log, newest first, without reading more of it than a page may: the rest is for the next page."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from jetbridge.eventlog.base import EventLog, PositionRange, Record, Search

#: Positions that are looked at between two looks at the clock.
STEP = 2_000


@dataclass(frozen=True)
class ScanLimit:
    """What one look may cost: whatever ends first ends it. `clock` gives seconds."""

    records: int = 20_000
    seconds: float = 0.06
    clock: Callable[[], float] = time.monotonic


class ScanResult(NamedTuple):
    """Records, newest first, and the position before which to go on: 0 if there is nothing further back."""

    records: list[Record]
    before: int


def scan_backwards(
    event_log: EventLog,
    search: Search,
    ranges: Iterable[PositionRange],
    *,
    limit: int,
    scan_limit: ScanLimit,
) -> ScanResult:
    """The newest records that match a search within some ranges, which come newest first.

    Positions without a record count like the others, so ranges should leave out what retention took.
    """
    records: list[Record] = []
    ends_at = scan_limit.clock() + scan_limit.seconds
    left = scan_limit.records
    for positions in ranges:
        before = positions.upto + 1
        while before - 1 > positions.after:
            if left <= 0 or scan_limit.clock() > ends_at:
                return ScanResult(records, before)
            down_to = max(positions.after, before - 1 - STEP)
            records += event_log.read_before(
                before, down_to=down_to, search=search, limit=limit - len(records)
            )
            if len(records) >= limit:
                return ScanResult(records, records[-1].position)
            left -= before - 1 - down_to
            before = down_to + 1
    return ScanResult(records, 0)
