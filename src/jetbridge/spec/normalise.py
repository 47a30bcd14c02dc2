"""From Call to Message: what every message must have, and what the server adds.

Codes are Segment's "Failed on ingest" codes. Fields: Segment's "Common fields" page.
"""

import uuid
from collections.abc import Callable
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
    """The call is of no type that this door takes."""

    def __init__(self, found: str, types: frozenset[str]) -> None:
        super().__init__(
            "bad_request", f'"{found[:40]}" is not a call type here. Known: {", ".join(sorted(types))}.'
        )


def message_of(call: Call, arrival: Arrival, sent_time: datetime | None) -> Message:
    """The normalised message; `sent_time` is what call.sent_at says. Raises MessageRejected."""
    kind = arrival.type or call.type or call.action
    check = _CHECKS.get(kind) if kind and kind in arrival.types else None
    if not kind:
        raise MessageRejected("bad_request", "The call has no type.")
    if check is None:
        raise UnsupportedType(kind, arrival.types)
    received_at = arrival.received_at
    message = Message(
        type=kind,
        message_id=call.message_id or arrival.new_message_id(),
        timestamp=received_at,
        received_at=received_at,
        user_id=call.user_id or None,
        anonymous_id=call.anonymous_id or None,
        event=call.event,
        name=call.name or None,
        category=call.category,
        group_id=call.group_id or None,
        previous_id=call.previous_id or None,
        traits=call.traits,
        properties=call.properties,
        context=call.context,
        integrations=call.integrations,
        original_timestamp=call.timestamp or call.original_timestamp,
        sent_at=call.sent_at,
        project_id=call.project_id,
        metadata=call.metadata,
        settings=arrival.settings,
    )
    check(message)
    if arrival.processed:
        _keep_times(message, call)
    elif message.original_timestamp:
        _correct_time(message, sent_time)
    _place(message, call.channel, arrival)
    return message


def _keep_times(message: Message, call: Call) -> None:
    """Segment has corrected the time already."""
    message.timestamp = parse_time(call.timestamp) or message.received_at
    message.original_timestamp = call.original_timestamp or call.timestamp


def _correct_time(message: Message, sent_time: datetime | None) -> None:
    happened = parse_time(message.original_timestamp)
    if happened is not None:
        message.timestamp = corrected(happened, sent_time, message.received_at) if sent_time else happened


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
