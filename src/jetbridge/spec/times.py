"""Times of calls: reading what senders write, and correcting for the sender's clock.

Segment's law ("Common fields", timestamps): timestamp = receivedAt - (sentAt - originalTimestamp).
"""

import re
from datetime import UTC, datetime, timedelta

#: Go's time.Time.String(), as in Segment's `delete` messages: "2020-05-09 23:54:49.2098 +0000 UTC m=+70.29".
_GO_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4})(?: \S+)?(?: m=[+-][\d.]+)?", re.ASCII
)

#: ISO 8601: a calendar, week or ordinal date, with or without a time of day. `fromisoformat` alone would also read
#: "1712011512000" as a day in 1712, because it takes any character between date and time.
_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d{8}|\d{4}-W\d\d(?:-\d)?|\d{4}W\d\d\d?|(?P<ordinal>\d{4}-\d{3}))"
    r"(?:[T ](?P<time>\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?)(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
#: A date and time with a zone, as conditions on dates take it.
_ZONED_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
#: The two times of day that ISO 8601 allows and Python does not know: the end of a day, and a leap second.
_END_OF_DAY = re.compile(r"24(?::?00(?::?00(?:[.,]0+)?)?)?", re.ASCII)
_LEAP_SECOND = re.compile(r"23:?59:?60(?:[.,]\d+)?", re.ASCII)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: From the largest unit on: numbers below the bound (ten digits, 13, 16) are in units of 1/n second.
_UNITS = ((10**10, 1), (10**13, 1_000), (10**16, 1_000_000))
_NANOSECONDS = 1_000_000_000

#: Digits of a text that may be a Unix time: seconds, milliseconds, microseconds, nanoseconds.
UNIX_DIGITS = frozenset({10, 13, 16, 19})
#: The earliest Unix time that is taken for the time of a call. Smaller numbers are no times but something else.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
#: How far the Unix time of a call may lie after its receipt.
_MOST_AHEAD = timedelta(days=1)


def parse_time(value: object, now: datetime | None = None) -> datetime | None:
    """The moment in UTC that ISO 8601 (or Go's format), or a Unix time names; None if it names none.

    A text without a zone is taken as UTC. Digits beyond microseconds are cut off. Numbers, and texts of 10, 13, 16 or
    19 digits, are Unix times if they then lie between 2000 and the day after `now`; eight digits are a date.
    """
    try:  # the usual spelling
        if value[4] == "-" and value[10] in "T ":  # type: ignore[index]
            return _utc(datetime.fromisoformat(value))  # type: ignore[arg-type]
    except (TypeError, LookupError, ValueError, OverflowError):
        pass
    return _parse_unusual(value, now or datetime.now(UTC))


def date_ms(text: str) -> int | None:
    """Milliseconds since 1970 of `YYYY-MM-DDThh:mm[:ss[.f]]` (or a space for T) with `Z` or `±hh:mm`; None if it is no
    such date. Digits below the millisecond are cut off (towards the past).
    """
    if _ZONED_DATE.fullmatch(text) is None:
        return None
    try:
        return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)
    except ValueError:  # a 30th of February, hour 24, second 60
        return None


def unix_moment(number: float) -> datetime | None:
    """The moment of a Unix time whose size gives its unit: seconds up to ten digits, milliseconds up to 13,
    microseconds up to 16, then nanoseconds. Before 1970 likewise. None outside of the years 1 to 9999.
    """
    per_second = _per_second(number)
    try:
        if isinstance(number, int):
            return EPOCH + timedelta(microseconds=number * 1_000_000 // per_second)
        return EPOCH + timedelta(seconds=number / per_second)
    except (ValueError, OverflowError):
        return None


def unix_ms(number: int) -> int:
    """A Unix time in milliseconds, whatever its unit is. See `unix_moment`."""
    return number * 1_000 // _per_second(number)


def _per_second(number: float) -> int:
    """How many of its unit are a second."""
    size = abs(number)
    for bound, per_second in _UNITS:
        if size < bound:
            return per_second
    return _NANOSECONDS


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


def _parse_unusual(value: object, now: datetime) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int) and 10**7 <= value < 10**8:
        value = str(value)
    if isinstance(value, str):
        value = value.strip()
        if len(value) not in UNIX_DIGITS or not (value.isascii() and value.isdecimal()):
            return _parse_text(value)
        value = int(value)
    moment = unix_moment(value)
    return moment if moment and _EARLIEST <= moment <= now + _MOST_AHEAD else None


def _parse_text(text: str) -> datetime | None:
    if match := _GO_TIME.fullmatch(text):
        text = f"{match[1]}T{match[2]}{match[3]}"
    iso = _ISO.fullmatch(text.upper())
    if iso is None:
        return None
    date, time, more = iso["date"], iso["time"] or "00", timedelta(0)
    try:
        if iso["ordinal"]:
            date = str(datetime.strptime(date, "%Y-%j").date())  # noqa: DTZ007 - the zone comes with the time
        if _END_OF_DAY.fullmatch(time):
            time, more = "00", timedelta(days=1)
        elif _LEAP_SECOND.fullmatch(time):
            time, more = "23:59:59", timedelta(seconds=1)
        return _utc(datetime.fromisoformat(f"{date}T{time}{iso['zone'] or ''}")) + more
    except (ValueError, OverflowError):
        return None
