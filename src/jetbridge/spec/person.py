"""Where a call says whose it is and whether that person wants mail. Everybody reads it here.

`context.traits` counts only where `traits` is absent or empty: RudderStack's libraries put all traits there, while
Segment's put there, with calls that have traits of their own, what they know of the person anyway.
"""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from jetbridge.spec.booleans import Answer, is_unsubscribed
from jetbridge.spec.emails import normalise, visible
from jetbridge.spec.message import Message

#: The trait that holds the address.
EMAIL: Final = "email"
#: The trait that says, with a yes, that the person is unsubscribed; a destination's settings may name another, also one
#: within an object: `preferences.unsubscribed`.
UNSUBSCRIBED: Final = "unsubscribed"
#: What else it is called, as `folded` has it; the first that says something counts: Email, EMAIL, e-mail, E_Mail;
#: email_address, Email Address, emailAddress.
_OTHER_NAMES: Final = ("email", "emailaddress")

#: How many shapes of calls (their trait names, in order) are remembered, and names a sentence lists.
_SHAPES, _LISTED = 1_024, 8

_BETWEEN_WORDS = re.compile(r"[\s_-]+")


#: The name of a trait, and its value as it was sent. A plain tuple: every call has one.
TraitValue = tuple[str, Any]


class Consent(NamedTuple):
    """Whether a call says that its person is unsubscribed; if that cannot be read, why, and what it was."""

    unsubscribed: Answer
    why: str = ""
    value: Any = None


#: What nearly all calls say.
NOT_SAID: Final = Consent(Answer.NOT_SAID)
_DROPPED = "a value that is not allowed in JSON and was left out"


def traits_of(message: Message) -> dict[str, Any]:
    """The traits of an Identify."""
    return message.traits or _context_traits(message)


def address_of(message: Message) -> TraitValue | None:
    """What the call gives as its person's address, whether it is one or not; None if it gives nothing."""
    return address_in(traits_of(message))


def address_in(traits: dict[str, Any]) -> TraitValue | None:
    """The address among traits, whether it is one or not; None if there is none."""
    if not _is_blank(value := traits.get(EMAIL)):
        return EMAIL, value
    return next((said for said in _addresses_in(traits) if not _is_blank(said[1])), None)


def is_address_name(trait: str) -> bool:
    """Whether a trait of this name holds the address of a call."""
    return folded(trait) in _OTHER_NAMES


def address_of_user(message: Message) -> str | None:
    """The userId, if it is an address. It stands for one that nobody has said, so whatever was said comes first."""
    return normalise(message.user_id) if message.user_id and "@" in visible(message.user_id) else None


def addresses(message: Message) -> list[str]:
    """Every text in any type of call that may be the person's address, as it was sent."""
    parts = (message.traits, _context_traits(message), message.properties)
    return [value for part in parts if part for _, value in _addresses_in(part) if isinstance(value, str)]


def consent_of(message: Message, trait: str) -> Consent:
    """What a call says by the trait, which may lie within an object (`preferences.unsubscribed`), in whatever case.

    An unsubscribe in `traits` or in `context.traits` counts; what is unreadable comes before a no.
    """
    values = _values(message.traits, trait) if message.traits else ()
    if message.context and "traits" in message.context:
        values = (*values, *_values(_context_traits(message), trait))
    if not (values or message.dropped):
        return NOT_SAID
    answers = [is_unsubscribed(value) for value in values]
    if Answer.YES in answers:
        return Consent(Answer.YES)
    if message.dropped and any(drops_consent(path, trait) for path in message.dropped):
        return Consent(Answer.UNREADABLE, _DROPPED)
    for value, each in zip(values, answers, strict=True):
        if each is Answer.UNREADABLE:
            return Consent(each, f"{_kind_of(value)} that means neither yes nor no", value)
    return Consent(Answer.NO) if Answer.NO in answers else NOT_SAID


def drops_consent(path: str, trait: str) -> bool:
    """Whether the value dropped at a path of the message (`Message.dropped`) was the one of the consent trait, lay
    in it, or held it. A consent that was dropped cannot be read: it is not the same as one that was not given.
    """
    if path == "context":
        return True
    where = path.removeprefix("context.")
    if where != "traits" and not where.startswith("traits."):
        return False
    dropped, name = folded(where[len("traits.") :]), folded(trait)
    return not dropped or f"{name}.".startswith(f"{dropped}.") or f"{dropped}.".startswith(f"{name}.")


def carries_consent(name: str, traits: Collection[str]) -> bool:
    """Whether the trait of this name is one of those that carry consent, in any spelling."""
    return any(folded(name) == folded(trait) for trait in traits)


def keep_consent(message: Message, changed: Message, traits: Collection[str]) -> Message:
    """A message that properties were taken from, with what carries consent by these traits put back: `consent_of` finds in
    it what it finds in the whole message.
    """
    kept: dict[str, Any] = {}
    for trait in traits:
        if message.traits and _values(message.traits, trait):
            kept["traits"] = _put_back(message.traits, kept.get("traits", changed.traits), trait)
        if (whole := _context_traits(message)) and _values(whole, trait):
            context = kept.get("context", changed.context) or {}
            kept["context"] = {**context, "traits": _put_back(whole, context.get("traits"), trait)}
    return msgspec.structs.replace(changed, **kept) if kept else changed


def _put_back(whole: dict[str, Any], rest: Any, trait: str) -> dict[str, Any]:
    """What is left of an object, with all that `_values` finds in the whole one."""
    left = dict(rest) if isinstance(rest, dict) else {}
    for key, inner in _keys_of(tuple(whole), trait):
        if not inner:
            left[key] = whole[key]
        elif isinstance(whole[key], dict) and _values(whole[key], inner):
            left[key] = _put_back(whole[key], left.get(key), inner)
    return {
        key: left[key] for key in whole if key in left
    }  # of several values the first that is unreadable counts


def explain_missing_address(message: Message) -> str:
    """What was seen instead of an address, and what to set."""
    traits = traits_of(message)
    hints = [_hint(message, traits), "Send the address as traits.email."]
    if not traits:
        return " ".join(["The call has no traits.", *filter(None, hints)])
    return " ".join([f"The call has the traits {_listed(list(traits))}.", *filter(None, hints)])


def _hint(message: Message, traits: dict[str, Any]) -> str:
    """Where an address stands that does not count."""
    for name, value in traits.items():
        inner = value.items() if isinstance(value, dict) else ((None, value),)
        for key, each in inner:
            if isinstance(each, str) and "@" in each and normalise(each):
                return f"{_short(name if key is None else f'{name}.{key}')} looks like one, but is not called email."
    if message.traits and any(normalise(value) for _, value in _addresses_in(_context_traits(message))):
        return "context.traits has one, which counts only in calls without traits of their own."
    if any(normalise(value) for _, value in _addresses_in(message.properties or {})):
        return "properties has one, which is no place for traits."
    return ""


def _context_traits(message: Message) -> dict[str, Any]:
    traits = message.context and message.context.get("traits")
    return traits if isinstance(traits, dict) else {}


def _addresses_in(traits: dict[str, Any]) -> list[TraitValue]:
    return [(name, traits[name]) for name in _address_names(tuple(traits))]


@lru_cache(_SHAPES)
def _address_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that an address goes by, in the order in which they count."""
    found = [(_OTHER_NAMES.index(plain), name) for name in names if (plain := folded(name)) in _OTHER_NAMES]
    ordered = sorted(found, key=lambda each: (each[1] != EMAIL, each[0]))
    return tuple(name for _, name in ordered)


def _values(traits: dict[str, Any], trait: str) -> Sequence[Any]:
    """What traits of this name hold, in the traits or in objects within them."""
    keys = _keys_of(tuple(traits), trait)
    if not keys:
        return ()
    values: list[Any] = []
    for key, rest in keys:
        value = traits[key]
        if not rest:
            values.append(value)
        elif isinstance(value, dict):
            values += _values(value, rest)
    return values


@lru_cache(_SHAPES)
def _keys_of(names: tuple[str, ...], trait: str) -> tuple[tuple[str, str], ...]:
    """Keys that the trait's path begins with, each with what is left of it."""
    name, found = folded(trait), []
    for key in names:
        plain = folded(key)
        if plain == name:
            found.append((key, ""))
        elif name.startswith(f"{plain}."):
            found.append((key, name[len(plain) + 1 :]))
    return tuple(found)


@lru_cache(_SHAPES)
def folded(name: str) -> str:
    """A trait's name without case, and without what stands between its words."""
    return _BETWEEN_WORDS.sub("", visible(name).casefold())


def _is_blank(value: Any) -> bool:
    if not isinstance(value, str):
        return value is None
    return not (value.strip() if value.isascii() else visible(value))


def _kind_of(value: Any) -> str:
    kinds: dict[type, str] = {str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")


def _listed(names: list[str]) -> str:
    shown = [_short(name) for name in names[:_LISTED]]
    more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return ", ".join(shown + more)


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"
