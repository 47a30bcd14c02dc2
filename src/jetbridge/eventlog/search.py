"""Which records are about somebody, have a given messageId or hold a text: what a trace and the debugger show, and
what an erasure empties.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Record, Search
from jetbridge.spec.email_events import user_id_of_custom_id
from jetbridge.spec.emails import normalise_or_keep, visible
from jetbridge.spec.message import decode_or_none
from jetbridge.spec.person import Identity, identity_of
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted


def about(sources: Iterable[int], identity: Identity, custom_id_sources: Collection[int] = ()) -> Search:
    """Records about a person, those that failed on ingest and raw email events included.

    `custom_id_sources`: those of whose email events the CustomID is the userId.
    """
    needles = [_inside_json(name) for name in identity.users]
    needles += [_inside_json(email.partition("@")[0]) for email in identity.emails]
    usable = tuple(sorted(needles)) if all(needle.isascii() for needle in needles) else ()

    def matches(record: Record) -> bool:
        if record.type == INVALID:
            return _looks_like(record.body, identity)
        if record.type == EMAIL_EVENT:
            try:
                event = read_untrusted(record.body, _Event)
            except JSON_ERRORS:
                return False
            is_custom = record.source in custom_id_sources
            user_id = user_id_of_custom_id(event.custom_id) if is_custom else None
            email = normalise_or_keep(event.email) if isinstance(event.email, str) else None
            return user_id in identity.users or email in identity.emails
        return is_about(record.body, identity)

    return Search(frozenset(sources), usable, matches, respelled=bool(identity.emails))


def is_about(body: bytes, identity: Identity) -> bool:
    """Whether the body of a message is about a person. Never raises: what cannot be read may hold the person, too."""
    message = decode_or_none(body)
    return identity.meets(identity_of(message)) if message else _looks_like(body, identity)


def _looks_like(body: bytes, identity: Identity) -> bool:
    """Of anything at all: whether it holds a name of the person, or spells an address otherwise."""
    text = body.decode("utf-8", "replace").lower()
    texts = [f'"{_inside_json(name)}"' for name in identity.users]
    texts += [_inside_json(email) for email in identity.emails]
    if any(needle in text for needle in texts):
        return True
    unescaped = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    respelled = unicodedata.normalize("NFC", visible(unescaped)).lower()
    return any(email in respelled for email in identity.emails)


def with_message_id(sources: Iterable[int], message_id: str) -> Search:
    """Records of one message: the same call sent twice is there twice."""
    needle = _inside_json(message_id)

    def matches(record: Record) -> bool:
        message = None if record.type in {INVALID, EMAIL_EVENT} else decode_or_none(record.body)
        return message is not None and message.message_id == message_id

    return Search(frozenset(sources), (needle,) if needle.isascii() else (), matches)


def everything(sources: Iterable[int], types: Iterable[str] = ()) -> Search:
    """All records, also those of people who were forgotten."""
    return Search(frozenset(sources), (), lambda _: True, frozenset(types), emptied=True)


def containing(sources: Iterable[int], text: str, types: Iterable[str] = ()) -> Search:
    """Records whose body holds a text, in whatever case: an id, an address, an event, a value, a piece of JSON."""
    needles = tuple(sorted({_inside_json(text), text.lower()}))

    def matches(record: Record) -> bool:
        body = record.body.decode("utf-8", "replace").lower()
        return any(needle in body for needle in needles)

    usable = needles if text.isascii() else ()
    return Search(frozenset(sources), usable, matches, frozenset(types))


def _inside_json(text: str) -> str:
    return msgspec.json.encode(text.lower()).decode()[1:-1]


_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


class _Event(msgspec.Struct):
    email: Any = None
    custom_id: Any = msgspec.field(name="CustomID", default=None)
