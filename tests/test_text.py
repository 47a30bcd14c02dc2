"""What strangers wrote controls no terminal and forges no line of a log."""

import ast
import io
import itertools
import json
import logging
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.terminal import Terminal
from jetbridge.text import JsonLogFormatter, LogFormatter, one_line, pasted, pluralize, printable

#: Clear the screen, set the title, hide a line, write from right to left; a control character of ISO 8859-1; half a pair.
HOSTILE = "a\x1b[2J\x1b]0;title\x07b\rc\bd\x9b31me\u202ef\u2066g\ud800h\x00i"


def obeyed(text: str, *, keep: str = "\n\t") -> list[str]:
    """Characters that a terminal acts upon."""
    return [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs"} and char not in keep]


@fuzz(PURE, written=mk.one_of(mk.text(most=40), mk.text(mk.characters("Cc", "Cf", "Cs", "Z") + "a", most=40)))
def test_no_text_holds_what_a_terminal_obeys(written: str) -> None:
    assert obeyed(printable(written), keep="") == []
    assert obeyed(printable(written, keep="\n\t")) == []
    assert "\n" not in one_line(written)
    printable(written).encode()


def test_plain_text_in_any_language_stays() -> None:
    text = "Zoë Weiß, Ελένη, Иван, 田中, فاطمة, ✓"
    assert printable(text) == text


def test_rich_prints_texts_of_strangers_and_its_own_styles() -> None:
    out = io.StringIO()
    terminal = Terminal(file=out, force_terminal=True, color_system="standard", width=200)
    table = Table()
    table.add_column(HOSTILE)
    table.add_row(Text(HOSTILE, style="red"))
    terminal.print(table)
    terminal.print(HOSTILE, style="bold")
    assert "\x1b[31m" in out.getvalue()
    assert obeyed(re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())) == []


def test_a_log_message_is_one_line_and_its_traceback_follows() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("of strangers")
    log.propagate = False
    log.addHandler(handler)
    log.warning("refused: %s", f"{HOSTILE}\n2026-01-01 00:00:00,000 INFO forged")
    assert len(out.getvalue().splitlines()) == 1
    try:
        int(HOSTILE)
    except ValueError:
        log.exception("It broke.")
    assert "Traceback (most recent call last):\n" in out.getvalue()
    assert obeyed(out.getvalue()) == []


def test_a_log_of_json_has_one_object_per_message() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLogFormatter())
    log = logging.getLogger("for machines")
    log.propagate = False
    log.addHandler(handler)
    log.warning("rejected: %s", HOSTILE)
    try:
        int("x")
    except ValueError:
        log.exception("It broke.")
    plain, with_traceback = map(json.loads, out.getvalue().splitlines())
    assert (plain["level"], plain["message"]) == ("WARNING", f"rejected: {HOSTILE}")
    assert with_traceback["traceback"].startswith("Traceback (most recent call last):")
    assert obeyed(out.getvalue()) == []


#: What comes along with a key that is copied.
AROUND = " \t\r\n\u00a0\ufeff\u200b\u2060\u00ad\x00'\"`\u201c\u201d\u2018\u2019\u00ab\u00bb"


@fuzz(
    PURE,
    before=mk.text(AROUND, most=8),
    key=mk.text("".join(char for char in map(chr, range(33, 127)) if char not in AROUND), least=1, most=40),
    after=mk.text(AROUND, most=8),
)
def test_a_pasted_key_is_read_as_it_was_meant(before: str, key: str, after: str) -> None:
    assert pasted(before + key + after) == key


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (1_200, "1,200 rows")])
def test_a_number_stands_with_what_it_counts(number: int, text: str) -> None:
    assert pluralize(number, "row") == text
    assert pluralize(number, "try", "tries") == text.replace("rows", "tries").replace("row", "try")


SRC = Path(__file__).parent.parent / "src" / "jetbridge"
#: What follows a number and is no plural of what it counts.
NO_PLURALS = {"as", "has", "is", "its", "was", "this"}
#: Of these there is never one: limits, and what is beyond them.
NEVER_ONE = {
    *("LONGEST[kind]", "self.longest", "len(EVENT_TYPES)", "len(addresses)", "len(header)", "len(text)"),
    *("kept|number", "delivery_record.total|number", "row.total|number", "run.attempts|number"),
    *("retention_days", "len(key)", "event.count", "len(days)"),
    *("storage.days_kept|number", "space.retention_days|number"),
}
NOUN = r" (?:[a-z]+ )?([a-z]+s)\b"
IN_TEMPLATES = re.compile(r"\{\{ *([\w.]+\|(?:number|length)) *\}\}" + NOUN + r"(?!\{\{)")


def counted_nouns(path: Path) -> Iterator[tuple[str, str]]:
    """Numbers that an f-string or a template puts before a plural, each with that noun."""
    if path.suffix == ".html":
        yield from IN_TEMPLATES.findall(path.read_text())
        return
    for node in ast.walk(ast.parse(path.read_text())):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, text in itertools.pairwise(parts):
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                number, noun = ast.unparse(value.value), re.match(NOUN, str(text.value))
                is_count = number.startswith("len(") or (
                    value.format_spec and ast.unparse(value.format_spec) == "f','"
                )
                if noun and is_count and not number.isupper():
                    yield number, noun[1]


@pytest.mark.parametrize("ending", ["py", "html"])
def test_no_sentence_says_1_rows(ending: str) -> None:
    """Numbers and their nouns are written by `pluralize`, in templates by the filter of that name."""
    files = [path for path in SRC.rglob(f"*.{ending}") if path.relative_to(SRC).parts[0] != "demo"]
    found = [(path.name, *each) for path in files for each in counted_nouns(path)]
    assert [each for each in found if each[1] not in NEVER_ONE and each[2] not in NO_PLURALS] == []
