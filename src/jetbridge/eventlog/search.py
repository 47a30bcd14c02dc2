"""Which records are about somebody, have a given messageId or hold a text: what a trace and the debugger show, and
what an erasure empties.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Record
from jetbridge.spec.emails import normalise
from jetbridge.spec.identity import Identity, identity_of
from jetbridge.spec.message import decode


class Search(NamedTuple):
    """Records of these sources that `matches`. Each holds one of the `needles` (ASCII, lower case) in its body,
    in whatever case; without needles every record has to be looked at. Of these `types`, if any are named;
    those emptied only if it says so.
    """

    sources: frozenset[int]
    needles: tuple[str, ...]
    matches: Callable[[Record], bool]
    types: frozenset[str] = frozenset()
    emptied: bool = False


def about(sources: Iterable[int], identity: Identity) -> Search:
    """Records about a person, those that failed on ingest and raw email events included."""
    needles = [_inside_json(name) for name in identity.users]
    # The address may be spelled otherwise, but not so far.
    needles += [_inside_json(email.partition("@")[0]) for email in identity.emails]
    usable = tuple(sorted(needles)) if all(each.isascii() for each in needles) else ()
    texts = [f'"{_inside_json(name)}"' for name in identity.users]
    texts += [_inside_json(email) for email in identity.emails]

    def matches(record: Record) -> bool:
        if record.type == INVALID:  # anything at all: what looks like the person is
            text = record.body.decode("utf-8", "replace").lower()
            return any(each in text for each in texts)
        if record.type == EMAIL_EVENT:
            return not identity.emails.isdisjoint(_emails_of_event(record.body))
        return identity.meets(identity_of(decode(record.body)))

    return Search(frozenset(sources), usable, matches)


def with_message_id(sources: Iterable[int], message_id: str) -> Search:
    """Records of one message: the same call sent twice is there twice."""
    needle = _inside_json(message_id)

    def matches(record: Record) -> bool:
        return record.type not in {INVALID, EMAIL_EVENT} and decode(record.body).message_id == message_id

    return Search(frozenset(sources), (needle,) if needle.isascii() else (), matches)


def everything(sources: Iterable[int], types: Iterable[str] = ()) -> Search:
    """All records, also those of people who were forgotten."""
    return Search(frozenset(sources), (), lambda _: True, frozenset(types), emptied=True)


def holding(sources: Iterable[int], text: str, types: Iterable[str] = ()) -> Search:
    """Records whose body holds a text, in whatever case: an id, an address, an event, a value, a piece of JSON."""
    needles = tuple(sorted({_inside_json(text), text.lower()}))

    def matches(record: Record) -> bool:
        body = record.body.decode("utf-8", "replace").lower()
        return any(needle in body for needle in needles)

    usable = needles if text.isascii() else ()
    return Search(frozenset(sources), usable, matches, frozenset(types))


def _inside_json(text: str) -> str:
    return msgspec.json.encode(text.lower()).decode()[1:-1]


class _Event(msgspec.Struct):
    email: str = ""


def _emails_of_event(body: bytes) -> set[str]:
    try:
        email = msgspec.json.decode(body, type=_Event).email
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return set()
    return {normalise(email) or email}
