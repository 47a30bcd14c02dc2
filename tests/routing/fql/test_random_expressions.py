"""Expressions and messages that nobody would write: what is printed is read again, what is computed is right, and what is
wrong fails in one of the two ways that there are.
"""

from contextlib import suppress

from tests import makers as mk
from tests.fuzz import fuzz
from tests.routing.fql import reference
from tests.routing.fql.expressions import PARSED, a_message, truth

from jetbridge.routing.fql.compiler import compile_expression, parse
from jetbridge.routing.fql.nodes import FQLEvaluationError, FQLSyntaxError, Node, marked, to_text
from jetbridge.routing.rows import OPERATORS, Row, WrongRow, read, write
from jetbridge.spec.message import Message


def is_meant(node: Node) -> bool:
    """Whether an expression can have a meaning: a side of `and` may be a list, as it happens."""
    try:
        parse(to_text(node))
    except FQLSyntaxError as error:
        if not any(part in error.detail for part in ("is true or false", 'behind "in"', "no pattern")):
            raise
        return False
    return True


@fuzz(PARSED, node=truth)
def test_what_is_printed_is_read_as_the_same(node: Node) -> None:
    if is_meant(node):
        text = to_text(node)
        assert parse(text) == node
        assert to_text(parse(text)) == text


@fuzz(PARSED, node=truth, messages=mk.lists(a_message, least=5, most=5))
def test_an_expression_says_what_the_reference_says(node: Node, messages: list[Message]) -> None:
    if not is_meant(node):
        return
    is_true = compile_expression(node)
    for message in messages:
        try:
            expected: bool | str = reference.evaluate(node, message)
        except reference.Failure:
            expected = "it fails"
        try:
            result: bool | str = is_true(message)
        except FQLEvaluationError:
            result = "it fails"
        assert result is expected, to_text(node)


PIECES = [
    "event", "traits.a", "traits.", "\\", "'x'", '"', "'", "1", "-1.5e3", "1e999", "and", "or", "in", "!", "=", "==", "<", "(", ")", "[", "]",
    ",", "contains(", "match(", "length(", "nope(", "true", "null", "all", " ", "\n", "\t", "\x00", "é", "\U0001f600", "'[a'", "9" * 5_000,
    "(" * 60, "!" * 60, "[" * 60,
]  # fmt: skip


@fuzz(
    PARSED,
    text=mk.one_of(
        lambda random: "".join(mk.lists(mk.sampled_from(PIECES), most=14)(random)), mk.text(most=30)
    ),
    message=a_message,
)
def test_a_text_that_is_no_expression_is_refused_at_its_place(text: str, message: Message) -> None:
    try:
        is_true = compile_expression(parse(text))
    except FQLSyntaxError as refused:
        error = refused
    else:
        with suppress(FQLEvaluationError):
            assert is_true(message) in {True, False}
        return
    lines = text.split("\n")
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1
    assert str(error).startswith(f"Line {error.line}, column {error.column}: ")
    before, at, behind = marked(text, error, around=10**6)
    assert before + at + behind == lines[error.line - 1].replace("\t", " ")


TYPED = mk.tuples(
    mk.sampled_from(["event", "traits.a", "traits.a\\.b", "context.x.y"]),
    mk.sampled_from(list(OPERATORS)),
    mk.one_of(
        mk.sampled_from(["x", "1", "1.50", "true", "a*", "*a", "[", "1e999", "'\"\\"]), mk.text(most=4)
    ),
)


@fuzz(PARSED, typed=mk.lists(TYPED, least=1), match=mk.sampled_from(["all", "any"]))
def test_rows_are_read_from_what_they_write(typed: list[tuple[str, str, str]], match: str) -> None:
    rows = [Row(*each) for each in typed]
    try:
        node = write(rows, "all" if match == "all" else "any")
    except WrongRow:
        return
    assert parse(to_text(node)) == node
    found = read(node)
    assert found
    assert write(found.rows, found.match) == node  # other words, perhaps, and the same meaning
