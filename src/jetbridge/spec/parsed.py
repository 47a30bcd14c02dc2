"""What parsing a request gives, and the steps that the quick and the careful way share."""

from typing import Any, NamedTuple

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec import limits
from jetbridge.spec.call import Call
from jetbridge.spec.message import encode
from jetbridge.spec.normalise import Arrival, message_of

#: All that msgspec raises on bytes from outside: syntax, types, numbers out of range; text; nesting.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Accepted(NamedTuple):
    """An encoded `Message` and its call type."""

    type: str
    body: bytes


class Rejected(NamedTuple):
    """An item that is no call: its bytes, without the write key, and the reason."""

    body: bytes
    reason: MessageRejected


class Parsed(NamedTuple):
    accepted: list[Accepted]
    rejected: list[Rejected]
    write_key: str | None = None


class Envelope(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True, gc=False):
    """What a batch says once for all its items."""

    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    sent_at: str | int | float | None = None
    write_key: str | None = None
    # Read and not used: analytics-go, analytics-java and the browser write them.
    message_id: Any = None
    sequence: Any = None
    type: Any = None
    timestamp: Any = None


def accept(call: Call, arrival: Arrival) -> Accepted:
    """Raises MessageRejected."""
    message = message_of(call, arrival)
    try:
        body = encode(message)
    except RecursionError:
        raise _too_deep() from None
    # Counting brackets is a thousand times cheaper than walking, and settles nearly every call.
    if (
        body.count(b"{") + body.count(b"[") > limits.NESTING
        and _depth(msgspec.json.decode(body)) > limits.NESTING
    ):
        raise _too_deep()
    return Accepted(message.type, body)


def spread(envelope: Envelope, call: Call) -> Call:
    """The call with what its batch says for all. What the call says itself wins, key by key."""
    if envelope.context:
        call.context = _merged(envelope.context, call.context)
    if envelope.integrations:
        call.integrations = {**envelope.integrations, **(call.integrations or {})}
    if call.sent_at is None:
        call.sent_at = envelope.sent_at
    return call


def _merged(common: dict[str, Any], own: dict[str, Any] | None) -> dict[str, Any]:
    if not own:
        return common
    result = {**common, **own}
    for key, value in own.items():
        shared = common.get(key)
        if isinstance(value, dict) and isinstance(shared, dict):
            result[key] = _merged(shared, value)
    return result


def _too_deep() -> MessageRejected:
    return MessageRejected("bad_request", f"The call is nested deeper than {limits.NESTING} levels.")


def _depth(value: Any) -> int:
    """How many objects and arrays enclose the innermost value. Without recursion."""
    deepest, rest = 0, [(value, 1)]
    while rest:
        value, depth = rest.pop()
        if isinstance(value, dict | list):
            deepest = max(deepest, depth)
            rest.extend(
                (child, depth + 1) for child in (value.values() if isinstance(value, dict) else value)
            )
    return deepest
