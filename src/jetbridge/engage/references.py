"""What a definition depends on, so that only what a change can reach is computed again, and in which order."""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from jetbridge.engage.definition import Audience, Computed, Event, Funnel, Node, Trait, leaves
from jetbridge.errors import JetbridgeError


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
