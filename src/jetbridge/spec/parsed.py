"""What parsing a request gives, and the steps that the quick and the careful way share."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec.call import Call
from jetbridge.spec.limits import SPREAD_BYTES
from jetbridge.spec.message import encode
from jetbridge.spec.nesting import refuse_deep, too_deep
from jetbridge.spec.normalise import Arrival, message_of
from jetbridge.spec.times import parse_time


class Accepted(NamedTuple):
    """An encoded `Message` and its call type. `is_incomplete`: it comes without some value (`Message.dropped`)."""

    type: str
    body: bytes
    is_incomplete: bool = False


class Rejected(NamedTuple):
    """An item that is no call: its bytes, without the write key, and the reason."""

    body: bytes
    reason: MessageRejected


class Parsed(NamedTuple):
    accepted: list[Accepted]
    rejected: list[Rejected]
    write_key: str | None = None


class Common(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a batch says once for all its items, read. `dropped` are its values that could not be read."""

    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    sent_at: str | float | None = None
    sent_time: datetime | None = None
    dropped: Sequence[str] = ()


def common_of(batch: Call, arrival: Arrival, dropped: Sequence[str] = ()) -> Common:
    """A batch without its items has the fields of a call, and means them for all."""
    return Common(
        context=batch.context,
        integrations=batch.integrations,
        sent_at=batch.sent_at,
        sent_time=parse_time(batch.sent_at, arrival.received_at),
        dropped=dropped,
    )


#: A single call has nothing in common with others.
ALONE = Common()


def accept(call: Call, common: Common, arrival: Arrival, dropped: Sequence[str] = ()) -> Accepted:
    """`dropped` are the values that could not be read of the call itself. Raises MessageRejected."""
    try:
        sent_time = _spread(common, call, arrival)
        message = message_of(
            call, arrival, sent_time, (*common.dropped, *dropped) if dropped else common.dropped
        )
        body = encode(message)
    except RecursionError:
        raise too_deep() from None
    refuse_deep(body)
    return Accepted(message.type, body, message.dropped is not None)


def refuse_spread(size: int) -> None:
    """Raise MessageRejected if calls grow too much by what is said once for all of them."""
    if size > SPREAD_BYTES:
        raise MessageRejected(
            "payload_too_large",
            f"Exceed payload limit: the calls have more than {SPREAD_BYTES} bytes, once each has what is said for all.",
        )


def _spread(common: Common, call: Call, arrival: Arrival) -> datetime | None:
    """Give the call what its batch says for all, and return when it was sent.

    What the call says itself wins, key by key.
    """
    if common.context:
        call.context = _merged(common.context, call.context)
    if common.integrations:
        call.integrations = {**common.integrations, **(call.integrations or {})}
    if call.sent_at is not None:
        return parse_time(call.sent_at, arrival.received_at)
    call.sent_at = common.sent_at
    return common.sent_time


def _merged(common: dict[str, Any], own: dict[str, Any] | None) -> dict[str, Any]:
    if not own:
        return common
    result = {**common, **own}
    for key, value in own.items():
        shared = common.get(key)
        if isinstance(value, dict) and isinstance(shared, dict):
            result[key] = _merged(shared, value)
    return result
