"""What the compiler of computed traits is measured by: the value of a trait at a moment, found by looking at every event.

It was written from the rules, before there was a compiler, and shares the JSON of definitions with it and nothing else.
As `oracle.py`, it keeps no clock: it tries each millisecond at which a value could change, and the ones around it.

Numbers are exact: a fraction is compared with what the compiler writes.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from tests.engage.oracle import Event, Json, Profile, compare, duration, look_up, truth

#: Significant digits of an average.
AVERAGE_DIGITS = 19
LARGEST = Fraction(2**1024 - 2**970)  # from here on the nearest double is infinite


def value(definition: Json, profile: Profile, retention: int, now: int) -> Json:
    """The trait at `now`. A number that is computed is a Fraction; every other value is as the event had it."""
    kind, events = definition["computed"], _counted(definition, profile, retention, now)
    if kind == "event_counter":
        return Fraction(len(events))
    values = [property_of(definition, event) for event in events]
    if kind in ("first", "last"):
        values = [each for each in values if each is not None]
        return None if not values else values[0] if kind == "first" else values[-1]
    if kind in ("sum", "avg", "min", "max"):
        return _number(kind, [number for number in map(exact, values) if number is not None])

    spellings: dict[str, list[Json]] = {}
    for each in values:
        if isinstance(each, str | bool | int | float):
            spellings.setdefault(text(each), []).append(each)
    ordered = {key: min(spellings[key], key=_spelling) for key in sorted(spellings)}
    if kind == "unique_list":
        return list(ordered.values()) or None
    if kind == "unique_list_count":
        return Fraction(len(ordered))
    counts = Counter({key: len(spellings[key]) for key in ordered})
    most = max(counts.values(), default=0)
    return None if most < 2 else ordered[next(key for key in ordered if counts[key] == most)]


def _counted(definition: Json, profile: Profile, retention: int, now: int) -> list[Event]:
    """The events that count at `now`, the oldest first."""
    events = _matching(definition, profile)
    if "between" in definition:
        near, far = map(duration, definition["between"])
        return [event for event in events if now - far < event.ts <= now - near]
    if "within" in definition:
        return [event for event in events if now - duration(definition["within"]) < event.ts <= now]
    events = [event for event in events if now - retention < event.ts <= now]
    if "session" not in definition or not events:
        return events
    pause = duration(definition["session"])
    if now - events[-1].ts >= pause:
        return []
    begins = max((i for i, (a, b) in enumerate(pairwise(events), 1) if b.ts - a.ts >= pause), default=0)
    return events[begins:]


def _matching(definition: Json, profile: Profile) -> list[Event]:
    """The events of this name and with these properties, whatever the moment, in order."""
    return sorted(
        (
            event
            for event in profile.events
            if event.name == definition["event"]
            and all(
                compare(look_up(event.properties, path), op, rest[0] if rest else None, now=None)
                for path, op, *rest in definition.get("where", [])
            )
        ),
        key=lambda event: (event.ts, event.seq),
    )


def property_of(definition: Json, event: Event) -> Json:
    """None if it is missing or null."""
    found = look_up(event.properties, definition["property"])
    return found if isinstance(found, str | bool | int | float | list | dict) else None


# ---- values


def exact(number: Json) -> Fraction | None:
    """The decimal that a JSON number shows: 0.1 is a tenth. A whole number beyond 64 bits counts as the nearest float."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    if isinstance(number, int) and -(2**63) <= number < 2**63:
        return Fraction(number)
    return Fraction(repr(float(number)))


def _number(kind: str, numbers: list[Fraction]) -> Fraction | None:
    if not numbers:
        return None
    if kind in ("min", "max"):
        return min(numbers) if kind == "min" else max(numbers)
    total = sum(numbers, Fraction(0))
    if kind == "sum":
        return total if abs(total) < LARGEST else None
    return _rounded(total / len(numbers))


def _rounded(number: Fraction) -> Fraction:
    """Half to even, to so many digits: by whole numbers alone."""
    if not number:
        return number
    scale = Fraction(1)
    while abs(number) * scale >= 10**AVERAGE_DIGITS:
        scale /= 10
    while abs(number) * scale < 10 ** (AVERAGE_DIGITS - 1):
        scale *= 10
    return Fraction(round(number * scale)) / scale  # `round` of a fraction is half to even


def text(value: Json) -> str:
    """As what a scalar is compared and sorted. A number: the digits that it needs, from 1e-7 to below 1e19 without exponent."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    number = exact(value)
    assert number is not None
    if not number:
        return "0"
    sign, amount = "-" if number < 0 else "", abs(number)
    exponent = 0
    while amount >= 10:
        amount, exponent = amount / 10, exponent + 1
    while amount < 1:
        amount, exponent = amount * 10, exponent - 1
    digits = ""
    while amount:
        digits += str(int(amount))
        amount = (amount - int(amount)) * 10
    if exponent < -7 or exponent > 18:
        return f"{sign}{digits[0]}{'.' * (len(digits) > 1)}{digits[1:]}e{exponent:+d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    return f"{sign}{digits[: exponent + 1]}{'.' * (len(digits) > exponent + 1)}{digits[exponent + 1 :]}"


def _spelling(value: Json) -> str:
    """Of values with one text, that comes back whose JSON is the first: a text before a number."""
    return json.dumps(value, ensure_ascii=False)


def is_same(written: str, value: Json) -> bool:
    """Whether the JSON that the compiler wrote is this value, of this type."""
    if isinstance(value, Fraction):
        return bool(written.strip()) and written[0] in "-0123456789" and Fraction(Decimal(written)) == value
    return repr(json.loads(written)) == repr(value)


# ---- when time alone could make a difference


def turns(definition: Json, profile: Profile, retention: int) -> set[int]:
    """Every moment at which the passing of time could change the value."""
    lengths = [retention]
    if "between" in definition:
        lengths = [duration(each) for each in definition["between"]]
    elif "within" in definition:
        lengths = [duration(definition["within"])]
    elif "session" in definition:
        lengths = [retention, duration(definition["session"])]
    return {event.ts + length for event in _matching(definition, profile) for length in lengths}


def changes(definition: Json, profile: Profile, retention: int, start: int) -> Iterator[int]:
    """The moments behind `start` at which the value changes by time alone, in order."""
    before = value(definition, profile, retention, start)
    around = {turn + step for turn in turns(definition, profile, retention) for step in (-1, 0, 1)}
    for moment in sorted(each for each in around if each > start):
        now = value(definition, profile, retention, moment)
        if repr(now) != repr(before):
            before = now
            yield moment


# ---- in conditions


def with_computed(profile: Profile, definitions: Mapping[str, Json], retention: int, now: int) -> Profile:
    """The profile with its computed traits at `now`, which hide traits of the same name."""
    computed = {key: plain(value(each, profile, retention, now)) for key, each in definitions.items()}
    return Profile({**profile.traits, **computed}, profile.events, profile.audiences)


def plain(value: Json) -> Json:
    """A fraction as the number that JSON's readers take it for."""
    if not isinstance(value, Fraction):
        return value
    is_whole = value.denominator == 1 and -(2**63) <= value < 2**63
    return int(value) if is_whole else float(value)


def is_member(
    node: Json, definitions: Mapping[str, Json], profile: Profile, retention: int, now: int
) -> bool:
    """Whether a condition that may speak of computed traits is true at `now`."""
    return truth(node, with_computed(profile, definitions, retention, now), retention)(now)
