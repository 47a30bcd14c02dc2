"""Rows of a file as they stand there, each with the line it begins at: CSV, NDJSON, a JSON array.

What is wrong with one row is a fault of that row; reading goes on with the next.
"""

import csv
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.imports.files.options import DELIMITERS
from jetbridge.imports.files.text import ROW_CHARACTERS, UNDECODABLE, FileError, Lines
from jetbridge.spec import emails, lenient_json
from jetbridge.spec.untrusted import JSON_ERRORS, NESTING, depth
from jetbridge.text import pluralize

#: Python's reader has one limit for the whole process; our bound is that of a row.
csv.field_size_limit(2 * ROW_CHARACTERS)

#: Lines that the separator is chosen by.
SAMPLE_LINES = 200
#: More columns than a person has properties, by far.
MAX_COLUMNS = 2_000
#: Of a row that is too long, so much is kept to be shown.
KEPT_CHARACTERS = 200

UNDECODABLE_FAULT = "holds bytes that are no text in this encoding"
QUOTE_FAULT = (
    "has a quotation mark that is not closed or does not end its cell (inside a cell it is written twice)"
)
TOO_LONG_FAULT = f"is longer than {ROW_CHARACTERS:,} characters"


class Place(NamedTuple):
    """Where a row stands in its file: the line at which it begins, and in a JSON array which item it is, from 1.

    Items of an array may all stand on one line; rows of other formats have a line each, and no `item`.
    """

    line: int
    item: int | None = None

    @property
    def number(self) -> int:
        """Larger than that of the row before."""
        return self.item or self.line

    def __str__(self) -> str:
        if not self.item:
            return f"line {self.line}"
        return f"item {self.item}" if self.line == 1 else f"item {self.item} (line {self.line})"


class Record(NamedTuple):
    """`values` are cells (CSV) or an object (JSON); None if the row cannot be read, and then `text` is the row."""

    place: Place
    values: list[str] | dict[str, Any] | None
    fault: str = ""
    text: str = ""
    #: Where JSON had a value that is none, such as NaN: the row comes without.
    dropped: tuple[str, ...] = ()


# ---- CSV


def delimiter_of(lines: list[str]) -> str:
    """The separator that splits the first lines of a file into the most alike rows of several cells.

    Each candidate is tried with the real reader, as Python's csv.Sniffer does since 3.15. That of Python 3.11
    takes a second for 16 KB of quotes, quadratically more for more, and calls the "m" of example.com a
    separator; clevercsv chose alike in all files tried, and takes two more libraries for it.
    """
    best, best_score = ",", (0.0, 0)
    for candidate in DELIMITERS:
        widths = [len(cells) for cells in _readable(lines, candidate) if any(cells)]
        # The header is free of prices and sentences: its cells count, and rows that have as many.
        width = widths[0] if widths else 1
        score = (sum(count == width for count in widths) / len(widths) if width > 1 else 0.0, width)
        if score > best_score:
            best, best_score = candidate, score
    return best


def _readable(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:  # a quote is not closed, perhaps only since the sample ends: then line by line
        return list(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))


class CsvRecords:
    """`header` and the rows after it. A quote that is not closed spoils its line, and not the rest of the file."""

    def __init__(self, lines: Lines, delimiter: str) -> None:
        """An empty `delimiter`: choose it. Raises FileError where there is no header."""
        self._feed = _Feed(lines)
        declared = self._feed.declared()
        self.delimiter = delimiter or declared or delimiter_of(self._feed.peek(SAMPLE_LINES))
        self._dialect: dict[str, Any] = {"delimiter": self.delimiter, "strict": True}
        self.header = self._header()
        self.header_line = self._feed.first

    def _header(self) -> list[str]:
        first = next((line for line in self._feed.peek(SAMPLE_LINES) if line.strip()), "")
        if f"{self.delimiter} " in first and f"{self.delimiter} " * first.count(self.delimiter) == "".join(
            re.findall(re.escape(self.delimiter) + " ?", first)
        ):
            self._dialect["skipinitialspace"] = True  # “a, b, c” throughout
        for record in self._read(None):
            if record.fault:
                raise FileError(f"The first row, which names the columns, {record.fault}.")
            assert record.values is not None
            header = list(record.values)
            while header and not header[-1].strip():
                header.pop()
            if len(header) > MAX_COLUMNS:
                raise FileError(f"The file has {len(header):,} columns; {MAX_COLUMNS:,} are allowed.")
            return header
        raise FileError("The file is empty.")

    def rows(self, email: int | None) -> Iterator[Record]:
        """`email` is the column that holds addresses, if any does."""
        return self._read((len(self.header), email))

    def _read(self, shape: tuple[int, int | None] | None) -> Iterator[Record]:
        feed = self._feed
        reader = csv.reader(feed, **self._dialect)
        while True:
            feed.begin()
            try:
                cells = next(reader)
                fault = _fault(cells, shape, feed, self.delimiter)
            except StopIteration:
                return
            except csv.Error:
                fault = QUOTE_FAULT
            except _TooLong:
                fault = TOO_LONG_FAULT if feed.is_one_line else QUOTE_FAULT
            if not fault:
                if any(cells) and any(map(str.strip, cells)):
                    yield Record(feed.place, cells if shape is None else cells[: shape[0]])
                continue
            text = feed.give_back()
            reader = csv.reader(feed, **self._dialect)
            yield Record(feed.place, _cells_of(text, self._dialect, shape and shape[0]), fault)


def _fault(cells: list[str], shape: tuple[int, int | None] | None, feed: "_Feed", delimiter: str) -> str:
    if feed.is_undecodable:
        return UNDECODABLE_FAULT
    if shape is None or not cells:
        return ""
    width, email = shape
    # Empty cells at the end are what a spreadsheet writes beside its table.
    is_other = len(cells) < width or any(map(str.strip, cells[width:]))
    if is_other and any(map(str.strip, cells)):
        fault = f"has {pluralize(len(cells), 'cell')}, and the header {width}"
        return fault if feed.is_one_line else f"{QUOTE_FAULT}: with the lines below it, it {fault}"
    if not feed.is_one_line and email is not None and _swallows(cells, width, email, delimiter):
        return QUOTE_FAULT
    return ""


def _swallows(cells: list[str], width: int, email: int, delimiter: str) -> bool:
    """Whether a line inside a cell is itself a row with an address where addresses are."""
    for cell in cells:
        for line in cell.splitlines()[1:-1]:
            inner = line.split(delimiter)
            if len(inner) == width and emails.normalise(inner[email]):
                return True
    return False


def _cells_of(text: str, dialect: dict[str, Any], width: int | None) -> list[str]:
    """As good as it gets, of a row that is spoilt: it is to be corrected. Without quotes if it has `width` cells so."""
    if len(text) > ROW_CHARACTERS:
        text = text[:KEPT_CHARACTERS]
    lines = [text.rstrip("\r\n").replace(UNDECODABLE, "\ufffd")]
    plain = next(csv.reader(lines, **(dialect | {"quoting": csv.QUOTE_NONE})), [])
    return plain if len(plain) == width else next(csv.reader(lines, **(dialect | {"strict": False})), [])


class _TooLong(Exception):
    """A row is longer than any may be: nearly always since a quote is not closed."""


class _Feed:
    """Lines for csv.reader, that can be given back from the second line of a row on."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._waiting: deque[tuple[int, str]] = deque()
        self._row: list[tuple[int, str]] = []
        self._length = 0
        self.is_undecodable = False

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        number, line = self._waiting.popleft() if self._waiting else self._next()
        self._row.append((number, line))
        self._length += len(line)
        if self._length > ROW_CHARACTERS:
            raise _TooLong
        if UNDECODABLE in line:
            self.is_undecodable = True
        return line

    def _next(self) -> tuple[int, str]:
        line = next(self._lines)
        return self._lines.number, line

    def peek(self, count: int) -> list[str]:
        """The next lines, as far as they are not too long."""
        while len(self._waiting) < count and sum(len(line) for _, line in self._waiting) < ROW_CHARACTERS:
            try:
                self._waiting.append(self._next())
            except StopIteration:
                break
        return [line for _, line in self._waiting if len(line) <= ROW_CHARACTERS]

    def declared(self) -> str:
        """The separator of a first line `sep=;`, which is taken away: Excel's own."""
        separator = re.fullmatch(r'"?sep=([^\r\n"])"?\s*', "".join(self.peek(1)[:1]), re.IGNORECASE)
        if not separator:
            return ""
        self._waiting.popleft()
        return separator[1]

    def begin(self) -> None:
        self._row.clear()
        self._length = 0
        self.is_undecodable = False

    @property
    def first(self) -> int:
        """The line at which the row begins; blank ones before it do not count."""
        return next((number for number, line in self._row if line.strip()), self._row[0][0])

    @property
    def place(self) -> Place:
        return Place(self.first)

    @property
    def is_one_line(self) -> bool:
        return len(self._row) == 1

    def give_back(self) -> str:
        """All lines of the row but the first are read again; that one is returned."""
        self._waiting.extendleft(reversed(self._row[1:]))
        del self._row[1:]
        return self._row[0][1]


# ---- JSON

_LONG_NUMBER = re.compile(r"\d{16}")
_SPACE = re.compile(r"[\s,]*")


def ndjson_records(lines: Lines) -> Iterator[Record]:
    """One object per line."""
    for line in lines:
        if text := line.strip().lstrip("\ufeff"):
            yield object_of(Place(lines.number), text)


def object_of(place: Place, text: str) -> Record:
    """The one object of a text."""
    if len(text) > ROW_CHARACTERS:
        return Record(place, None, TOO_LONG_FAULT, text[:KEPT_CHARACTERS])
    if UNDECODABLE in text:
        return Record(place, None, UNDECODABLE_FAULT, text.replace(UNDECODABLE, "\ufffd"))
    dropped: list[str] = []
    try:
        value = _exact(text) if _LONG_NUMBER.search(text) else msgspec.json.decode(text)
    except (ValueError, *JSON_ERRORS):
        try:
            value, dropped = lenient_json.read_lenient(text.encode("utf-8", "replace"), "The row")
        except MessageRejected as error:
            fault = str(error).removeprefix("The row is not JSON that can be read: ").rstrip(".")
            return Record(place, None, f"is no JSON ({fault})", text)
    if not isinstance(value, dict):
        return Record(place, None, "is no JSON object", text)
    if text.count("{") + text.count("[") > NESTING and depth(value) > NESTING:
        return Record(place, None, f"is nested deeper than {NESTING} levels", text)
    return Record(place, value, dropped=tuple(dropped))


def _exact(text: str) -> Any:
    """With numbers that other readers would round, ids for instance, as texts. Raises ValueError, RecursionError."""
    return _DECODER.decode(text)


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= 18 else digits


def _number(digits: str) -> float:
    value = float(digits)
    return value if isfinite(value) else _no_number(digits)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


_DECODER = json.JSONDecoder(parse_int=_whole_number, parse_float=_number, parse_constant=_no_number)
#: To find where a value ends, whatever it holds.
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def array_records(text: TextIOWrapper, tick: Callable[[], object]) -> Iterator[Record]:
    """The objects of a JSON array, however large it is. What is no JSON ends it: nobody knows where the next begins.

    Raises FileError then, with the item.
    """
    window = _Window(text, tick)
    window.skip("[")
    item = 0
    while not window.skip("]"):
        item += 1
        place = Place(window.line, item)
        yield object_of(place, window.value(place))


class _Window:
    """The part of a JSON text that is being read."""

    def __init__(self, text: TextIOWrapper, tick: Callable[[], object]) -> None:
        self._text = text
        self._tick = tick
        self._window = ""
        self._at = 0
        self._is_end = False
        self.line = 1

    def skip(self, mark: str) -> bool:
        """Go past blanks, commas, and `mark` if it is next. At the end of the text the array has ended, too."""
        while True:
            if blanks := _SPACE.match(self._window, self._at):
                self._go_to(blanks.end())
            if self._at < len(self._window):
                break
            if not self._more(65_536):
                raise FileError(f"The JSON array ends in the middle, at line {self.line}: its ] is missing.")
        if self._window[self._at] == mark:
            self._at += 1
            return True
        return False

    def value(self, place: Place) -> str:
        """The text of the next value, which stands at `place`."""
        size = 65_536
        while True:
            try:
                _, end = _SCANNER.raw_decode(self._window, self._at)
            except (ValueError, RecursionError) as error:
                if self._is_end or len(self._window) - self._at > ROW_CHARACTERS:
                    message = (
                        error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deep"
                    )
                    raise FileError(
                        f"The JSON array cannot be read on from {place}: {message}. "
                        "One object per line (NDJSON) can be read around such a place."
                    ) from None
            else:
                if end < len(self._window) or self._is_end:  # else a number may go on
                    text = self._window[self._at : end]
                    self._go_to(end)
                    return text
            self._more(size)
            size *= 2

    def _more(self, size: int) -> bool:
        self._tick()
        more = self._text.read(size)
        self._window = self._window[self._at :] + more
        self._at = 0
        self._is_end = not more
        return bool(more)

    def _go_to(self, end: int) -> None:
        passed = self._window[self._at : end]
        self.line += passed.count("\n") + passed.count("\r") - passed.count("\r\n")
        self._at = end
