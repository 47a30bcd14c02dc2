"""`KEY=VALUE` arguments; `KEY=@FILE` takes the value from a file, `KEY=@-` from stdin."""

import sys
from collections.abc import Iterable
from pathlib import Path

from jetbridge.errors import ConfigurationError


def parse(pairs: Iterable[str]) -> dict[str, str]:
    """Raises ConfigurationError."""
    return dict(map(_pair, pairs))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigurationError(f"{text[:60]!r} is not KEY=VALUE.")
    return key, _of_file(key, value[1:]) if value.startswith("@") else value


def _of_file(key: str, name: str) -> str:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{key}: {name} cannot be read: {error}") from error
    return text.rstrip()
