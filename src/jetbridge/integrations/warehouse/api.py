"""The calls of a warehouse: its runs, its tables, the values that were rejected, and how to query it."""

from typing import Annotated

from ninja import Query
from pydantic import Field

from jetbridge.api.errors import not_found
from jetbridge.api.pagination import Page, Paging, page_of, position_of
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller
from jetbridge.api.schemas import Id, OutSchema, Timestamp, example
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.integrations.warehouse import location, rejected
from jetbridge.integrations.warehouse.access import query_page, read_rejected
from jetbridge.integrations.warehouse.models import Run, Table
from jetbridge.integrations.warehouse.rejected import Filter

router = ApiRouter(tags=["Warehouses"])

#: Numbers by `schema.table`.
ByTable = Annotated[dict[str, int], example({"shop.order_completed": 12})]
Name = Annotated[str, Field(max_length=1000, examples=["shop.order_completed"])]


class WarehouseRunOut(OutSchema):
    """One load, or several in a row that failed alike: `attempts`. `waiting` are messages that come again, `problems` say why, by
    table. `error`: why nothing was loaded.
    """

    id: Id
    began_at: Timestamp
    ended_at: Timestamp
    attempts: Annotated[int, example(1)]
    messages: Annotated[int, example(12)]
    rows: ByTable
    rejected: Annotated[dict[str, int], example({})]
    waiting: Annotated[int, example(0)]
    problems: Annotated[dict[str, str], example({})]
    error: Annotated[str, example("")]


class WarehouseTableOut(OutSchema):
    """A table as it was after the last load. `rows` are those that Jetbridge has added, less those that it erased; `columns` are types
    by name; `problem` says why it is not loaded.
    """

    schema_name: Annotated[str, example("shop")]
    name: Annotated[str, example("order_completed")]
    rows: Annotated[int, example(12)]
    rejected: Annotated[int, example(0)]
    columns: Annotated[dict[str, str], example({"id": "text", "total": "float"})]
    loaded_at: Timestamp | None
    problem: Annotated[str, example("")]


class RejectedQuery(Paging):
    """Those that fit everything that is given; `table` is `schema.table`. The newest 10,000 of them are listed."""

    table: Name = ""
    column: Annotated[str, Field(max_length=1000, examples=["total"])] = ""
    reason: Annotated[str, Field(max_length=1000, examples=["the column is of type integer"])] = ""


class RejectedValueOut(OutSchema):
    """`value` is JSON, its first 500 characters. `row_id` is the `id` of the row that came without it."""

    table: Name
    column: Annotated[str, example("total")]
    value: Annotated[str, example('"seven"')]
    reason: Annotated[str, example("the column is of type integer")]
    row_id: Annotated[str, example("ajs-42")]
    received_at: Timestamp | None


class RejectedKindOut(OutSchema):
    """How many values of a column were rejected for one reason, and what to do about it."""

    table: Name
    column: Annotated[str, example("total")]
    reason: Annotated[str, example("the column is of type integer")]
    values: Annotated[int, example(3)]
    advice: Annotated[str, example("Have the sender use one kind of value in this field.")]


class WarehouseQueryOut(OutSchema):
    """`problem`: why there is no `sql` yet, and what makes it come."""

    name: Annotated[str, example("open_rate")]
    title: Annotated[str, example("Open rate by campaign")]
    help: Annotated[str, example("Of the mails that were delivered, how many were opened at least once.")]
    sql: Annotated[str, example("SELECT …")]
    problem: Annotated[str, example("")]


class WarehouseQueriesOut(OutSchema):
    """`command` opens the warehouse in a terminal, to read. It is for editors: viewers get it empty."""

    command: Annotated[str, example("duckdb -readonly /data/warehouses/3.duckdb")]
    queries: list[WarehouseQueryOut]


@router.get("/destinations/{int:warehouse}/warehouse/runs", response=Page[WarehouseRunOut])
def list_warehouse_runs(request: ApiRequest, warehouse: Id, paging: Query[Paging]) -> Page[WarehouseRunOut]:
    """The loads of a warehouse, newest first.

    The newest 50,000 are kept.
    """
    row = find_warehouse(request.auth, warehouse)
    return page_of(Run.objects.filter(destination_id=row.id), paging, _run)


@router.get("/destinations/{int:warehouse}/warehouse/tables", response=Page[WarehouseTableOut])
def list_warehouse_tables(
    request: ApiRequest, warehouse: Id, paging: Query[Paging]
) -> Page[WarehouseTableOut]:
    """The tables of a warehouse, as they were after the last load; those that came last first."""
    row = find_warehouse(request.auth, warehouse)
    return page_of(Table.objects.filter(destination_id=row.id), paging, _table)


@router.get("/destinations/{int:warehouse}/warehouse/rejected-values", response=Page[RejectedValueOut])
def list_rejected_values(
    request: ApiRequest, warehouse: Id, query: Query[RejectedQuery]
) -> Page[RejectedValueOut]:
    """Values that their rows came without, newest first.

    Reads the warehouse, for five seconds at the most.
    """
    row = find_warehouse(request.auth, warehouse)
    skip = min(position_of(query.after) if query.after else 0, rejected.MOST_LISTED)
    filter_ = Filter(query.table, query.column, query.reason)
    page = read_rejected(row.id, filter_, skip=skip, limit=query.limit)
    items = [RejectedValueOut(**value._asdict()) for value in page.values]
    return Page(items=items, next=str(page.next) if page.next else None)


@router.get("/destinations/{int:warehouse}/warehouse/rejected-values/kinds", response=Page[RejectedKindOut])
def count_rejected_values(request: ApiRequest, warehouse: Id) -> Page[RejectedKindOut]:
    """How many values of which column were rejected for which reason, the most frequent first; 200 at the most.

    Reads the warehouse, for five seconds at the most.
    """
    row = find_warehouse(request.auth, warehouse)
    kinds = read_rejected(row.id, limit=0).kinds
    items = [RejectedKindOut(**kind._asdict(), advice=rejected.advice(kind.reason)) for kind in kinds]
    return Page(items=items, next=None)


@router.get("/destinations/{int:warehouse}/warehouse/queries", response=WarehouseQueriesOut)
def get_warehouse_queries(request: ApiRequest, warehouse: Id) -> WarehouseQueriesOut:
    """How to query a warehouse: the line that opens it, and three queries that are written for its tables."""
    row = find_warehouse(request.auth, warehouse)
    page = query_page(row.id)
    return WarehouseQueriesOut(
        command=page.command if request.auth.role.allows(Role.EDITOR) else "",
        queries=[WarehouseQueryOut(**query._asdict()) for query in page.queries],
    )


def find_warehouse(caller: Caller, destination: int) -> Destination:
    """Raises HTTPError (404), also for a destination of another kind."""
    row = caller.destination(destination)
    if row.kind != location.KIND:
        raise not_found("warehouse", destination, caller.workspace, fix=f"{row} is of the kind {row.kind}.")
    return row


def _run(row: Run) -> WarehouseRunOut:
    return WarehouseRunOut(
        id=row.id,
        began_at=row.began_at,
        ended_at=row.ended_at,
        attempts=row.attempts,
        messages=row.messages,
        rows=row.rows,
        rejected=row.rejected,
        waiting=row.waiting,
        problems=row.problems,
        error=row.error,
    )


def _table(row: Table) -> WarehouseTableOut:
    return WarehouseTableOut(
        schema_name=row.schema,
        name=row.name,
        rows=row.rows,
        rejected=row.rejected,
        columns=row.columns,
        loaded_at=row.loaded_at,
        problem=row.problem,
    )
