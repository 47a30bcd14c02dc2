"""Mapping: which contact property each trait goes to.

Without a setting every trait goes to the property that `spec.names` calls it by. The setting `mapping` renames, blocks
or lists traits, one per line:

    firstName = first_name      the trait goes to this property
    address = home              an object lends its property as a prefix: address.city goes to home_city
    password =                  the trait is blocked; of an object, all inside
    plan                        the trait goes to the property of its own name

What follows a `#` is a comment. If two lines concern one trait, the longer path wins. No trait vanishes: each has a
place, or a message that says why it has none.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from jetbridge.integrations.mailjet.models import TraitName
from jetbridge.spec.names import property_name
from jetbridge.spec.person import EMAIL

#: Objects nested deeper than this arrive as JSON text: nobody segments on level nine.
MAX_DEPTH = 8

#: Why a trait goes nowhere.
KEY = "it is the contact's address"
BLOCKED = "the mapping blocks it"
NOT_LISTED = "the mapping does not list it"

#: How many shapes of calls (their trait names, in order) are remembered.
SHAPES = 4_096

#: Traits remembered per destination at the most, and how long a name may be to be remembered. A call that
#: uses ids of things as trait names would fill the disk otherwise.
MAX_TRAIT_NAMES, MAX_TRAIT_CHARACTERS = 10_000, 300

#: From the # to the end of a line.
_COMMENT = re.compile(r"(?:^|\s)#.*")
_LETTER_OR_DIGIT = re.compile(r"[a-z0-9]")
_ACCEPTED = 'Write "trait = property", "trait =" to block it, or "trait" alone.'
_CONTAINERS = {dict, list}

# ---- the text of the setting

#: Trait -> its property; None: blocked.
Rules = dict[str, str | None]


class WrongMapping(ValueError):
    """`str()` names the line and what is accepted."""


class ParsedMapping(NamedTuple):
    """`notes` name what a person wrote and we took differently."""

    rules: Rules
    notes: list[str]


def parse_mapping(text: str) -> ParsedMapping:
    """Raises WrongMapping."""
    parsed = ParsedMapping({}, [])
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not (rule := _COMMENT.sub("", line).strip()):
            continue
        trait, equals, name = (part.strip() for part in rule.partition("="))
        if problem := _problem(trait, name):
            raise WrongMapping(f"Line {number}: {problem}")
        if trait in lines:
            raise WrongMapping(f"Line {number}: the trait {trait} has line {lines[trait]} already. Keep one.")
        lines[trait] = number
        if trait == EMAIL and not equals:
            parsed.notes.append(f"Line {number}: email is the contact's address, and arrives in any case.")
            continue
        target = property_name(name or trait)
        if name and target != name:
            parsed.notes.append(
                f"Line {number}: the property is named {target}; names have a-z, 0-9 and _, and begin with a letter."
            )
        parsed.rules[trait] = None if equals and not name else target
    return parsed


def _problem(trait: str, name: str) -> str:
    if not trait:
        return f"no trait stands before the =. {_ACCEPTED}"
    if "=" in name:
        return f"there is more than one =. {_ACCEPTED}"
    if "" in trait.split("."):
        return f"a name is missing at a dot of {trait}. Write, say, address.city."
    if trait.count(".") > MAX_DEPTH:
        return (
            f"{trait} is nested too deep. Objects arrive as JSON text from level {MAX_DEPTH + 1} on; "
            "name the object around it."
        )
    if name and not _LETTER_OR_DIGIT.search(property_name(name)[2 * (not name[0].isalpha()) :]):
        return f"{name} has no letter and no digit of a property's name."
    return ""


def target_of(text: str, trait: str, *, only_listed: bool) -> str | None:
    """The property of a trait that is alone in its call; None: it goes nowhere. Raises WrongMapping."""
    place = Mapping(parse_mapping(text).rules, only_listed=only_listed).place(trait)
    return None if place.why_not else place.property


def with_target(text: str, trait: str, target: str | None, *, only_listed: bool) -> str:
    """The text with which a trait goes to this property, or nowhere (None), with as few lines as that takes. Comments and
    the other lines stay as they are.

    Raises WrongMapping, also for a trait or a property that no line can name.
    """
    target = target and property_name(target)
    if target is None:
        line = f"{trait} ="
    # `email` alone changes nothing, because it is the contact's address.
    elif target == property_name(trait) != "email":
        line = trait
    else:
        line = f"{trait} = {target}"
    for changed in (text, _with_line(text, trait, None), _with_line(text, trait, line)):
        if target_of(changed, trait, only_listed=only_listed) == target:
            return changed
    raise WrongMapping(f"No line of a mapping can send {trait[:100]!r} to {target or 'nowhere'!r}.")


def _with_line(text: str, trait: str, line: str | None) -> str:
    """The trait's line replaced, removed (None), or added at the end."""
    lines = text.splitlines()
    for number, old in enumerate(lines):
        rule = _COMMENT.sub("", old)
        if rule.partition("=")[0].strip() == trait:
            comment = old[len(rule.rstrip()) :]
            kept = [f"{line or ''}{comment}".strip()] if line or comment else []
            return "\n".join([*lines[:number], *kept, *lines[number + 1 :]])
    return "\n".join([*lines, *([line] if line else [])])


# ---- traits to properties


class Place(NamedTuple):
    """Where one trait goes. `why_not` is a reason for going nowhere, or empty; nested traits have dots."""

    trait: str
    property: str
    why_not: str = ""


#: (property, message) of traits whose property another trait of the same call takes.
Lost = tuple[tuple[str, str], ...]


class _Plan(NamedTuple):
    """Calls with the same traits go the same way. A name is None where the value goes nowhere."""

    names: tuple[str | None, ...]
    lost: Lost


class Mapping:
    """Used by one thread. `noticed` gets the places of every call that looks unlike the ones before."""

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

    def _make_plan(self, traits: tuple[str, ...], address: str) -> _Plan:
        places = self.places(traits, address)
        if self._noticed:
            self._noticed(places)
        return _Plan(
            tuple(None if place.why_not else place.property for place in places),
            tuple((place.property, place.why_not) for place in places if place.property and place.why_not),
        )

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
            winner = _short(traits[first])
            for number in others:
                loser = _short(traits[number])
                places[number] = places[number]._replace(
                    why_not=f"the traits {winner} and {loser} of one call both go here; {winner} is taken. "
                    f"Give {loser} another property in the Mapping"
                )
        return places

    def place(self, trait: str, address: str = EMAIL) -> Place:
        """Where a trait goes that is alone."""
        path = trait
        while path and path not in self._rules:
            path = path.rpartition(".")[0]
        if path:
            target = self._rules[path]
            if target is None:
                return Place(trait, "", BLOCKED)
            return Place(trait, property_name(target + trait[len(path) :]))
        if trait in {EMAIL, address}:
            return Place(trait, "", KEY)
        return Place(trait, "", NOT_LISTED) if self._only_listed else Place(trait, property_name(trait))


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
        values.append(msgspec.json.encode(value).decode() if type(value) in _CONTAINERS else value)


def _short(trait: str) -> str:
    return trait if len(trait) <= 100 else f"{trait[:100]}…"


# ---- trait names that a destination has seen


class TraitNames:
    """Trait names that a destination has seen, so that two of them with one property are reported.

    Within one call the mapping sees it. Across calls nobody would: one source sends `Plan`, another `plan`, and
    each overwrites the other's value. Used by one thread.
    """

    def __init__(self, destination: int) -> None:
        self._destination = destination
        rows = TraitName.objects.filter(destination_id=destination)
        self._known: dict[str, str] = dict(rows.values_list("trait", "property"))
        self._new: dict[str, str] = {}

    def notice(self, places: Sequence[Place]) -> None:
        """Take the places of one call; see `Mapping`."""
        for trait, name, _ in places:
            known = self._known.get(trait)
            has_room = len(trait) <= MAX_TRAIT_CHARACTERS and (known or len(self._known) < MAX_TRAIT_NAMES)
            if name and known != name and has_room:
                self._known[trait] = self._new[trait] = name

    def save(self) -> None:
        """Write what is new. If the transaction around it fails, the next start writes it."""
        if self._new:
            TraitName.objects.bulk_create(
                [
                    TraitName(destination_id=self._destination, trait=trait, property=name)
                    for trait, name in self._new.items()
                ],
                update_conflicts=True,
                unique_fields=["destination_id", "trait"],
                update_fields=["property"],
            )
            self._new = {}


def shared_properties(destination: int, mapping: Mapping) -> dict[str, list[str]]:
    """Properties that more than one of the traits seen so far goes to under this mapping."""
    traits = TraitName.objects.filter(destination_id=destination).values_list("trait", flat=True)
    by_property: defaultdict[str, list[str]] = defaultdict(list)
    for trait in traits.order_by("trait"):
        place = mapping.place(trait)
        if not place.why_not:
            by_property[place.property].append(trait)
    return {name: traits for name, traits in sorted(by_property.items()) if len(traits) > 1}


def trait_name_warnings(destination: int, mapping: Mapping) -> list[str]:
    """Messages for a person."""
    lines = []
    for name, traits in shared_properties(destination, mapping).items():
        *others, last = traits[:5] if len(traits) <= 5 else [*traits[:4], f"{len(traits) - 4} more"]
        lines.append(
            f"the traits {', '.join(others)} and {last} go to one property, {name}, where the last value wins. "
            "Give each a property of its own in the Mapping, or block all but one."
        )
    if TraitName.objects.filter(destination_id=destination).count() >= MAX_TRAIT_NAMES:
        lines.append(
            f"more than {MAX_TRAIT_NAMES:,} different traits were seen, and each becomes a property of all contacts. "
            'Set Properties to "listed" and name those that Mailjet needs.'
        )
    return lines
