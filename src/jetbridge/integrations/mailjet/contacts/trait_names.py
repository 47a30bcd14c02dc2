"""Trait names that a destination has seen, so that two of them with one property are found.

Within one call the mapping sees it. Across calls nobody would: one source says `Plan`, another `plan`, and
each overwrites the other's value.
"""

from collections import defaultdict
from collections.abc import Sequence

from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.mapping import Mapping, Place
from jetbridge.integrations.mailjet.models import TraitName

#: Traits remembered per destination at the most, and how long a name may be to be remembered. A call that
#: uses ids of things as trait names would fill the disk otherwise.
MOST, LONGEST = 10_000, 300


class TraitNames:
    """What is new to one destination. Used by one thread."""

    def __init__(self, destination: int) -> None:
        self._destination = destination
        rows = TraitName.objects.filter(destination_id=destination)
        self._known: dict[str, str] = dict(rows.values_list("trait", "property"))
        self._new: dict[str, str] = {}

    def notice(self, places: Sequence[Place]) -> None:
        """Take the places of one call; see `Mapping`."""
        for trait, name, _ in places:
            known = self._known.get(trait)
            if name and known != name and len(trait) <= LONGEST and (known or len(self._known) < MOST):
                self._known[trait] = self._new[trait] = name

    def save(self) -> None:
        """Write what is new. If the transaction around it fails, the next start writes it."""
        if self._new:
            queries.write(queries.SAVE_TRAIT_NAME, [(self._destination, *pair) for pair in self._new.items()])
            self._new = {}


def shared(destination: int, mapping: Mapping) -> dict[str, list[str]]:
    """Properties that more than one of the traits seen so far goes to under this mapping."""
    traits = TraitName.objects.filter(destination_id=destination).values_list("trait", flat=True)
    by_property: defaultdict[str, list[str]] = defaultdict(list)
    for trait in traits.order_by("trait"):
        place = mapping.place(trait)
        if not place.why_not:
            by_property[place.property].append(trait)
    return {name: found for name, found in sorted(by_property.items()) if len(found) > 1}


def remarks(destination: int, mapping: Mapping) -> list[str]:
    """Sentences for a person."""
    lines = [
        f"the traits {_names(traits)} go to one property, {name}, where the last value wins. "
        "Give each a property of its own in the Mapping, or block all but one."
        for name, traits in shared(destination, mapping).items()
    ]
    if TraitName.objects.filter(destination_id=destination).count() >= MOST:
        lines.append(
            f"more than {MOST:,} different traits were seen, and each becomes a property of all contacts. "
            'Set Properties to "listed" and name those that Mailjet needs.'
        )
    return lines


def _names(traits: list[str]) -> str:
    """`a and b`; of many, the first few."""
    shown = traits[:5] if len(traits) <= 5 else [*traits[:4], f"{len(traits) - 4} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
