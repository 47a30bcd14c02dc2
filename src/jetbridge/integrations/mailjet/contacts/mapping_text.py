"""The text of the setting `mapping`, read: one trait per line.

    firstName = first_name      the trait goes to this property
    address = home              an object lends its property as a prefix: address.city goes to home_city
    password =                  the trait is blocked; of an object, all inside
    plan                        the trait goes to the property of its own name

What follows a `#` is a comment. Of two lines that speak for a trait, the longer path wins.
"""

import re
from typing import NamedTuple

from jetbridge.spec.names import property_name
from jetbridge.spec.person import EMAIL

#: Objects nested deeper than this arrive as JSON text: nobody segments on level nine.
MAX_DEPTH = 8

#: Trait -> its property; None: blocked.
Rules = dict[str, str | None]

#: From the # to the end of a line.
COMMENT = re.compile(r"(?:^|\s)#.*")
_LETTER_OR_DIGIT = re.compile(r"[a-z0-9]")
_ACCEPTED = 'Write "trait = property", "trait =" to block it, or "trait" alone.'


class WrongMapping(ValueError):
    """`str()` names the line and what is accepted."""


class Parsed(NamedTuple):
    """`notes` tell what a person wrote and we took differently."""

    rules: Rules
    notes: list[str]


def parse(text: str) -> Parsed:
    """Raises WrongMapping."""
    parsed = Parsed({}, [])
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not (said := COMMENT.sub("", line).strip()):
            continue
        trait, equals, name = (part.strip() for part in said.partition("="))
        _check(number, trait, name)
        if trait in lines:
            raise WrongMapping(f"Line {number}: the trait {trait} has line {lines[trait]} already. Keep one.")
        lines[trait] = number
        _take(parsed, number, trait, name if equals else None)
    return parsed


def _check(number: int, trait: str, name: str) -> None:
    if not trait:
        raise WrongMapping(f"Line {number}: no trait stands before the =. {_ACCEPTED}")
    if "=" in name:
        raise WrongMapping(f"Line {number}: there is more than one =. {_ACCEPTED}")
    if "" in trait.split("."):
        raise WrongMapping(f"Line {number}: a name is missing at a dot of {trait}. Write, say, address.city.")
    if trait.count(".") > MAX_DEPTH:
        raise WrongMapping(
            f"Line {number}: {trait} is nested too deep. Objects arrive as JSON text from level "
            f"{MAX_DEPTH + 1} on; name the object around it."
        )
    if name and not _LETTER_OR_DIGIT.search(property_name(name)[2 * (not name[0].isalpha()) :]):
        raise WrongMapping(f"Line {number}: {name} has no letter and no digit of a property's name.")


def _take(parsed: Parsed, number: int, trait: str, name: str | None) -> None:
    """`name` None: the trait stands alone."""
    if name is None and trait == EMAIL:
        parsed.notes.append(f"Line {number}: email is the contact's address, and arrives in any case.")
        return
    named = property_name(name or trait)
    if name and named != name:
        parsed.notes.append(
            f"Line {number}: the property is named {named}; names have a-z, 0-9 and _, and begin with a letter."
        )
    parsed.rules[trait] = None if name == "" else named
