"""Text → expression, by Lark's LALR parser; and errors that say what was expected, in words."""

import re
from functools import cache
from typing import NamedTuple, NoReturn

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args

from jetbridge.routing.fql import glob
from jetbridge.routing.fql.compiler import FUNCTIONS, read_number, result_type
from jetbridge.routing.fql.nodes import (
    BOOL,
    IN_WORDS,
    LIST,
    MOST_CHARACTERS,
    MOST_LEVELS,
    NULL,
    Call,
    Comparison,
    FQLEvaluationError,
    FQLSyntaxError,
    Junction,
    ListOf,
    Literal,
    Node,
    Not,
    Path,
    path_problem,
    split_path,
)

#: An expression that is true of every message, as Segment's API has it.
_ALL = "all"

_IN_WORDS = {
    "COMPARISON": "a comparison (= != > >= < <= in)",
    "AND": '"and"',
    "OR": '"or"',
    "COMMA": "a comma",
    "RPAR": '")"',
    "RSQB": '"]"',
    "LPAR": '"("',
    "$END": "the end",
}
#: What people write who know other languages, and how FQL has it.
_OTHER_LANGUAGES = {
    "==": "Write = to compare.",
    "<>": "Write != for what is not equal.",
    "&&": 'Write "and".',
    "&": 'Write "and".',
    "||": 'Write "or".',
    "|": 'Write "or".',
    "not": "Write ! before what is not to be true.",
    "“": "Write straight quotation marks.",
    "”": "Write straight quotation marks.",
    "‘": "Write straight quotation marks.",  # noqa: RUF001 - what word processors make of them
    "’": "Write straight quotation marks.",  # noqa: RUF001
    **{word: f'Write "{word}" in small letters.' for word in ("and", "or", "in", "true", "false", "null")},
}
_ESCAPED = re.compile(r"""\\([\\'"])""")
_WORD = re.compile(r"[A-Za-z_]+|==|<>|&&|\|\||.", re.DOTALL)
#: How much of an unexpected text an error repeats.
_SHOWN = 40


class _Part(NamedTuple):
    """A node, how many levels it has, and the token at which it begins."""

    node: Node
    levels: int
    token: Token


def parse_expression(text: str) -> Node:
    """Raises FQLSyntaxError."""
    if len(text) > MOST_CHARACTERS:
        detail = f"an expression has up to {MOST_CHARACTERS:,} characters; this one has {len(text):,}."
        raise FQLSyntaxError(detail, 1, 1, 0)
    if text.strip() == _ALL:
        return Literal(value=True)
    try:
        return _parser().parse(text)  # type: ignore[return-value] # what _Builder.start makes
    except UnexpectedToken as error:
        at_end = error.token.type == "$END"
        start = len(text.rstrip()) if at_end else error.token.start_pos or 0
        _reject(text, start, "" if at_end else str(error.token), error.accepts or error.expected)
    except UnexpectedCharacters as error:
        _reject_character(text, error)


@cache
def _parser() -> Lark:
    return Lark.open_from_package(
        __package__, "grammar.lark", parser="lalr", maybe_placeholders=False, transformer=_Builder()
    )


@v_args(inline=True)
class _Builder(Transformer[Token, Node]):
    """Makes nodes while the text is read, and rejects what has the form of an expression and can have no meaning."""

    def start(self, part: _Part) -> Node:
        _check_boolean(part, "A whole expression")
        return part.node

    def literal(self, token: Token) -> _Part:
        if token.type == "STRING":
            return _Part(Literal(_ESCAPED.sub(r"\1", token[1:-1])), 1, token)
        if token.type != "NUMBER":
            return _Part(Literal({"TRUE": True, "FALSE": False}.get(token.type)), 1, token)
        try:
            return _Part(Literal(read_number(token)), 1, token)
        except FQLEvaluationError as error:
            raise _at(token, str(error)) from None

    def path(self, token: Token) -> _Part:
        parts = split_path(token)
        if problem := path_problem(parts):
            hint = _in_fql(token) or (f'If it is text, write "{token}".' if len(parts) == 1 else "")
            raise _at(token, f"{problem} {hint}".strip())
        return _Part(Path(parts), 1, token)

    def group(self, left: Token, part: _Part, _: Token) -> _Part:
        return part._replace(token=left)

    def list(self, left: Token, *rest: _Part | Token) -> _Part:
        items = _parts(rest)
        return _node(ListOf(tuple(item.node for item in items)), items, left)

    def call(self, name: Token, *rest: _Part | Token) -> _Part:
        arguments = _parts(rest)
        function = FUNCTIONS.get(name)
        if function is None:
            known = ", ".join(FUNCTIONS)
            raise _at(name, f"{name[:_SHOWN]} is no function; there are {known}. {_in_fql(name)}".strip())
        if len(arguments) != len(function.parameters):
            parameters = ", ".join(function.parameters)
            raise _at(
                name, f"{name}({parameters}) takes {len(function.parameters)}, and got {len(arguments)}."
            )
        if name == "match" and isinstance(pattern := arguments[1].node, Literal):
            _check_pattern(pattern, arguments[1].token)
        return _node(Call(str(name), tuple(argument.node for argument in arguments)), arguments, name)

    def comparison(self, left: _Part, operator: Token, right: _Part) -> _Part:
        type_ = result_type(right.node)
        if operator == "in" and type_ not in {LIST, NULL, None}:
            raise _at(right.token, f'expected a list behind "in", found {IN_WORDS[type_ or NULL]}.')
        return _node(Comparison(str(operator), left.node, right.node), [left, right], left.token)

    def negation(self, mark: Token, part: _Part) -> _Part:
        _check_boolean(part, "What ! stands before")
        return _node(Not(part.node), [part], mark)

    def junction_or(self, *rest: _Part | Token) -> _Part:
        return _junction("or", _parts(rest))

    def junction_and(self, *rest: _Part | Token) -> _Part:
        return _junction("and", _parts(rest))


def _parts(children: tuple[_Part | Token, ...]) -> list[_Part]:
    return [child for child in children if isinstance(child, _Part)]


def _junction(word: str, parts: list[_Part]) -> _Part:
    for part in parts:
        _check_boolean(part, f'A side of "{word}"')
    operands = tuple(part.node for part in parts)
    return _node(Junction("or" if word == "or" else "and", operands), parts, parts[0].token)


def _node(node: Node, inner: list[_Part], token: Token) -> _Part:
    levels = 1 + max((part.levels for part in inner), default=0)
    if levels > MOST_LEVELS:
        raise _at(token, f"this has more than {MOST_LEVELS} levels within each other.")
    return _Part(node, levels, token)


def _check_boolean(part: _Part, what: str) -> None:
    type_ = result_type(part.node)
    if type_ not in {BOOL, NULL, None}:
        raise _at(part.token, f"{what} is true or false; this is {IN_WORDS[type_ or NULL]}.")


def _check_pattern(pattern: Literal, token: Token) -> None:
    try:
        glob.matcher(str(pattern.value))
    except glob.BadPattern as error:
        raise _at(token, f"this is no pattern: {error}") from None


def _at(token: Token, detail: str) -> FQLSyntaxError:
    return FQLSyntaxError(detail, token.line or 1, token.column or 1, len(token))


def _reject(text: str, at: int, unexpected: str, expected: set[str]) -> NoReturn:
    shown = f'"{unexpected[:_SHOWN]}"' if unexpected else "the end"
    raise _error(
        text, at, f"expected {_in_words(expected)}, found {shown}. {_hint(text, at)}".strip(), len(unexpected)
    )


def _reject_character(text: str, error: UnexpectedCharacters) -> NoReturn:
    at: int = error.pos_in_stream  # type: ignore[assignment] # Lark's annotation speaks of its default
    if text[at] in "'\"":
        raise _error(text, at, f"this text has no {text[at]} at its end.", len(text) - at)
    _reject(text, at, text[at], error.allowed or set())


def _hint(text: str, at: int) -> str:
    if text[at : at + 1] in {"=", "<", ">", "!"} or text.startswith("in", at):
        if text[max(0, at - 1) : at + 1] in {"==", "<>"}:
            at -= 1
        elif "!" in text[:at]:
            return "To negate a comparison, write !( … ) around it."
    word = _WORD.match(text, at)
    return _in_fql(word.group()) if word else ""


def _in_fql(word: str) -> str:
    """How a word that FQL does not know, or knows in small letters, is written."""
    hint = _OTHER_LANGUAGES.get(word.lower(), "")
    return "" if hint.startswith(f'Write "{word}"') else hint


def _error(text: str, at: int, detail: str, length: int) -> FQLSyntaxError:
    line = text.count("\n", 0, at) + 1
    return FQLSyntaxError(detail, line, at - text.rfind("\n", 0, at), length)


def _in_words(terminals: set[str]) -> str:
    if {"PATH", "STRING"} <= terminals:
        return "a field, text in quotes, a number, true, false, null, a list or a function"
    if "COMPARISON" in terminals:
        terminals = terminals - {"LPAR"}  # a name can still become a function; nobody expects it to
    words = [words for name, words in _IN_WORDS.items() if name in terminals]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
