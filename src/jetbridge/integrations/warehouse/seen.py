"""Tables and columns that a workspace has, or would have by what its sources have sent: to choose from, and for a hint about a
typing mistake.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from itertools import chain, islice
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F

from jetbridge import eventlog
from jetbridge.control.models import Destination, Source
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import LogUnavailable
from jetbridge.eventlog.search import everything
from jetbridge.integrations.setting import OfferedName
from jetbridge.integrations.warehouse import location
from jetbridge.integrations.warehouse.models import Schema, Table
from jetbridge.integrations.warehouse.names import event_table, fields_of
from jetbridge.integrations.warehouse.rows import TABLE_COLUMNS, columns_of, rows_of
from jetbridge.integrations.warehouse.selection import InvalidSelection, parse_selection
from jetbridge.source_schema.models import NameRow
from jetbridge.source_schema.names import Kind
from jetbridge.spec.message import CALL_TYPES, decode_or_none

#: The tables of what a call brings, by its type; those of a track call are `tracks` and the event's.
_TABLES = {
    "identify": ("identifies", "users"),
    "group": ("groups", "accounts"),
    "page": ("pages",),
    "screen": ("screens",),
    "alias": ("aliases",),
}
#: Names and columns that are looked at for what is offered, the ones seen last: a page shows fewer (10,000 take 50 ms).
MOST_OFFERED = 20_000
#: The last messages that are looked at for columns of objects, among the last records of the log.
LAST_MESSAGES, RECORDS_LOOKED_AT = 300, 20_000
#: Names that a hint repeats.
_NAMED = 5
#: Characters of each.
_SHOWN = 200


def selection_hint(workspace: int, text: str) -> str:
    """What of a selection names no table and no column that is known so far; "" if all does."""
    try:
        selection = parse_selection(text)
    except InvalidSelection:
        return ""
    if not selection.tables and not selection.columns:
        return ""
    seen = seen_columns(workspace)
    known = {name for columns in seen.values() for name in columns}
    hints = [_hint(table, "table", seen) for table in sorted(selection.tables) if table not in seen]
    for table, name in sorted(selection.columns):
        if table != "*" and table not in seen:
            hints.append(_hint(table, "table", seen))
        elif not _is_known(name, known if table == "*" else seen[table]):
            where = "" if table == "*" else f" of {table}"
            hints.append(_hint(name, f"column{where}", known if table == "*" else seen[table]))
    return _joined(hints)


def schemas_hint(workspace: int, chosen: Mapping[str, Any]) -> str:
    """Which sources of a choice of schemas the workspace does not have; "" if it has all."""
    known = set(Source.objects.filter(workspace_id=workspace).values_list("name", flat=True))
    return _joined(_hint(name, "source", known) for name in chosen if name not in known)


def _joined(hints: Iterable[str]) -> str:
    hints = list(dict.fromkeys(hints))
    more = f" And {len(hints) - _NAMED} more." if len(hints) > _NAMED else ""
    return " ".join(hints[:_NAMED]) + more


def seen_columns(workspace: int) -> dict[str, set[str]]:
    """By table. Objects are known by the beginning of their columns."""
    columns: defaultdict[str, set[str]] = defaultdict(
        set, {name: set(columns_of(name)) for name in TABLE_COLUMNS}
    )
    for seen in _seen(workspace):
        columns[seen.table] |= {*columns_of(seen.table), *([seen.column] if seen.column else [])}
    return dict(columns)


def offered_names(workspace: int) -> list[OfferedName]:
    """Tables and columns that can be left out, by the sources that have sent them; the columns of several tables come first.

    What an object becomes is known of those in the last messages, and of all once they are loaded. Of very many names and columns
    the last ones count.
    """
    tables: defaultdict[str, set[int]] = defaultdict(set)
    columns: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    tables_with: defaultdict[str, set[str]] = defaultdict(set)
    for seen in chain(_seen(workspace, MOST_OFFERED), islice(_in_last_messages(workspace), MOST_OFFERED)):
        tables[seen.table].add(seen.source)
        if seen.column and not seen.is_object and seen.column not in columns_of(seen.table):
            columns[seen.table][seen.column].add(seen.source)
            tables_with[seen.column].add(seen.table)
    for name, where in tables_with.items():
        if len(where) > 1 and name not in columns_of("*"):
            columns["*"][name] = set().union(*(columns[table][name] for table in where))
    everywhere = [OfferedName("*", _offered_columns("*", columns["*"]))] if columns["*"] else []
    return [
        *everywhere,
        *(
            OfferedName(name, _offered_columns(name, columns[name]), frozenset(sources))
            for name, sources in sorted(tables.items())
        ),
    ]


def _offered_columns(table: str, columns: Mapping[str, Collection[int]]) -> list[OfferedName]:
    return [
        OfferedName(f"{table}.{name}", sources=frozenset(sources))
        for name, sources in sorted(columns.items())
    ]


class _Seen(NamedTuple):
    """That a source has sent what belongs into a column; `column` is "" for the table itself."""

    source: int
    table: str
    column: str = ""
    is_object: bool = False


def _seen(workspace: int, most: int | None = None) -> Iterator[_Seen]:
    """`most`: so many names at the most, the ones seen last, and so many columns of the tables that were loaded last."""
    sources = list(Source.objects.filter(workspace_id=workspace).values_list("id", flat=True))
    rows = NameRow.objects.filter(source_id__in=sources)
    rows = rows.order_by("-last_at", "-id")[:most] if most else rows
    for source, kind, event, name, kinds in rows.values_list(
        "source_id", "type", "event", "name", "kinds"
    ).iterator():
        tables = _TABLES.get(kind, ())
        if kind == "track":
            yield _Seen(source, "tracks")
            tables = (table,) if (table := event_table(event)) else ()
        column = fields_of("")[name] if name else None
        is_object = not kinds & ~(Kind.OBJECT | Kind.NULL)
        for table in tables:
            yield _Seen(source, table, column.name if column else "", is_object)
    ids = list(
        Destination.objects.filter(workspace_id=workspace, kind=location.KIND).values_list("id", flat=True)
    )
    source_of = {
        (row.destination_id, row.name): row.source_id for row in Schema.objects.filter(destination_id__in=ids)
    }
    loaded = (
        _Seen(source_of.get((row.destination_id, row.schema), 0), row.name, name)
        for row in Table.objects.filter(destination_id__in=ids)
        .order_by(F("loaded_at").desc(nulls_last=True), "-id")
        .iterator(100)
        for name in ("", *row.columns)
    )
    yield from islice(loaded, most)


def _in_last_messages(workspace: int) -> Iterator[_Seen]:
    """What the last messages of the sources become: so much is known before the first load."""
    if not settings.CONFIG.log_path.exists():
        return
    sources = list(Source.objects.filter(workspace_id=workspace).values_list("id", flat=True))
    with suppress(LogUnavailable, PauseError), eventlog.open(settings.CONFIG) as event_log:
        end = event_log.counts().end
        search = everything(sources, sorted(CALL_TYPES - {"delete"}))
        down_to = max(0, end - RECORDS_LOOKED_AT)
        records = event_log.read_before(end + 1, down_to=down_to, search=search, limit=LAST_MESSAGES)
        for record in records:
            if message := decode_or_none(record.body):
                for row in rows_of(message):
                    yield _Seen(record.source, row.table)
                    for name in row.values:
                        yield _Seen(record.source, row.table, name)


def _is_known(name: str, columns: set[str]) -> bool:
    return (
        name in columns
        or name.startswith("context_")
        or any(name.startswith(f"{known}_") for known in columns)
    )


def _hint(name: str, what: str, known: Iterable[str]) -> str:
    near = get_close_matches(name[:_SHOWN], sorted(known), 1)
    return f"There is no {what} named {name[:_SHOWN]} so far." + (f" Do you mean {near[0]}?" if near else "")
