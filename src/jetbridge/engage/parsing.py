"""Definitions as they come from people and are stored: JSON of an audience or of a computed trait.

Account audiences (of companies) and SQL traits, which Segment's Engage has, are not in this version; whoever sends one learns
that, and not only that a field is unknown.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec

from jetbridge.engage import references
from jetbridge.engage.definition import (
    DAY_MS,
    Between,
    Computed,
    DefinitionError,
    Event,
    Funnel,
    Node,
    Session,
    Within,
    audience_places,
    computed_json,
    definition_json,
    leaves,
    parse_computed,
    parse_definition,
)
from jetbridge.engage.models import Computation, ComputationClass, Space

Definition = Node | Computed

#: Top keys of definitions that Segment has and this version has not, and what they are called.
_NOT_SUPPORTED: Final = {
    "sql": "SQL traits are not in this version",
    "query": "SQL traits are not in this version",
    "account": "Account audiences are not in this version",
    "accounts": "Account audiences are not in this version",
    "group": "Account audiences are not in this version",
}


def parse(computation_class: str, value: object, *, retention_days: int) -> Definition:
    """The definition that a decoded JSON value is. Raises DefinitionError, also where a window is longer than the retention."""
    if isinstance(value, dict) and (missing := next((key for key in _NOT_SUPPORTED if key in value), None)):
        allowed = "an audience of people, or a computed trait of their events (docs/engage.md)"
        raise DefinitionError(missing, _NOT_SUPPORTED[missing], allowed)
    if computation_class == ComputationClass.AUDIENCE and isinstance(value, dict) and "computed" in value:
        allowed = "an audience here; a computed trait at /computed-traits, or by `jetbridge traits`"
        raise DefinitionError("computed", "this is the definition of a computed trait", allowed)
    read = parse_definition if computation_class == ComputationClass.AUDIENCE else parse_computed
    return read(value, retention_ms=retention_days * DAY_MS)


def plain(definition: Definition) -> Any:
    """The definition in its one spelling, as JSON values: equal definitions are equal."""
    text = computed_json(definition) if isinstance(definition, Computed) else definition_json(definition)
    return msgspec.json.decode(text)


def parsed(rows: Iterable[Computation], *, retention_days: int) -> dict[str, Definition]:
    """By key, the definitions of computations, which were checked when they were stored."""
    return {
        row.key: parse(row.computation_class, row.definition, retention_days=retention_days) for row in rows
    }


def present(space: Space) -> list[Computation]:
    """The audiences and computed traits that are not deleted, the oldest first."""
    return list(space.computations.filter(deleted_at=None).order_by("id"))


def dependents(key: str, definitions: Mapping[str, Definition]) -> list[str]:
    """The keys of the definitions that refer to `key`."""
    computed = computed_keys(definitions)
    refer = []
    for other, definition in definitions.items():
        used = references.references(definition, computed=computed)
        if other != key and key in used.audiences | used.computed:
            refer.append(other)
    return refer


def computed_keys(definitions: Mapping[str, Definition]) -> frozenset[str]:
    return frozenset(key for key, definition in definitions.items() if isinstance(definition, Computed))


def audiences_in(definition: Definition) -> frozenset[str]:
    """The keys of the audiences that it refers to."""
    return references.references(definition).audiences


def check_audiences(definition: Definition, keys: Collection[str]) -> None:
    """Raises DefinitionError where it refers to an audience that is none of `keys`."""
    if isinstance(definition, Computed):  # refers to none
        return
    for key, place in audience_places(definition):
        if key not in keys:
            problem = f"there is no audience with the key {key[:60]}"
            raise DefinitionError(place, problem, "the key of an audience of the workspace")


def traits_in(definition: Definition) -> frozenset[str]:
    """The paths of the traits that it reads, computed ones included."""
    return references.references(definition).traits


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
