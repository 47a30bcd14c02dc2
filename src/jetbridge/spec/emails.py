"""One spelling per email address, so that one mailbox is one contact.

Lower case throughout: Mailjet finds contacts case-insensitively (facts: filter `Email`), and no mailbox
provider of note tells addresses apart by case. Plus addressing is kept: it may be a different mailbox.
"""

import re
import unicodedata
from typing import Any

#: RFC 5321 section 4.5.3.1: a path has 256 octets, of which two are brackets.
MAX_LENGTH = 254

_SHAPE = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+@(?:[^\s@<>()\[\],;:\\\"/.\x00-\x1f\x7f]+\.)+[^\s@.<>()\[\],;:\\\"/]{2,}"
)

#: What nearly all addresses look like, in their one spelling already: a fifth of the work.
_PLAIN = re.compile(r"[a-z0-9_+-]++(?:\.[a-z0-9_+-]++)*+@(?:[a-z0-9-]++\.)+[a-z0-9-]{2,}+")


def normalise(value: Any) -> str | None:
    """The address in its one spelling; None if this is no address."""
    if not isinstance(value, str):
        return None
    return value if len(value) <= MAX_LENGTH and _PLAIN.fullmatch(value) else _normalise(value)


def _normalise(text: str) -> str | None:
    address = unicodedata.normalize("NFC", text.strip()).lower()
    if len(address) > MAX_LENGTH or not _SHAPE.fullmatch(address):
        return None
    local = address.partition("@")[0]
    return None if local.startswith(".") or local.endswith(".") or ".." in local else address
