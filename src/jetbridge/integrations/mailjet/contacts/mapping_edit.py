"""Editing the text of the setting `mapping` trait by trait; comments and the other lines stay as they are."""

from jetbridge.integrations.mailjet.contacts.mapping import Mapping
from jetbridge.integrations.mailjet.contacts.mapping_text import COMMENT, WrongMapping, parse
from jetbridge.spec.names import property_name


def goes_to(text: str, trait: str, *, only_listed: bool) -> str | None:
    """The property of a trait that is alone in its call; None: it goes nowhere. Raises WrongMapping."""
    place = Mapping(parse(text).rules, only_listed=only_listed).place(trait)
    return None if place.why_not else place.property


def put(text: str, trait: str, wanted: str | None, *, only_listed: bool) -> str:
    """The text with which a trait goes to this property, or nowhere (None), with as few lines as that takes.

    Raises WrongMapping, also for a trait or a property that no line can name.
    """
    wanted = wanted and property_name(wanted)
    if goes_to(text, trait, only_listed=only_listed) == wanted:
        return text
    without = _with_line(text, trait, None)
    if goes_to(without, trait, only_listed=only_listed) == wanted:
        return without
    changed = _with_line(text, trait, _line(trait, wanted))
    if goes_to(changed, trait, only_listed=only_listed) != wanted:
        raise WrongMapping(f"No line of a mapping can send {trait[:100]!r} to {wanted or 'nowhere'!r}.")
    return changed


def _line(trait: str, wanted: str | None) -> str:
    if wanted is None:
        return f"{trait} ="
    # `email` alone says nothing, because it is the contact's address.
    return trait if wanted == property_name(trait) != "email" else f"{trait} = {wanted}"


def _with_line(text: str, trait: str, line: str | None) -> str:
    """The trait's line replaced, removed (None), or added at the end."""
    lines = text.splitlines()
    for number, old in enumerate(lines):
        said = COMMENT.sub("", old)
        if said.partition("=")[0].strip() == trait:
            comment = old[len(said.rstrip()) :]
            kept = [f"{line or ''}{comment}".strip()] if line or comment else []
            return "\n".join([*lines[:number], *kept, *lines[number + 1 :]])
    return "\n".join([*lines, *([line] if line else [])])
