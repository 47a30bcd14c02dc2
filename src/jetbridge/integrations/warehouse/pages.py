"""The tabs of a warehouse: its tables, how to query them, the values that were rejected, and the runs that loaded them."""

from urllib.parse import urlencode

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.page import destination_view, head_of, show
from jetbridge.console.pager import SIZE, page_of
from jetbridge.control.models import Destination
from jetbridge.errors import PauseError, TransientError
from jetbridge.integrations.warehouse import location, rejected
from jetbridge.integrations.warehouse.access import loaded_tables, query_page, read_rejected
from jetbridge.integrations.warehouse.database import NotReadable
from jetbridge.integrations.warehouse.models import Run
from jetbridge.integrations.warehouse.queries import READS_FILES
from jetbridge.integrations.warehouse.rejected import Filter, Rejected
from jetbridge.integrations.warehouse.rows import REJECTED_VALUES
from jetbridge.spec.untrusted import whole_number


@destination_view(kind=location.KIND)
@require_safe
def tables(request: MemberRequest, row: Destination) -> HttpResponse:
    """Each table as it was after the last load."""
    rows = loaded_tables(row.id)
    context = {
        "tables": rows,
        "rejected": sum(table.rejected for table in rows),
        "unread": location.is_only_written(row.id),
    }
    return show(request, "warehouse/tables.html", row, context)


@destination_view(kind=location.KIND)
@require_safe
def query(request: MemberRequest, row: Destination) -> HttpResponse:
    """The line that opens the warehouse, and queries for its tables."""
    page = query_page(row.id)
    schemas = sorted({table.schema for table in loaded_tables(row.id)})
    is_file = page.command.startswith("duckdb ")
    reads_files = page.command == READS_FILES
    context = {**page._asdict(), "schemas": schemas, "is_file": is_file, "reads_files": reads_files}
    return show(request, "warehouse/query.html", row, context)


@destination_view(kind=location.KIND)
@require_safe
def rejected_values(request: MemberRequest, row: Destination) -> HttpResponse:
    """`?table=&column=&reason=`: those that fit; `?skip=`: older ones. Reads the warehouse."""
    filter_ = Filter(*(request.GET.get(name, "") for name in Filter._fields))
    skip = min(whole_number(request.GET.get("skip", "")) or 0, rejected.MOST_LISTED)
    page, problem = Rejected(), ""
    try:
        page = read_rejected(row.id, filter_, skip=skip, limit=SIZE)
    except (TransientError, PauseError, NotReadable) as error:
        problem = str(error)

    def link(**changes: object) -> str:
        values = {**filter_._asdict(), **changes}
        return f"?{urlencode({name: value for name, value in values.items() if value})}"

    context = {
        "page": page,
        "kinds": [
            (
                kind,
                rejected.advice(kind.reason),
                link(table=kind.table, column=kind.column, reason=kind.reason),
            )
            for kind in page.kinds
        ],
        "choices": [
            (
                name,
                f"Any {name}",
                sorted({getattr(kind, name) for kind in page.kinds} | {value} - {""}),
                value,
            )
            for name, value in filter_._asdict().items()
        ],
        "total": sum(kind.values for kind in page.kinds),
        "is_filtered": any(filter_),
        "problem": problem,
        "newer": link(skip=max(0, skip - SIZE)) if skip else "",
        "older": link(skip=page.next) if page.next else "",
        "most": rejected.MOST_LISTED,
        "table_name": REJECTED_VALUES,
    }
    return show(request, "warehouse/rejected_values.html", row, context)


@destination_view(kind=location.KIND)
@require_safe
def runs(request: MemberRequest, row: Destination) -> HttpResponse:
    """Each load, or each sync of a schedule. It renews itself, faster while a sync is under way."""
    rows, head = Run.objects.filter(destination_id=row.id), head_of(row)
    running_since = head.sync.began_at if head.sync and head.sync.is_running else None
    context = {
        "page": page_of(rows, request),
        "running_since": running_since,
        "latest": rows.filter(sync_began_at=head.sync.began_at).first()
        if head.sync and head.sync.began_at
        else None,
        "every": "1s" if running_since else "5s",
    }
    return show(request, "warehouse/runs.html", row, context, head=head)
