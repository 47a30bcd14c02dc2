"""A file of the rows that were rejected: the same columns and the reason, to be corrected and sent again."""

import csv
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from jetbridge.imports.files.calls import Row
from jetbridge.imports.files.columns import REASON_COLUMN
from jetbridge.imports.files.scan import Scan

#: Where the text of a row goes that is no object of JSON.
LINE_KEY = "jetbridge_line"


def name_for(name: str, kind: str) -> str:
    """people.csv.gz → people.rejected.csv."""
    path = Path((name.lower().endswith(".gz") and name[:-3]) or name)
    suffix = ".csv" if kind == "csv" else ".ndjson"
    return f"{path.stem or 'people'}.rejected{suffix}"


class RejectedRows:
    """Made when the first row comes. CSV is UTF-8 with a byte order mark, which spreadsheets understand.

    The reason stands in the first column, where it is seen, and where a row with too many cells does not push it away.
    """

    def __init__(self, path: Path, scan: Scan, *, most: int | None = None) -> None:
        """`most`: of more rows than that, the first ones."""
        self.path = path
        self._left = most
        self._scan = scan
        self._file: IO[str] | None = None
        self._writer: Any = None
        #: Where a reason stands already, in a file that was rejected before.
        names = [name.strip() for name in scan.header]
        self._old_reason = names.index(REASON_COLUMN) if REASON_COLUMN in names else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def add(self, row: Row) -> None:
        """Raises OSError."""
        if self._left is not None:
            if not self._left:
                return
            self._left -= 1
        reason = f"{row.place} {row.reason}"
        if self._scan.format == "csv":
            self._add_cells(row, reason)
        else:
            self._add_object(row, reason)

    def _add_cells(self, row: Row, reason: str) -> None:
        if self._file is None:
            self._file = self._opened("utf-8-sig")
            self._writer = csv.writer(self._file, delimiter=self._scan.delimiter)
            self._writer.writerow([REASON_COLUMN, *self._own(self._scan.header)])
        cells = row.record.values if row.record and isinstance(row.record.values, list) else []
        self._writer.writerow([reason, *self._own(cells)])

    def _own(self, cells: list[str]) -> list[str]:
        return [cell for index, cell in enumerate(cells) if index != self._old_reason]

    def _add_object(self, row: Row, reason: str) -> None:
        if self._file is None:
            self._file = self._opened("utf-8")
        record = row.record
        if record and isinstance(record.values, dict):
            value = {REASON_COLUMN: reason, **{k: v for k, v in record.values.items() if k != REASON_COLUMN}}
        else:
            value = {REASON_COLUMN: reason, LINE_KEY: record.text if record else ""}
        self._file.write(_json(value) + "\n")

    def _opened(self, encoding: str) -> IO[str]:
        # For its owner's eyes: these are people.
        return open(
            self.path,
            "w",
            encoding=encoding,
            newline="",
            errors="replace",
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )


def _json(value: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, OverflowError, RecursionError, TypeError):
        return msgspec.json.encode(
            {REASON_COLUMN: value[REASON_COLUMN], LINE_KEY: str(value)[:1000]}
        ).decode()
