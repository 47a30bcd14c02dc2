"""`jetbridge warehouse`: what the tabs of a warehouse show. Loaded without Django, for `jetbridge --help`."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo, pluralize

if TYPE_CHECKING:
    from jetbridge.control.directory import DestinationRef
    from jetbridge.integrations.warehouse.models import Table
    from jetbridge.integrations.warehouse.rejected import Filter, Kind

#: How long `queries --run` reads, the wait for a load included.
RUN_SECONDS: Final = 60.0

_WAREHOUSE = click.argument("warehouse", metavar="[ID|NAME]", required=False)


def _limit(default: int) -> Callable[[Any], Any]:
    return click.option(
        "--limit",
        default=default,
        show_default=True,
        type=click.IntRange(1, 10_000),
        help="How many, at the most.",
    )


@click.group()
def commands() -> None:
    """What is in a warehouse: its tables, how to query them, rejected values, and the runs that loaded it."""


@commands.command(epilog=examples("jetbridge warehouse tables", "jetbridge warehouse tables 3 --json"))
@_WAREHOUSE
@JSON
def tables(warehouse: str | None, *, as_json: bool) -> None:
    """List the tables as they were after the last load."""
    ref = _find(warehouse)
    from jetbridge.integrations.warehouse.access import loaded_tables  # noqa: PLC0415 - models need a started Django

    rows = loaded_tables(ref.id)
    if as_json:
        listed = [
            {
                "schema": row.schema,
                "name": row.name,
                "rows": row.rows,
                "rejected": row.rejected,
                "columns": row.columns,
                "loaded_at": row.loaded_at and row.loaded_at.isoformat(),
                "problem": row.problem,
            }
            for row in rows
        ]
        echo(json.dumps({"tables": listed}))
        return
    cells = [
        (f"{row.schema}.{row.name}", f"{row.rows:,}", f"{row.rejected:,}", len(row.columns), row.problem)
        for row in rows
    ]
    _show(["table", "rows", "rejected values", "columns", "problem"], cells, "Nothing was loaded yet.")


@commands.command(
    epilog=examples("jetbridge warehouse runs --limit 5", "jetbridge warehouse runs Warehouse --json")
)
@_WAREHOUSE
@_limit(20)
@JSON
def runs(warehouse: str | None, *, limit: int, as_json: bool) -> None:
    """List loads, newest first."""
    ref = _find(warehouse)
    from jetbridge.integrations.warehouse.models import Run  # noqa: PLC0415 - models need a started Django

    rows = list(Run.objects.filter(destination_id=ref.id).order_by("-id")[:limit])
    if as_json:
        loads = [
            {
                "began_at": row.began_at.isoformat(),
                "ended_at": row.ended_at.isoformat(),
                "attempts": row.attempts,
                "messages": row.messages,
                "rows": row.rows,
                "rejected": row.rejected,
                "waiting": row.waiting,
                "problems": row.problems,
                "error": row.error,
            }
            for row in rows
        ]
        echo(json.dumps({"runs": loads}))
        return
    cells = [
        (
            f"{row.began_at:%Y-%m-%d %H:%M:%S}",
            f"{row.seconds:.1f} s",
            f"{row.messages:,}",
            f"{sum(row.rows.values()):,}",
            f"{sum(row.rejected.values()):,}",
            row.error or " ".join(row.problems.values()) or "loaded",
        )
        for row in rows
    ]
    _show(
        ["began (UTC)", "took", "messages", "rows", "rejected values", "what happened"], cells, "No runs yet."
    )


@commands.command(
    epilog=examples(
        "jetbridge warehouse rejected",
        "jetbridge warehouse rejected 3 --table shop.order_completed --column total --json",
    )
)
@_WAREHOUSE
@click.option("--table", default="", metavar="SCHEMA.TABLE", help="Only values of this table.")
@click.option("--column", default="", help="Only values of this column.")
@click.option("--reason", default="", help="Only values with this reason.")
@_limit(20)
@JSON
def rejected(
    warehouse: str | None, *, table: str, column: str, reason: str, limit: int, as_json: bool
) -> None:
    """Count rejected values by reason, with what to do, and list the newest. Reads the warehouse."""
    ref = _find(warehouse)
    from jetbridge.integrations.warehouse.access import loaded_tables, read_rejected  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations.warehouse.rejected import Filter, advice  # noqa: PLC0415

    filter_ = Filter(table, column, reason)
    rejected = read_rejected(ref.id, filter_, limit=limit)
    if not rejected.values:
        _check_filter(filter_, loaded_tables(ref.id), rejected.kinds)
    if as_json:
        kinds = [{**kind._asdict(), "advice": advice(kind.reason)} for kind in rejected.kinds]
        values = [
            {**value._asdict(), "received_at": value.received_at and value.received_at.isoformat()}
            for value in rejected.values
        ]
        echo(json.dumps({"kinds": kinds, "values": values}))
        return
    counts = [
        (f"{kind.values:,}", kind.table, kind.column, kind.reason, advice(kind.reason))
        for kind in rejected.kinds
    ]
    _show(["values", "table", "column", "reason", "what to do"], counts, "No values were rejected.")
    if rejected.values:
        cells = [
            (value.table, value.column, value.value, value.reason, value.row_id) for value in rejected.values
        ]
        _show(["table", "column", "value", "reason", "row"], cells)
    elif rejected.kinds:
        echo("None of them fits --table, --column and --reason together.")


@commands.command(
    epilog=examples(
        "jetbridge warehouse queries",
        "jetbridge warehouse queries 3 --run",
        "jetbridge warehouse queries --run --json",
    )
)
@_WAREHOUSE
@click.option("--run", "is_run", is_flag=True, help="Run the queries, and print what they find.")
@_limit(10)
@JSON
def queries(warehouse: str | None, *, is_run: bool, limit: int, as_json: bool) -> None:
    """Print how to query a warehouse: the line that opens it, and three queries for its tables.

    With --run: open rate by campaign, who clicked, revenue within seven days of a click, at once. --limit rows of each are printed.
    """
    ref = _find(warehouse)
    from jetbridge.integrations.warehouse import access  # noqa: PLC0415 - models need a started Django

    page = access.query_page(ref.id)
    results = access.run_queries(ref.id, page.queries, RUN_SECONDS) if is_run else {}
    if as_json:
        listed = [
            {
                **query._asdict(),
                **({"rows": results[query.name].as_objects()} if query.name in results else {}),
            }
            for query in page.queries
        ]
        echo(json.dumps({"command": page.command, "queries": listed}, default=str))
        return
    if not is_run:
        echo(f"{page.command}\n")
    for query in page.queries:
        echo(f"-- {query.title}. {query.help}")
        if result := results.get(query.name):
            _show(result.columns, result.rows[:limit], "No rows.")
            if len(result.rows) > limit:
                total = len(result.rows)
                echo(f"and {pluralize(total - limit, 'more row')}: --limit {total} prints them.")
        else:
            echo(query.sql or f"-- {query.problem}")
        echo("")


def _check_filter(filter_: "Filter", tables: "Sequence[Table]", kinds: "Sequence[Kind]") -> None:
    """Raises click.UsageError for what the warehouse does not have."""
    names = {f"{table.schema}.{table.name}" for table in tables} | {kind.table for kind in kinds}
    of_table = [table for table in tables if filter_.table in {"", f"{table.schema}.{table.name}"}]
    columns = {column for table in of_table for column in table.columns}
    columns |= {kind.column for kind in kinds if filter_.table in {"", kind.table}}
    reasons = {kind.reason for kind in kinds}
    for what, value, there in (
        ("table", filter_.table, names),
        ("column", filter_.column, columns),
        ("reason", filter_.reason, reasons),
    ):
        if value and value not in there:
            listed = f"there are {', '.join(sorted(there)[:50])}" if there else "there is none yet"
            raise click.UsageError(f"There is no {what} {value[:100]!r}; {listed}.")


def _find(name: str | None) -> "DestinationRef":
    """The warehouse with this id or name, else the only one. Raises ConfigurationError."""
    start()
    from jetbridge.control.directory import all_destinations  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations.warehouse import location  # noqa: PLC0415

    warehouses = [ref for ref in all_destinations() if ref.kind == location.KIND]
    named = [ref for ref in warehouses if name is None or name in {str(ref.id), ref.name}]
    if len(named) == 1:
        return named[0]
    if not warehouses:
        raise ConfigurationError(
            "There is no warehouse: `jetbridge destinations add warehouse --source all` adds one."
        )
    there = ", ".join(f"{ref.name} (id {ref.id})" for ref in warehouses[:20])
    if name is not None and not named:
        raise ConfigurationError(f"There is no warehouse {name[:60]}; there are {there}.")
    what = "Say which warehouse" if name is None else f"Several warehouses are named {name[:60]}. Say which"
    raise ConfigurationError(f"{what}, by its id: {there}.")


def _show(head: Sequence[str], rows: Iterable[Sequence[object]], nothing: str = "") -> None:
    cells = [[_text(value) for value in row] for row in rows]
    if not cells:
        echo(nothing)
        return
    from rich import box  # noqa: PLC0415 - `--help` needs no tables
    from rich.table import Table  # noqa: PLC0415

    from jetbridge.terminal import Terminal  # noqa: PLC0415

    columns = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in head:
        columns.add_column(name, overflow="fold")
    for row in cells:
        columns.add_row(*row)
    Terminal(highlight=False, markup=False, file=sys.stdout).print_page(columns)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)
