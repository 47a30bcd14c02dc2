"""importlist and csvimport jobs: reading an uploaded CSV, and writing rows.

A CSV has texts; values get the types of their properties, and unknown columns become properties.
"""

import csv
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mailjet_sandbox import errors, properties
from mailjet_sandbox.clock import parse_rfc3339
from mailjet_sandbox.contacts import ACTIONS, Info, active_targets, is_email, update_contact
from mailjet_sandbox.errors import WRONG_TYPE
from mailjet_sandbox.jobs import RowWriter
from mailjet_sandbox.model import ContactsList, Job, Property
from mailjet_sandbox.properties import NAME
from mailjet_sandbox.requests import decode_json
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
        lines = csv.reader(
            io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count)
        )
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
            match definition.datatype:
                case "datetime":
                    values[name] = _moment(cell, options)
                case "bool":
                    values[name] = _BOOLEANS[cell.lower()]
                case "int":
                    values[name] = int(cell)
                case "float":
                    values[name] = float(cell)
                case _:
                    values[name] = cell
        except (ValueError, KeyError, OverflowError):
            problems[name] = WRONG_TYPE
    return values, problems


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


#: Methods of csvimport that change the exclusion list, and to what [D].
EXCLUSIONS = {"excludemarketing": True, "includemarketing": False}


def list_writer(store: Store, job: Job) -> RowWriter:
    """Write rows of [contact id, unsubscribed] to the job's list."""
    targets = active_targets(store, job.lists)

    def write(row: Any) -> Info:
        contact_id, unsubscribed = row
        contact = store.contacts.get(contact_id)
        if contact is None:
            return {}
        for target, action in targets:
            if action.startswith("duplicate-"):
                subscribed = "addforce" if action == "duplicate-override" else "addnoforce"
                ACTIONS["unsub" if unsubscribed else subscribed](store, target, contact)
            else:
                ACTIONS[action](store, target, contact)
        return {}

    return write


class CsvWriter:
    """Writes rows of cells. What it returns for a bad row is ``{column: message}``."""

    def __init__(self, store: Store, job: Job) -> None:
        self._store = store
        self._options = read_options(job.options)
        self._names, _ = read_table(store.uploads.get(job.data_id, "email\n"), self._options)
        self._excluded = EXCLUSIONS.get(job.method)
        self._targets: list[tuple[ContactsList, str]] = active_targets(store, job.lists)
        self._seen: set[str] = set()
        define_columns(store, self._names)

    def __call__(self, row: Any) -> Info:
        if len(row) < len(self._names):
            return {"line": "Too few columns"}
        cells = dict(zip(self._names, row, strict=False))
        email = cells.get("email", "").strip()
        values, problems = typed(cells, self._store, self._options)
        if not is_email(email):
            return {"email": "Invalid email"}
        if email.lower() in self._seen:
            return {"email": "Duplicated email"}
        self._seen.add(email.lower())
        if problems:
            return problems
        checked, _ = properties.check(self._store.static_properties, values)
        contact = self._store.contact_by_email(email) or self._store.add_contact(email)
        update_contact(self._store, contact, excluded=self._excluded, values=checked)
        for target, action in self._targets:
            ACTIONS[action](self._store, target, contact)
        return {}


def csv_writer(store: Store, job: Job) -> RowWriter:
    return CsvWriter(store, job)
