"""One spelling per email address, so that one mailbox is one contact.

Lower case throughout: Mailjet finds contacts case-insensitively (facts: filter `Email`), and no mailbox
provider of note tells addresses apart by case. Plus addressing is kept: it may be a different mailbox.

What nobody sees is removed and full-width forms become ASCII; both come from copied texts and forms of phones.
Whatever else only looks like another address (`x²@`, `ſ@`) is rejected rather than turned into that one: it could be
somebody else's mailbox.

An internationalised domain is spelled in A-labels (`xn--mnchen-3ya.de`, RFC 5890): every mail server takes them,
browsers write them (`input type=email`), and it is not known what Mailjet does with the other spelling. By
IDNA 2008: Python's own codec (IDNA 2003) sends mail for straße.de to strasse.de, which belongs to somebody else.
"""

import re
import unicodedata
from contextlib import suppress
from typing import Any

#: RFC 5321 section 4.5.3.1: a path has 256 octets, of which two are brackets.
MAX_LENGTH = 254

#: What nearly all addresses look like, in their one spelling already: a fifth of the work. Up to PLAIN_LENGTH
#: characters, so that no label can be longer than the 63 that DNS allows.
_PLAIN = re.compile(r"[a-z0-9_+-]++(?:\.[a-z0-9_+-]++)*+@(?:[a-z0-9]++(?:-++[a-z0-9]++)*+\.)++[a-z]{2,}+")
PLAIN_LENGTH = 64

_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\".]+(?:\.[^\s@<>()\[\],;:\\\".]+)*")
#: In A-labels. Underscores are no host's name, but some domains have one.
_DOMAIN = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?![0-9]+$)[a-z0-9][a-z0-9-]{0,61}[a-z0-9]"
)
#: RFC 2047: a header's text, encoded. Whose address it was is for the reader of that header to say.
_ENCODED_WORD = re.compile(r"=\?.*\?=")

#: Characters without a shape: Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt) and the empty
#: braille pattern, but for the two joiners.
_INVISIBLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200B), (0x200E, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
#: Zero-width (non-)joiners: letters of Persian and of Indic scripts look different with them, so there they stay.
_JOINERS = "\u200c\u200d"
#: Full-width forms and the full-width space, in ASCII. The other half of the table removes what is invisible.
_VISIBLE: dict[int, int | None] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    0x3000: 0x20,
    **{code: None for first, last in _INVISIBLE for code in range(first, last + 1)},
}


def normalise(value: Any) -> str | None:
    """The address in its one spelling; None if this is no address."""
    if not isinstance(value, str):
        return None
    if len(value) <= PLAIN_LENGTH and _PLAIN.fullmatch(value):
        return value
    if len(value) > 4 * MAX_LENGTH:
        return None
    composed = _composed(value)
    address = unicodedata.normalize("NFC", composed.lower())
    if not (_is_unmistakable(composed) and _is_unmistakable(address)) or _composed(address) != address:
        return None
    local, _, domain = address.partition("@")
    if not _LOCAL.fullmatch(local) or _ENCODED_WORD.search(local):
        return None
    if not domain.isascii():
        import idna  # noqa: PLC0415 - it loads large tables, and few addresses need them

        with suppress(UnicodeError):  # IDNAError is one
            domain = ".".join(
                part if part.isascii() else idna.alabel(part).decode() for part in domain.split(".")
            )
    address = f"{local}@{domain}"
    return address if _DOMAIN.fullmatch(domain) and len(address.encode()) <= MAX_LENGTH else None


def normalise_or_keep(text: str) -> str:
    """The address in its one spelling; what Mailjet calls an address and we do not, without space around it."""
    return normalise(text) or text.strip()


def written(text: str) -> str:
    """As it was written, but for case and space around it: contacts of Mailjet that differ in this are different."""
    return unicodedata.normalize("NFC", text.strip()).lower()


def visible(text: str) -> str:
    """A text without what nobody sees, in and around it; full-width forms as ASCII."""
    text = text.translate(_VISIBLE)
    if any(joiner in text for joiner in _JOINERS):
        text = "".join(
            char for at, char in enumerate(text) if char not in _JOINERS or _joins_letters(text, at)
        )
    return text.strip()


def spellings(address: str) -> list[str]:
    """An address in its one spelling, and as people write it if its domain is an internationalised one."""
    if "xn--" not in address:
        return [address]
    import idna  # noqa: PLC0415

    local, _, domain = address.partition("@")
    labels = domain.split(".")
    for number, label in enumerate(labels):
        with suppress(UnicodeError):
            labels[number] = idna.ulabel(label)
    other = f"{local}@{'.'.join(labels)}"
    return [address] if other == address else [address, other]


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", visible(unicodedata.normalize("NFC", text)))


def _is_unmistakable(address: str) -> bool:
    """Whether it can be read in one way only: no control characters, no remains of a wrong encoding, and nothing
    that stands for other characters.
    """
    shown = address.translate(dict.fromkeys(map(ord, _JOINERS)))
    return shown.isprintable() and "\ufffd" not in shown and unicodedata.normalize("NFKC", address) == address


def _joins_letters(text: str, at: int) -> bool:
    import idna  # noqa: PLC0415

    try:
        return idna.valid_contextj(text, at)
    except ValueError:
        return False
