"""Two passes over a file: the first finds out what it is, the second gives its rows as identify calls.

The types of columns follow from all cells, so nothing is sent before all were read. Memory is bounded: by a row,
and by what is told of the columns.
"""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from jetbridge.imports.files.calls import Row, row_of
from jetbridge.imports.files.columns import Column, Kind, columns_of, role_of
from jetbridge.imports.files.options import DELIMITERS, Options
from jetbridge.imports.files.records import (
    MAX_COLUMNS,
    CsvRecords,
    Place,
    Record,
    array_records,
    ndjson_records,
)
from jetbridge.imports.files.text import (
    ROW_CHARACTERS,
    Contents,
    FileError,
    Lines,
    look_at,
    text_of,
)
from jetbridge.text import printable

FORMAT_LABELS = {"csv": "CSV", "json": "JSON array", "ndjson": "NDJSON, one object per line"}

#: Gets the bytes of the file that were read so far; the size of the file at the end.
OnBytes = Callable[[int], object]


def _nobody(_: int) -> None:
    """Nobody wants to know."""


@dataclass
class Scan:
    """What a file is. `columns` of JSON are the keys that were seen, for a person to look at."""

    path: Path
    name: str
    options: Options
    contents: Contents
    format: str
    delimiter: str
    #: As it stands in the file; empty for JSON.
    header: list[str] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    records: int = 0

    def rows(self, on_bytes: OnBytes = _nobody) -> Iterator[Row]:
        """Every row, in order; a row that cannot be sent has its reason."""
        with text_of(self.path, self.contents.encoding.codec) as (text, raw):

            def tick() -> None:
                on_bytes(raw.tell())

            if self.format == "csv":
                records = CsvRecords(Lines(text, tick), self.delimiter).rows(self.email_index)
                columns = self.columns
            else:
                records, columns = _json(text, self.format, tick), []
            for record in records:
                yield row_of(record, columns, self.options)

    @property
    def unit(self) -> str:
        """What the places of rows count."""
        return "item" if self.format == "json" else "line"

    @property
    def email_index(self) -> int | None:
        return next((column.index for column in self.columns if column.role == "email"), None)

    def as_object(self) -> dict[str, Any]:
        encoding = self.contents.encoding
        return {
            "encoding": encoding.label,
            "encoding_is_guess": encoding.is_guess,
            "encoding_example": encoding.example,
            "compressed": self.contents.is_packed,
            "kind": self.format,
            "format": FORMAT_LABELS[self.format],
            "delimiter": DELIMITERS.get(self.delimiter, self.delimiter),
            "rows": self.records,
            "columns": [column.as_object() for column in self.columns],
        }


def scan(path: Path, options: Options, *, name: str = "", on_bytes: OnBytes = _nobody) -> Scan:
    """`name` is what the person calls the file. Raises FileError if it cannot be read as a whole.

    It goes twice through the file, half of the way each: once for its bytes, once for its cells.
    """
    contents = look_at(path, options.encoding, lambda done: on_bytes(done // 2))
    with text_of(path, contents.encoding.codec) as (text, raw):
        kind = options.format or _format_of(name or path.name, text)
    scanned = Scan(path, name or path.name, options, contents, kind, "")

    with text_of(path, contents.encoding.codec) as (text, raw):

        def tick() -> None:
            on_bytes((contents.size + raw.tell()) // 2)

        if kind == "csv":
            table = CsvRecords(Lines(text, tick), options.delimiter)
            scanned.delimiter = table.delimiter
            scanned.header = table.header
            scanned.columns = columns_of(table.header, options)
            columns = [column for column in scanned.columns if column.role != "ignored"]
            for record in table.rows(scanned.email_index):
                scanned.records += 1
                for column in columns if not record.fault else ():
                    cell = record.values[column.index]  # type: ignore[index]
                    if cell and cell.strip():
                        column.see(cell)
            for column in scanned.columns:
                column.conclude(options)
        else:
            _see_objects(scanned, _json(text, kind, tick))
    if not scanned.records:
        raise FileError(f"{scanned.name} has no rows.")
    return scanned


def _format_of(name: str, text: io.TextIOWrapper) -> str:
    """By what the file begins with; a name that says CSV is believed."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes if suffix.lower() != ".gz"]
    if suffixes and suffixes[-1] in {".csv", ".tsv", ".tab"}:
        return "csv"
    start = text.read(ROW_CHARACTERS).lstrip("\ufeff \t\r\n")[:1]
    return {"[": "json", "{": "ndjson"}.get(start, "csv")


def _json(text: io.TextIOWrapper, kind: str, tick: Callable[[], object]) -> Iterator[Record]:
    return array_records(text, tick) if kind == "json" else ndjson_records(Lines(text, tick))


def _see_objects(scanned: Scan, records: Iterator[Record]) -> None:
    by_name: dict[str, Column] = {}
    for record in records:
        scanned.records += 1
        for name, value in (record.values or {}).items():  # type: ignore[union-attr]
            column = by_name.get(name)
            if column is None:
                if len(by_name) == MAX_COLUMNS:
                    continue
                role = role_of(name, scanned.options)
                column = by_name[name] = Column(len(by_name), name, role, role if role != "trait" else name)
            _see_value(column, value)
    scanned.columns = list(by_name.values())


def _see_value(column: Column, value: Any) -> None:
    if value is None or value == "":
        return
    kind: Kind = "text"
    if isinstance(value, bool):
        kind = "boolean"
    elif isinstance(value, int | float):
        kind = "number"
    elif isinstance(value, dict | list):
        kind = "object"
    if column.filled and column.kind != kind:
        kind = "mixed"
    column.kind = kind
    column.filled += 1
    if not column.example:
        column.example = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


#: Rows that a check shows one by one.
SHOWN_ROWS = 20
SHOWN_CALLS = 3


@dataclass
class Check:
    """What would become of the rows of a file, with nothing sent."""

    accepted: int = 0
    rejected: int = 0
    warned: int = 0
    #: The first ones, each with its sentence.
    faults: list[tuple[Place, str]] = field(default_factory=list)
    warnings: list[tuple[Place, str]] = field(default_factory=list)
    #: The first ones, as they would be sent.
    calls: list[dict[str, Any]] = field(default_factory=list)

    def see(self, row: Row) -> None:
        if row.call is None:
            self.rejected += 1
            if len(self.faults) < SHOWN_ROWS:
                self.faults.append((row.place, row.reason))
            return
        self.accepted += 1
        if row.warning:
            self.warned += 1
            if len(self.warnings) < SHOWN_ROWS:
                self.warnings.append((row.place, row.warning))
        if len(self.calls) < SHOWN_CALLS:
            self.calls.append(msgspec.json.decode(row.call))

    def as_object(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "rejected": self.rejected,
            "warned": self.warned,
            "faults": [place._asdict() | {"reason": printable(reason)} for place, reason in self.faults],
            "warnings": [
                place._asdict() | {"warning": printable(warning)} for place, warning in self.warnings
            ],
            "calls": self.calls,
        }


def check(scan: Scan, on_bytes: OnBytes = _nobody) -> Check:
    """Read every row as it would be sent."""
    checked = Check()
    for row in scan.rows(on_bytes):
        checked.see(row)
    return checked
