"""Reading an uploaded CSV the way csvimport does: texts in, typed values out, unknown columns become properties."""

import csv
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mailjet_sandbox import errors
from mailjet_sandbox.body import decode_json
from mailjet_sandbox.clock import parse_rfc3339
from mailjet_sandbox.model import Property
from mailjet_sandbox.properties import NAME, WRONG_TYPE
from mailjet_sandbox.store import MAX_PROPERTIES, Store

#: The letters of ImportOptions.DateTimeFormat [D].
_FORMAT_LETTERS = {"yyyy": "%Y", "yy": "%y", "mm": "%m", "dd": "%d", "hh": "%H", "nn": "%M", "ss": "%S"}

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Options(msgspec.Struct, rename="pascal"):
    """ImportOptions, itself a JSON text inside the JSON body [D]."""

    date_time_format: str = ""
    timezone_offset: int = 0
    #: Column names; without them the first line holds them.
    field_names: list[str] = []


def read_options(text: str) -> Options:
    if not text:
        return Options()
    try:
        options: Options = decode_json(text, Options)
    except errors.MailjetError as error:
        raise errors.invalid_property("ImportOptions", error.message) from None
    return options


def read_table(text: str, options: Options) -> tuple[list[str], list[list[str]]]:
    """Split a CSV into column names, in lower case, and rows."""
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
        rows = [row for row in lines if row]
    except csv.Error as error:
        raise errors.MailjetError(400, f"Invalid CSV: {error}") from None  # [X]
    if options.field_names:
        return [name.lower() for name in options.field_names], rows
    if not rows:  # An empty upload. [S] mailjet-apiv3-python#120
        raise errors.MailjetError(400, "List index (0) out of bounds")
    return [name.strip().lower() for name in rows[0]], rows[1:]


def write_table(names: list[str], rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *rows])
    return out.getvalue()


def _delimiter(text: str) -> str:
    first_line = text.partition("\n")[0]
    return max(",;\t", key=first_line.count)


def define_columns(store: Store, names: list[str]) -> None:
    """Create what is missing as text; only imports of files do that [D]. Columns beyond the limit are ignored [X]."""
    taken = {row.name for row in store.properties.values() if row.namespace == "static"}
    for name in names:
        is_full = len(store.properties) >= MAX_PROPERTIES
        if name != "email" and name not in taken and NAME.fullmatch(name) and not is_full:
            store.add_property(Property(store.new_id("property"), name))


def typed(cells: Mapping[str, str], store: Store, options: Options) -> tuple[dict[str, Any], dict[str, str]]:
    """Turn a row's texts into values of the properties' types, and collect the errors. Empty cells count as absent."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, cell in cells.items():
        definition = store.static_properties.get(name)
        if definition is None or not cell:
            continue
        try:
            values[name] = _value(definition.datatype, cell, options)
        except (ValueError, KeyError, OverflowError):
            problems[name] = WRONG_TYPE
    return values, problems


def _value(datatype: str, cell: str, options: Options) -> Any:
    if datatype == "datetime":
        return _moment(cell, options)
    if datatype == "bool":
        return _BOOLEANS[cell.lower()]
    if datatype in ("int", "float"):
        return int(cell) if datatype == "int" else float(cell)
    return cell


def _moment(cell: str, options: Options) -> int:
    """Read a date in the import's one format; ``RFC3339`` or none means RFC 3339."""
    if options.date_time_format.lower() in ("", "rfc3339"):
        return parse_rfc3339(cell)
    pattern = re.sub(
        "yyyy|yy|mm|dd|hh|nn|ss", lambda match: _FORMAT_LETTERS[match[0]], options.date_time_format
    )
    if " " not in cell:  # The time may be left out.
        pattern = pattern.partition(" ")[0]
    local = datetime.strptime(cell, pattern).replace(tzinfo=UTC)
    return int((local - timedelta(hours=options.timezone_offset)).timestamp())
