"""One page of a debugger: the newest records that are params for, found within a budget.

The log may hold a hundred million records. A page looks at some thousands of them, and says where to go on.
"""

from dataclasses import dataclass

from jetbridge.control.models import Source
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.scan_backwards import ScanLimit, ScanResult, scan_backwards
from jetbridge.services.queries.message_rows import Row, RowPresenter
from jetbridge.services.queries.search_params import SearchParams
from jetbridge.source_schema import volumes
from jetbridge.source_schema.models import READER

ROWS = 50
#: Whatever is searched for, a page costs no more than this.
SCAN_LIMIT = ScanLimit(records=20_000, seconds=0.06)
#: Outcomes are decided for so many records at once, and so often, when a page wants only some of them.
OUTCOME_RECORDS, OUTCOME_ROUNDS = 100, 4
#: Pages that a browser asks for by itself while a search finds too little.
PAGES = 40


@dataclass(frozen=True)
class Page:
    """`before` is where older ones are looked for, 0 if there are none; `looked_at` when that one was received (ms).

    `end` is the log's end as it was then. `goes_on`: too little was found, and there is more to look at.
    """

    rows: list[Row]
    before: int
    end: int
    goes_on: bool = False
    looked_at: int = 0


def page_of(
    event_log: EventLog,
    source: Source,
    params: SearchParams,
    scan_limit: ScanLimit | None = None,
    *,
    limit: int = ROWS,
) -> Page:
    end = event_log.counts().end
    presenter = RowPresenter(source.workspace_id, [source.id])
    before = min(params.before or end + 1, end + 1)
    rows: list[Row] = []
    for _ in range(OUTCOME_ROUNDS if params.outcome else 1):
        scan = _look(event_log, source, params, before, scan_limit or SCAN_LIMIT, limit=limit)
        rows += [row for row in presenter.rows(scan.records) if params.wants(row)]
        before = scan.before
        if len(rows) >= limit or not before or not scan.records:
            break
    if len(rows) > limit:
        rows, before = rows[:limit], rows[limit - 1].position
    return Page(rows, before, end, bool(before) and len(rows) < limit, _received_at(event_log, before))


def _look(
    event_log: EventLog,
    source: Source,
    params: SearchParams,
    before: int,
    scan_limit: ScanLimit,
    *,
    limit: int,
) -> ScanResult:
    return scan_backwards(
        event_log,
        params.search(source),
        volumes.scan_ranges(source.id, before, READER),
        limit=OUTCOME_RECORDS if params.outcome else limit,
        scan_limit=scan_limit,
    )


def _received_at(event_log: EventLog, before: int) -> int:
    records = event_log.read_before(before + 1, limit=1) if before else []
    return records[0].received_at if records else 0
