"""Texts of strangers, where people read them: without the characters that a terminal, a log or a page would obey."""

import json
import logging
import math
import re
from datetime import UTC, datetime
from typing import Any

import click

#: Heavy quotation marks, which nobody types: what stands between them is from outside, in one line.
_OPEN, _CLOSE = "❝", "❞"
#: In HTML and JSON, where a message that was cut off ends at the next tag or quotation mark.
_MARKED = re.compile(f'{_OPEN}[^{_CLOSE}"<]*{_CLOSE}?')
#: What ends a marked part, or is written in another way in HTML and in JSON.
_OTHERWISE = str.maketrans({_OPEN: "'", _CLOSE: "'", '"': "'", "<": "(", ">": ")", "\\": "/"})


def printable(text: str, *, keep: str = "", instead: str = "\ufffd") -> str:
    """The text with `instead` for each character that shows nothing but does something: control characters,
    changes of writing direction, halves of surrogate pairs (`str.isprintable`).
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else instead for char in text)


#: Quotation marks that come along when a value is copied from a document, a chat or a configuration file.
_QUOTES = frozenset("\"'`“”„‟‘’‚‛«»‹›")  # noqa: RUF001


def pasted(text: str) -> str:
    """A key, an ID or an address as it was meant: without the blanks, quotation marks, byte order mark and other
    invisible characters that come along when it is copied. What stands inside stays.
    """
    begin, end = 0, len(text)
    while begin < end and _comes_along(text[begin]):
        begin += 1
    while end > begin and _comes_along(text[end - 1]):
        end -= 1
    return text[begin:end]


def _comes_along(char: str) -> bool:
    return char.isspace() or not char.isprintable() or char in _QUOTES


def quoted(value: Any, characters: int = 40) -> str:
    """A value of JSON for a message, shortened: a text in quotation marks, anything else as JSON writes it."""
    if isinstance(value, str):
        return repr(value[:characters])
    return printable(json.dumps(value, ensure_ascii=False)[:characters])


def pluralize(number: int, one: str, many: str = "") -> str:
    """“1 row”, “1,200 rows”: a number with what it counts; `many` where that is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def duration(seconds: float) -> str:
    """For people, in whole units and never too long: 45 s, 3 min, 2 h, 5 days."""
    for size, unit in ((172_800, "days"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{math.floor(seconds / (size / 2))} {unit}"
    return f"{math.floor(seconds)} s"


def one_line(text: str) -> str:
    return " ".join(printable(text, instead=" ").split())


def for_editors(words: str, characters: int = 300) -> str:
    """Words of somebody else for a message: shortened, in one line, without what a terminal or a page would obey."""
    return f"{_OPEN}{one_line(words).translate(_OTHERWISE)[:characters]}{_CLOSE}"


def for_viewers(text: str) -> str:
    """A response in HTML or JSON without them."""
    return _MARKED.sub("…", text)


def echo(text: str, *, err: bool = False) -> None:
    """Print lines to the terminal. The only way to do so besides `terminal.Terminal`."""
    click.echo(printable(text, keep="\n\t"), err=err)  # noqa: TID251


class LogFormatter(logging.Formatter):
    """One line per message, then a traceback if there is one: nobody can write a line that is not ours."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n\t")


class JsonLogFormatter(logging.Formatter):
    """One JSON object per message; its traceback is a field of it."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "traceback": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None})


def log_to_stderr(*, as_json: bool = False) -> None:
    """Every log message of this process, with time and level."""
    handler = logging.StreamHandler()
    lines = LogFormatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLogFormatter() if as_json else lines)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
