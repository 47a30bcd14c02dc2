"""Times of calls: reading what senders write, and correcting for the sender's clock.

Segment's law ("Common fields", timestamps): timestamp = receivedAt - (sentAt - originalTimestamp).
"""

import re
from datetime import UTC, datetime

#: Go's time.Time.String(), as in Segment's `delete` messages: "2020-05-09 23:54:49.2098 +0000 UTC m=+70.29".
_GO_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4})(?: \S+)?(?: m=[+-][\d.]+)?")


def parse_time(text: object) -> datetime | None:
    """The moment in UTC that an ISO 8601 text (or Go's) names; None if it names none.

    A text without a zone is taken as UTC. Digits beyond microseconds are cut off.
    """
    if not isinstance(text, str):
        return None
    try:
        return _utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return _parse_unusual(text)


def corrected(original: datetime, sent: datetime, received: datetime) -> datetime:
    """When it happened by our clock. `received` itself if the difference leads out of the calendar."""
    try:
        return received - (sent - original)
    except OverflowError:
        return received


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parse_unusual(text: str) -> datetime | None:
    match = _GO_TIME.fullmatch(text.strip())
    plain = "".join((match[1], "T", match[2], match[3])) if match else text.strip().upper()
    try:
        return _utc(datetime.fromisoformat(plain))
    except (ValueError, OverflowError):
        return None
