"""From Call to Message: what every message must have, and what the server adds.

Codes are Segment's "Failed on ingest" codes. Fields: Segment's "Common fields" page.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec.call import Call
from jetbridge.spec.limits import EVENT_BYTES
from jetbridge.spec.message import CALL_TYPES, Message
from jetbridge.spec.times import corrected, parse_time

#: What a holder of a write key may send. Write keys are public (they are in web pages); `delete` is not.
TRACKING_TYPES = CALL_TYPES - {"delete"}


def new_message_id() -> str:
    return str(uuid.uuid4())


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the calls of one request have in common.

    `type` is the call type that the path names. `processed`: a Segment workspace sends this, after it
    corrected the times. `from_device`: the request itself comes from a person's device (browser, email).
    """

    received_at: datetime
    type: str | None = None
    types: frozenset[str] = TRACKING_TYPES
    ip: str | None = None
    from_device: bool = False
    processed: bool = False
    settings: dict[str, Any] | None = None
    max_call_bytes: int = EVENT_BYTES
    new_message_id: Callable[[], str] = new_message_id


class UnsupportedType(MessageRejected):
    """The call is of no type that this endpoint takes."""

    def __init__(self, found: str, types: frozenset[str]) -> None:
        super().__init__(
            "bad_request", f'"{found[:40]}" is not a call type here. Known: {", ".join(sorted(types))}.'
        )


def message_of(
    call: Call, arrival: Arrival, sent_time: datetime | None, dropped: Sequence[str] = ()
) -> Message:
    """The normalised message; `sent_time` is what call.sent_at says, `dropped` what could not be read of the call.

    Raises MessageRejected.
    """
    kind = arrival.type or call.type or call.action
    check = _CHECKS.get(kind) if kind and kind in arrival.types else None
    if not kind:
        raise MessageRejected("bad_request", "The call has no type.")
    if check is None:
        raise UnsupportedType(kind, arrival.types)
    received_at, sent_at = arrival.received_at, call.sent_at
    original = call.timestamp or _original_time(call)
    message = Message(
        type=kind,
        message_id=call.message_id or arrival.new_message_id(),
        timestamp=received_at,
        received_at=received_at,
        user_id=call.user_id or None,
        anonymous_id=call.anonymous_id or None,
        event=call.event,
        name=call.name or None,
        traits=call.traits,
        properties=call.properties,
        context=call.context,
        integrations=call.integrations,
        original_timestamp=original if original is None or type(original) is str else str(original),
        sent_at=sent_at if sent_at is None or type(sent_at) is str else str(sent_at),
    )
    for field in _SELDOM:
        if value := getattr(call, field):
            setattr(message, field, value)
    if arrival.settings is not None:
        message.settings = arrival.settings
    check(message)
    unreadable = _set_time(message, call, original, sent_time, arrival)
    if unreadable or dropped:
        message.dropped = sorted({*dropped, *unreadable})
    _place(message, call.channel, arrival)
    return message


def _set_time(
    message: Message, call: Call, original: str | float | None, sent_time: datetime | None, arrival: Arrival
) -> Sequence[str]:
    """Set when it happened; without a time that can be read, it is when it was received.

    Returns the fields with times that cannot be read.
    """
    unreadable: Sequence[str] = ()
    happened = None if original is None else parse_time(original, arrival.received_at)
    if happened is None:
        if original is not None:
            unreadable = ["originalTimestamp" if call.timestamp in _NOT_SAID else "timestamp"]
    elif arrival.processed or sent_time is None:  # a Segment workspace has corrected it already
        message.timestamp = happened
    else:
        message.timestamp = corrected(happened, sent_time, arrival.received_at)
    if arrival.processed and call.original_timestamp:
        message.original_timestamp = str(call.original_timestamp)
    if sent_time is None and call.sent_at not in _NOT_SAID:
        unreadable = [*unreadable, "sentAt"]
    return unreadable


_SELDOM = ("category", "group_id", "previous_id", "project_id", "metadata")
_NOT_SAID = (None, "")


def _original_time(call: Call) -> str | float | None:
    """When the call happened, if `timestamp` does not say it or says 0."""
    if call.timestamp not in _NOT_SAID:
        return call.timestamp
    return None if call.original_timestamp == "" else call.original_timestamp


def _place(message: Message, channel: str | None, arrival: Arrival) -> None:
    """Set `channel`, and context.ip of calls that come from a person's own device."""
    context = message.context or _NOTHING
    library = context.get("library")
    name = library.get("name") if isinstance(library, dict) else None
    known = _CHANNEL_OF_LIBRARY.get(name) if isinstance(name, str) else None
    message.channel = channel or ("client" if arrival.from_device else known)
    from_device = arrival.from_device or known == "client" or context.get("direct") is True
    if from_device and arrival.ip and not context.get("ip"):
        message.context = {**context, "ip": arrival.ip}


_NOTHING: dict[str, Any] = {}

#: context.library.name as Segment's libraries write it -> channel as in Segment's raw events.
_CHANNEL_OF_LIBRARY = {
    "analytics.js": "client",
    "@segment/analytics-next": "client",
    "@segment/analytics-node": "server",
    "analytics-node": "server",
    "analytics-python": "server",
    "analytics-ruby": "server",
    "analytics-go": "server",
    "analytics-php": "server",
    "analytics-java": "server",
    "Analytics.NET": "server",
    "Analytics-CSharp": "mobile",
    "analytics-ios": "mobile",
    "analytics-android": "mobile",
    "analytics-swift": "mobile",
    "analytics-kotlin": "mobile",
    "@segment/analytics-react-native": "mobile",
}


def _needs_person(message: Message) -> None:
    if message.user_id is None and message.anonymous_id is None:
        raise MessageRejected("no_user_anon_id", "The call has neither userId nor anonymousId.")


def _check_track(message: Message) -> None:
    _needs_person(message)
    if not message.event:
        raise MessageRejected("event_not_defined", "A track call needs the name of its event.")


def _check_group(message: Message) -> None:
    _needs_person(message)
    if message.group_id is None:
        raise MessageRejected("id_required", "A group call needs a groupId.")


def _check_alias(message: Message) -> None:
    if message.previous_id is None or message.user_id is None:
        raise MessageRejected("id_required", "An alias call needs a previousId and a userId.")


def _check_delete(message: Message) -> None:
    if message.user_id is None:
        raise MessageRejected("id_required", "A delete call needs a userId.")


_CHECKS: dict[str, Callable[[Message], None]] = {
    "identify": _needs_person,
    "track": _check_track,
    "page": _needs_person,
    "screen": _needs_person,
    "group": _check_group,
    "alias": _check_alias,
    "delete": _check_delete,
}
