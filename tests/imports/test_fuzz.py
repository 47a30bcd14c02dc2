"""Files that nobody wrote: what a spreadsheet can hold comes back, and no bytes break anything."""

import csv
import gzip
import io
import json
import re
from pathlib import Path
from random import Random
from typing import Any

from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.imports.files.options import Options
from jetbridge.imports.files.rejected import RejectedRows
from jetbridge.imports.files.scan import check, scan
from jetbridge.imports.files.text import FileError

LATIN = "".join(char for char in bytes(range(256)).decode("cp1252", "ignore") if char.isprintable())
WIDE = re.sub(r"[\x00-\x1f\x7f-\x9f]", "", mk.any_character())
#: Cells as people have them: words and sentences, numbers, and what makes trouble.
TRICKY = mk.sampled_from(
    [
        "01067",
        "1.10",
        "12E3",
        "-0",
        "1",
        "2.5",
        "true",
        "FALSE",
        "a;b",
        "a,b",
        'say "hi"',
        "two\nlines",
        "'",
        '"',
        "|",
    ]
)


def tables(letters: str) -> mk.Maker[list[list[str]]]:
    cell = mk.one_of(TRICKY, mk.text(letters), mk.builds(str, mk.integers()), mk.builds(str, mk.floats()))

    def make(random: Random) -> list[list[str]]:
        width = random.randint(1, 4)
        return [[cell(random) for _ in range(width)] for _ in range(random.randint(1, 6))]

    return make


def dialects(random: Random) -> dict[str, Any]:
    """Python's writer leaves a line feed unquoted where lines end with CR alone: then everything is quoted."""
    ending = random.choice(["\n", "\r\n", "\r"])
    quoting = csv.QUOTE_ALL if ending == "\r" else random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    return {"delimiter": random.choice(",;\t|"), "lineterminator": ending, "quoting": quoting}


def written(table: list[list[str]], dialect: dict[str, Any], encoding: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, **dialect)
    writer.writerow(["userId", *(f"column {n}" for n in range(len(table[0])))])
    writer.writerows([f"person {n}", *cells] for n, cells in enumerate(table))
    return out.getvalue().encode(encoding)


def assert_same(table: list[list[str]], path: Path) -> None:
    rows = list(scan(path, Options()).rows())
    assert [row.reason for row in rows] == [""] * len(table)
    for n, (row, cells) in enumerate(zip(rows, table, strict=True)):
        call = json.loads(row.call or b"")
        assert call["userId"] == f"person {n}"
        wanted = {f"column {at}": cell for at, cell in enumerate(cells) if cell.strip()}
        assert {name: given_back(value, wanted[name]) for name, value in call["traits"].items()} == wanted


def given_back(value: Any, cell: str) -> str:
    """The text of a value; true and false may be written in any case."""
    return cell if isinstance(value, bool) and str(value).lower() == cell.lower() else str(value)


@fuzz(
    PURE,
    table=tables(WIDE),
    dialect=dialects,
    encoding=mk.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    examples=[
        {
            "table": [["\u2028", "\x85"]],
            "dialect": {"delimiter": ";", "lineterminator": "\r", "quoting": csv.QUOTE_MINIMAL},
            "encoding": encoding,
        }
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    ],
)
def test_every_cell_of_unicode_comes_back(
    memory_path: Path, table: list[list[str]], dialect: dict[str, Any], encoding: str
) -> None:
    path = memory_path / "people.csv"
    path.write_bytes(written(table, dialect, encoding))
    assert_same(table, path)


@fuzz(PURE, table=tables(LATIN), dialect=dialects)
def test_every_cell_of_windows_1252_comes_back_where_it_is_said(
    memory_path: Path, table: list[list[str]], dialect: dict[str, Any]
) -> None:
    path = memory_path / "people.csv"
    path.write_bytes(written(table, dialect, "cp1252"))
    rows = list(scan(path, Options(encoding="cp1252")).rows())
    values = [list(json.loads(row.call or b"")["traits"].values()) for row in rows]
    shown = [[cell for cell in cells if cell.strip()] for cells in table]
    assert [
        [given_back(*pair) for pair in zip(*both, strict=True)] for both in zip(values, shown, strict=True)
    ] == shown


PIECES = [
    b'"', b"\r", b"\n", b",", b";", b"\t", b"\x00", b"\xff", b"\xfe", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b":",
    b"\x1f\x8b\x08", b"email", b"userId", b"a@example.com", b"sep=;", b'{"userId":', b'"\\ud800"', b"1e999", b"9" * 20,
    b"\xe2\x80\x8b", b"true", b"null", b"NaN", b'{"$oid":"x"}', b"jetbridge_reason", b'{"type":"identify","traits":{',
]  # fmt: skip
JOINED = mk.builds(b"".join, mk.lists(mk.sampled_from(PIECES), most=40))
BYTES = mk.one_of(
    JOINED,
    mk.binary(200),
    mk.builds(lambda rest: b"email,userId,a\n" + rest, JOINED),
    mk.builds(gzip.compress, JOINED),
    mk.builds(lambda rest: gzip.compress(b"email,a\n" + rest)[:-4] + rest[:4], mk.binary(100)),
)


@fuzz(
    PURE,
    content=BYTES,
    form=mk.sampled_from(["", "csv", "json", "ndjson"]),
    encoding=mk.sampled_from(["", "", "utf-16", "cp1252", "gb18030"]),
)
def test_no_bytes_raise_anything_but_a_sentence(
    memory_path: Path, content: bytes, form: str, encoding: str
) -> None:
    path, rejected = memory_path / "people", memory_path / "rejected"
    path.write_bytes(content)
    try:
        found = scan(path, Options(format=form, encoding=encoding))
    except FileError as error:
        assert str(error).endswith(".")  # noqa: PT017 - it may raise and need not
        return
    checked = check(found)
    assert checked.accepted + checked.rejected == found.records
    with RejectedRows(rejected, found) as out:
        for row in found.rows():
            assert (row.call is None) == bool(row.reason)
            if row.call is None:
                out.add(row)
    json.dumps(found.as_object() | checked.as_object())
