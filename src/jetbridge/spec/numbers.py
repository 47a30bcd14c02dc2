"""Whole numbers from outside: ids, positions and counts that somebody else wrote.

Python's own `int()` is no reader of such text: it raises beyond 4,300 digits, and takes "1_000", "+5" and digits
of every script. What it does take may not fit a column of the database.
"""

from typing import Any

#: The largest number that SQLite, PostgreSQL and Mailjet keep.
LARGEST = 2**63 - 1

#: Beyond this a float stands for several whole numbers.
_EXACT_FLOAT = 2**53


def whole_number(value: Any, *, most: int = LARGEST) -> int | None:
    """The number from 0 to `most` that a number, or a text of ASCII digits, stands for; None if it is none.

    Blanks around a text are let pass. Never raises, whatever the value.
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
