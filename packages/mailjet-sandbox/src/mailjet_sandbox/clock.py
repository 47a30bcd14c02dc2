"""Time as Mailjet writes it: RFC 3339 in UTC without fractions, and an empty string for never."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Tells the present as Unix seconds; injected, so that tests own the time.
Clock = Callable[[], float]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def rfc3339(unix_seconds: int) -> str:
    """Write a moment as Mailjet does; 0 means never and is written as ``""`` [R]."""
    if not unix_seconds:
        return ""
    return format_moment(unix_seconds)


def format_moment(unix_seconds: int) -> str:
    """Write a moment as Mailjet does. Raises OverflowError outside the years 1 to 9999."""
    return (_EPOCH + timedelta(seconds=unix_seconds)).isoformat()[:19] + "Z"


def parse_rfc3339(text: str) -> int:
    """Read RFC 3339; a missing zone means UTC. Raises ValueError or OverflowError."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text!r} is not RFC 3339")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(seconds=1)


def parse_moment(text: str) -> int | None:
    """Read a time filter, Unix seconds or RFC 3339 [D]; None if it is neither."""
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        return None
