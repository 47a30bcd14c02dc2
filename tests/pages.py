"""A page as text, without the white space that a browser does not show."""

import re

_BLOCK = "button|dd|div|dt|form|h[1-6]|input|label|li|option|p|select|table|tbody|td|th|thead|tr|ul"


def collapsed(page: str) -> str:
    """One line: white space is one space, and none is beside the tags of blocks."""
    line = " ".join(page.split()).replace('" >', '">')
    return re.sub(rf" ?(</?(?:{_BLOCK})\b[^>]*>) ?", r"\1", line)
