"""From a definition to one SELECT: who is a member at a moment, or which value a trait has, and when time alone changes it.

Each node of an audience becomes one number per profile, its *state*: the moment in ms until which the node is surely true, or minus
the moment until which it is surely false. NEVER stands for "not by time". Then AND is the least state, OR the greatest,
NOT the negation:

- AND, true now: the earliest moment of its children. False now: the latest among the false ones, for all of them must
  turn. Both are the least state. OR is the mirror image.

A moment is a lower bound: whoever reaches it is evaluated again and gets the next one.

Each leaf looks only at the events that it needs, newest first, in the order of the table's key (profile, name, ts):
"at least three in seven days" is the third newest event of those seven days, and holds until that one leaves.

A computed trait becomes one *result* per profile: a JSON list of the value and of the time of an event. As long as this
event counts, time alone takes nothing from the value. NULL stands for no value.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from jetbridge.engage import dialect
from jetbridge.engage.definition import (
    AFFIX_OPS,
    CONTAINS_OPS,
    DEFAULT_RETENTION_MS,
    EQUALITY_OPS,
    ORDER_OPS,
    PRESENCE_OPS,
    RELATIVE_DATE_OPS,
    All,
    Any,
    Audience,
    Between,
    Computed,
    Condition,
    Event,
    Funnel,
    Node,
    Not,
    Scalar,
    Session,
    Trait,
    Within,
    empty_value,
)
from jetbridge.engage.dialect import NEVER, JsonValue
from jetbridge.spec.times import date_ms

_SPAN = " WHERE p.id > :after AND p.id <= :upto"
#: Kinds of computed traits that take numbers only.
EXACT_KINDS = frozenset({"sum", "avg", "min", "max"})


@dataclass(frozen=True, slots=True)
class Compiled:
    """`SELECT profile, member, flip_at`, or `profile, value, flip_at`: of everybody, of the profiles whose ids
    `parameters` is given, or of a span of ids. The connection is one of `dialect.prepare`.
    """

    everybody: str
    some: str
    #: Of the profiles whose ids are greater than `:after` and at most `:upto`.
    span: str
    #: `SELECT profile` of the same: those that are members, or have a value. It computes no value that it need not.
    matching: str
    constants: Mapping[str, Scalar]

    def statement(self, profiles: Iterable[int] | None) -> str:
        """Of everybody, or of profiles."""
        return self.everybody if profiles is None else self.some

    def parameters(
        self, now: int, *, since: int = 0, profiles: Iterable[int] | None = None
    ) -> dict[str, Scalar]:
        """`now` in ms, never less than an event's time. `since`: events before that moment (ms) do not count."""
        if not 0 <= now < NEVER:
            raise ValueError(f"now is {now}, which is no time in milliseconds")
        bound = {**self.constants, "now": now, "since": since}
        return (
            bound if profiles is None else {**bound, "profiles": msgspec.json.encode(list(profiles)).decode()}
        )


def compile_definition(
    definition: Node, *, retention_ms: int = DEFAULT_RETENTION_MS, computed: Collection[str] = ()
) -> Compiled:
    """`retention_ms`: the window of an event that has none. `computed`: the keys of computed traits; a trait of such a path
    is read from the table `computed`.
    """
    compiler = _Compiler(retention_ms, computed)
    state = compiler.state(definition)

    def statement(people: str) -> str:
        # Materialized: otherwise SQLite would compute the state twice, for member and for flip_at.
        states = f"SELECT p.id AS profile, {state} AS state FROM profile AS p{people}"
        return (
            f"WITH states AS MATERIALIZED ({states}) "
            "SELECT profile, state > 0 AS member, abs(state) AS flip_at FROM states"
        )

    span = statement(_SPAN)
    return Compiled(
        everybody=statement(""),
        some=statement(f" WHERE p.id IN ({dialect.items(':profiles')})"),
        span=span,
        matching=f"SELECT profile FROM ({span}) AS s WHERE member",
        constants=compiler.constants,
    )


def compile_computed(computed: Computed, *, retention_ms: int = DEFAULT_RETENTION_MS) -> Compiled:
    """`retention_ms`: the window of a trait that has none. `value` is JSON, never NULL."""
    compiler = _Compiler(retention_ms)
    rows = compiler.rows("e", computed)
    people, upcoming = "profile", "NULL"
    match computed.window or Within(retention_ms):
        case Session(pause_ms):
            pause, length = compiler.add(pause_ms), compiler.add(retention_ms)
            people, upcoming = "people", "p.last"
            inside = f"{rows} AND e.ts >= {compiler.session_start(computed, pause)} AND e.ts <= :now"
            flip = dialect.least([f"(result ->> 0) + {length}", f"upcoming + {pause}"])
        case Between(from_ms, to_ms):
            young, length = compiler.add(from_ms), compiler.add(to_ms)
            entering = f"{rows} AND {compiler.after('e.ts', from_ms)} AND e.ts <= :now"
            upcoming = f"(SELECT e.ts FROM event AS e WHERE {entering} ORDER BY e.ts LIMIT 1)"
            inside = f"{rows} AND {compiler.after('e.ts', to_ms)} AND e.ts <= :now - {young}"
            leaving = f"coalesce((result ->> 0) + {length}, {NEVER})"
            flip = dialect.least([leaving, f"coalesce(upcoming + {young}, {NEVER})"])
        case Within(ms):
            inside = f"{rows} AND {compiler.after('e.ts', ms)} AND e.ts <= :now"
            flip = f"(result ->> 0) + {compiler.add(ms)}"
    result = compiler.result(computed, inside)

    def common(where: str, name: str, columns: str) -> str:
        """`WITH name AS (columns of the people)`; the people of a session are looked up before."""
        before = ""
        if isinstance(computed.window, Session):
            last = compiler.session_end(computed, compiler.add(computed.window.ms))
            before = f"people AS MATERIALIZED (SELECT p.id AS id, {last} AS last FROM profile AS p{where}), "
            where = ""
        rows = f"SELECT p.id AS profile, {columns} FROM {people} AS p{where}"
        return f"WITH {before}{name} AS MATERIALIZED ({rows})"

    def statement(where: str) -> str:
        return (
            f"{common(where, 'results', f'{result} AS result, {upcoming} AS upcoming')} "
            f"SELECT profile, coalesce(result -> 1, '{empty_value(computed)}') AS value, coalesce({flip}, {NEVER}) AS flip_at FROM results"
        )

    has_value = compiler.has_value(computed, inside, result)
    return Compiled(
        everybody=statement(""),
        some=statement(f" WHERE p.id IN ({dialect.items(':profiles')})"),
        span=statement(_SPAN),
        matching=f"{common(_SPAN, 'decided', f'{has_value} AS has_value')} SELECT profile FROM decided WHERE has_value",
        constants=compiler.constants,
    )


class _Compiler:
    """Expressions over the profile `p`. `state_…` are states; the others are conditions or moments in ms."""

    def __init__(self, retention_ms: int, computed: Collection[str] = ()) -> None:
        self.retention_ms = retention_ms
        self.computed = frozenset(computed)
        self.constants: dict[str, Scalar] = {}
        self.names: dict[tuple[type, object], str] = {}

    def add(self, value: object) -> str:
        """The parameter for a value; the same one for an equal value."""
        key = (type(value), value)
        if key not in self.names:
            self.names[key] = f"v{len(self.names)}"
            self.constants[self.names[key]] = cast("Scalar", value)
        return f":{self.names[key]}"

    def add_list(self, values: Iterable[Scalar]) -> str:
        return self.add(msgspec.json.encode(list(values)).decode())

    def state(self, node: Node) -> str:
        match node:
            case All(nodes):
                return dialect.least([self.state(child) for child in nodes])
            case Any(nodes):
                return dialect.greatest([self.state(child) for child in nodes]) if nodes else f"-{NEVER}"
            case Not(child):
                return f"-({self.state(child)})"
            case Event():
                return self.state_event(node)
            case Funnel():
                return self.state_funnel(node)
            case Trait(condition):
                return self.state_trait(condition)
            case Audience(key):
                return _state_of(
                    f"EXISTS (SELECT 1 FROM membership AS m "
                    f"WHERE m.audience = {self.add(key)} AND m.profile = p.id AND m.member = 1)"
                )

    def state_event(self, event: Event) -> str:
        window = event.window or Within(self.retention_ms)
        rows = self.events(event, "e")
        if isinstance(window, Between):
            inside = (
                f"{rows} AND {self.after('e.ts', window.to_ms)} AND e.ts <= :now - {self.add(window.from_ms)}"
            )
            counted = _and(
                [
                    f"{_nth_newest(inside, self.add(nth))} {'IS NOT NULL' if at_least else 'IS NULL'}"
                    for at_least, nth in _needed(event)
                ]
            )
            return f"CASE WHEN {counted} THEN 1 ELSE -1 END * {self.between_flip(rows, window, ())}"

        inside, length = f"{rows} AND {self.after('e.ts', window.ms)} AND e.ts <= :now", self.add(window.ms)
        states = []
        for at_least, nth in _needed(event):
            end = f"{_nth_newest(inside, self.add(nth))} + {length}"
            states.append(f"coalesce({end}, -{NEVER})" if at_least else f"coalesce(-({end}), {NEVER})")
        return dialect.least(states)

    def between_flip(self, rows: str, window: Between, waits: Iterable[int]) -> str:
        """The next moment at which an event is as old as one end of the window, or as one of `waits` (ms)."""
        moments = []
        for age in (window.to_ms, window.from_ms, *waits):
            # The oldest event that is younger than `age` is the next to reach it.
            oldest = (
                f"SELECT e.ts FROM event AS e WHERE {rows} AND {self.after('e.ts', age)} AND e.ts <= :now"
            )
            moments.append(f"coalesce(({oldest} ORDER BY e.ts LIMIT 1) + {self.add(age)}, {NEVER})")
        return dialect.least(moments)

    def state_funnel(self, funnel: Funnel) -> str:
        window = funnel.first.window or Within(self.retention_ms)
        within = self.add(funnel.within_ms)
        rows = self.events(funnel.first, "e")
        if funnel.then.where:
            source = f"({self.funnel_steps(funnel, window)}) AS e"
            matched = f"e.second IS NULL AND coalesce(e.next <= e.ts + {within}, 0) = {int(funnel.did)}"
        else:
            source = "event AS e"
            then = (
                f"EXISTS (SELECT 1 FROM event AS t WHERE {self.events(funnel.then, 't')} AND t.ts > e.ts "
                f"AND t.ts <= {dialect.least([f'e.ts + {within}', ':now'])})"
            )
            matched = f"{rows} AND {then}" if funnel.did else f"{rows} AND NOT {then}"
        over = "" if funnel.did else f" AND e.ts <= :now - {within}"
        if isinstance(window, Between):
            inside = f"{matched}{over} AND {self.after('e.ts', window.to_ms)} AND e.ts <= :now - {self.add(window.from_ms)}"
            waits = () if funnel.did else (funnel.within_ms,)
            return (
                f"CASE WHEN EXISTS (SELECT 1 FROM {source} WHERE {inside}) THEN 1 ELSE -1 END "
                f"* {self.between_flip(rows, window, waits)}"
            )

        inside = f"{matched} AND {self.after('e.ts', window.ms)} AND e.ts <= :now"
        newest = f"(SELECT e.ts FROM {source} WHERE {inside}{over} ORDER BY e.ts DESC LIMIT 1)"
        if funnel.did:
            return f"coalesce({newest} + {self.add(window.ms)}, -{NEVER})"
        waiting = (
            f"(SELECT e.ts FROM {source} WHERE {inside} AND e.ts > :now - {within} ORDER BY e.ts LIMIT 1)"
        )
        return f"coalesce({newest} + {self.add(window.ms)}, -({waiting} + {within}), -{NEVER})"

    def funnel_steps(self, funnel: Funnel, window: Within | Between) -> str:
        """Rows (ts, second, next) of both steps: `second` is NULL for a first one, `next` the time of the next second one.

        One pass over a person's events. To look for the next one of each first one would read those that do not fit its
        conditions once for each.
        """
        length = window.ms if isinstance(window, Within) else window.to_ms
        first, then = (
            f"SELECT s.ts AS ts, {value} AS second FROM event AS s "
            f"WHERE {self.events(event, 's')} AND {self.after('s.ts', length)} AND s.ts <= :now"
            for event, value in ((funnel.first, "NULL"), (funnel.then, "s.ts"))
        )
        later = "ORDER BY ts DESC RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
        return f"SELECT ts, second, min(second) OVER ({later}) AS next FROM ({first} UNION ALL {then})"

    def events(self, event: Event, alias: str) -> str:
        """The condition for rows of `event` AS `alias`: the profile's, of this name and with these properties."""
        return self.named(alias, event.name, event.where)

    def named(self, alias: str, name: str, where: Iterable[Condition]) -> str:
        conditions = [f"{alias}.profile = p.id AND {alias}.name = {self.add(name)}"]
        for condition in where:
            value = dialect.json_value(f"{alias}.props", condition.path, self.add)
            conditions.append(self.condition(value, condition))
        return _and(conditions)

    def rows(self, alias: str, computed: Computed) -> str:
        """As `events`, of a computed trait: the events that have a value for it."""
        rows = self.named(alias, computed.event, computed.where)
        if computed.property is None:
            return rows
        value = dialect.json_value(f"{alias}.props", computed.property, self.add)
        if computed.kind in {"first", "last"}:
            return f"{rows} AND {value.exists}"
        return f"{rows} AND {value.is_number if computed.kind in EXACT_KINDS else value.is_scalar}"

    def result(self, computed: Computed, inside: str) -> str:
        """The result of a computed trait over the rows `inside` of `event` AS e."""
        if computed.kind == "event_counter":
            return f"(SELECT {dialect.pair('min(e.ts)', 'count(*)')} FROM event AS e WHERE {inside})"
        if computed.property is None:
            text = dialect.iso_time("e.ts")
        else:
            text = dialect.json_text("e.props", computed.property, self.add)
        if computed.kind in {"first", "last", "first_seen", "last_seen"}:
            direction = "ASC" if computed.kind in {"first", "first_seen"} else "DESC"
            return (
                f"(SELECT {dialect.pair('e.ts', text)} FROM event AS e WHERE {inside} "
                f"ORDER BY e.ts {direction}, e.seq {direction} LIMIT 1)"
            )
        name = f"exact_{computed.kind}" if computed.kind in EXACT_KINDS else computed.kind
        return f"(SELECT {name}({text}, e.ts) FROM event AS e WHERE {inside})"

    def has_value(self, computed: Computed, inside: str, result: str) -> str:
        """Whether there is a value. Few people need `result` for that, which may read each event in Python."""
        rows = f"SELECT 1 FROM event AS e WHERE {inside}"
        if computed.property is None or computed.kind not in EXACT_KINDS | {"most_frequent"}:
            return f"EXISTS ({rows})"
        value = dialect.json_value("e.props", computed.property, self.add)
        if computed.kind == "most_frequent":
            # 5, 5.0 and "5" are one value: only different texts are surely different ones.
            text = dialect.json_text("e.props", computed.property, self.add)
            cases = f"WHEN count(*) > count(DISTINCT {text}) THEN 1 WHEN count(*) < 2 OR min({value.is_text}) THEN 0"
        else:
            # No number of events makes a sum of smaller numbers one that no double can hold.
            cases = f"WHEN count(*) = 0 THEN 0 WHEN max({value.value}) < 1e290 AND min({value.value}) > -1e290 THEN 1"
        decided = f"SELECT CASE {cases} END FROM event AS e WHERE {inside}"
        return f"coalesce(({decided}), ({result} -> 1) <> 'null', 0)"

    def session_end(self, computed: Computed, pause: str) -> str:
        """The time of the last event of the session that goes on; NULL if none does."""
        rows = (
            f"{self.named('e', computed.event, computed.where)} AND {self.after('e.ts', self.retention_ms)}"
        )
        inside = f"{rows} AND e.ts > :now - {pause} AND e.ts <= :now"
        return _nth_newest(inside, self.add(1))

    def session_start(self, computed: Computed, pause: str) -> str:
        """The time of the first event of the session that ends with p.last: the newest one with a pause before it."""
        rows = (
            f"{self.named('s', computed.event, computed.where)} AND {self.after('s.ts', self.retention_ms)}"
        )
        # The nearest first: so each event is looked at once or twice, whatever the conditions.
        before = (
            f"SELECT b.ts FROM event AS b WHERE {self.named('b', computed.event, computed.where)} "
            f"AND {self.after('b.ts', self.retention_ms)} AND b.ts > s.ts - {pause} AND b.ts < s.ts "
            "ORDER BY b.ts DESC LIMIT 1"
        )
        start = f"SELECT s.ts FROM event AS s WHERE {rows} AND s.ts <= p.last AND ({before}) IS NULL"
        return f"({start} ORDER BY s.ts DESC LIMIT 1)"

    def after(self, ts: str, age_ms: int) -> str:
        return f"{ts} > {dialect.greatest([f':now - {self.add(age_ms)}', ':since - 1'])}"

    def state_trait(self, condition: Condition) -> str:
        if condition.op not in RELATIVE_DATE_OPS:
            return _state_of(self.condition(self.trait(condition.path), condition))
        distance = self.add(condition.value)
        match condition.op:
            case "within_last":
                cases = f"WHEN v > :now THEN -v WHEN v > :now - {distance} THEN v + {distance} ELSE -{NEVER}"
            case "before_last":
                cases = f"WHEN v <= :now - {distance} THEN {NEVER} ELSE -(v + {distance})"
            case "within_next":
                cases = (
                    f"WHEN v <= :now THEN -{NEVER} WHEN v <= :now + {distance} THEN v ELSE -(v - {distance})"
                )
            case _:
                cases = f"WHEN v > :now + {distance} THEN v - {distance} ELSE -{NEVER}"
        # A subquery without FROM is not merged into the outer one: the date is read once.
        date = self.trait(condition.path).date_ms
        return f"(SELECT CASE WHEN v IS NULL THEN -{NEVER} {cases} END FROM (SELECT {date} AS v) AS d)"

    def trait(self, path: str) -> JsonValue:
        if path not in self.computed:
            return dialect.json_value("p.traits", path, self.add)
        return dialect.whole_value(
            f"(SELECT c.value FROM computed AS c WHERE c.trait = {self.add(path)} AND c.profile = p.id)"
        )

    def condition(self, actual: JsonValue, condition: Condition) -> str:
        """True or false, never NULL."""
        test = self.test(actual, condition.op, condition.value)
        match condition.op:
            case "!=":
                return f"({actual.exists} AND ({test}) IS NOT TRUE)"
            case "absent" | "not_contains":
                return f"(({test}) IS NOT TRUE)"
            case _:
                return f"(({test}) IS TRUE)"

    def test(self, actual: JsonValue, op: str, value: Scalar | tuple[Scalar, ...] | None) -> str:
        """What the operator, or its opposite, says of a value. May be NULL, which is not true."""
        if op in PRESENCE_OPS or value is None:
            return actual.exists
        values = value if isinstance(value, tuple) else (value,)
        if op in EQUALITY_OPS or op == "in":
            return self.equals(actual, values)
        if op in CONTAINS_OPS or op == "contains_any":
            return self.contains(actual, values)
        if op in ORDER_OPS:
            return f"{actual.is_number} AND {actual.value} {op} {self.add(value)}"
        if op in AFFIX_OPS:
            fits = dialect.starts_with if op == "starts_with" else dialect.ends_with
            return f"{actual.is_text} AND {fits(actual.value, self.add(value))}"
        sign = "<" if op == "before" else ">"
        return f"{actual.date_ms} {sign} {self.add(date_ms(cast('str', value)))}"

    def equals(self, actual: JsonValue, values: Iterable[Scalar]) -> str:
        """The value has the type of one of `values` and equals it. May be NULL."""
        texts = [value for value in values if isinstance(value, str)]
        numbers = [
            value for value in values if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        tests = [actual.is_bool(value) for value in dict.fromkeys(v for v in values if isinstance(v, bool))]
        for typed, is_type in ((texts, actual.is_text), (numbers, actual.is_number)):
            if len(typed) == 1:
                tests.append(f"{is_type} AND {actual.value} = {self.add(typed[0])}")
            elif typed:
                tests.append(f"{is_type} AND {actual.value} IN ({dialect.items(self.add_list(typed))})")
        return " OR ".join(f"({test})" for test in tests)

    def contains(self, actual: JsonValue, values: Sequence[Scalar]) -> str:
        """The text has one of `values` in it, or the list has one as an element. May be NULL."""
        tests = [actual.any_element("item", lambda element: self.equals(element, values))]
        if texts := [value for value in values if isinstance(value, str)]:
            part = dialect.contains_text(actual.value, "part.value")
            parts = f"SELECT 1 FROM ({dialect.items(self.add_list(texts))}) AS part WHERE {part}"
            tests.append(f"({actual.is_text} AND EXISTS ({parts}))")
        return " OR ".join(tests)


def _needed(event: Event) -> list[tuple[bool, int]]:
    """A count as conditions on the n-th newest event: (True, n) if it must be there, (False, n) if it must not."""
    needed = []
    if event.comparator in {">=", "="} and event.count > 0:
        needed.append((True, event.count))
    if event.comparator in {"<=", "="}:
        needed.append((False, event.count + 1))
    return needed


def _nth_newest(rows: str, nth: str) -> str:
    return f"(SELECT e.ts FROM event AS e WHERE {rows} ORDER BY e.ts DESC LIMIT 1 OFFSET {nth} - 1)"


def _state_of(condition: str) -> str:
    """The state of what time does not change."""
    return f"CASE WHEN {condition} THEN {NEVER} ELSE -{NEVER} END"


def _and(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions)
