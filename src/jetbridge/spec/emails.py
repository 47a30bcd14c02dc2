"""One spelling per email address, so that one mailbox is one contact.

Lower case throughout: Mailjet finds contacts case-insensitively (facts: filter `Email`), and no mailbox
provider of note tells addresses apart by case. Plus addressing is kept: it may be a different mailbox.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any

#: RFC 5321 section 4.5.3.1: a path has 256 octets, of which two are brackets.
MAX_LENGTH = 254

_SHAPE = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+@(?:[^\s@<>()\[\],;:\\\"/.\x00-\x1f\x7f]+\.)+[^\s@.<>()\[\],;:\\\"/]{2,}"
)


@lru_cache(maxsize=65_536)
def _normalise(text: str) -> str | None:
    address = unicodedata.normalize("NFC", text.strip()).lower()
    if len(address) > MAX_LENGTH or not _SHAPE.fullmatch(address):
        return None
    local = address.partition("@")[0]
    return None if local.startswith(".") or local.endswith(".") or ".." in local else address


def normalise(value: Any) -> str | None:
    """The address in its one spelling; None if this is no address."""
    return _normalise(value) if isinstance(value, str) else None
