"""The careful way from bytes to messages: every item by itself, every fault named.

A body is cut into items byte for byte, so that an item that is no call can be kept as it came and costs the
others nothing.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec import limits
from jetbridge.spec.call import Call, call_of
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parsed import ALONE, UNREADABLE, Common, Parsed, Rejected, accept, common_of

_decode_any = msgspec.json.Decoder().decode
_decode_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
#: Numbers stay text: only where the element ends is of interest.
_scan = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


def parse_single_carefully(body: bytes, arrival: Arrival) -> Parsed:
    body = readable(body)
    item = decoded(body, "The body")
    parsed = Parsed([], [], call_key(item))
    _take(body, item, ALONE, arrival, parsed)
    return parsed


def parse_batch_carefully(body: bytes, arrival: Arrival) -> Parsed:
    batch, items = _opened(readable(body))
    if not items:
        raise MessageRejected("empty_batch", "The batch holds no calls.")
    if len(items) > limits.BATCH_EVENTS:
        raise MessageRejected(
            "bad_request", f"A batch holds at most {limits.BATCH_EVENTS} calls; this one has {len(items)}."
        )
    parsed = parse_items(items, arrival, common_of(batch))
    return parsed._replace(write_key=batch.write_key or parsed.write_key)


def parse_items(items: Sequence[bytes], arrival: Arrival, common: Common = ALONE) -> Parsed:
    """Each item by itself; none of them can raise."""
    parsed = Parsed([], [], None)
    write_key = None
    for raw in items:
        try:
            item = decoded(raw, "The item")
        except MessageRejected as reason:
            parsed.rejected.append(Rejected(raw, reason))
            continue
        write_key = write_key or call_key(item)
        _take(raw, item, common, arrival, parsed)
    return parsed._replace(write_key=write_key)


def array_items(body: bytes) -> list[bytes]:
    """The elements of a JSON array, each in the bytes it came in. Raises MessageRejected."""
    if body.count(b",") > limits.ARRAY_COMMAS:
        raise _too_many()
    try:
        items = _decode_items(body)
    except UNREADABLE as error:
        raise _bad_json("The body", error) from None
    if len(items) > limits.PARTNER_EVENTS:
        raise _too_many()
    return [bytes(raw) for raw in items]


def first_item(body: bytes) -> bytes:
    """The first element of a JSON array in the bytes it came in; the rest is not read.

    Raises MessageRejected.
    """
    text = body.decode("latin-1").lstrip()[1:].lstrip()  # a character per byte: the scanner knows no bytes
    try:
        _, end = _scan(text)
    except (ValueError, RecursionError) as error:
        raise _bad_json("The first element", error) from None
    return text[:end].encode("latin-1")


def readable(body: bytes) -> bytes:
    """Mend what JSON allows and text does not: a byte order mark, and half of a surrogate pair.

    JavaScript's slice() cuts an emoji in two and JSON.stringify writes the half as an escape.
    """
    return _SURROGATES.sub(_mend, body.removeprefix(b"\xef\xbb\xbf"))


def call_key(item: Any) -> str | None:
    """The write key that an item carries."""
    key = item.get("writeKey") or item.get("write_key") if isinstance(item, dict) else None
    return key if isinstance(key, str) else None


#: A whole pair, a lone half, or any other escape (so that an escaped backslash is never half of one).
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def _mend(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match[1] else match[0]


def _take(raw: bytes, item: Any, common: Common, arrival: Arrival, parsed: Parsed) -> None:
    """Add the item to `parsed`, on the one side or the other."""
    try:
        _refuse_large(raw, arrival.max_call_bytes)
        parsed.accepted.append(accept(call_of(item), common, arrival))
    except MessageRejected as reason:
        parsed.rejected.append(Rejected(_without_key(raw, item), reason))


def _refuse_large(raw: bytes, most: int) -> None:
    if len(raw) > most:
        raise MessageRejected(
            "payload_too_large",
            f"Exceed payload limit: a call has at most {most} bytes; this one has {len(raw)}.",
        )


def _without_key(raw: bytes, item: Any) -> bytes:
    if call_key(item) is None:
        return raw
    return msgspec.json.encode({key: item[key] for key in item if key not in {"writeKey", "write_key"}})


def _opened(body: bytes) -> tuple[Call, list[bytes]]:
    """The two halves of a batch: what it says for all, and its items."""
    try:
        parts = _decode_parts(body)
    except UNREADABLE as error:
        if not isinstance(decoded(body, "The body"), dict):
            raise _no_batch() from None
        raise _bad_json("The body", error) from None
    items = bytes(parts.pop("batch", b""))
    if not items.startswith(b"["):
        raise _no_batch()
    batch = call_of({key: decoded(bytes(part), key) for key, part in parts.items()})
    return batch, array_items(items)


def decoded(raw: bytes, what: str) -> Any:
    try:
        return _decode_any(raw)
    except UNREADABLE as error:
        raise _bad_json(what, error) from None


def _too_many() -> MessageRejected:
    return MessageRejected("bad_request", f"An array holds at most {limits.PARTNER_EVENTS} elements.")


def _bad_json(what: str, error: Exception) -> MessageRejected:
    fault = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
    return MessageRejected("bad_json", f"{what} is not JSON that can be read: {fault}.")


def _no_batch() -> MessageRejected:
    return MessageRejected("bad_request", 'A batch must be a JSON object with an array "batch".')
