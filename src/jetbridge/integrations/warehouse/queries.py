"""How to query a warehouse: the line that opens it, and queries that are written for the tables it has.

The queries stand once, as SQL that DuckDB and PostgreSQL both take, in `sql/`. A name in braces stands for a table, `{d.campaign_name}` for a
column that a table may lack: then its line is left out. All other columns are needed. People run these queries with their own
program. Jetbridge runs them for `jetbridge warehouse queries --run` only, and never SQL that somebody else has written.
"""

import re
import shlex
from collections.abc import Mapping
from importlib import resources
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from jetbridge.control.directory import DestinationRef
from jetbridge.integrations.warehouse import location
from jetbridge.integrations.warehouse.database import InvalidURL, TableName, quoted
from jetbridge.integrations.warehouse.dlt_places import DltPlace
from jetbridge.integrations.warehouse.models import Table
from jetbridge.integrations.warehouse.names import event_table
from jetbridge.spec.email_events import EMAIL_DELIVERED, EMAIL_LINK_CLICKED, EMAIL_OPENED

#: The program that reads Parquet files.
READS_FILES: Final = "duckdb"
ORDER_COMPLETED: Final = "Order Completed"
#: What a query calls a table -> the event whose table it is.
_EMAILS: Final = {"delivered": EMAIL_DELIVERED, "opened": EMAIL_OPENED, "clicked": EMAIL_LINK_CLICKED}
_PURCHASES: Final = {"purchased": ORDER_COMPLETED}

_NUMBERS: Final = frozenset({"integer", "float"})
_TABLE = re.compile(r"\{(\w+)\}")
#: `FROM {clicked} AS c`, or that of a query inside.
_ALIAS = re.compile(r"(\{?\w+\}?) AS (\w)\b")
_OPTIONAL = re.compile(r"\{(\w)\.(\w+)(:number)?\}")
_NEEDED = re.compile(r"(?<![\w{])([a-z])\.\"?(\w+)\"?")


class Question(NamedTuple):
    """A query before it meets the tables. `one_of`: columns of numbers of which its table needs one."""

    name: str
    title: str
    help: str
    one_of: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return resources.files(__package__).joinpath("sql", f"{self.name}.sql").read_text()


QUESTIONS: Final = (
    Question(
        "open_rate",
        "Open rate by campaign",
        "Of the mails that were delivered, how many were opened at least once.",
    ),
    Question(
        "clicked",
        "Who clicked",
        "Everybody who clicked in a campaign, how often, on how many links, and when last.",
    ),
    Question(
        "revenue",
        "Revenue within seven days of a click",
        "An order counts for the last click of the same userId in the seven days before it.",
        ("revenue", "total"),
    ),
)


class Query(NamedTuple):
    """`problem`: why there is no `sql` yet, and what makes it come."""

    name: str
    title: str
    help: str
    sql: str
    problem: str = ""


class TablePlace(NamedTuple):
    """Its name in SQL, and the type of each column."""

    name: str
    columns: Mapping[str, str]


def queries(ref: DestinationRef, url: str, names: Mapping[str, str]) -> list[Query]:
    """Those for the tables that the destination has loaded. `names` are what it calls email events, by their names in the log."""
    tables = _find_tables(ref, url, names)
    return [_query(question, tables, names) for question in QUESTIONS]


def open_command(destination: int, url: str) -> str:
    """The line that opens the warehouse in a terminal to read, without its password; "" if there is none."""
    try:
        place = location.place_of(destination, url)
    except InvalidURL:
        return ""
    match place:
        case location.File():
            return shlex.join(["duckdb", "-readonly", str(place.path)])
        case location.Server(host=host, port=port, parameters=parameters):
            options = {name: value for name, value in parameters.items() if name.startswith("ssl")}
            return _psql(host, port, str(parameters["user"]), str(parameters["dbname"]), options)
        case DltPlace(destination="postgres", host=host, port=port):
            login = place.arguments["credentials"]
            return _psql(host, port, login["username"], login["database"], login["query"])
        case DltPlace():
            return READS_FILES if place.path else ""


def _psql(host: str, port: int, user: str, database: str, options: Mapping[str, object]) -> str:
    host = f"[{host}]" if ":" in host else host
    address = (
        f"postgresql://{quote(user, safe='')}@{host}:{port}/{quote(database, safe='')}?{urlencode(options)}"
    )
    return f"PGOPTIONS='-c default_transaction_read_only=on' {shlex.join(['psql', address])}"


def _find_tables(ref: DestinationRef, url: str, names: Mapping[str, str]) -> dict[str, TablePlace]:
    """The tables by what queries call them. Those of email events are of one source: that with the most of them."""
    rows: dict[str, dict[str, Table]] = {}
    for row in Table.objects.filter(destination_id=ref.id, loaded_at__isnull=False):
        rows.setdefault(row.schema, {})[row.name] = row
    places: dict[str, TablePlace] = {}
    for events in (_EMAILS, _PURCHASES):
        table_names = {role: _table_name(event, names) for role, event in events.items()}
        best = max(
            rows,
            key=lambda schema: sum(_loaded(rows[schema].get(name)) for name in table_names.values()),
            default="",
        )
        for role, name in table_names.items():
            if table := rows.get(best, {}).get(name):
                places[role] = TablePlace(_sql_name(ref, url, TableName(best, name)), table.columns)
    return places


def _loaded(table: Table | None) -> int:
    return table.rows if table else 0


def _table_name(event: str, names: Mapping[str, str]) -> str:
    return event_table(names.get(event, event)) or ""


def _sql_name(ref: DestinationRef, url: str, table: TableName) -> str:
    """A file web.duckdb is the catalog "web": with a schema "web" in it, only a full name is clear."""
    place = location.place_of(ref.id, url)
    if isinstance(place, DltPlace) and place.path:
        files = f"{place.path}/{table.schema}/{table.name}/*.parquet".replace("'", "''")
        return f"read_parquet('{files}', union_by_name = true)"
    catalog = (
        [place.path.stem] if isinstance(place, location.File) and place.path.stem == table.schema else []
    )
    return ".".join(map(quoted, [*catalog, *table]))


def _query(question: Question, tables: Mapping[str, TablePlace], names: Mapping[str, str]) -> Query:
    head = question.name, question.title, question.help
    if problem := _problem(question, tables, names):
        return Query(*head, sql="", problem=problem)
    return Query(*head, sql=fill(question.text, tables))


def _problem(question: Question, tables: Mapping[str, TablePlace], names: Mapping[str, str]) -> str:
    events = _EMAILS | _PURCHASES
    roles = dict.fromkeys(_TABLE.findall(question.text))
    if missing := [names.get(events[role], events[role]) for role in roles if role not in tables]:
        return f"It needs a table that comes with the first event {' and the first '.join(missing)}."
    aliases = _aliases(question.text)
    for alias, column in _NEEDED.findall(question.text):
        table = tables.get(aliases.get(alias, ""))
        if table and column not in table.columns:
            return f"It needs the column {column} of {table.name}, which is left out or did not come yet."
    if question.one_of:
        columns = tables["purchased"].columns
        if not any(columns.get(name) in _NUMBERS for name in question.one_of):
            return f"It needs a number in {' or '.join(question.one_of)} of {tables['purchased'].name}."
    return ""


def fill(text: str, tables: Mapping[str, TablePlace]) -> str:
    """The SQL for these tables: lines that name a column which is not there are left out."""
    aliases = _aliases(text)
    lines, left_out = [], set()
    for line in text.strip().splitlines():
        if match := _OPTIONAL.search(line):
            alias, column, number = match.groups()
            table = tables.get(aliases[alias])
            # A query inside has what it was made from: the lines above.
            is_there = (
                column not in left_out
                if table is None
                else table.columns.get(column) in _NUMBERS
                if number
                else column in table.columns
            )
            if not is_there:
                left_out.add(column)
                continue
        plain = _OPTIONAL.sub(lambda match: f"{match[1]}.{match[2]}", line)
        lines.append(_TABLE.sub(lambda match: tables[match[1]].name, plain))
    return "\n".join(lines)


def _aliases(text: str) -> dict[str, str]:
    return {alias: name.strip("{}") for name, alias in _ALIAS.findall(text)}
