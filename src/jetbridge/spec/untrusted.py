"""Values that somebody else wrote, read within bounds: JSON, and whole numbers.

A JSON decoder uses the stack for each level of nesting. A value that it just manages to read overflows the stack of the next
function that walks or encodes the value, further down. So every reader of outside JSON refuses more than NESTING levels.

Python's own `int()` raises beyond 4,300 digits, and takes "1_000", "+5" and digits of every script. What it does take may
not fit a column of the database.
"""

from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

#: How deep objects and arrays may be nested in one call. Ours, not Segment's.
NESTING = 100

#: All that msgspec raises on bytes from outside: syntax, types, numbers out of range; text; nesting.
JSON_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

#: The largest number that SQLite, PostgreSQL and Mailjet keep.
LARGEST = 2**63 - 1

#: Beyond this a float stands for several whole numbers.
_EXACT_FLOAT = 2**53


@overload
def read_untrusted(body: bytes) -> Any: ...
@overload
def read_untrusted(body: bytes, shape: type[T], *, strict: bool = True) -> T: ...
def read_untrusted(body: bytes, shape: Any = Any, *, strict: bool = True) -> Any:
    """The value, of the type `shape`. Raises what JSON_ERRORS names, also for more than NESTING levels, wherever they are.

    Not `strict`: numbers may be written as text.
    """
    if is_too_deep(body):
        raise msgspec.DecodeError(f"JSON is nested deeper than {NESTING} levels")
    return msgspec.json.decode(body, type=shape, strict=strict)


def is_too_deep(body: bytes) -> bool:
    """Whether JSON is nested deeper than NESTING. Raises what JSON_ERRORS names."""
    # Counting brackets is a thousand times cheaper than walking, and decides nearly every call.
    return body.count(b"{") + body.count(b"[") > NESTING and depth(msgspec.json.decode(body)) > NESTING


def depth(value: Any) -> int:
    """How many objects and arrays enclose the innermost value. Without recursion."""
    deepest, rest = 0, [(value, 1)]
    while rest:
        value, level = rest.pop()
        if isinstance(value, dict | list):
            deepest = max(deepest, level)
            children = value.values() if isinstance(value, dict) else value
            rest.extend((child, level + 1) for child in children)
    return deepest


def whole_number(value: Any, *, most: int = LARGEST) -> int | None:
    """The number from 0 to `most` that a number, or a text of ASCII digits, stands for; None if it is none.

    Blanks around a text are ignored. Never raises, whatever the value.
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > len(str(LARGEST)) or not (text.isascii() and text.isdecimal()):
            return None
        number = int(text)
    elif isinstance(value, float):
        if not (0 <= value <= _EXACT_FLOAT and value.is_integer()):
            return None
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        return None
    return number if 0 <= number <= most else None
