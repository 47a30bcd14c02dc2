"""Names of contact properties.

One rule: lower case, every character outside a-z, 0-9 and _ becomes _, and a name that would not begin with
a letter gets p_ in front. Mailjet matches property names in lower case and its segmentation expressions use
them as bare identifiers (`age<40`). Nested traits are joined with _, as Mailjet's Segment guide has it:
`location.latitude` becomes `location_latitude`.
"""

import re
import unicodedata
from functools import lru_cache

_NOT_ALLOWED = re.compile(r"[^a-z0-9_]")


@lru_cache(maxsize=65_536)
def property_name(trait: str) -> str:
    """The property that a trait goes to. `firstName` → `firstname`, `Größe (cm)` → `grosse__cm_`."""
    plain = unicodedata.normalize("NFKD", trait.casefold())
    ascii_only = "".join(char for char in plain if not unicodedata.combining(char))
    name = _NOT_ALLOWED.sub("_", ascii_only)
    return name if name[:1].isalpha() else f"p_{name}"
