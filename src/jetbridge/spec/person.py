"""The person of a call: the ids and addresses that name the person, and whether that person wants mail. All readers use this module.

`context.traits` counts only where `traits` is absent or empty: RudderStack's libraries put all traits there, while
Segment's put there, with calls that have traits of their own, what they know of the person anyway.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from jetbridge.spec.booleans import ParsedBoolean, parse_unsubscribed
from jetbridge.spec.emails import normalise, spellings, visible, written
from jetbridge.spec.message import Message

#: The trait that holds the address.
EMAIL: Final = "email"
#: The trait that says, with a yes, that the person is unsubscribed; a destination's settings may name another, also one
#: within an object: `preferences.unsubscribed`.
UNSUBSCRIBED: Final = "unsubscribed"
#: What else it is called, as `plain_name` has it; the first that is not blank counts: Email, EMAIL, e-mail, E_Mail;
#: email_address, Email Address, emailAddress.
_OTHER_NAMES: Final = ("email", "emailaddress")

#: How many shapes of calls (their trait names, in order) are remembered, and names that an error lists.
_SHAPES, _LISTED = 1_024, 8

_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_TYPES: Final[dict[type, str]] = {str: "a text", list: "a list", dict: "an object"}

#: The name of a trait, and its value as it was sent. A plain tuple: every call has one.
TraitValue = tuple[str, Any]


class Consent(NamedTuple):
    """Whether a call has its person unsubscribed; if that cannot be read, why, and the value."""

    unsubscribed: ParsedBoolean
    why: str = ""
    value: Any = None


#: Of nearly all calls.
NO_CONSENT: Final = Consent(ParsedBoolean.MISSING)
_DROPPED = "a value that is not allowed in JSON and was left out"


class Identity(NamedTuple):
    """What a person is known by: ids (userId, anonymousId), and addresses, each in every spelling that names it.

    With another spelling of its domain an address may stand in raw records and in what earlier versions stored.
    """

    users: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()

    @classmethod
    def of(cls, users: Iterable[str], emails: Iterable[str]) -> "Identity":
        """Addresses in any spelling; what is none is left out."""
        names: set[str] = set()
        for email in emails:
            if address := normalise(email):
                names |= {*spellings(address), *(() if address == email else (written(email),))}
        return cls(frozenset(users), frozenset(names))

    @classmethod
    def of_name(cls, name: str) -> "Identity":
        """From what somebody typed: a userId, and an address if it reads like one."""
        return cls.of([name], [name])

    def __or__(self, other: object) -> "Identity":
        if not isinstance(other, Identity):
            return NotImplemented
        return Identity(self.users | other.users, self.emails | other.emails)

    def meets(self, other: "Identity") -> bool:
        """Whether they have a name in common."""
        return not (self.users.isdisjoint(other.users) and self.emails.isdisjoint(other.emails))


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
    return next((trait for trait in _addresses_in(traits) if not _is_blank(trait[1])), None)


def is_address_name(trait: str) -> bool:
    """Whether a trait of this name holds the address of a call."""
    return plain_name(trait) in _OTHER_NAMES


def address_of_user(message: Message) -> str | None:
    """The userId, if it is an address. Any other address of the call comes first."""
    return normalise(message.user_id) if message.user_id and "@" in visible(message.user_id) else None


def addresses(message: Message) -> list[str]:
    """Every text in any type of call that may be the person's address, as it was sent."""
    parts = (message.traits, _context_traits(message), message.properties)
    return [value for part in parts if part for _, value in _addresses_in(part) if isinstance(value, str)]


def identity_of(message: Message) -> Identity:
    """Every name of a person in the message."""
    ids = [name for name in (message.user_id, message.anonymous_id, message.previous_id) if name]
    # An email event of somebody without a userId has the address as anonymousId.
    emails = [name for name in ids if "@" in name or not name.isascii()]
    emails += addresses(message)
    return Identity.of(ids, emails)


def consent_of(message: Message, trait: str) -> Consent:
    """The consent that a call has by the trait, which may lie within an object (`preferences.unsubscribed`), in whatever case.

    An unsubscribe in `traits` or in `context.traits` counts; what is unreadable comes before a no.
    """
    values = _values(message.traits, trait) if message.traits else ()
    if message.context and "traits" in message.context:
        values = (*values, *_values(_context_traits(message), trait))
    if not (values or message.dropped):
        return NO_CONSENT
    booleans = [parse_unsubscribed(value) for value in values]
    if ParsedBoolean.YES in booleans:
        return Consent(ParsedBoolean.YES)
    if message.dropped and any(drops_consent(path, trait) for path in message.dropped):
        return Consent(ParsedBoolean.UNREADABLE, _DROPPED)
    for value, boolean in zip(values, booleans, strict=True):
        if boolean is ParsedBoolean.UNREADABLE:
            return Consent(
                boolean, f"{_TYPES.get(type(value), 'a number')} that means neither yes nor no", value
            )
    return Consent(ParsedBoolean.NO) if ParsedBoolean.NO in booleans else NO_CONSENT


def drops_consent(path: str, trait: str) -> bool:
    """Whether the value dropped at a path of the message (`Message.dropped`) was the one of the consent trait, lay
    in it, or held it. A consent that was dropped cannot be read: it is not the same as one that was not given.
    """
    if path == "context":
        return True
    where = path.removeprefix("context.")
    if where != "traits" and not where.startswith("traits."):
        return False
    dropped, name = plain_name(where[len("traits.") :]), plain_name(trait)
    return not dropped or f"{name}.".startswith(f"{dropped}.") or f"{dropped}.".startswith(f"{name}.")


def carries_consent(name: str, traits: Collection[str]) -> bool:
    """Whether the trait of this name is one of those that carry consent, in any spelling."""
    return any(plain_name(name) == plain_name(trait) for trait in traits)


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
    """What stands in the call instead of an address, and what to set."""
    traits = traits_of(message)
    hint = ""
    for name, value in traits.items():
        for key, inner in value.items() if isinstance(value, dict) else ((None, value),):
            if isinstance(inner, str) and "@" in inner and normalise(inner):
                path = _short(name if key is None else f"{name}.{key}")
                hint = hint or f"{path} looks like one, but is not called email."
    if (
        not hint
        and message.traits
        and any(normalise(value) for _, value in _addresses_in(_context_traits(message)))
    ):
        hint = "context.traits has one, which counts only in calls without traits of their own."
    if not hint and any(normalise(value) for _, value in _addresses_in(message.properties or {})):
        hint = "properties has one, which is no place for traits."
    shown = "The call has no traits."
    if traits:
        names = [_short(name) for name in list(traits)[:_LISTED]]
        names += [f"{len(traits) - _LISTED} more"] if len(traits) > _LISTED else []
        shown = f"The call has the traits {', '.join(names)}."
    return " ".join(filter(None, [shown, hint, "Send the address as traits.email."]))


def _context_traits(message: Message) -> dict[str, Any]:
    traits = message.context and message.context.get("traits")
    return traits if isinstance(traits, dict) else {}


def _addresses_in(traits: dict[str, Any]) -> list[TraitValue]:
    return [(name, traits[name]) for name in _address_names(tuple(traits))]


@lru_cache(_SHAPES)
def _address_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that an address goes by, in the order in which they count."""
    ranks = {
        name: (name != EMAIL, _OTHER_NAMES.index(plain))
        for name in names
        if (plain := plain_name(name)) in _OTHER_NAMES
    }
    return tuple(sorted(ranks, key=ranks.__getitem__))


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
    name, keys = plain_name(trait), []
    for key in names:
        plain = plain_name(key)
        if plain == name:
            keys.append((key, ""))
        elif name.startswith(f"{plain}."):
            keys.append((key, name[len(plain) + 1 :]))
    return tuple(keys)


@lru_cache(_SHAPES)
def plain_name(name: str) -> str:
    """A trait's name without case, and without what stands between its words."""
    return _BETWEEN_WORDS.sub("", visible(name).casefold())


def _is_blank(value: Any) -> bool:
    if not isinstance(value, str):
        return value is None
    return not (value.strip() if value.isascii() else visible(value))


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"
