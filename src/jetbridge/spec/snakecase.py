"""Segment's snake_case: the names of tables and columns in warehouses, and the keys of audiences and computed traits.

Segment names its converter, go-snakecase; the rules are written anew here from its description and its samples.
"""

import re

#: Capitals or digits and the small letters or digits that follow, or small letters or digits alone.
_WORD = re.compile(r"[A-Z0-9]+[a-z0-9]*|[a-z0-9]+")


def snakecase(text: str) -> str:
    """Words of ASCII letters and digits joined by `_`; "" if there are none.

    Everything else separates words, and so does a small letter before a capital: `iPhone 2FA` → `i_phone_2fa`.
    A capital within capitals does not: `HTTPServerError` → `httpserver_error`.
    """
    return "_".join(_WORD.findall(text)).lower()
