"""A file of a few bytes, read as `send` and the console read it."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jetbridge.imports.files.calls import Row
from jetbridge.imports.files.options import Options
from jetbridge.imports.files.scan import Scan, scan


@dataclass
class Read:
    """What a file was found to be, and its rows."""

    scan: Scan
    rows: list[Row]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Without their messageIds."""
        calls = [json.loads(row.call) for row in self.rows if row.call]
        for call in calls:
            call.pop("messageId")
        return calls

    @property
    def traits(self) -> list[dict[str, Any]]:
        return [call["traits"] for call in self.calls]

    @property
    def people(self) -> list[str]:
        return [call.get("userId") or call["anonymousId"] for call in self.calls]

    @property
    def rejected(self) -> list[tuple[int, str]]:
        return [(row.place.line, row.reason) for row in self.rows if row.call is None]

    @property
    def kinds(self) -> dict[str, str]:
        return {column.name: column.kind for column in self.scan.columns}


ReadFile = Callable[..., Read]


@pytest.fixture
def read(tmp_path: Path) -> ReadFile:
    """`read(b"...", name="people.csv", packed=True, encoding="cp1252")`. Raises FileError."""

    def of(content: bytes | str, *, name: str = "people", packed: bool = False, **options: Any) -> Read:
        path = tmp_path / name
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if packed else data)
        found = scan(path, Options(**options))
        return Read(found, list(found.rows()))

    return of
