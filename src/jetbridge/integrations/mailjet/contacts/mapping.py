"""Mapping: which contact property each trait goes to.

Without a setting every trait goes to the property that `spec.names` calls it by. The settings rename, block
or list traits. No trait vanishes: each has a place, or a sentence that says why it has none.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from jetbridge.integrations.mailjet.contacts.mapping_text import MAX_DEPTH, Rules
from jetbridge.spec.names import property_name
from jetbridge.spec.person import EMAIL

KEY = "it is the contact's address"
BLOCKED = "the mapping blocks it"
NOT_LISTED = "the mapping does not list it"

#: How many shapes of calls (their trait names, in order) are remembered.
SHAPES = 4_096

_CONTAINERS = {dict, list}


class Place(NamedTuple):
    """Where one trait goes. `why_not` is a reason for going nowhere, or empty; nested traits have dots."""

    trait: str
    property: str
    why_not: str = ""


#: (property, sentence) of traits whose property another trait of the same call takes.
Lost = tuple[tuple[str, str], ...]


class _Plan(NamedTuple):
    """Calls with the same traits go the same way. A name is None where the value goes nowhere."""

    names: tuple[str | None, ...]
    lost: Lost


class Mapping:
    """Used by one thread. `noticed` is told the places of every call that looks unlike the ones before."""

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        only_listed: bool = False,
        noticed: Callable[[Sequence[Place]], None] | None = None,
    ) -> None:
        self._rules = rules or {}
        self._only_listed = only_listed
        self._noticed = noticed
        # Calls of one source mostly have the same traits, so all their names are looked up at once.
        self._plan = lru_cache(SHAPES)(self._make_plan)

    def properties(self, traits: dict[str, Any], address: str = EMAIL) -> tuple[dict[str, Any], Lost]:
        """Traits as contact properties, flat; and what went to none because another trait took it. `address` is the
        trait that holds the address.
        """
        if _CONTAINERS.isdisjoint(map(type, traits.values())):
            plan = self._plan(tuple(traits), address)
            values = dict(zip(plan.names, traits.values(), strict=True))
        else:
            paths, leaves = flat(traits)
            plan = self._plan(tuple(paths), address)
            values = dict(zip(plan.names, leaves, strict=True))
        values.pop(None, None)
        return cast("dict[str, Any]", values), plan.lost

    def places(self, traits: Sequence[str], address: str = EMAIL) -> list[Place]:
        """Where the traits of one call go. Of several with one property, the one that is named like it
        arrives, else the first in the alphabet.
        """
        places = [self.place(trait, address) for trait in traits]
        rivals: defaultdict[str, list[int]] = defaultdict(list)
        for number, place in enumerate(places):
            if not place.why_not:
                rivals[place.property].append(number)
        for name, numbers in rivals.items():
            first, *others = sorted(numbers, key=lambda number: (traits[number] != name, traits[number]))
            for number in others:
                places[number] = _lost(places[number], traits[first])
        return places

    def place(self, trait: str, address: str = EMAIL) -> Place:
        """Where a trait goes that is alone."""
        rule = self._longest_rule(trait)
        if rule is None:
            if trait in {EMAIL, address}:
                return Place(trait, "", KEY)
            return Place(trait, "", NOT_LISTED) if self._only_listed else Place(trait, property_name(trait))
        named, target = rule
        if target is None:
            return Place(trait, "", BLOCKED)
        return Place(trait, property_name(target + trait[len(named) :]))

    def _longest_rule(self, trait: str) -> tuple[str, str | None] | None:
        path = trait
        while path:
            if path in self._rules:
                return path, self._rules[path]
            path = path.rpartition(".")[0]
        return None

    def _make_plan(self, traits: tuple[str, ...], address: str) -> _Plan:
        places = self.places(traits, address)
        if self._noticed:
            self._noticed(places)
        return _Plan(
            tuple(None if each.why_not else each.property for each in places),
            tuple((each.property, each.why_not) for each in places if each.property and each.why_not),
        )


def flat(traits: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """Every trait inside, and its value. Lists, and objects nested too deep, are one value: JSON text."""
    paths: list[str] = []
    values: list[Any] = []
    for name, value in traits.items():
        if type(value) in _CONTAINERS:
            _flatten(paths, values, name, value, 0)
        else:
            paths.append(name)
            values.append(value)
    return paths, values


def _flatten(paths: list[str], values: list[Any], path: str, value: Any, depth: int) -> None:
    if type(value) is dict and depth < MAX_DEPTH:
        for name, inner in value.items():
            _flatten(paths, values, f"{path}.{name}", inner, depth + 1)
    else:
        paths.append(path)
        values.append(_encode(value).decode() if type(value) in _CONTAINERS else value)


def _lost(place: Place, winner: str) -> Place:
    return place._replace(
        why_not=f"the traits {_short(winner)} and {_short(place.trait)} of one call both go here; "
        f"{_short(winner)} is taken. Give {_short(place.trait)} another property in the Mapping"
    )


def _short(trait: str) -> str:
    return trait if len(trait) <= 100 else f"{trait[:100]}…"


_encode = msgspec.json.encode
