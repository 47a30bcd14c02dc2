"""The language of audiences and computed traits: JSON, read here into types and written back in one spelling.

An audience is a condition on people:

    node     := {"all": [node, ...]} | {"any": [node, ...]} | {"not": node} | event | funnel | trait | {"audience": key}
    event    := {"event": name, "where": [[path, op, value], ...]?, "within": "7d" | "between": ["30d", "90d"]?,
                 "count": [">=" | "<=" | "=", n]?}
    funnel   := {"funnel": {"first": event without count, "then": {"event": name, "where": ...?}, "within": "1h",
                 "did": true | false}}
    trait    := {"trait": path, "op": op, "value": ...?}
    duration := "<n>s" | "<n>m" | "<n>h" | "<n>d"; a day has 24 hours

How it is meant, at the moment t. All times are integers in milliseconds since 1970.

- `within W` holds events with t - W < ts <= t; `between [X, Y]` those with t - Y < ts <= t - X. An event without either
  looks back over the retention, as `within` that long. `count` is `>= 1` unless given. No event lies after t: whoever
  stores an event from the future gives it the time of its receipt.
- A funnel holds if any `first` of its window has (`did`), or does not have (not `did`), a `then` with
  first.ts < then.ts <= first.ts + within. "Did not" needs the time to be over: first.ts + within <= t. It holds from
  exactly then on; a `then` of that last millisecond is still in time, and ends it again when it is received later.
- A path names a property of the event, or a trait. If the whole path is a key at the top, it is that key's value, even
  null; otherwise its parts between dots lead through nested objects (never into lists). Null counts as missing.
- Types are never converted: "5" is not 5, true is not 1; 5 and 5.0 are one number. A comparison with a missing value or
  a value of another type is false, except `!=` (true for any value that is there and differs) and `not_contains`
  (the opposite of `contains`, so true for a missing value). Whole numbers beyond 64 bits count as the nearest float.
- `contains`: the text has this text in it, or the list has an element that equals the value. `contains_any`: one of the
  values is contained. `starts_with`, `ends_with`: of texts. All literal, case-sensitive.
- A date is a text in ISO 8601 with a zone (see `date_ms`); anything else is none. `before`, `after`: v < d, v > d.
  Of traits only: `before_last d`: v <= t - d; `within_last d`: t - d < v <= t; `within_next d`: t < v <= t + d;
  `after_next d`: v > t + d.
- `any` of nothing is false. `{"audience": key}` is the stored membership of the person in that audience.
- A trait whose whole path is the key of a computed trait is the stored value of that one, and hides a trait of this name.

A computed trait is a value made of a person's events:

    computed := {"computed": kind, "event": name, "where": [[path, op, value], ...]?, "property": path?,
                 "within": "7d" | "between": ["30d", "90d"] | "session": "30m"?}
    kind     := sum | avg | min | max | most_frequent | first | last | unique_list | unique_list_count
              | event_counter | first_seen | last_seen (these three without property)

- Events, windows and conditions are those of an audience. `session d`: the events since the last pause of d or more, as
  long as the last of them is younger than d; a pause of exactly d ends a session. Events without the property prolong it.
- Without events that count, `event_counter` and `unique_list_count` are 0 and the others null.
- `sum`, `avg`, `min`, `max` take numbers only, no text that looks like one. A number is the decimal that its shortest JSON
  shows (0.1 is a tenth). Sums are exact, in whatever order; a sum that no double can hold is null. An average is
  rounded once, half to even, to 19 significant digits.
- `first`, `last`: the value of the earliest, latest event that has the property, of whatever type; events of one
  millisecond in the order of the log.
- `first_seen`, `last_seen`: when the earliest, latest event happened, in ISO 8601 (`2026-03-01T12:30:00.000Z`), so that it
  is a date in conditions and at destinations.
- `most_frequent`, `unique_list`, `unique_list_count` take texts, numbers, true and false, and compare and sort them as text,
  by code points: 5, 5.0 and "5" are one value. The text of a number has an exponent below 1e-7 and from 1e19 on. Of its
  spellings the first one in the order of their JSON comes back (a text before a number). The most frequent value occurs at
  least twice; of several, it is the first. Of more than 10,000 different values, a list keeps the first 10,000 and counts
  these.
"""

import itertools
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any as Json
from typing import Final, Literal, TypeAlias, cast, get_args

import msgspec

from jetbridge.errors import JetbridgeError
from jetbridge.spec.times import date_ms
from jetbridge.text import pluralize

Scalar: TypeAlias = str | int | float | bool
Comparator: TypeAlias = Literal[">=", "<=", "="]
ComputedKind: TypeAlias = Literal[
    "event_counter",
    "sum",
    "avg",
    "min",
    "max",
    "most_frequent",
    "first",
    "last",
    "unique_list",
    "unique_list_count",
    "first_seen",
    "last_seen",
]
#: They are made of events alone, the others of a property.
KINDS_WITHOUT_PROPERTY = frozenset({"event_counter", "first_seen", "last_seen"})
#: Leaves of a definition, as at Segment. An empty `any` counts as one.
MAX_LEAVES = 50
#: Nodes from the outermost to a leaf, both counted.
MAX_DEPTH = 10
MAX_CONDITIONS_PER_EVENT = 20
MAX_CONDITIONS = 100
MAX_COUNT = 1_000
MAX_LIST_LENGTH = 200
#: Characters of a name, a path, a key, a value.
MAX_TEXT_LENGTH = 500
MAX_PATH_PARTS = 10
DAY_MS = 86_400_000
DEFAULT_RETENTION_DAYS = 3 * 365
DEFAULT_RETENTION_MS = DEFAULT_RETENTION_DAYS * DAY_MS
#: The longest duration of a relative date of a trait, which no retention bounds.
MAX_DATE_DISTANCE_MS = 36_500 * DAY_MS
EQUALITY_OPS = frozenset({"=", "!="})
ORDER_OPS = frozenset({"<", "<=", ">", ">="})
LIST_OPS = frozenset({"in", "contains_any"})
CONTAINS_OPS = frozenset({"contains", "not_contains"})
AFFIX_OPS = frozenset({"starts_with", "ends_with"})
PRESENCE_OPS = frozenset({"exists", "absent"})
DATE_OPS = frozenset({"before", "after"})
RELATIVE_DATE_OPS = frozenset({"within_last", "within_next", "before_last", "after_next"})
#: The operators in `where`; a trait has the relative dates too.
WHERE_OPS = EQUALITY_OPS | ORDER_OPS | LIST_OPS | CONTAINS_OPS | AFFIX_OPS | PRESENCE_OPS | DATE_OPS
TRAIT_OPS = WHERE_OPS | RELATIVE_DATE_OPS
_DURATION = re.compile(r"([1-9]\d{0,9})([smhd])", re.ASCII)
_UNIT_MS = {"d": DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1_000}

#: Top keys of definitions that Segment has and this version has not, and what they are called.
_NOT_SUPPORTED: Final = {
    "sql": "SQL traits are not in this version",
    "query": "SQL traits are not in this version",
    "account": "Account audiences are not in this version",
    "accounts": "Account audiences are not in this version",
    "group": "Account audiences are not in this version",
}
_INT64 = 2**63 - 1


class DefinitionError(JetbridgeError):
    """A definition that cannot be used.

    `place` is the path in the JSON ("all[1].where[0]"; "definition" for the whole), `problem` what is wrong there,
    `allowed` what would be right.
    """

    def __init__(self, place: str, problem: str, allowed: str) -> None:
        super().__init__(f"{place}: {problem}. Allowed: {allowed}.")
        self.place = place
        self.problem = problem
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of the value at `path`.

    `value` by operator: a scalar (`=`, `!=`, `contains`, `not_contains`), a number (`<` ...), a tuple of scalars (`in`,
    `contains_any`), a text (`starts_with`, `ends_with`; ISO 8601 for `before`, `after`), None (`exists`, `absent`), or
    milliseconds (relative dates).
    """

    path: str
    op: str
    value: Scalar | tuple[Scalar, ...] | None


@dataclass(frozen=True, slots=True)
class Within:
    """The last `ms` milliseconds."""

    ms: int


@dataclass(frozen=True, slots=True)
class Between:
    """From `to_ms` ago until `from_ms` ago; from_ms < to_ms."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Session:
    """The events since the last pause of at least `ms` milliseconds."""

    ms: int


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    where: tuple[Condition, ...] = ()
    #: None: as long as events are kept.
    window: Within | Between | None = None
    comparator: Comparator = ">="
    count: int = 1


@dataclass(frozen=True, slots=True)
class Funnel:
    #: Its comparator and count are always `>= 1`.
    first: Event
    #: Its window is always None.
    then: Event
    within_ms: int
    did: bool


@dataclass(frozen=True, slots=True)
class Trait:
    condition: Condition


@dataclass(frozen=True, slots=True)
class Audience:
    key: str


@dataclass(frozen=True, slots=True)
class All:
    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Any:
    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    node: "Node"


Node: TypeAlias = All | Any | Not | Event | Funnel | Trait | Audience


@dataclass(frozen=True, slots=True)
class Computed:
    kind: ComputedKind
    event: str
    where: tuple[Condition, ...] = ()
    #: None for KINDS_WITHOUT_PROPERTY alone.
    property: str | None = None
    #: None: as long as events are kept.
    window: Within | Between | Session | None = None


Definition = Node | Computed


def parse_definition(value: object, *, retention_ms: int = DEFAULT_RETENTION_MS) -> Node:
    """The definition that a decoded JSON value is. Raises DefinitionError.

    `retention_ms`: how long events are kept; no window may be longer.
    """
    return _Parser(retention_ms).parse(value)


def parse_computed(value: object, *, retention_ms: int = DEFAULT_RETENTION_MS) -> Computed:
    """The computed trait that a decoded JSON value is. Raises DefinitionError.

    `retention_ms`: how long events are kept; no window may be longer.
    """
    return _Parser(retention_ms).parse_computed(value)


def definition_json(node: Node) -> bytes:
    """The one spelling of a definition: equal definitions give equal bytes, and `parse_definition` reads them back."""
    return msgspec.json.encode(_plain(node))


def computed_json(computed: Computed) -> bytes:
    """The one spelling of a computed trait, as `definition_json`."""
    plain: dict[str, object] = {"computed": computed.kind, "event": computed.event}
    if computed.where:
        plain["where"] = _plain_where(computed.where)
    if computed.property is not None:
        plain["property"] = computed.property
    return msgspec.json.encode({**plain, **_plain_window(computed.window)})


def empty_value(computed: Computed) -> str:
    """The JSON of the value of somebody without events, who counts as one without a value."""
    return "0" if computed.kind in {"event_counter", "unique_list_count"} else "null"


def leaves(node: Node) -> Iterator[Event | Funnel | Trait | Audience]:
    match node:
        case All() | Any():
            for child in node.nodes:
                yield from leaves(child)
        case Not():
            yield from leaves(node.node)
        case _:
            yield node


def audience_places(node: Node, place: str = "") -> Iterator[tuple[str, str]]:
    """The keys of the audiences that it refers to, each with its place as in `DefinitionError`."""
    match node:
        case All(nodes) | Any(nodes):
            kind = "all" if isinstance(node, All) else "any"
            for at, child in enumerate(nodes):
                yield from audience_places(child, f"{_inside(place, kind)}[{at}]")
        case Not(child):
            yield from audience_places(child, _inside(place, "not"))
        case Audience(key):
            yield key, _inside(place, "audience")


def duration_text(ms: int) -> str:
    """A duration in the largest unit that leaves no rest. `ms` is a multiple of 1,000."""
    unit = next(unit for unit, size in _UNIT_MS.items() if ms % size == 0)
    return f"{ms // _UNIT_MS[unit]}{unit}"


# ---- what a definition depends on


class CyclicDefinitionError(JetbridgeError):
    """Definitions that depend on themselves. `keys`: the way around, whose first key is also the last."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        steps = ", ".join(f"{key} refers to {other}" for key, other in itertools.pairwise(keys))
        super().__init__(f"{steps}: none of them can be computed. Take one of these references out.")
        self.keys = keys


@dataclass(frozen=True, slots=True)
class References:
    #: Names.
    events: frozenset[str] = frozenset()
    #: Paths, without those of computed traits.
    traits: frozenset[str] = frozenset()
    #: Keys.
    audiences: frozenset[str] = frozenset()
    #: Keys.
    computed: frozenset[str] = frozenset()


def references(definition: Node | Computed, *, computed: Collection[str] = ()) -> References:
    """What the definition depends on. `computed`: the keys of all computed traits, which look like traits in a condition."""
    if isinstance(definition, Computed):
        return References(events=frozenset({definition.event}))
    events: set[str] = set()
    paths: set[str] = set()
    audiences: set[str] = set()
    for leaf in leaves(definition):
        match leaf:
            case Event():
                events.add(leaf.name)
            case Funnel():
                events |= {leaf.first.name, leaf.then.name}
            case Trait():
                paths.add(leaf.condition.path)
            case Audience():
                audiences.add(leaf.key)
    keys = frozenset(path for path in paths if path in computed)
    return References(frozenset(events), frozenset(paths) - keys, frozenset(audiences), keys)


def order(definitions: Mapping[str, Node | Computed]) -> list[str]:
    """The keys such that each comes after those that its definition refers to.

    Audiences and computed traits share their keys. What is not among `definitions` is taken to be there. Raises
    CyclicDefinitionError.
    """
    computed = {key for key, definition in definitions.items() if isinstance(definition, Computed)}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for key, definition in definitions.items():
        used = references(definition, computed=computed)
        audiences = {audience for audience in used.audiences if audience in definitions.keys() - computed}
        sorter.add(key, *sorted(audiences | used.computed))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        # The error names each key before the one that refers to it.
        raise CyclicDefinitionError(tuple(reversed(error.args[1]))) from None


def parse(computation_class: str, value: object, *, retention_days: int) -> Definition:
    """The definition that a decoded JSON value is. Raises DefinitionError, also where a window is longer than the retention."""
    if isinstance(value, dict) and (missing := next((key for key in _NOT_SUPPORTED if key in value), None)):
        allowed = "an audience of people, or a computed trait of their events (docs/engage.md)"
        raise DefinitionError(missing, _NOT_SUPPORTED[missing], allowed)
    if computation_class == "audience" and isinstance(value, dict) and "computed" in value:
        allowed = "an audience here; a computed trait at /computed-traits, or by `jetbridge traits`"
        raise DefinitionError("computed", "this is the definition of a computed trait", allowed)
    read = parse_definition if computation_class == "audience" else parse_computed
    return read(value, retention_ms=retention_days * DAY_MS)


def canonical(definition: Definition) -> Json:
    """The definition in its one spelling, as JSON values: equal definitions are equal."""
    text = computed_json(definition) if isinstance(definition, Computed) else definition_json(definition)
    return msgspec.json.decode(text)


def dependents(key: str, definitions: Mapping[str, Definition]) -> list[str]:
    """The keys of the definitions that refer to `key`."""
    computed = frozenset(key for key, definition in definitions.items() if isinstance(definition, Computed))
    refer = []
    for other, definition in definitions.items():
        used = references(definition, computed=computed)
        if other != key and key in used.audiences | used.computed:
            refer.append(other)
    return refer


def check_audiences(definition: Definition, keys: Collection[str]) -> None:
    """Raises DefinitionError where it refers to an audience that is none of `keys`."""
    if isinstance(definition, Computed):  # refers to none
        return
    for key, place in audience_places(definition):
        if key not in keys:
            problem = f"there is no audience with the key {key[:60]}"
            raise DefinitionError(place, problem, "the key of an audience of the workspace")


def windows(definition: Definition) -> list[Within | Between | Session | None]:
    """Those of its events; None stands for all events that are kept."""
    if isinstance(definition, Computed):
        return [definition.window]
    events = [
        leaf.first if isinstance(leaf, Funnel) else leaf
        for leaf in leaves(definition)
        if isinstance(leaf, Event | Funnel)
    ]
    return [event.window for event in events]


def longest_window_ms(definition: Definition, retention_ms: int) -> int:
    """How far it looks back; 0 if it looks at no event. A session may have begun as long ago as events are kept."""
    lengths = [0]
    for window in windows(definition):
        match window:
            case Within(ms):
                lengths.append(ms)
            case Between(_, to_ms):
                lengths.append(to_ms)
            case _:
                lengths.append(retention_ms)
    return max(lengths)


# ---- from JSON


class _Parser:
    def __init__(self, retention_ms: int) -> None:
        self.retention_ms = retention_ms
        self.leaf_count = 0
        self.condition_count = 0
        #: The key that tells a node's kind, and its other keys.
        self.kinds: dict[str, tuple[Callable[[Mapping[str, object], str, int], Node], tuple[str, ...]]] = {
            "all": (self._group, ()),
            "any": (self._group, ()),
            "not": (self._not, ()),
            "event": (self._event, ("where", "within", "between", "count")),
            "funnel": (self._funnel, ()),
            "trait": (self._trait, ("op", "value")),
            "audience": (self._audience, ()),
        }

    def parse(self, value: object, place: str = "", depth: int = 1) -> Node:
        if depth > MAX_DEPTH:
            raise _error(place, "it is nested too deep", f"{MAX_DEPTH} levels")
        fields = _object(value, place)
        kinds = [kind for kind in self.kinds if kind in fields]
        if len(kinds) != 1:
            problem = f"it has {_listed(kinds)} together" if kinds else "it does not say what it is"
            raise _error(place, problem, f"an object with one of {_listed(self.kinds)}")
        parse, others = self.kinds[kinds[0]]
        _check_known(fields, (kinds[0], *others), place)
        if kinds[0] not in {"all", "any", "not"} or fields[kinds[0]] == []:
            self.leaf_count += 1
            if self.leaf_count > MAX_LEAVES:
                raise _error(place, "the definition has too many conditions", f"{MAX_LEAVES}")
        return parse(fields, place, depth)

    def parse_computed(self, value: object) -> Computed:
        fields = _object(value, "")
        _require(fields, ("computed", "event"), "")
        windows = ("within", "between", "session")
        _check_known(fields, ("computed", "event", "where", "property", *windows), "")
        kind = next((kind for kind in get_args(ComputedKind) if kind == fields["computed"]), None)
        if kind is None:
            raise _error(
                "computed",
                f"{_shown(fields['computed'])} is no kind of computed trait",
                _listed(get_args(ComputedKind)),
            )
        if (kind in KINDS_WITHOUT_PROPERTY) == ("property" in fields):
            problem = (
                "the property is missing" if kind not in KINDS_WITHOUT_PROPERTY else "it takes no property"
            )
            allowed = f"a property, except of {_listed(sorted(KINDS_WITHOUT_PROPERTY))}"
            raise _error("property", f"{kind}: {problem}", allowed)
        if len(given := [name for name in windows if name in fields]) > 1:
            raise _error("", f"it has {_listed(given)} together", "one of them, or none")
        window: Within | Between | Session | None = self._window(fields, "")
        if "session" in fields:
            window = Session(_duration(fields["session"], "session", self.retention_ms))
        return Computed(
            kind=kind,
            event=_text(fields["event"], "event"),
            where=self._where(fields.get("where", []), "where"),
            property=_path(fields["property"], "property") if "property" in fields else None,
            window=window,
        )

    def _group(self, fields: Mapping[str, object], place: str, depth: int) -> Node:
        kind = "all" if "all" in fields else "any"
        place = _inside(place, kind)
        items = _list(fields[kind], place, 1 if kind == "all" else 0, MAX_LEAVES)
        nodes = tuple(self.parse(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(items))
        return All(nodes) if kind == "all" else Any(nodes)

    def _not(self, fields: Mapping[str, object], place: str, depth: int) -> Node:
        return Not(self.parse(fields["not"], _inside(place, "not"), depth + 1))

    def _audience(self, fields: Mapping[str, object], place: str, _depth: int) -> Node:
        return Audience(_text(fields["audience"], _inside(place, "audience")))

    def _event(self, fields: Mapping[str, object], place: str, _depth: int) -> Event:
        comparator: Comparator = ">="
        count = 1
        if "count" in fields:
            comparator, count = self._count(fields["count"], _inside(place, "count"))
        return Event(
            name=_text(fields["event"], _inside(place, "event")),
            where=self._where(fields.get("where", []), _inside(place, "where")),
            window=self._window(fields, place),
            comparator=comparator,
            count=count,
        )

    def _window(self, fields: Mapping[str, object], place: str) -> Within | Between | None:
        if "within" in fields and "between" in fields:
            raise _error(place, "it has within and between together", "one of them, or none")
        if "within" in fields:
            return Within(_duration(fields["within"], _inside(place, "within"), self.retention_ms))
        if "between" not in fields:
            return None
        place = _inside(place, "between")
        newest, oldest = (
            _duration(item, f"{place}[{i}]", self.retention_ms)
            for i, item in enumerate(_list(fields["between"], place, 2, 2))
        )
        if newest >= oldest:
            raise _error(
                place, "the first duration is not the shorter one", 'the shorter first, as ["30d", "90d"]'
            )
        return Between(newest, oldest)

    def _count(self, value: object, place: str) -> tuple[Comparator, int]:
        comparator, count = _list(value, place, 2, 2)
        if comparator != ">=" and comparator != "<=" and comparator != "=":  # noqa: PLR1714 - a list has no hash
            raise _error(f"{place}[0]", f"{_shown(comparator)} does not compare counts", ">=, <=, =")
        least = 1 if comparator == ">=" else 0
        if isinstance(count, bool) or not isinstance(count, int) or not least <= count <= MAX_COUNT:
            raise _error(
                f"{place}[1]",
                f"{_shown(count)} is no count for {comparator}",
                f"a whole number from {least} to {MAX_COUNT:,}",
            )
        return comparator, count

    def _funnel(self, fields: Mapping[str, object], place: str, _depth: int) -> Node:
        place = _inside(place, "funnel")
        funnel = _object(fields["funnel"], place)
        _require(funnel, ("first", "then", "within", "did"), place)
        _check_known(funnel, ("first", "then", "within", "did"), place)
        first = self._step(funnel["first"], _inside(place, "first"), ("event", "where", "within", "between"))
        then = self._step(funnel["then"], _inside(place, "then"), ("event", "where"))
        within_ms = _duration(funnel["within"], _inside(place, "within"), self.retention_ms)
        did = funnel["did"]
        if not isinstance(did, bool):
            raise _error(_inside(place, "did"), f"{_shown(did)} is not true or false", "true, false")
        window = first.window or Within(self.retention_ms)
        longest = window.ms if isinstance(window, Within) else window.to_ms
        if not did and within_ms >= longest:
            raise _error(
                _inside(place, "within"),
                f"the first event leaves its window ({duration_text(longest)}) before this time is over, so nobody fits",
                "a time shorter than that window",
            )
        return Funnel(first, then, within_ms, did)

    def _step(self, value: object, place: str, known: tuple[str, ...]) -> Event:
        fields = _object(value, place)
        _require(fields, ("event",), place)
        _check_known(fields, known, place)
        return self._event(fields, place, 0)

    def _where(self, value: object, place: str) -> tuple[Condition, ...]:
        conditions = []
        for i, item in enumerate(_list(value, place, 0, MAX_CONDITIONS_PER_EVENT)):
            parts = _list(item, f"{place}[{i}]", 2, 3)
            self.condition_count += 1
            if self.condition_count > MAX_CONDITIONS:
                raise _error(
                    f"{place}[{i}]", "the definition has too many property conditions", f"{MAX_CONDITIONS}"
                )
            op = parts[1]
            if isinstance(op, str) and op in RELATIVE_DATE_OPS:
                raise _error(
                    f"{place}[{i}][1]",
                    f"{op} is relative to now, and the property of a past event is not",
                    "within or between of the event; before, after with a date",
                )
            path, op = _path(parts[0], f"{place}[{i}][0]"), _op(op, f"{place}[{i}][1]", WHERE_OPS)
            _check_presence(op, given=len(parts) == 3, place=f"{place}[{i}]")
            conditions.append(
                Condition(path, op, _value(op, parts[2] if len(parts) == 3 else None, f"{place}[{i}][2]"))
            )
        return tuple(conditions)

    def _trait(self, fields: Mapping[str, object], place: str, _depth: int) -> Node:
        _require(fields, ("op",), place)
        path = _path(fields["trait"], _inside(place, "trait"))
        op = _op(fields["op"], _inside(place, "op"), TRAIT_OPS)
        _check_presence(op, given="value" in fields, place=place)
        return Trait(Condition(path, op, _value(op, fields.get("value"), _inside(place, "value"))))


def _op(value: object, place: str, known: frozenset[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise _error(place, f"{_shown(value)} is no operator here", _listed(sorted(known)))
    return value


def _check_presence(op: str, *, given: bool, place: str) -> None:
    if given and op in PRESENCE_OPS:
        raise _error(place, f"{op} takes no value", "the operator alone")
    if not given and op not in PRESENCE_OPS:
        raise _error(place, f"{op} has no value", "a value")


def _value(op: str, value: object, place: str) -> Scalar | tuple[Scalar, ...] | None:
    if op in PRESENCE_OPS:
        return None
    if op in LIST_OPS:
        items = _list(value, place, 1, MAX_LIST_LENGTH)
        return tuple(_scalar(item, f"{place}[{i}]", filled=op != "in") for i, item in enumerate(items))
    if op in RELATIVE_DATE_OPS:
        return _duration(value, place, MAX_DATE_DISTANCE_MS)
    if op in DATE_OPS:
        if not isinstance(value, str) or date_ms(value) is None:
            allowed = "a date in ISO 8601 with a time and a zone, as 2026-03-01T00:00:00Z"
            raise _error(place, f"{_shown(value)} is no date", allowed)
        return value
    if op in AFFIX_OPS:
        return _text(value, place)
    scalar = _scalar(value, place, filled=op in CONTAINS_OPS)
    if op in ORDER_OPS and (isinstance(scalar, bool | str)):
        raise _error(place, f"{_shown(value)} is no number, and {op} compares numbers", "a number")
    return scalar


def _scalar(value: object, place: str, *, filled: bool) -> Scalar:
    """`filled`: the empty text is refused, because every text contains it."""
    if isinstance(value, str):
        return _text(value, place, least=1 if filled else 0)
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and -_INT64 <= value <= _INT64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise _error(
        place, f"{_shown(value)} cannot be compared", "a text, a number of at most 64 bits, true, false"
    )


def _path(value: object, place: str) -> str:
    path = _text(value, place)
    if path.count(".") >= MAX_PATH_PARTS:
        raise _error(place, "the path has too many parts", f"{MAX_PATH_PARTS} parts between dots")
    return path


def _text(value: object, place: str, *, least: int = 1) -> str:
    if not isinstance(value, str) or not least <= len(value) <= MAX_TEXT_LENGTH:
        problem = (
            f"{_shown(value)} is no text"
            if not isinstance(value, str)
            else f"the text has {pluralize(len(value), 'character')}"
        )
        raise _error(place, problem, f"a text of {least} to {MAX_TEXT_LENGTH} characters")
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise _error(
            place, "the text has a character that no text may have", "characters of Unicode except U+0000"
        )
    return value


def _duration(value: object, place: str, longest_ms: int) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    ms = int(match[1]) * _UNIT_MS[match[2]] if match else 0
    if not match or ms > longest_ms:
        problem = f"{_shown(value)} is longer than possible" if match else f"{_shown(value)} is no duration"
        longest = duration_text(longest_ms // 1_000 * 1_000)
        raise _error(place, problem, f'a number with s, m, h or d, as "7d", up to {longest}')
    return ms


def _object(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _error(place, f"{_shown(value)} is no object", "a JSON object")
    return value


def _list(value: object, place: str, least: int, most: int) -> list[object]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        problem = (
            f"{_shown(value)} is no list"
            if not isinstance(value, list)
            else f"the list has {pluralize(len(value), 'item')}"
        )
        raise _error(place, problem, f"a list of {least if least == most else f'{least} to {most}'} items")
    return value


def _require(fields: Mapping[str, object], names: tuple[str, ...], place: str) -> None:
    if missing := [name for name in names if name not in fields]:
        raise _error(place, f"{_listed(missing)} is missing", f"an object with {_listed(names)}")


def _check_known(fields: Mapping[str, object], known: tuple[str, ...], place: str) -> None:
    if unknown := [name for name in fields if name not in known]:
        raise _error(place, f"{_shown(unknown[0])} is not known here", _listed(known))


def _error(place: str, problem: str, allowed: str) -> DefinitionError:
    return DefinitionError(place or "definition", problem, allowed)


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _shown(value: object) -> str:
    """A value of somebody else in a message: shortened, in one line."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    shown = (
        ascii(value)
        if not isinstance(value, int) or abs(value) <= _INT64
        else "a number of more than 64 bits"
    )
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _plain(node: Node) -> dict[str, object]:
    match node:
        case All() | Any():
            return {"all" if isinstance(node, All) else "any": [_plain(child) for child in node.nodes]}
        case Not():
            return {"not": _plain(node.node)}
        case Audience():
            return {"audience": node.key}
        case Trait(condition):
            plain: dict[str, object] = {"trait": condition.path, "op": condition.op}
            return plain if condition.value is None else {**plain, "value": _plain_value(condition)}
        case Funnel():
            return {
                "funnel": {
                    "first": _plain(node.first),
                    "then": _plain(node.then),
                    "within": duration_text(node.within_ms),
                    "did": node.did,
                }
            }
        case Event():
            return _plain_event(node)


def _plain_event(event: Event) -> dict[str, object]:
    plain: dict[str, object] = {"event": event.name}
    if event.where:
        plain["where"] = _plain_where(event.where)
    plain.update(_plain_window(event.window))
    if (event.comparator, event.count) != (">=", 1):
        plain["count"] = [event.comparator, event.count]
    return plain


def _plain_where(where: Iterable[Condition]) -> list[list[object]]:
    return [[c.path, c.op] if c.value is None else [c.path, c.op, _plain_value(c)] for c in where]


def _plain_window(window: Within | Between | Session | None) -> dict[str, object]:
    match window:
        case Within(ms):
            return {"within": duration_text(ms)}
        case Between(from_ms, to_ms):
            return {"between": [duration_text(from_ms), duration_text(to_ms)]}
        case Session(ms):
            return {"session": duration_text(ms)}
    return {}


def _plain_value(condition: Condition) -> object:
    if condition.op in RELATIVE_DATE_OPS:
        return duration_text(cast("int", condition.value))
    return list(condition.value) if isinstance(condition.value, tuple) else condition.value
