"""Makers of definitions and of people, such that they meet: each case draws from a few names, paths, values and lengths of time.

Everything is at an edge as often as not: an event whose window ends in this millisecond, a number beside the same as text.
"""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any, NamedTuple

from tests.engage.oracle import Event, Json, Profile, World, duration

#: The latest event of every world; no event comes from the future, because the endpoint that takes them sees to that.
START = 1_767_225_600_000  # 2026-01-01
DAY = 86_400_000
RETENTION = 1_095 * DAY

_NAMES = ("Order Completed", "Page Viewed", "order completed", 'It\'s "new" % _ \\ é', "Signed Up")
_LENGTHS = ("7d", "1d", "24h", "1h", "60m", "30d", "90d", "10s", "1s", "86400s", "365d")
_PATHS = ("plan", "a.b", "a.b.c", "it's", 'the "best"', "$", "$.a", "[0]", "a[0]", "é", "e\u0301", "back\\slash", "0", "sp ace", "%", "Plan", "a.it's")  # fmt: skip
_AUDIENCES = ("vip", "30_day_active", "it's")
_KINDS = (
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
)
#: Keys of computed traits; some are traits of the customer's, too.
_COMPUTED = ("spent", "plan", "é", "0", "a")

#: Each row holds what is not the same, though some reader takes it for the same.
_LOOKALIKES: tuple[tuple[Json, ...], ...] = (
    (5, "5", "5.0", " 5", "05", 5.5, 4, 6, -5, "five"),
    (0, 0.0, -0.0, "0", False, "false", "", "null", None, []),
    (1, 1.0, True, "1", "true", "True", "yes", [1], {"a": 1}),
    (2**53, 2**53 + 1, 2**53 - 1, str(2**53), 9007199254740993.0),
    (2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 9.223372036854775807e18, str(2**63)),
    (10**18, 10**30, 10**30 + 1, 1e30, 1e308, -1e308, 5e-324, "1e308"),
    (0.1, 0.30000000000000004, 0.3, "0.3", 1e-7, 100, 99.99, "99.99", 100.0),
    ("pro", "Pro", "pro ", "pr", "o", "", "professional", ["pro"], "PRO"),
    ("é", "e\u0301", "e", "É", "\U0001f600", "\U0001f600\U0001f601", "\uffff", "straße", "STRASSE"),
    ("100%", "100", "%", "_", "a_b", "axb", "a\\b", "a'b", 'a"b', "[abc]", "*", "a*b", "?"),
    (["a", "b"], ["a"], "a", ["1", 1], [True, None], [1.0], [["a"]], '["a"]', [], {}, {"a": "b"}),
    ("a\nb", "a", "\t", "a\u2028b", "\u200b", "\x7f", "{}", "[]", "NULL", "NaN", "Infinity"),
)  # fmt: skip
#: What is no date though it looks like one, and days that are none.
_NO_DATES: tuple[Json, ...] = (
    "2026-01-01", "2026-01-01T00:00:00", "20260101T000000Z", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00 Z",
    " 2026-01-01T00:00:00Z", "now", START, str(START), START // 1_000, True, ["2026-01-01T00:00:00Z"], "2026-13-01T00:00:00Z",
    "2026-01-01T00:00:00Z\n", "2026-01-01T00:60:00Z", "2025-02-29T00:00:00Z",
)  # fmt: skip


class Case(NamedTuple):
    definition: Json
    world: World
    #: Numbers that choose the moments; which moments there are is known only with the case.
    choices: tuple[int, ...]
    #: Computed traits that the definition may refer to, by key.
    computed: dict[str, Json] = {}

    def __repr__(self) -> str:
        profiles = {
            name: {
                "traits": profile.traits,
                "events": [(each.name, each.ts, each.properties) for each in profile.events],
                "audiences": sorted(profile.audiences),
            }
            for name, profile in self.world.profiles.items()
        }
        return f"Case({json.dumps(self.definition)}, {profiles}, {self.choices}, {json.dumps(self.computed)})"


class Vocabulary:
    """The few words of one case."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names = random.sample(_NAMES, 2)
        self.lengths = random.sample(_LENGTHS, 3)
        self.paths = random.sample(_PATHS, 2)
        #: Of computed traits, to refer to.
        self.keys: list[str] = []
        row = random.choice(_LOOKALIKES)
        self.values = [*random.sample(row, 4), *random.choice(_LOOKALIKES)[:1]]
        self.scalars = [each for each in self.values if isinstance(each, str | int | float)]
        self.scalars = [each for each in self.scalars if not isinstance(each, int) or abs(each) < 2**63] or [
            "a"
        ]
        self.has_dates = random.random() < 0.3
        #: How far dates lie from the start, in ms; few, so that two are often the same one.
        self.distances = [self.age() * random.choice((1, -1, -1)) for _ in range(3)]

    # ---- times

    def age(self) -> int:
        """How long ago; mostly where a window ends."""
        lengths = [duration(each) for each in self.lengths]
        kind = self.random.random()
        if kind < 0.5:
            return max(0, self.random.choice(lengths) + self.random.choice((0, 1, -1)))
        if kind < 0.55:
            return RETENTION + self.random.choice((0, 1, -1))
        if kind < 0.7:
            return self.random.randrange(4)
        if kind < 0.85:
            return max(
                0, self.random.choice(lengths) + self.random.choice(lengths) + self.random.choice((0, 1, -1))
            )
        return self.random.randrange(2 * max(lengths))

    def date(self) -> Json:
        if self.random.random() < 0.2:
            return self.random.choice(_NO_DATES)
        ahead = self.random.choice(self.distances)
        zone = timezone(timedelta(minutes=self.random.choice((0, 60, -330, 345, 840, -720))))
        moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=START + ahead)
        text = moment.astimezone(zone).isoformat(timespec="milliseconds")
        kind = self.random.random()
        if kind < 0.3:
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return text.replace(".000", "") if kind < 0.6 else text

    # ---- people

    def value(self) -> Json:
        if self.has_dates and self.random.random() < 0.7:
            return self.date()
        value = deepcopy(self.random.choice(self.values))  # `fields` may put keys into it
        if self.random.random() < 0.15:
            return [value, deepcopy(self.random.choice(self.values))]
        return value

    def fields(self) -> dict[str, Json]:
        """An object in which the paths lead somewhere: by a key with dots, by objects in objects, or by both."""
        fields: dict[str, Json] = {"unused": self.value()} if self.random.random() < 0.2 else {}
        for path in self.paths:
            kind = self.random.random()
            if kind < 0.15:
                continue
            if kind < 0.6:
                fields[path] = self.value()
            if kind > 0.5:
                *parents, last = path.split(".")
                place: Any = fields
                for key in parents:
                    place = place.setdefault(key, {}) if isinstance(place, dict) else None
                if isinstance(place, dict):
                    place.setdefault(last, self.value())
        return fields

    def profile(self) -> Profile:
        events = []
        ages = sorted((self.age() for _ in range(self.random.choice((0, 1, 2, 3, 5, 8)))), reverse=True)
        for seq, age in enumerate(ages):
            events.append(Event(self.random.choice(self.names), START - age, self.fields(), seq))
            if self.random.random() < 0.3:  # a second one for a funnel, at the edge of its time
                gap = duration(self.random.choice(self.lengths)) + self.random.choice((0, 1, -1))
                later = max(0, age - self.random.choice((gap, 0, 1)))
                events.append(Event(self.random.choice(self.names), START - later, self.fields(), 100 + seq))
        self.random.shuffle(events)  # late events come last
        audiences = frozenset(each for each in _AUDIENCES if self.random.random() < 0.5)
        return Profile(self.fields(), events, audiences)

    # ---- definitions

    def node(self, levels: int) -> Json:
        kind = self.random.random()
        if levels == 0 or kind < 0.35:
            return self.leaf()
        if kind < 0.5:
            return {"not": self.node(levels - 1)}
        parts = [self.node(levels - 1) for _ in range(self.random.choice((2, 1, 3, 2)))]
        if kind < 0.75:
            return {"all": parts}
        return {"any": [] if self.random.random() < 0.05 else parts}

    def leaf(self) -> Json:
        kind = self.random.random()
        if kind < 0.45:
            event = self.event()
            if self.random.random() < 0.7:
                relation = self.random.choice((">=", "<=", "="))
                event["count"] = [
                    relation,
                    self.random.choice((1, 2, 0, 3, 5) if relation != ">=" else (1, 2, 3, 5)),
                ]
            return event
        if kind < 0.65:
            first, then = self.event(), self.event()
            then.pop("within", None)
            then.pop("between", None)
            window = duration(first["between"][1] if "between" in first else first.get("within", "1095d"))
            limit = self.random.choice(self.lengths)
            # "Did not" with a time as long as the window is refused, because nobody could fit.
            did = self.random.random() < 0.5 or duration(limit) >= window
            return {"funnel": {"first": first, "then": then, "within": limit, "did": did}}
        if kind < 0.72:
            return {"audience": self.random.choice(_AUDIENCES)}
        if self.keys and self.random.random() < 0.7:
            path, op, *value = self.computed_condition()
        else:
            path, op, *value = self.condition(relative=True)
        return {"trait": path, "op": op} | ({"value": value[0]} if value else {})

    def event(self) -> dict[str, Json]:
        event: dict[str, Json] = {"event": self.random.choice(self.names)}
        if self.random.random() < 0.4:
            event["where"] = [self.condition(relative=False) for _ in range(self.random.choice((1, 1, 2)))]
        kind = self.random.random()
        if kind < 0.55:
            event["within"] = self.random.choice(self.lengths)
        elif kind < 0.8:
            near, far = (
                sorted(set(map(duration, self.lengths)))[:2]
                if len(set(map(duration, self.lengths))) > 1
                else (1_000, DAY)
            )
            by_length = {duration(each): each for each in ("1s", "1d", *self.lengths)}
            event["between"] = [by_length[near], by_length[far]]
        return event

    def computed(self) -> Json:
        kind = self.random.choice(_KINDS)
        definition = {**self.event(), "computed": kind}
        if kind not in {"event_counter", "first_seen", "last_seen"}:
            definition["property"] = self.random.choice(self.paths)
        if self.random.random() < 0.25:
            definition.pop("within", None)
            definition.pop("between", None)
            definition["session"] = self.random.choice(self.lengths)
        return definition

    def computed_condition(self) -> list[Json]:
        key = self.random.choice(self.keys)
        if self.random.random() < 0.4:
            op = self.random.choice(("=", "!=", "<", "<=", ">", ">="))
            return [key, op, self.random.choice((1, 2, 0, 3, 0.3, -5))]
        _, *rest = self.condition(relative=True)
        return [key, *rest]

    def condition(self, *, relative: bool) -> list[Json]:
        path = self.random.choice(self.paths)
        if self.has_dates and self.random.random() < 0.6:
            if relative and self.random.random() < 0.8:
                op = self.random.choice(("within_last", "within_next", "before_last", "after_next"))
                return [path, op, self.random.choice(self.lengths)]
            moment = datetime.fromtimestamp(0, UTC) + timedelta(
                milliseconds=START + self.random.choice(self.distances)
            )
            text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return [path, self.random.choice(("before", "after")), text]
        op = self.random.choice(
            ("=", "!=", "<", "<=", ">", ">=", "in", "contains", "contains_any", "not_contains", "starts_with", "ends_with", "exists", "absent")
        )  # fmt: skip
        if op in ("exists", "absent"):
            return [path, op]
        values = self.scalars
        if op in ("<", "<=", ">", ">="):
            values = [
                each for each in values if isinstance(each, int | float) and not isinstance(each, bool)
            ] or [1]
        if op in ("contains", "not_contains", "contains_any"):
            values = [each for each in values if each != ""] or ["a"]
        if op in ("starts_with", "ends_with"):
            values = [each for each in values if isinstance(each, str) and each] or ["a"]
        if op in ("in", "contains_any"):
            return [path, op, self.random.sample(values, self.random.randint(1, min(3, len(values))))]
        return [path, op, self.random.choice(values)]


def cases(*, profiles: int, moments: int) -> Any:
    """A definition of up to three levels, so many people, and numbers that choose so many moments."""

    def make(random: Random) -> Case:
        vocabulary = Vocabulary(random)
        definition = vocabulary.node(random.choice((0, 1, 2, 3)))
        people = {f"p{number}": vocabulary.profile() for number in range(profiles)}
        return Case(
            definition, World(RETENTION, people), tuple(random.getrandbits(16) for _ in range(moments))
        )

    return make


def computed_cases(*, profiles: int, moments: int) -> Any:
    """As `cases`; the definition is a computed trait."""

    def make(random: Random) -> Case:
        vocabulary = Vocabulary(random)
        definition = vocabulary.computed()
        people = {f"p{number}": vocabulary.profile() for number in range(profiles)}
        return Case(
            definition, World(RETENTION, people), tuple(random.getrandbits(16) for _ in range(moments))
        )

    return make


def referring_cases(*, profiles: int, moments: int) -> Any:
    """As `cases`; the definition is of up to two levels and refers to computed traits more often than not."""

    def make(random: Random) -> Case:
        vocabulary = Vocabulary(random)
        vocabulary.keys = random.sample(_COMPUTED, 2)
        computed = {key: vocabulary.computed() for key in vocabulary.keys}
        definition = vocabulary.node(random.choice((0, 1, 1, 2)))
        people = {f"p{number}": vocabulary.profile() for number in range(profiles)}
        numbers = tuple(random.getrandbits(16) for _ in range(moments))
        return Case(definition, World(RETENTION, people), numbers, computed)

    return make
