"""From a call as a sender writes it (`Call`) to the message that the event log holds (`Message`).

Codes of errors are Segment's "Failed on ingest" codes. Fields: Segment's "Common fields" page.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NoReturn

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec.limits import EVENT_BYTES
from jetbridge.spec.message import CALL_TYPES, Message
from jetbridge.spec.times import corrected, parse_time

#: What a holder of a write key may send. Write keys are public (they are in web pages); `delete` is not.
TRACKING_TYPES = CALL_TYPES - {"delete"}

_NO_VALUE = (None, "")
_NO_CONTEXT: dict[str, Any] = {}
_RARE_FIELDS = ("category", "group_id", "previous_id", "project_id", "metadata")

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


class Call(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True, gc=False):
    """One call as a sender writes it.

    `decode_call` reads what Segment's own libraries write; msgspec checks and fills it in one go. What does not fit (a number
    as id, a key in another case, an empty array for an object, a wrong type) is read again by `call_of`, key by key, which
    forgives what can be forgiven and names the rest.
    """

    type: str | None = None
    action: str | None = None  # what `type` was called by clients of /v1/import
    message_id: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    group_id: str | None = None
    previous_id: str | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    traits: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None
    channel: str | None = None
    project_id: str | None = None
    metadata: dict[str, Any] | None = msgspec.field(name="_metadata", default=None)
    write_key: str | None = None
    # Read and not used: the server makes its own.
    received_at: Any = None
    version: Any = None


#: The quick reading. Raises what msgspec raises.
decode_call = msgspec.json.Decoder(Call).decode


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

    def __init__(self, type_: str, types: frozenset[str]) -> None:
        super().__init__(
            "bad_request", f'"{type_[:40]}" is not a call type here. Known: {", ".join(sorted(types))}.'
        )


def message_of(
    call: Call, arrival: Arrival, sent_time: datetime | None, dropped: Sequence[str] = ()
) -> Message:
    """The normalised message; `sent_time` is what call.sent_at says, `dropped` what could not be read of the call.

    Raises MessageRejected.
    """
    type_ = arrival.type or call.type or call.action
    if not type_:
        raise MessageRejected("bad_request", "The call has no type.")
    if type_ not in arrival.types:
        raise UnsupportedType(type_, arrival.types)
    received_at, sent_at = arrival.received_at, call.sent_at
    original = call.timestamp
    if not original and original in _NO_VALUE:
        original = None if call.original_timestamp == "" else call.original_timestamp
    message = Message(
        type=type_,
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
    for field in _RARE_FIELDS:
        if value := getattr(call, field):
            setattr(message, field, value)
    if arrival.settings is not None:
        message.settings = arrival.settings
    _check_required(message)
    unreadable = _set_time(message, call, original, sent_time, arrival)
    if unreadable or dropped:
        message.dropped = sorted({*dropped, *unreadable})

    # Channel, and context.ip of calls that come from a person's own device.
    context = message.context or _NO_CONTEXT
    library = context.get("library")
    name = library.get("name") if isinstance(library, dict) else None
    channel = _CHANNEL_OF_LIBRARY.get(name) if isinstance(name, str) else None
    message.channel = call.channel or ("client" if arrival.from_device else channel)
    from_device = arrival.from_device or channel == "client" or context.get("direct") is True
    if from_device and arrival.ip and not context.get("ip"):
        message.context = {**context, "ip": arrival.ip}
    return message


def _check_required(message: Message) -> None:
    """Raise MessageRejected if the message lacks what its type needs."""
    if message.type == "identify" and message.user_id is not None:  # most calls
        return
    if message.type == "alias":
        if message.previous_id is None or message.user_id is None:
            raise MessageRejected("id_required", "An alias call needs a previousId and a userId.")
    elif message.type == "delete":
        if message.user_id is None:
            raise MessageRejected("id_required", "A delete call needs a userId.")
    elif message.user_id is None and message.anonymous_id is None:
        raise MessageRejected("no_user_anon_id", "The call has neither userId nor anonymousId.")
    elif message.type == "track" and not message.event:
        raise MessageRejected("event_not_defined", "A track call needs the name of its event.")
    elif message.type == "group" and message.group_id is None:
        raise MessageRejected("id_required", "A group call needs a groupId.")


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
            unreadable = ["originalTimestamp" if call.timestamp in _NO_VALUE else "timestamp"]
    elif arrival.processed or sent_time is None:  # a Segment workspace has corrected it already
        message.timestamp = happened
    else:
        message.timestamp = corrected(happened, sent_time, arrival.received_at)
    if arrival.processed and call.original_timestamp:
        message.original_timestamp = str(call.original_timestamp)
    if sent_time is None and call.sent_at not in _NO_VALUE:
        unreadable = [*unreadable, "sentAt"]
    return unreadable


def call_of(item: object) -> Call:
    """Read a decoded JSON value as a call. Raises MessageRejected naming the first field that is wrong.

    Keys count whatever their case and with or without underscores (`user_id`, `userID`); the first of
    several that mean the same wins. Unknown keys are left out.
    """
    if not isinstance(item, dict):
        raise MessageRejected("bad_request", "A call must be a JSON object.")
    values: dict[str, Any] = {}
    for key, value in item.items():
        field = _FIELD_OF_KEY.get(key.replace("_", "").lower())
        if field and values.get(field) is None:
            reader = _READERS.get(field)
            values[field] = reader(value, key) if reader else value
    return Call(**values)


def fields_of(paths: Iterable[str]) -> list[str]:
    """Dotted paths in a call, the field in its usual spelling; those of fields that calls do not have are left out."""
    fields = []
    for path in paths:
        key, dot, inner = path.partition(".")
        if field := _FIELD_OF_KEY.get(key.replace("_", "").lower()):
            fields.append(f"{_SPELLING[field]}{dot}{inner}")
    return fields


def _reject(code: str, detail: str) -> NoReturn:
    raise MessageRejected(code, detail)


def _id(value: Any, key: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        _reject("id_not_string", f"{key} must be text.")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _text(code: str) -> Callable[[Any, str], str | None]:
    def read(value: Any, key: str) -> str | None:
        return value if value is None or isinstance(value, str) else _reject(code, f"{key} must be text.")

    return read


def _object(code: str) -> Callable[[Any, str], dict[str, Any] | None]:
    def read(value: Any, key: str) -> dict[str, Any] | None:
        if value is None or isinstance(value, dict):
            return value
        if value == []:  # PHP's json_encode writes an empty object so; so do Segment's delete messages
            return {}
        _reject(code, f"{key} must be a JSON object.")

    return read


def _time(value: Any, _: str) -> str | float | None:
    """What is no time is kept as it was written, and turns out to be none later."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return msgspec.json.encode(value).decode()


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "type": _text("bad_request"),
    "action": _text("bad_request"),
    "message_id": _id,
    "user_id": _id,
    "anonymous_id": _id,
    "group_id": _id,
    "previous_id": _id,
    "event": _text("event_not_string"),
    "name": _text("name_not_string"),
    "category": _text("category_not_string"),
    "traits": _object("traits_not_object"),
    "properties": _object("properties_not_object"),
    "context": _object("bad_request"),
    "integrations": _object("bad_request"),
    "timestamp": _time,
    "original_timestamp": _time,
    "sent_at": _time,
    "channel": _text("bad_request"),
    "project_id": _text("bad_request"),
    "metadata": _object("bad_request"),
    "write_key": _text("bad_request"),
}

_FIELD_OF_KEY = {field.replace("_", ""): field for field in Call.__struct_fields__}
_SPELLING = dict(zip(Call.__struct_fields__, Call.__struct_encode_fields__, strict=True))
