"""The page on filters: every operator, function, pattern and action is on it, and every example does what it says."""

import json
import re
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

import msgspec
import pytest

from jetbridge.routing import rows
from jetbridge.routing.filters import ACTIONS
from jetbridge.routing.fql.compiler import FUNCTIONS, compile_expression, parse
from jetbridge.routing.fql.nodes import COMPARISONS, FQLEvaluationError, FQLSyntaxError
from jetbridge.spec.message import Message

PAGE = (Path(__file__).parents[3] / "docs" / "destinations" / "filters.md").read_text()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def message() -> Message:
    found = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found
    fields = {"messageId": "m", "timestamp": NOW, "receivedAt": NOW, **json.loads(found.group(1))}
    return msgspec.convert(fields, Message)


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first column is called so; all rows of several."""
    lines, found = PAGE.splitlines(), []
    for number, line in enumerate(lines):
        if line.startswith(f"| {first} |"):
            body = takewhile(lambda each: each.startswith("|"), lines[number + 2 :])
            found += [[cell.strip().strip("`") for cell in each.strip("|").split(" | ")] for each in body]
    assert found
    return found


def names(first: str) -> list[str]:
    return [row[0] for row in table(first)]


def test_everything_is_on_the_page_and_nothing_else() -> None:
    assert names("operator") == [*COMPARISONS, "and", "or", "!"]
    assert names("function") == list(FUNCTIONS)
    assert names("action") == [kind.__struct_config__.tag for kind in ACTIONS]
    assert names("condition") == list(rows.OPERATORS)
    assert names("pattern") == ["*", "?", "[abc]", "[a-z]", "[^a-z]", "\\x"]


EXAMPLES = [row[-2:] for first in ("example", "operator", "function", "pattern") for row in table(first)]
RESULTS = [(example, result) for example, result in EXAMPLES if result in {"true", "false"}]


@pytest.mark.parametrize(("example", "result"), RESULTS)
def test_an_example_gives_what_the_page_says(example: str, result: str) -> None:
    assert compile_expression(parse(example))(message()) is (result == "true")


@pytest.mark.parametrize(("example", "why"), [row for row in EXAMPLES if row[1] not in {"true", "false"}])
def test_an_example_fails_as_the_page_says(example: str, why: str) -> None:
    if why.endswith("rejected when it is saved"):
        with pytest.raises(FQLSyntaxError):
            parse(example)
        return
    is_true = compile_expression(parse(example))
    with pytest.raises(FQLEvaluationError):
        is_true(message())
