"""Names that people give to things: without space around them, not empty, not too long, on one line."""

import unicodedata

from jetbridge.errors import ConfigurationError

LONGEST = 200
#: They turn the text after them around, and names stand in the middle of other texts (Unicode's UAX 9, explicit formatting).
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def checked(thing: str, name: str, longest: int = LONGEST) -> str:
    """The name as it is kept; `thing` is whose, "a source". Raises ConfigurationError."""
    name = name.strip()
    if not 0 < len(name) <= longest:
        raise ConfigurationError(f"The name of {thing} has 1 to {longest} characters.")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise ConfigurationError(f"The name of {thing} holds a control character.")
    if any(character in _DIRECTIONS for character in name):
        raise ConfigurationError(
            f"The name of {thing} holds an invisible character that changes the direction of writing. Remove it."
        )
    return name
