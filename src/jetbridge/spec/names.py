"""Names as Mailjet and Segment write them: contact properties, and Segment's snake_case for tables, columns, audiences and traits.

Names of contact properties follow one rule: lower case, every character outside a-z, 0-9 and _ becomes _, and a name that would not begin with
a letter gets p_ in front. Mailjet matches property names in lower case and its segmentation expressions use
them as bare identifiers (`age<40`). Nested traits are joined with _, as Mailjet's Segment guide has it:
`location.latitude` becomes `location_latitude`.

Segment names the converter of its snake_case, go-snakecase; the rules are written anew here from its description and its samples.
"""

import re
import unicodedata
from functools import lru_cache

_NOT_ALLOWED = re.compile(r"[^a-z0-9_]")
#: Capitals or digits and the small letters or digits that follow, or small letters or digits alone.
_WORD = re.compile(r"[A-Z0-9]+[a-z0-9]*|[a-z0-9]+")


@lru_cache(maxsize=65_536)
def property_name(trait: str) -> str:
    """The property that a trait goes to. `firstName` → `firstname`, `Größe (cm)` → `grosse__cm_`."""
    plain = unicodedata.normalize("NFKD", trait.casefold())
    ascii_only = "".join(char for char in plain if not unicodedata.combining(char))
    name = _NOT_ALLOWED.sub("_", ascii_only)
    return name if name[:1].isalpha() else f"p_{name}"


def snakecase(text: str) -> str:
    """Words of ASCII letters and digits joined by `_`; "" if there are none.

    Everything else separates words, and so does a small letter before a capital: `iPhone 2FA` → `i_phone_2fa`.
    A capital within capitals does not: `HTTPServerError` → `httpserver_error`.
    """
    return "_".join(_WORD.findall(text)).lower()
