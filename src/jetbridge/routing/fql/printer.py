"""An expression as text, with the fewest parentheses that leave no doubt. Reading it gives the same expression."""

import re

from jetbridge.routing.fql import paths
from jetbridge.routing.fql.nodes import Call, Comparison, Junction, ListOf, Literal, Node, Not, Path

#: Backslashes that a reader would take for more than themselves.
_SPECIAL = re.compile(r"""\\(?=[\\'"]|\Z)""")


def to_text(node: Node) -> str:  # noqa: C901, PLR0911 - one per kind of node
    match node:
        case Literal(str() as value):
            return quote(value)
        case Literal(None):
            return "null"
        case Literal(bool() as value):
            return "true" if value else "false"
        case Literal(value):
            return repr(value)
        case Path(parts):
            return paths.join(parts)
        case ListOf(items):
            return f"[{', '.join(_operand(item) for item in items)}]"
        case Call(function, arguments):
            return f"{function}({', '.join(to_text(argument) for argument in arguments)})"
        case Comparison(operator, left, right):
            return f"{_operand(left)} {operator} {_operand(right)}"
        case Not(operand):
            return f"!{to_text(operand) if isinstance(operand, Not) else _operand(operand)}"
        case Junction(operator, operands):
            return f" {operator} ".join(
                f"({to_text(each)})" if isinstance(each, Junction) else to_text(each) for each in operands
            )


def quote(text: str) -> str:
    """A text in quotation marks."""
    mark = "'" if '"' in text and "'" not in text else '"'
    return mark + _SPECIAL.sub(r"\\\\", text).replace(mark, "\\" + mark) + mark


def _operand(node: Node) -> str:
    text = to_text(node)
    return f"({text})" if isinstance(node, Comparison | Not | Junction) else text
