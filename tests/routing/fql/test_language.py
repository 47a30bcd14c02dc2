"""FQL as Segment's docs have it, and what those who know other languages write by mistake."""

from typing import Any

import pytest
from tests.routing.fql.expressions import NOW

from jetbridge.routing.fql.compiler import compile_expression, parse
from jetbridge.routing.fql.nodes import FQLEvaluationError, FQLSyntaxError, marked, to_text
from jetbridge.spec.message import Message


def message(**fields: Any) -> Message:
    return Message(**{"type": "track", "message_id": "m", "timestamp": NOW, "received_at": NOW, **fields})


CLICKED = message(
    event="Button Clicked",
    context={"library": {"name": "analytics.js", "version": "1.0"}},
    properties={"features": ["discounts", "dark-mode"]},
)


def is_true(text: str, of: Message = CLICKED) -> bool:
    return compile_expression(parse(text))(of)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("event = 'Button Clicked'", True),
        ("event = 'Screen Tapped'", False),
        ("context.path.path = '/login'", False),
        ("type = 'identify' or type = 'track'", True),
        ("event = 'Button Clicked' and type = 'track'", True),
        ("match( context.library.version, '1.*' )", True),
        ("match( context.library.version, '2.*' )", False),
        ("type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )", True),
        ("!contains( context.library.name, 'js' )", False),
        ("'dark-mode' in properties.features", True),
        ("'blink' in properties.features", False),
        ("( type = 'track' or type = 'identify' ) and ( properties.enabled or match( traits.email, '*@company.com' ) )", False),
        ("!( type in ['track', 'identify'] )", False),
        ("match( 'abcd', 'a*d' )", True),
        ("match( '', '*' )", True),
        ("match( 'abc', 'ab' )", False),
        ("match( 'abcd', 'a??d' )", True),
        ("match( 'abcd', '*d' )", True),
        (r"match( 'ab*d', 'ab\*d' )", True),
        ("match( 'abCd', 'ab[cC]d' )", True),
        ("match( 'abcd', 'ab[a-z]d' )", True),
        ("match( 'abcd', 'ab[A-Z]d' )", False),
        ("contains( null, 'x' )", False),
        ("length( null ) = 0", True),
        ("lowercase( null ) = null", True),
        ("typeof( null ) = 'null'", True),
        ("match( null, '*' )", False),
        ("length( userId ) > 0", False),
        ("length( 'ア' ) = 3", True),
        ("all", True),
    ],
)  # fmt: skip
def test_the_examples_of_segments_docs(expression: str, expected: object) -> None:
    assert is_true(expression) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("false and true or true", True),
        ("true or true and false", True),
        ("(true or true) and false", False),
        ("!false and false", False),
        ("!!true", True),
        ("1 = true", False),
        ("1 = 1.0", True),
        ("[1, [true]] = [1.0, [true]]", True),
        ("[1] = [true]", False),
        ("'1' != 1", True),
        ("null != 1", True),
        ("'a' < 'b'", False),
        ("true > false", False),
        ("1 in [true, 1.0]", True),
        ("null in [1, null]", True),
        ("'a' in null", False),
        ("null and true", False),
        ("null or true", True),
        ("!null", True),
        ("version = 2", True),
        ("timestamp = '2026-01-01T00:00:00Z'", True),
        ("event.inside = null", True),
        ("titlecase('a  b') = 'A  B'", True),
        ("string([1, 'a']) = '[1,\"a\"]'", True),
        ("string(2.0) = '2'", True),
        ("string(null) = null", True),
        ("number('-1.5e2') = -150", True),
        ("bool(0) or bool([]) or bool(null) or bool('0')", False),
    ],
)
def test_what_the_docs_leave_to_be_understood(expression: str, expected: object) -> None:
    assert is_true(expression) is expected


def test_consent_of_segments_kind_can_be_asked_for() -> None:
    consent = {"categoryPreferences": {"Advertising": True, "Analytics-2": False}}
    asked = (
        "context.consent.categoryPreferences.Advertising and !context.consent.categoryPreferences.Analytics-2"
    )
    assert is_true(asked, message(context={"consent": consent}))
    assert not is_true(asked)


@pytest.mark.parametrize(
    ("expression", "line", "column", "detail"),
    [
        ("", 1, 1, "expected a field, text in quotes, a number, true, false, null, a list or a function, found the end."),
        ('userId = oops"', 1, 14, 'this text has no " at its end.'),
        ("event = 'x", 1, 9, "this text has no ' at its end."),
        ("event =\n  ", 1, 8, "expected a field,"),
        ("event = 'a' or\n type == 'b'", 2, 8, 'found "=". Write = to compare.'),
        ("event = 'x' AND true", 1, 13, 'expected "and", "or" or the end, found "AND". Write "and" in small letters.'),
        ("event = 'x' && true", 1, 13, 'Write "and".'),
        ("event <> 'x'", 1, 8, "Write != for what is not equal."),
        ("!event = 'x'", 1, 8, "To negate a comparison, write !( … ) around it."),
        ("not (event)", 1, 1, "not is no function; there are contains, "),
        ("type = track", 1, 8, 'If it is text, write "track".'),
        ("event = True", 1, 9, 'Write "true" in small letters.'),
        ("event = “x”", 1, 9, "Write straight quotation marks."),
        ("(event = 'x'", 1, 13, 'expected ")", found the end.'),
        ("event = 'x')", 1, 12, 'expected the end, found ")".'),
        ("startsWith(event, 'x')", 1, 1, "startsWith is no function; there are contains, length,"),
        ("contains(event)", 1, 1, "contains(text, part) takes 2, and got 1."),
        ("match(event, '[a')", 1, 14, "this is no pattern: its [ has no ] behind it."),
        ("event in 'x'", 1, 10, 'expected a list behind "in", found text.'),
        ("lowercase(event)", 1, 1, "A whole expression is true or false; this is text."),
        ("true and length(event)", 1, 10, 'A side of "and" is true or false; this is a number.'),
        ("!'x'", 1, 2, "What ! stands before is true or false; this is text."),
        ("1e999 > 1", 1, 1, "this number is too large."),
        ("!" * 60 + "true", 1, 11, "this has more than 50 levels within each other."),
        ("true" + " " * 100_000, 1, 1, "an expression has up to 100,000 characters; this one has 100,004."),
    ],
)  # fmt: skip
def test_an_error_has_its_place_and_says_what_was_expected(
    expression: str, line: int, column: int, detail: str
) -> None:
    with pytest.raises(FQLSyntaxError) as caught:
        parse(expression)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert detail in caught.value.detail


def test_the_place_of_an_error_is_shown_in_its_line() -> None:
    text = "type = 'track' or\nevent == 'x' and true"
    with pytest.raises(FQLSyntaxError) as caught:
        parse(text)
    assert marked(text, caught.value) == ("event =", "=", " 'x' and true")
    assert marked(text, caught.value, around=3) == ("…t =", "=", " 'x")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("length(traits.x) > 1", {"a": "secret"}),
        ("'a' in traits.x", "secret"),
        ("traits.x or true", "secret"),
        ("!traits.x", ["secret"]),
        ("traits.x", "secret"),
        ("number(traits.x) > 1", "secret"),
        ("bool(traits.x)", "secret"),
        ("string(traits.x) = 'a'", {"secret": 1}),
        ("match('a', traits.x)", "[secret"),
    ],
)
def test_an_evaluation_that_fails_repeats_no_value_of_the_message(expression: str, value: Any) -> None:
    evaluate = compile_expression(parse(expression))
    with pytest.raises(FQLEvaluationError) as caught:
        evaluate(message(traits={"x": value}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("event='x'and(type!='y')", 'event = "x" and type != "y"'),
        ("(true or false) and !(event = 'a')", '(true or false) and !(event = "a")'),
        ("((event)) = (1)", "event = 1"),
        (r"properties.product\ 1 in [+1,-1.50]", r"properties.product\ 1 in [1, -1.5]"),
        (r"event = 'say \"hi\" \\ \n'", r"""event = 'say "hi" \ \n'"""),
        ('event = "both \' and \\""', 'event = "both \' and \\""'),
        ("true and true or false and true", "(true and true) or (false and true)"),
    ],
)
def test_an_expression_is_printed_in_one_way(written: str, printed: str) -> None:
    assert to_text(parse(written)) == printed
