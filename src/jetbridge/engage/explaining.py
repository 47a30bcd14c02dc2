"""Why somebody is in an audience, or is not: each condition with its truth and the figure that decides it.

The leaves of a definition are computed one by one with the statements by which the audience itself is computed, so an
explanation never differs from a membership that was computed at the same moment.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any as Json
from typing import Literal

import msgspec

from jetbridge.engage import wording
from jetbridge.engage.compiler import compile_computed, compile_definition
from jetbridge.engage.definition import (
    All,
    Any,
    Audience,
    Computed,
    Event,
    Funnel,
    Node,
    Not,
    Trait,
    Within,
    leaves,
)
from jetbridge.text import pluralize, quoted

Leaf = Event | Funnel | Trait | Audience


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
    holds: bool
    figure: str = ""
    parts: tuple["Explanation", ...] = ()

    @property
    def why(self) -> tuple[str, ...]:
        """The conditions that make it hold, or not hold, with their figures."""
        return tuple(dict.fromkeys(self._reasons()))

    def _reasons(self) -> Iterator[str]:
        if self.kind == "condition":
            answer = "yes" if self.holds else "no"
            yield f"{self.text}: {answer}, {self.figure}" if self.figure else f"{self.text}: {answer}"
            return
        # An "all" that holds holds by all of its parts, and one that does not, by those that do not. "any": the mirror image.
        decisive = [part for part in self.parts if self.kind == "not" or part.holds == self.holds]
        for part in decisive:
            yield from part._reasons()  # noqa: SLF001 - its own class


def explain(
    connection: sqlite3.Connection, definition: Node, profiles: Sequence[int], moment: Moment
) -> dict[int, Explanation]:
    """By profile. `connection` is one of `store.open_for_reading`; costs some statements for each leaf."""
    traits = (
        _traits(connection, profiles) if any(isinstance(leaf, Trait) for leaf in leaves(definition)) else {}
    )
    # By the leaf itself: `a = 1` and `a = true` are equal as Python compares them.
    truths = {id(leaf): _truth(connection, leaf, profiles, moment) for leaf in leaves(definition)}
    figures = {id(leaf): _figure(connection, leaf, profiles, moment, traits) for leaf in leaves(definition)}

    def of(node: Node, profile: int) -> Explanation:
        match node:
            case Any(()):
                return Explanation("condition", wording.NOBODY, holds=False)
            case All(nodes) | Any(nodes):
                parts = tuple(of(child, profile) for child in nodes)
                if isinstance(node, All):
                    return Explanation("all", "all of", all(part.holds for part in parts), parts=parts)
                return Explanation("any", "any of", any(part.holds for part in parts), parts=parts)
            case Not(child):
                part = of(child, profile)
                return Explanation("not", "not", not part.holds, parts=(part,))
            case leaf:
                text = wording.leaf_text(leaf, moment.names or {})
                truth, figure = truths[id(leaf)].get(profile, False), figures[id(leaf)].get(profile, "")
                return Explanation("condition", text, truth, figure)

    return {profile: of(definition, profile) for profile in profiles}


def values(
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
    counts = values(connection, counter, profiles, moment)
    return {profile: f"{computed.event} {_times(count)}" for profile, count in counts.items()}


def _truth(
    connection: sqlite3.Connection, leaf: Leaf, profiles: Sequence[int], moment: Moment
) -> dict[int, bool]:
    compiled = compile_definition(leaf, retention_ms=moment.retention_ms, computed=moment.computed)
    parameters = compiled.parameters(moment.now, since=moment.since, profiles=profiles)
    return {profile: bool(member) for profile, member, _ in connection.execute(compiled.some, parameters)}


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
            return _computed_figures(connection, condition.path, profiles)
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
    counts = values(
        connection, Computed("event_counter", event.name, event.where, None, window), profiles, moment
    )
    return {profile: _times(count) for profile, count in counts.items()}


def _computed_figures(connection: sqlite3.Connection, key: str, profiles: Sequence[int]) -> dict[int, str]:
    rows = connection.execute(
        "SELECT profile, value FROM computed WHERE trait = ? AND profile IN (SELECT value FROM json_each(?))",
        (key, _list(profiles)),
    )
    stored = {profile: _shown(msgspec.json.decode(value)) for profile, value in rows}
    return {profile: stored.get(profile, _shown(None)) for profile in profiles}


def _traits(connection: sqlite3.Connection, profiles: Sequence[int]) -> dict[int, dict[str, Json]]:
    rows = connection.execute(
        "SELECT id, traits FROM profile WHERE id IN (SELECT value FROM json_each(?))", (_list(profiles),)
    )
    return {profile: msgspec.json.decode(traits) for profile, traits in rows}


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


def _list(profiles: Sequence[int]) -> str:
    return msgspec.json.encode(profiles).decode()
