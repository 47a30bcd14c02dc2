"""Why somebody is in an audience, or is not: each condition with its truth and the figure that decides it.

The leaves of a definition are computed one by one with the statements by which the audience itself is computed, so an
explanation never differs from a membership that was computed at the same moment.

A preview is what a definition would be now. Whatever could take long with a million people is bounded in time.
"""

import random
import sqlite3
import time
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any as Json
from typing import Literal, NamedTuple

import msgspec
from django.conf import settings

from jetbridge.engage import store, wording
from jetbridge.engage.compiler import Compiled, compile_computed, compile_definition
from jetbridge.engage.definition import (
    DAY_MS,
    DEFAULT_RETENTION_DAYS,
    All,
    Any,
    Audience,
    Computed,
    Definition,
    Event,
    Funnel,
    Node,
    Not,
    Trait,
    Within,
    check_audiences,
    empty_value,
    leaves,
    parse,
)
from jetbridge.engage.dialect import NEVER
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.engage.store import (
    PERSON_SECONDS,
    Identifier,
    QueryTimeoutError,
    find_profile,
    identifiers_of,
    time_limit,
)
from jetbridge.engage.wording import definition_text
from jetbridge.identity.identifiers import EMAIL, USER_ID
from jetbridge.text import pluralize, quoted

Leaf = Event | Funnel | Trait | Audience
#: A preview looks at people for so long, and then at those of its sample.
PREVIEW_SECONDS, _SAMPLE_SECONDS = 4.5, 1.0
#: How many people it looks at together.
_SPAN = 20_000
#: People that a preview shows.
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Moment:
    """When, and on what, a definition is evaluated. Times in ms since 1970; events before `since` do not count.

    `computed`: the keys of the computed traits; `names`: of audiences, by key.
    """

    now: int
    since: int
    retention_ms: int
    computed: Collection[str] = ()
    names: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A node of a definition for one person. `figure` is what decides a condition, in words: "4 times", "'premium'"."""

    kind: Literal["all", "any", "not", "condition"]
    text: str
    is_met: bool
    figure: str = ""
    parts: tuple["Explanation", ...] = ()

    @property
    def why(self) -> tuple[str, ...]:
        """The conditions that make it hold, or not hold, with their figures."""
        return tuple(dict.fromkeys(self._reasons()))

    def _reasons(self) -> Iterator[str]:
        if self.kind == "condition":
            verdict = "yes" if self.is_met else "no"
            yield f"{self.text}: {verdict}, {self.figure}" if self.figure else f"{self.text}: {verdict}"
            return
        # An "all" that holds holds by all of its parts, and one that does not, by those that do not. "any": the mirror image.
        decisive = [part for part in self.parts if self.kind == "not" or part.is_met == self.is_met]
        for part in decisive:
            yield from part._reasons()  # noqa: SLF001 - its own class


class PreviewedPerson(NamedTuple):
    """`why`: the conditions that hold, with their figures. `value`: of a computed trait; `before`: what it is now."""

    segment_id: str
    identifiers: Sequence[Identifier]
    why: Sequence[str]
    value: Json = None
    before: Json = None


@dataclass(frozen=True)
class Preview:
    """What an audience or computed trait would be now: how many people, how many of them without an address, and some of
    them.

    `looked_at`: the share of all people that PREVIEW_SECONDS were enough for. Below 1.0 the figures are estimates by it.
    """

    text: str
    count: int = 0
    without_address: int = 0
    sample: Sequence[PreviewedPerson] = ()
    seconds: float = 0.0
    looked_at: float = 1.0

    @property
    def too_slow(self) -> bool:
        """Not everybody was looked at."""
        return self.looked_at < 1.0


@dataclass(frozen=True)
class PersonExplained:
    """Whether a person is a member now, and why. `until`: when time alone may change that, at the earliest.

    A computed trait has a `value` instead of conditions; `excluded` says why somebody who fulfils a definition is left out.
    """

    segment_id: str
    identifiers: Sequence[Identifier]
    member: bool
    explanation: Explanation | None
    until: datetime | None
    value: Json = None
    why: Sequence[str] = ()
    excluded: str = ""


# ---- previews


def preview(
    space: Space | None,
    computation_class: ComputationClass,
    definition: object,
    *,
    include_history: bool = True,
    include_anonymous: bool = False,
    of: Computation | None = None,
) -> Preview:
    """What a definition (decoded JSON) would be now. Raises DefinitionError.

    `of`: the computation whose definition it would become; the sample then has the values before.
    """
    retention_days = space.retention_days if space else DEFAULT_RETENTION_DAYS
    parsed = parse(computation_class, definition, retention_days=retention_days)
    rows = space.present_computations() if space else []
    check_audiences(parsed, {row.key for row in rows if row.computation_class == ComputationClass.AUDIENCE})
    text = definition_text(parsed, {row.key: row.name for row in rows})
    began = time.monotonic()
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id if space else None) as connection:
        if connection is None or space is None:
            return Preview(text)
        since = _since(include_history=include_history, of=of)
        moment = _moment_of(space, rows, since)
        matching = _matching(
            connection, parsed, moment, include_anonymous=include_anonymous, seconds=PREVIEW_SECONDS
        )
        try:
            with time_limit(connection, _SAMPLE_SECONDS):
                sample = _sample(connection, parsed, matching.profiles, moment, of)
        except QueryTimeoutError:
            sample = []
    whole = matching.looked_at or 1.0
    return Preview(
        text,
        round(len(matching.profiles) / whole),
        round(matching.without_address / whole),
        sample,
        time.monotonic() - began,
        looked_at=matching.looked_at,
    )


def explain(
    space: Space | None,
    person: str,
    *,
    of: Computation | None = None,
    definition: object = None,
    computation_class: ComputationClass = ComputationClass.AUDIENCE,
    include_history: bool = True,
    include_anonymous: bool = False,
) -> PersonExplained | None:
    """Whether a person is in `of`, or would be with `definition` (decoded JSON), and why; None if nobody has this name.

    `person`: `type:value` or an identifier alone. It is computed now, whatever the worker has done so far. Raises
    DefinitionError, QueryTimeoutError.
    """
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id if space else None) as connection:
        if connection is None or space is None:
            return None
        with time_limit(connection, PERSON_SECONDS):
            profile = find_profile(connection, person)
            if profile is None:
                return None
            if of is not None:
                computation_class = ComputationClass(of.computation_class)
                definition = of.definition if definition is None else definition
                include_history, include_anonymous = of.include_history, of.include_anonymous
            rows = space.present_computations()
            parsed = parse(computation_class, definition, retention_days=space.retention_days)
            check_audiences(
                parsed, {row.key for row in rows if row.computation_class == ComputationClass.AUDIENCE}
            )
            moment = _moment_of(space, rows, _since(include_history=include_history, of=of))
            return _explained(connection, parsed, profile, moment, include_anonymous=include_anonymous)


def _explained(
    connection: sqlite3.Connection,
    definition: Definition,
    profile: int,
    moment: Moment,
    *,
    include_anonymous: bool,
) -> PersonExplained:
    identifiers = identifiers_of(connection, [profile]).get(profile, ())
    excluded = ""
    if not include_anonymous and not any(type_ in {USER_ID, EMAIL} for type_, _ in identifiers):
        excluded = "Known by neither a userId nor an address, and anonymous people are not included."
    value, explanation, is_met = None, None, False
    compiled = _compiled(definition, moment)
    parameters = compiled.parameters(moment.now, since=moment.since, profiles=[profile])
    _, result, flip_at = connection.execute(compiled.some, parameters).fetchone()
    if isinstance(definition, Computed):
        value = msgspec.json.decode(result)
        is_met = result != empty_value(definition)
        why: Sequence[str] = [counted_events(connection, definition, [profile], moment)[profile]]
    else:
        explanation = explain_node(connection, definition, [profile], moment)[profile]
        is_met, why = bool(result), explanation.why
    return PersonExplained(
        segment_id=store.segment_ids(connection, [profile])[profile],
        identifiers=identifiers,
        member=is_met and not excluded,
        explanation=explanation,
        until=store.moment(flip_at if flip_at < NEVER else None),
        value=value,
        why=why,
        excluded=excluded,
    )


def _compiled(definition: Definition, moment: Moment) -> Compiled:
    if isinstance(definition, Computed):
        return compile_computed(definition, retention_ms=moment.retention_ms)
    return compile_definition(definition, retention_ms=moment.retention_ms, computed=moment.computed)


#: Whether a profile is one that is evaluated where anonymous people are not included; `{profile}` is its id.
KNOWN = f"EXISTS (SELECT 1 FROM identifier AS i WHERE i.profile = {{profile}} AND i.{store.KNOWN})"


class _Matching(NamedTuple):
    """The ids of the members (eight bytes each), how many of them have no address, and the share of all people whom that is
    found among: 1.0 if time allowed to look at everybody.
    """

    profiles: Sequence[int]
    without_address: int
    looked_at: float


def _matching(
    connection: sqlite3.Connection,
    definition: Definition,
    moment: Moment,
    *,
    include_anonymous: bool,
    seconds: float,
) -> _Matching:
    """In spans of people, in no order of theirs: what time does not allow to look at is like the rest."""
    compiled = _compiled(definition, moment)
    known = "" if include_anonymous else f" WHERE {KNOWN.format(profile='r.profile')}"
    address = "EXISTS (SELECT 1 FROM identifier AS i WHERE i.profile = r.profile AND i.type = 'email')"
    statement = f"SELECT r.profile, {address} FROM ({compiled.matching}) AS r{known}"
    parameters = compiled.parameters(moment.now, since=moment.since)
    spans = list(range(0, store.number(connection, "SELECT max(id) FROM profile"), _SPAN))
    random.Random(len(spans)).shuffle(spans)  # noqa: S311
    profiles, with_address, end = array("q"), 0, time.monotonic() + seconds
    for number, after in enumerate(spans):
        try:
            with time_limit(connection, end - time.monotonic()):
                rows = connection.execute(
                    statement, {**parameters, "after": after, "upto": after + _SPAN}
                ).fetchall()
        except QueryTimeoutError:
            return _Matching(profiles, len(profiles) - with_address, number / len(spans))
        profiles.extend([id_ for id_, _ in rows])
        with_address += sum(has_address for _, has_address in rows)
    return _Matching(profiles, len(profiles) - with_address, 1.0)


def _sample(
    connection: sqlite3.Connection,
    definition: Definition,
    profiles: Sequence[int],
    moment: Moment,
    of: Computation | None,
) -> list[PreviewedPerson]:
    """Some of the people, the same each time for the same number of them."""
    places = random.Random(len(profiles)).sample(range(len(profiles)), min(SAMPLE, len(profiles)))  # noqa: S311
    chosen = sorted(profiles[place] for place in places)
    names, identifiers = store.segment_ids(connection, chosen), identifiers_of(connection, chosen)
    before: Mapping[int, Json] = {}
    values: Mapping[int, Json] = {}
    why: Mapping[int, Sequence[str]]
    if isinstance(definition, Computed):
        values = computed_now(connection, definition, chosen, moment)
        counted = counted_events(connection, definition, chosen, moment)
        why = {profile: [text] for profile, text in counted.items()}
        before = store.computed_values(connection, of.key, chosen) if of else {}
    else:
        explained = explain_node(connection, definition, chosen, moment)
        why = {profile: explanation.why for profile, explanation in explained.items()}
        if of:
            rows = connection.execute(
                "SELECT profile FROM membership WHERE audience = ? AND member = 1 AND profile IN (SELECT value FROM json_each(?))",
                (of.key, store.json_list(chosen)),
            )
            members = {id_ for (id_,) in rows}
            before = {id_: id_ in members for id_ in chosen}
    return [
        PreviewedPerson(
            names.get(profile, ""),
            identifiers.get(profile, ()),
            why.get(profile, ()),
            values.get(profile),
            before.get(profile),
        )
        for profile in chosen
    ]


def _since(*, include_history: bool, of: Computation | None) -> int:
    """Without history events count from the creation on: of something that is not made yet, from now on."""
    if include_history:
        return 0
    return int(of.created_at.timestamp() * 1_000) if of else _now()


def _moment_of(space: Space, rows: Iterable[Computation], since: int) -> Moment:
    return Moment(
        now=_now(),
        since=since,
        retention_ms=space.retention_days * DAY_MS,
        computed=frozenset(row.key for row in rows if row.computation_class == ComputationClass.TRAIT),
        names={row.key: row.name for row in rows},
    )


# ---- each condition for one person


def explain_node(
    connection: sqlite3.Connection, definition: Node, profiles: Sequence[int], moment: Moment
) -> dict[int, Explanation]:
    """By profile. `connection` is one of `store.open_for_reading`; costs some statements for each leaf."""
    rows = connection.execute(
        "SELECT id, traits FROM profile WHERE id IN (SELECT value FROM json_each(?))",
        (store.json_list(profiles),),
    )
    traits = {profile: msgspec.json.decode(text) for profile, text in rows}
    # By the leaf itself: `a = 1` and `a = true` are equal as Python compares them.
    truths: dict[int, dict[int, bool]] = {}
    figures: dict[int, dict[int, str]] = {}
    for leaf in leaves(definition):
        compiled = compile_definition(leaf, retention_ms=moment.retention_ms, computed=moment.computed)
        parameters = compiled.parameters(moment.now, since=moment.since, profiles=profiles)
        rows = connection.execute(compiled.some, parameters)
        truths[id(leaf)] = {profile: bool(member) for profile, member, _ in rows}
        figures[id(leaf)] = _figure(connection, leaf, profiles, moment, traits)

    def of(node: Node, profile: int) -> Explanation:
        match node:
            case Any(()):
                return Explanation("condition", wording.NOBODY, is_met=False)
            case All(nodes) | Any(nodes):
                parts = tuple(of(child, profile) for child in nodes)
                if isinstance(node, All):
                    return Explanation("all", "all of", all(part.is_met for part in parts), parts=parts)
                return Explanation("any", "any of", any(part.is_met for part in parts), parts=parts)
            case Not(child):
                part = of(child, profile)
                return Explanation("not", "not", not part.is_met, parts=(part,))
            case leaf:
                text = wording.leaf_text(leaf, moment.names or {})
                truth, figure = truths[id(leaf)].get(profile, False), figures[id(leaf)].get(profile, "")
                return Explanation("condition", text, truth, figure)

    return {profile: of(definition, profile) for profile in profiles}


def computed_now(
    connection: sqlite3.Connection, computed: Computed, profiles: Sequence[int], moment: Moment
) -> dict[int, Json]:
    """The values of a computed trait, by profile."""
    compiled = compile_computed(computed, retention_ms=moment.retention_ms)
    parameters = compiled.parameters(moment.now, since=moment.since, profiles=profiles)
    rows = connection.execute(compiled.some, parameters)
    return {profile: msgspec.json.decode(value) for profile, value, _ in rows}


def counted_events(
    connection: sqlite3.Connection, computed: Computed, profiles: Sequence[int], moment: Moment
) -> dict[int, str]:
    """Of how many events a computed trait is made, in words."""
    counter = Computed("event_counter", computed.event, computed.where, None, computed.window)
    counts = computed_now(connection, counter, profiles, moment)
    return {profile: f"{computed.event} {_times(count)}" for profile, count in counts.items()}


def _figure(
    connection: sqlite3.Connection,
    leaf: Leaf,
    profiles: Sequence[int],
    moment: Moment,
    traits: Mapping[int, Mapping[str, Json]],
) -> dict[int, str]:
    match leaf:
        case Event():
            return _counts(connection, leaf, profiles, moment)
        case Funnel(first):
            counts = _counts(connection, first, profiles, moment)
            return {profile: f"{first.name} {text}" for profile, text in counts.items()}
        case Trait(condition) if condition.path in moment.computed:
            stored = store.computed_values(connection, condition.path, profiles)
            return {profile: _shown(stored.get(profile)) for profile in profiles}
        case Trait(condition):
            return {
                profile: _shown(_value_at(traits.get(profile, {}), condition.path)) for profile in profiles
            }
        case Audience():
            return {}


def _counts(
    connection: sqlite3.Connection, event: Event, profiles: Sequence[int], moment: Moment
) -> dict[int, str]:
    window = event.window or Within(moment.retention_ms)
    counts = computed_now(
        connection, Computed("event_counter", event.name, event.where, None, window), profiles, moment
    )
    return {profile: _times(count) for profile, count in counts.items()}


def _value_at(traits: Mapping[str, Json], path: str) -> Json:
    """As the compiler reads a path: a key spelled like all of it wins, else it leads through nested objects."""
    if path in traits:
        return traits[path]
    value: Json = traits
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _shown(value: Json) -> str:
    return "missing" if value is None else quoted(value, 60)


def _times(count: int) -> str:
    return "once" if count == 1 else pluralize(count, "time")


def _now() -> int:
    return time.time_ns() // 1_000_000
