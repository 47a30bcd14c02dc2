"""What a person may say about a file, where what is detected is wrong."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jetbridge.errors import ConfigurationError

FORMATS = ("csv", "json", "ndjson")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}

#: Encodings by what people call them, those that are more likely first. Any other that Python knows as text is taken, too.
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 (little-endian)",
    "utf-16-be": "UTF-16 (big-endian)",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252 (Western Europe)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8-r": "KOI8-R (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp1257": "Windows-1257 (Baltic)",
    "mac-roman": "Mac Roman",
    "cp850": "DOS 850 (Western Europe)",
    "shift_jis": "Shift JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "euc_kr": "EUC-KR (Korean)",
}

#: Text for Python, and no encoding of files.
_NO_FILES = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "utf-7"}


@dataclass(frozen=True)
class Options:
    """Empty: detect it. Columns are named as in the file; those of `text` are never read as numbers."""

    encoding: str = ""
    format: str = ""
    delimiter: str = ""
    user_id_column: str = ""
    email_column: str = ""
    text: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ConfigurationError."""
        if self.encoding and not _is_encoding(self.encoding):
            names = ", ".join(ENCODINGS)
            raise ConfigurationError(f"There is no encoding {self.encoding!r}. Known: {names}.")
        if self.format and self.format not in FORMATS:
            raise ConfigurationError(f"There is no format {self.format!r}. Known: {', '.join(FORMATS)}.")
        if self.delimiter and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise ConfigurationError(
                f"{self.delimiter!r} cannot separate cells: give one character, such as ; or | or a tab."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Options":
        """From what `as_object` gave."""
        return cls(**{**values, "text": tuple(values.get("text", ()))})

    def as_object(self) -> dict[str, Any]:
        """For JSON; `of` reads it."""
        return {name: value for name, value in vars(self).items() if value}


def _is_encoding(name: str) -> bool:
    try:
        codec = codecs.lookup(name)
        b"".decode(name)
    except (LookupError, ValueError):
        return False
    return codec.name not in _NO_FILES
