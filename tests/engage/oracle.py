"""What the compiler of audiences is measured by: who is a member at a moment, found by looking at every event.

It reads the JSON of a definition and nothing else of Engage. It keeps no clock: it tries each millisecond at which an event or
a date could make a difference, and the ones before and behind. So it is slow, and short enough to be checked by reading.

The law is Segment's query language with what `definition.py` adds: a comparison with a value of another type or with a value
that is missing is false, never unknown.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

Json = Any
#: Whether it is true at a moment, in milliseconds since 1970.
Truth = Callable[[int], bool]

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True)
class Event:
    """`ts`: when it happened, in ms since 1970. `seq`: its place in the log."""

    name: str
    ts: int
    properties: Mapping[str, Json]
    seq: int


@dataclass(frozen=True)
class Profile:
    traits: Mapping[str, Json]
    events: Sequence[Event]
    #: Keys of other audiences that it is a member of.
    audiences: frozenset[str] = frozenset()


@dataclass(frozen=True)
class World:
    #: How long events are kept, in ms: the window of a condition that has none.
    retention: int
    profiles: Mapping[str, Profile] = field(default_factory=dict)


def members(world: World, definition: Json, now: int) -> dict[str, bool]:
    """Of each profile whether it is a member at `now`."""
    return {
        name: truth(definition, profile, world.retention)(now) for name, profile in world.profiles.items()
    }


def truth(node: Json, profile: Profile, retention: int) -> Truth:
    """Whether the node is true of the profile, as a function of the moment."""
    if "all" in node or "any" in node:
        parts = [truth(part, profile, retention) for part in node.get("all", node.get("any"))]
        decide = all if "all" in node else any
        return lambda now: decide(part(now) for part in parts)
    if "not" in node:
        negated = truth(node["not"], profile, retention)
        return lambda now: not negated(now)
    if "audience" in node:
        is_member = node["audience"] in profile.audiences
        return lambda now: is_member
    if "trait" in node:
        value = look_up(profile.traits, node["trait"])
        return lambda now: compare(value, node["op"], node.get("value"), now)
    if "funnel" in node:
        return _funnel(node["funnel"], profile, retention)

    times = _times(node, profile)
    relation, number = node.get("count", [">=", 1])

    def has_count(now: int) -> bool:
        count = sum(_is_within(ts, node, retention, now) for ts in times)
        return {">=": count >= number, "<=": count <= number, "=": count == number}[relation]

    return has_count


def _funnel(funnel: Json, profile: Profile, retention: int) -> Truth:
    """Any first event is enough. The second is later than the first, and not later than the time."""
    starts, ends = _times(funnel["first"], profile), _times(funnel["then"], profile)
    limit = duration(funnel["within"])

    def holds(now: int) -> bool:
        for start in starts:
            if not _is_within(start, funnel["first"], retention, now):
                continue
            did = any(start < end <= start + limit and end <= now for end in ends)
            if did if funnel["did"] else not did and start + limit <= now:
                return True
        return False

    return holds


def _times(event: Json, profile: Profile) -> list[int]:
    """When the profile had such events, whatever the moment."""
    return [
        each.ts
        for each in profile.events
        if each.name == event["event"]
        and all(
            compare(look_up(each.properties, path), op, value, now=None)
            for path, op, *rest in event.get("where", [])
            for value in [rest[0] if rest else None]
        )
    ]


def _is_within(ts: int, event: Json, retention: int, now: int) -> bool:
    if "between" in event:
        nearest, farthest = map(duration, event["between"])
        return now - farthest < ts <= now - nearest
    return now - (duration(event["within"]) if "within" in event else retention) < ts <= now


def duration(text: str) -> int:
    return int(text[:-1]) * _UNITS[text[-1]]


# ---- when time alone could make a difference


def turns(node: Json, profile: Profile, retention: int) -> set[int]:
    """Every moment at which the passing of time could change the truth of a part of the node."""
    if "all" in node or "any" in node:
        parts = node.get("all", node.get("any"))
        return {turn for part in parts for turn in turns(part, profile, retention)}
    if "not" in node:
        return turns(node["not"], profile, retention)
    if "audience" in node:
        return set()
    if "trait" in node:
        moment = instant(look_up(profile.traits, node["trait"]))
        if moment is None or node["op"] not in _RELATIVE:
            return set()
        return {moment - duration(node["value"]), moment, moment + duration(node["value"])}
    if "funnel" in node:
        funnel = node["funnel"]
        limit = duration(funnel["within"])
        starts = _times(funnel["first"], profile)
        waits = {start + limit for start in starts}
        return waits | {start + length for start in starts for length in _lengths(funnel["first"], retention)}
    return {ts + length for ts in _times(node, profile) for length in _lengths(node, retention)}


def _lengths(event: Json, retention: int) -> list[int]:
    if "between" in event:
        return [duration(each) for each in event["between"]]
    return [duration(event["within"]) if "within" in event else retention]


def changes(node: Json, profile: Profile, retention: int, start: int) -> Iterator[int]:
    """The moments behind `start` at which membership changes by time alone, in order."""
    is_true = truth(node, profile, retention)
    before = is_true(start)
    around = {turn + step for turn in turns(node, profile, retention) for step in (-1, 0, 1)}
    for moment in sorted(each for each in around if each > start):
        if is_true(moment) != before:
            before = not before
            yield moment


# ---- values


_MISSING = object()
_RELATIVE = ("within_last", "within_next", "before_last", "after_next")


def look_up(values: Mapping[str, Json], path: str) -> Json:
    """What stands at a dotted path. A key that is spelled with the dot wins over an object in an object."""
    if path in values:
        found = values[path]
    else:
        found = values
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
    return _MISSING if found is None else found


def compare(value: Json, op: str, wanted: Json, now: int | None) -> bool:  # noqa: C901, PLR0911 - one for each operator
    """`now` is None in a condition on an event, which knows no time that goes by."""
    if op == "not_contains":
        return not _contains(value, wanted)
    if op == "absent":
        return value is _MISSING
    if value is _MISSING:
        return False
    match op:
        case "exists":
            return True
        case "=":
            return _equal(value, wanted)
        case "!=":
            return not _equal(value, wanted)
        case "in":
            return any(_equal(value, each) for each in wanted)
        case "<" | "<=" | ">" | ">=":
            if "number" not in (_kind(value), _kind(wanted)) or _kind(value) != _kind(wanted):
                return False
            value = _number(value)
            return {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[
                op
            ]
        case "contains":
            return _contains(value, wanted)
        case "contains_any":
            return any(_contains(value, each) for each in wanted)
        case "starts_with":
            return isinstance(value, str) and value.startswith(wanted)
        case "ends_with":
            return isinstance(value, str) and value.endswith(wanted)
    moment = instant(value)
    if moment is None:
        return False
    if op in ("before", "after"):
        limit = instant(wanted)
        assert limit is not None
        return moment < limit if op == "before" else moment > limit
    assert now is not None
    length = duration(wanted)
    return {
        "within_last": now - length < moment <= now,
        "before_last": moment <= now - length,
        "within_next": now < moment <= now + length,
        "after_next": moment > now + length,
    }[op]


def _number(value: Json) -> Json:
    """A whole number beyond 64 bits counts as the nearest float."""
    return float(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


def _kind(value: Json) -> str:
    """JSON's name of its type; Python takes True for the number 1."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _equal(one: Json, other: Json) -> bool:
    return _kind(one) == _kind(other) and bool(_number(one) == _number(other))


def _contains(value: Json, wanted: Json) -> bool:
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, list) and any(_equal(each, wanted) for each in value)


_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def instant(value: Json) -> int | None:
    """The millisecond of an ISO 8601 date-time with a zone; anything else is no date."""
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, day, hour, minute = (int(each) for each in found.groups()[:5])
    second, fraction = int(found[6] or 0), int((found[7] or "0").ljust(3, "0")[:3])
    zone = (int(found[9] or 0) * 60 + int(found[10] or 0)) * (-1 if found[8] == "-" else 1)
    try:
        days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59 or abs(zone) >= 24 * 60 or int(found[10] or 0) > 59:
        return None
    return ((days * 24 + hour) * 60 + minute - zone) * 60_000 + second * 1_000 + fraction
