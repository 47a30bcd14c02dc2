"""From the bytes of a request to encoded messages, each item accepted or rejected with its reason.

There are two readings. The quick one decodes a whole body at once into `Call`s: it takes what Segment's libraries send, which is
nearly everything. Whatever goes wrong in it, the careful reading cuts the body into items byte for byte: an item that is no call is
kept as it came, with its reason, and costs the others nothing. Both end in `_accept`.
"""

import re
from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec.lenient_json import Elements, bad_json, read_lenient, read_strict
from jetbridge.spec.limits import BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES, PARTNER_EVENTS, SPREAD_BYTES
from jetbridge.spec.message import encode
from jetbridge.spec.normalise import Arrival, Call, call_of, decode_call, fields_of, message_of
from jetbridge.spec.times import parse_time
from jetbridge.spec.untrusted import JSON_ERRORS, NESTING, is_too_deep

T = TypeVar("T")

#: Calls between two moments when others may be served.
_SLICE = 50
_BOM = b"\xef\xbb\xbf"
_BATCH = re.compile(rb'"batch"\s*+:\s*+(?=\[)')
#: The key of a member, if it is a plain one.
_KEY = re.compile(rb'"(\w{1,40})"')
#: A write key as it stands in a body, whatever else is wrong with it; also in JSON within JSON.
_WRITE_KEY = re.compile(
    rb"""(\\?["']write_?key\\?["']\s{0,9}:\s{0,9}\\?["'])([^"'\\\s\x80-\xff]{1,200})""", re.IGNORECASE
)
#: Write keys of one body that are looked up: whoever sends a body has one.
_MOST_KEYS = 3


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


#: A parsing that may take long: it yields where others may be served, and returns what it parsed.
Parsing = Generator[None, None, Parsed]


class _Batch(Call, rename="camel", kw_only=True, forbid_unknown_fields=True, gc=False):
    batch: list[Call]
    sequence: Any = None  # analytics-java writes it


_decode_batch = msgspec.json.Decoder(_Batch).decode


class _Shared(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fields that a batch has once for all its items. `dropped` are its values that could not be read."""

    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    sent_at: str | float | None = None
    sent_time: datetime | None = None
    dropped: Sequence[str] = ()


#: A single call shares nothing.
_UNSHARED = _Shared()


def parse_single(body: bytes, arrival: Arrival) -> Parsed:
    """The one call of a request, accepted or rejected. Raises MessageRejected if the body is not JSON."""
    body = body.removeprefix(_BOM)
    if len(body) <= arrival.max_call_bytes:
        try:
            call = decode_call(body)
            return Parsed([_accept(call, _UNSHARED, arrival)], [], call.write_key)
        except (*JSON_ERRORS, MessageRejected):
            pass
    parsed = Parsed([], [])
    key = _take_carefully(body, _UNSHARED, arrival, parsed)
    if parsed.rejected and parsed.rejected[0].reason.code == "bad_json":
        raise parsed.rejected[0].reason
    return Parsed(parsed.accepted, parsed.rejected, key)


def parse_batch(body: bytes, arrival: Arrival) -> Parsing:
    """The calls of a batch, each accepted or rejected. Raises MessageRejected if the body is no batch."""
    try:
        batch = _decode_batch(body)
        if 0 < len(batch.batch) <= BATCH_EVENTS:
            shared = _shared_by(batch, arrival)
            accepted: list[Accepted] = []
            size = 0
            for start in range(0, len(batch.batch), _SLICE):
                items = [_accept(call, shared, arrival) for call in batch.batch[start : start + _SLICE]]
                accepted += items
                size += sum(len(item.body) for item in items)
                _reject_spread(size)
                yield
            if len(body) <= EVENT_BYTES or not any(len(item.body) > EVENT_BYTES for item in accepted):
                return Parsed(accepted, [], batch.write_key or batch.batch[0].write_key)
    except (*JSON_ERRORS, MessageRejected):
        pass
    return (yield from _parse_batch_carefully(body, arrival))


def _parse_batch_carefully(body: bytes, arrival: Arrival) -> Parsing:
    """As `parse_batch`, item by item. `benchmarks/parsing.py` measures what the quick reading saves."""
    body = body.removeprefix(_BOM)
    no_batch = MessageRejected("bad_request", 'A batch must be a JSON object with an array "batch".')
    if body.lstrip()[:1] != b"{":
        read_strict(body, "The body")
        raise no_batch
    parsed = Parsed([], [])
    members = Elements(body)
    array: bytes | None = None
    values: dict[str, Any] = {}
    lost: list[str] = []
    for member in members:
        yield
        if member and (match := _BATCH.match(member)):
            array = member[match.end() :]
            continue
        key = _KEY.match(member) if member else None
        if not member or (key and not fields_of([key[1].decode()])):
            continue
        reject_large(member, EVENT_BYTES)
        try:
            value, dropped = read_lenient(b"{" + member + b"}", "The body")
        except MessageRejected as reason:
            parsed.rejected.append(Rejected(without_write_keys(member), reason))
            lost += [key[1].decode()] if key else []
        else:
            values |= value
            lost += dropped
    if members.is_cut_off:
        lost.append("context")  # nobody knows what else the batch had for all
    if array is None:
        raise parsed.rejected[0].reason if parsed.rejected else no_batch
    batch = call_of(values)
    elements = Elements(array)
    items = yield from elements_up_to(elements, BATCH_EVENTS, "A batch")
    item_key = yield from _take_all(items, _shared_by(batch, arrival, fields_of(lost)), arrival, parsed)
    _reject_rest(elements, parsed)
    _reject_rest(members, parsed)
    if not parsed.accepted and not parsed.rejected:
        raise MessageRejected("empty_batch", "The batch holds no calls.")
    return Parsed(parsed.accepted, parsed.rejected, batch.write_key or item_key)


def parse_array(body: bytes, arrival: Arrival) -> Parsing:
    """The calls of an array. Raises MessageRejected if they are too many."""
    parsed = Parsed([], [])
    elements = Elements(body)
    items = yield from elements_up_to(elements, PARTNER_EVENTS, "An array")
    yield from _take_all(items, _UNSHARED, arrival, parsed)
    _reject_rest(elements, parsed)
    return parsed


def at_once(parsing: Generator[None, None, T]) -> T:
    """The result of a parsing that nobody has to wait for."""
    while True:
        try:
            next(parsing)
        except StopIteration as end:
            result: T = end.value
            return result


def is_array(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["


def elements_up_to(elements: Elements, most: int, what: str) -> Generator[None, None, list[bytes]]:
    """All of them. Raises MessageRejected as soon as they are too many."""
    items = []
    for item in elements:
        yield
        if item is not None:
            items.append(item)
        if len(items) > most:
            raise MessageRejected("bad_request", f"{what} holds at most {most} calls; this one has more.")
    return items


def first_item(body: bytes, most: int) -> bytes:
    """The first element of a JSON array in the bytes it came in; the rest is not read.

    Raises MessageRejected if there is none of at most `most` bytes.
    """
    elements = Elements(body[: most + 1024])
    for item in elements:
        if item is not None and not elements.is_cut_off and len(item) <= most:
            return item
    raise MessageRejected("bad_request", f"The array does not begin with a call of at most {most} bytes.")


def write_keys_in(body: bytes) -> list[str]:
    """The write keys that stand in a body that cannot be read."""
    matches = _WRITE_KEY.finditer(body[:BATCH_BYTES])
    keys = (match[2].decode("ascii", "replace") for match in matches)
    return list(dict.fromkeys(keys))[:_MOST_KEYS]


def without_write_keys(body: bytes) -> bytes:
    """As much of a body that cannot be read as is kept of it, and without write keys."""
    return _WRITE_KEY.sub(rb"\1", body[:BATCH_BYTES])


def reject_large(raw: bytes, most: int) -> None:
    """Raise MessageRejected for more than `most` bytes."""
    if len(raw) > most:
        raise MessageRejected(
            "payload_too_large",
            f"Exceed payload limit: a call has at most {most} bytes; this one has {len(raw)}.",
        )


def too_deep() -> MessageRejected:
    return MessageRejected("bad_request", f"The call is nested deeper than {NESTING} levels.")


def _shared_by(batch: Call, arrival: Arrival, dropped: Sequence[str] = ()) -> _Shared:
    """A batch without its items has the fields of a call, and means them for all."""
    return _Shared(
        context=batch.context,
        integrations=batch.integrations,
        sent_at=batch.sent_at,
        sent_time=parse_time(batch.sent_at, arrival.received_at),
        dropped=dropped,
    )


def _take_all(
    items: Iterable[bytes], shared: _Shared, arrival: Arrival, parsed: Parsed
) -> Generator[None, None, str | None]:
    """Add the items to `parsed`, and return the first write key among them. Raises MessageRejected: too much."""
    first_key, size = None, 0
    for raw in items:
        yield
        before = len(parsed.accepted)
        key = _take(raw, shared, arrival, parsed)
        first_key = first_key or key
        size += sum(len(item.body) for item in parsed.accepted[before:])
        _reject_spread(size)
    return first_key


def _take(raw: bytes, shared: _Shared, arrival: Arrival, parsed: Parsed) -> str | None:
    """Add an item to `parsed`, on the one side or the other, and return its write key."""
    if len(raw) <= arrival.max_call_bytes:
        try:
            call = decode_call(raw)
            parsed.accepted.append(_accept(call, shared, arrival))
        except (*JSON_ERRORS, MessageRejected):
            pass
        else:
            return call.write_key
    return _take_carefully(raw, shared, arrival, parsed)


def _take_carefully(raw: bytes, shared: _Shared, arrival: Arrival, parsed: Parsed) -> str | None:
    """As `_take`, for what the quick reading does not take."""
    try:
        reject_large(raw, arrival.max_call_bytes)
        item, lost = read_lenient(raw, "The call")
    except MessageRejected as reason:
        parsed.rejected.append(Rejected(without_write_keys(raw), reason))
        return next(iter(write_keys_in(raw)), None)
    key = item.get("writeKey") or item.get("write_key") if isinstance(item, dict) else None
    key = key if isinstance(key, str) else None
    try:
        parsed.accepted.append(_accept(call_of(item), shared, arrival, fields_of(lost)))
    except MessageRejected as reason:
        if key is not None:
            raw = msgspec.json.encode({k: v for k, v in item.items() if k not in {"writeKey", "write_key"}})
        parsed.rejected.append(Rejected(raw, reason))
    return key


def _accept(call: Call, shared: _Shared, arrival: Arrival, dropped: Sequence[str] = ()) -> Accepted:
    """The message of a call, with what its batch has for all; what the call has itself wins, key by key.

    `dropped` are the values that could not be read of the call itself. Raises MessageRejected.
    """
    try:
        if shared.context:
            call.context = _merged(shared.context, call.context)
        if shared.integrations:
            call.integrations = {**shared.integrations, **(call.integrations or {})}
        if call.sent_at is None:
            call.sent_at, sent_time = shared.sent_at, shared.sent_time
        else:
            sent_time = parse_time(call.sent_at, arrival.received_at)
        dropped = (*shared.dropped, *dropped) if dropped else shared.dropped
        message = message_of(call, arrival, sent_time, dropped)
        body = encode(message)
    except RecursionError:
        raise too_deep() from None
    if is_too_deep(body):
        raise too_deep()
    return Accepted(message.type, body, message.dropped is not None)


def _merged(shared: dict[str, Any], own: dict[str, Any] | None) -> dict[str, Any]:
    if not own:
        return shared
    merged = {**shared, **own}
    for key, value in own.items():
        other = shared.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            merged[key] = _merged(other, value)
    return merged


def _reject_spread(size: int) -> None:
    """Raise MessageRejected if calls grow too much by what their batch has once for all of them."""
    if size > SPREAD_BYTES:
        raise MessageRejected(
            "payload_too_large",
            f"Exceed payload limit: the calls have more than {SPREAD_BYTES} bytes, once each has what is said for all.",
        )


def _reject_rest(elements: Elements, parsed: Parsed) -> None:
    """Count what follows the end, or that there is no end, as one more that is rejected."""
    if elements.is_cut_off:
        is_counted = parsed.rejected and parsed.rejected[-1].reason.code == "bad_json"
        fault = "" if is_counted else "it ends too early"
    else:
        fault = "something follows its end" if elements.rest else ""
    if fault:
        parsed.rejected.append(Rejected(without_write_keys(elements.rest), bad_json("The body", fault)))
