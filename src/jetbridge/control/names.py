"""Names that people give to things: without space around them, not empty, not too long, on one line."""

import unicodedata

from jetbridge.errors import ConfigurationError

LONGEST = 200


def checked(thing: str, name: str, longest: int = LONGEST) -> str:
    """The name as it is kept; `thing` is whose, "a source". Raises ConfigurationError."""
    wanted = name.strip()
    if not 0 < len(wanted) <= longest:
        raise ConfigurationError(f"The name of {thing} has 1 to {longest} characters.")
    if any(unicodedata.category(each) in {"Cc", "Cs"} for each in wanted):
        raise ConfigurationError(f"The name of {thing} holds a control character.")
    return wanted
