"""What computed traits are measured by: the value of a person's events at a moment, found by looking at every event.

Written from the facts about Segment's computed traits and from the description of the language (`definition.py`), by somebody
who had not seen the compiler. It reads the JSON of a definition and nothing else of Engage. Numbers are exact: of decimals,
never of doubles.

What the facts leave open is as `definition.py` says it: the text of a number, which of two spellings comes back, how an average
is rounded. A whole number beyond 64 bits is the nearest double. A session begins no earlier than events are kept.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from tests.engage.oracle import Event, Json, Profile, compare, duration, look_up

MAX_DISTINCT = 10_000
_AVERAGE = Context(prec=19, rounding=ROUND_HALF_EVEN)


def value_of(definition: Json, events: Iterable[Event], retention: int, now: int, *, since: int = 0) -> Json:
    """The value at `now`. Numbers of `sum` and `avg` are Decimals, all others as they came; None is null.

    `since`: the events before that moment do not count (history is off).
    """
    counted = _counted(definition, (event for event in events if event.ts >= since), retention, now)
    kind = definition["computed"]
    if kind == "event_counter":
        return len(counted)
    if kind in ("first_seen", "last_seen"):
        seen = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=event.ts) for event in counted]
        moment = seen[0 if kind == "first_seen" else -1] if seen else None
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03}Z" if moment else None
    values = [look_up(event.properties, definition["property"]) for event in counted]
    values = [value for value in values if value is not look_up({}, "missing")]
    if kind == "first":
        return values[0] if values else None
    if kind == "last":
        return values[-1] if values else None
    if kind in ("sum", "avg", "min", "max"):
        return _of_numbers(kind, [value for value in values if _is_number(value)])
    return _of_texts(kind, [value for value in values if isinstance(value, str | bool) or _is_number(value)])


def _of_numbers(kind: str, values: Sequence[Json]) -> Json:
    if not values:
        return None
    if kind == "min":
        return min(values, key=_fraction)
    if kind == "max":
        return max(values, key=_fraction)
    total = sum(map(_fraction, values), Fraction(0))
    if kind == "avg":
        mean = total / len(values)
        return _AVERAGE.divide(Decimal(mean.numerator), Decimal(mean.denominator))
    try:
        float(total)
    except OverflowError:
        return None
    # The denominator divides a power of ten, so enough digits make it exact.
    return Context(prec=2_000).divide(Decimal(total.numerator), Decimal(total.denominator))


def _of_texts(kind: str, values: Sequence[Json]) -> Json:
    spellings: dict[str, list[Json]] = {}
    for value in values:
        spellings.setdefault(_text(value), []).append(value)
    distinct = sorted(spellings)[:MAX_DISTINCT]

    def as_it_came(text: str) -> Json:
        return min(spellings[text], key=lambda value: json.dumps(value, ensure_ascii=False))

    if kind == "unique_list":
        return [as_it_came(text) for text in distinct] or None
    if kind == "unique_list_count":
        return len(distinct)
    assert kind == "most_frequent"
    most = max(map(len, spellings.values()), default=0)
    return as_it_came(min(t for t in spellings if len(spellings[t]) == most)) if most >= 2 else None


# ---- events


def _counted(definition: Json, events: Iterable[Event], retention: int, now: int) -> list[Event]:
    """The events that count at `now`, from the earliest to the latest; those of one millisecond in the order of the log."""
    kept = [
        event
        for event in sorted(events, key=lambda event: (event.ts, event.seq))
        if event.name == definition["event"]
        and now - retention < event.ts <= now
        and all(
            compare(look_up(event.properties, path), op, value[0] if value else None, now=None)
            for path, op, *value in definition.get("where", [])
        )
    ]
    if "within" in definition:
        return [event for event in kept if now - duration(definition["within"]) < event.ts]
    if "between" in definition:
        nearest, farthest = map(duration, definition["between"])
        return [event for event in kept if now - farthest < event.ts <= now - nearest]
    if "session" not in definition:
        return kept
    pause = duration(definition["session"])
    session: list[Event] = []
    for event in reversed(kept):
        following = session[0].ts if session else now
        if following - event.ts >= pause:
            break
        session.insert(0, event)
    return session


# ---- time


def turns(definition: Json, events: Iterable[Event], retention: int) -> set[int]:
    """Every moment at which time alone lets an event count, or count no more."""
    if "within" in definition or "between" in definition:
        lengths = list(map(duration, definition.get("between") or [definition["within"]]))
    else:
        lengths = [retention, *([duration(definition["session"])] if "session" in definition else [])]
    return {event.ts + length for event in events if event.name == definition["event"] for length in lengths}


def changes(
    definition: Json, events: Sequence[Event], retention: int, start: int, *, since: int = 0
) -> list[int]:
    """The moments behind `start` at which the value changes by time alone, in order. Another spelling is a change."""
    moments = []
    before = value_of(definition, events, retention, start, since=since)
    for moment in sorted(turn for turn in turns(definition, events, retention) if turn > start):
        after = value_of(definition, events, retention, moment, since=since)
        is_number = _is_number(after) and _is_number(before)
        if not is_equal(after, before) if is_number else repr(after) != repr(before):
            moments.append(moment)
        before = after
    return moments


# ---- values


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _decimal(number: float | Decimal) -> Decimal:
    """The decimal that is meant: 0.1 is a tenth. Of a whole number beyond 64 bits, the nearest double's."""
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        number = float(number)
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def _fraction(number: float | Decimal) -> Fraction:
    return Fraction(_decimal(number))


def _text(value: Json) -> str:
    """As what it is counted and sorted: equal numbers have one text, and so has the text that spells it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    number = _decimal(value)
    if number == 0:
        return "0"
    sign, digits, _ = number.as_tuple()
    shown, exponent = "".join(map(str, digits)).rstrip("0"), number.adjusted()
    if not 1e-7 <= abs(number) < 1e19:
        return f"{'-' * sign}{shown[0]}{'.' * (len(shown) > 1)}{shown[1:]}e{exponent:+d}"
    if exponent < 0:
        return f"{'-' * sign}0.{'0' * (-exponent - 1)}{shown}"
    shown = shown.ljust(exponent + 1, "0")
    return f"{'-' * sign}{shown[: exponent + 1]}{'.' * (len(shown) > exponent + 1)}{shown[exponent + 1 :]}"


def is_equal(one: Json, other: Json) -> bool:
    """As JSON: 5 is 5.0, but neither "5" nor true."""
    if _is_number(one) and _is_number(other):
        return _decimal(one) == _decimal(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_equal(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def is_same(written: str, expected: Json) -> bool:
    """Whether a JSON text is the value."""
    value = json.loads(written, parse_float=Decimal)
    if isinstance(expected, Decimal) and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value) == expected  # a sum is exact beyond 64 bits, too
    return is_equal(value, expected)


def as_sent(value: Json) -> Json:
    """A value as a reader of JSON takes it: a whole number of 64 bits, or the nearest double."""
    if not isinstance(value, Decimal):
        return value
    is_whole = value == value.to_integral_value() and -(2**63) <= value < 2**63
    return int(value) if is_whole else float(value)


# ---- audiences that refer to computed traits


class _Traits(dict[str, Json]):
    """Traits of a person, and computed ones, which a whole path alone can name: `a.b` never leads into a computed `a`."""

    def __init__(self, traits: Mapping[str, Json], computed: Mapping[str, Json]) -> None:
        super().__init__(traits)
        self.computed = computed

    def __contains__(self, path: object) -> bool:
        return path in self.computed or super().__contains__(path)

    def __getitem__(self, path: str) -> Json:
        return self.computed[path] if path in self.computed else super().__getitem__(path)


def with_computed(profile: Profile, computed: Mapping[str, Json], retention: int, now: int) -> Profile:
    """The person with the values of computed traits, as an audience sees them; they hide traits of these names."""
    values = {
        key: as_sent(value_of(trait, profile.events, retention, now)) for key, trait in computed.items()
    }
    return Profile(_Traits(profile.traits, values), profile.events, profile.audiences)
