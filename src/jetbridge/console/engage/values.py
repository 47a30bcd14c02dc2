"""Values of conditions as people type them: `premium`, `5`, `true`, and `"5"` in quotation marks where a text looks like a number.

What is shown is read back as the same value.
"""

import json
import re

from jetbridge.engage.definition import Scalar

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
#: An item of a list: in quotation marks, or up to the next comma.
_ITEM = re.compile(r'\s*"(?:[^"\\]|\\.)*"\s*(?=,|\Z)|[^,]*')


def scalar(typed: str) -> Scalar:
    """A number, true or false, or a text."""
    typed = typed.strip()
    if typed in {"true", "false"}:
        return typed == "true"
    if _NUMBER.fullmatch(typed):
        number: int | float = json.loads(typed)
        return number
    return text(typed)


def text(typed: str) -> str:
    typed = typed.strip()
    if len(typed) >= 2 and typed.startswith('"') and typed.endswith('"'):
        try:
            return str(json.loads(typed))
        except ValueError:
            return typed[1:-1]
    return typed


def items(typed: str) -> list[Scalar]:
    """Those between commas."""
    values, at = [], 0
    while at <= len(typed):
        match = _ITEM.match(typed, at)
        assert match, "it matches nothing, too"
        if match[0].strip():
            values.append(scalar(match[0]))
        at = match.end() + 1
    return values


def shown(value: Scalar) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    return value if value and scalar(value) == value and type(scalar(value)) is str else _quoted(value)


def shown_text(value: str) -> str:
    return value if value and text(value) == value else _quoted(value)


def shown_items(values: tuple[Scalar, ...]) -> str:
    return ", ".join(
        _quoted(value) if isinstance(value, str) and ("," in value or '"' in value) else shown(value)
        for value in values
    )


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
