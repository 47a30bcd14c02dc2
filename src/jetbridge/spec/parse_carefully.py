"""The careful way from bytes to messages: every item by itself, every fault named.

A body is cut into items byte for byte, so that an item that is no call can be kept as it came and costs the
others nothing.
"""

import re
from collections.abc import Generator, Iterable
from typing import Any

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec import limits
from jetbridge.spec.almost_json import bad_json, decoded, read
from jetbridge.spec.call import call_of, decode_call, fields_of
from jetbridge.spec.elements import Elements
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parsed import ALONE, Common, Parsed, Rejected, accept, common_of, refuse_spread
from jetbridge.spec.untrusted_json import JSON_ERRORS

#: A parsing that may take long: it yields where others may be served, and returns what it found.
Parsing = Generator[None, None, Parsed]

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


def parse_single_carefully(body: bytes, arrival: Arrival) -> Parsed:
    """Raises MessageRejected if the body is not JSON."""
    parsed = Parsed([], [])
    key = _take_carefully(body.removeprefix(_BOM), ALONE, arrival, parsed)
    if parsed.rejected and parsed.rejected[0].reason.code == "bad_json":
        raise parsed.rejected[0].reason
    return parsed._replace(write_key=key)


def parse_batch_carefully(body: bytes, arrival: Arrival) -> Parsing:
    """Raises MessageRejected if the body is no batch."""
    body = body.removeprefix(_BOM)
    if body.lstrip()[:1] != b"{":
        decoded(body, "The body")
        raise _no_batch()
    parsed = Parsed([], [])
    members = Elements(body)
    array: bytes | None = None
    said: dict[str, Any] = {}
    lost: list[str] = []
    for member in members:
        yield
        if member and (found := _BATCH.match(member)):
            array = member[found.end() :]
        elif member:
            value, without = _read_member(member, parsed)
            said |= value
            lost += without
    if members.is_cut_off:
        lost.append("context")  # nobody knows what else was said for all
    if array is None:
        raise parsed.rejected[0].reason if parsed.rejected else _no_batch()
    batch = call_of(said)
    common = common_of(batch, arrival, fields_of(lost))
    elements = Elements(array)
    items = yield from cut(elements, limits.BATCH_EVENTS, "A batch")
    key = yield from _take_all(items, common, arrival, parsed)
    _add_rest(elements, parsed)
    _add_rest(members, parsed)
    if not parsed.accepted and not parsed.rejected:
        raise MessageRejected("empty_batch", "The batch holds no calls.")
    return parsed._replace(write_key=batch.write_key or key)


def _read_member(member: bytes, parsed: Parsed) -> tuple[dict[str, Any], list[str]]:
    """What a batch says once for all its items, and the paths of what could not be read. Raises MessageRejected: too large."""
    key = _KEY.match(member)
    if key and not fields_of([key[1].decode()]):
        return {}, []
    refuse_large(member, limits.EVENT_BYTES)
    try:
        return read(b"{" + member + b"}", "The body")
    except MessageRejected as reason:
        parsed.rejected.append(Rejected(without_keys(member), reason))
        return {}, [key[1].decode()] if key else []


def parse_array(body: bytes, arrival: Arrival) -> Parsing:
    """The calls of an array. Raises MessageRejected if they are too many."""
    parsed = Parsed([], [])
    elements = Elements(body)
    items = yield from cut(elements, limits.PARTNER_EVENTS, "An array")
    yield from _take_all(items, ALONE, arrival, parsed)
    _add_rest(elements, parsed)
    return parsed


def cut(elements: Elements, most: int, what: str) -> Generator[None, None, list[bytes]]:
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


def keys_in(body: bytes) -> list[str]:
    """The write keys that stand in a body that cannot be read."""
    matches = _WRITE_KEY.finditer(body[: limits.BATCH_BYTES])
    found = (match[2].decode("ascii", "replace") for match in matches)
    return list(dict.fromkeys(found))[:_MOST_KEYS]


def without_keys(body: bytes) -> bytes:
    """As much of a body that cannot be read as is kept of it, and without write keys."""
    return _WRITE_KEY.sub(rb"\1", body[: limits.BATCH_BYTES])


def call_key(item: Any) -> str | None:
    """The write key that an item carries."""
    key = item.get("writeKey") or item.get("write_key") if isinstance(item, dict) else None
    return key if isinstance(key, str) else None


def _take_all(
    items: Iterable[bytes], common: Common, arrival: Arrival, parsed: Parsed
) -> Generator[None, None, str | None]:
    """Add each item to `parsed`, and return the first write key among them. Raises MessageRejected: too much."""
    key, size = None, 0
    for raw in items:
        yield
        before = len(parsed.accepted)
        found = _take(raw, common, arrival, parsed)
        key = key or found
        size += sum(len(item.body) for item in parsed.accepted[before:])
        refuse_spread(size)
    return key


def _take(raw: bytes, common: Common, arrival: Arrival, parsed: Parsed) -> str | None:
    """Add an item to `parsed`, on the one side or the other, and return its write key."""
    if len(raw) <= arrival.max_call_bytes:
        try:
            call = decode_call(raw)
            parsed.accepted.append(accept(call, common, arrival))
        except (*JSON_ERRORS, MessageRejected):
            pass
        else:
            return call.write_key
    return _take_carefully(raw, common, arrival, parsed)


def _take_carefully(raw: bytes, common: Common, arrival: Arrival, parsed: Parsed) -> str | None:
    try:
        refuse_large(raw, arrival.max_call_bytes)
        item, lost = read(raw, "The call")
    except MessageRejected as reason:
        parsed.rejected.append(Rejected(without_keys(raw), reason))
        return next(iter(keys_in(raw)), None)
    try:
        parsed.accepted.append(accept(call_of(item), common, arrival, fields_of(lost)))
    except MessageRejected as reason:
        parsed.rejected.append(Rejected(_without_key(raw, item), reason))
    return call_key(item)


def _add_rest(elements: Elements, parsed: Parsed) -> None:
    """Count what follows the end, or that there is no end, as one more that is rejected."""
    if elements.is_cut_off:
        is_counted = parsed.rejected and parsed.rejected[-1].reason.code == "bad_json"
        fault = "" if is_counted else "it ends too early"
    else:
        fault = "something follows its end" if elements.rest else ""
    if fault:
        parsed.rejected.append(Rejected(without_keys(elements.rest), bad_json("The body", fault)))


def refuse_large(raw: bytes, most: int) -> None:
    if len(raw) > most:
        raise MessageRejected(
            "payload_too_large",
            f"Exceed payload limit: a call has at most {most} bytes; this one has {len(raw)}.",
        )


def _without_key(raw: bytes, item: Any) -> bytes:
    if call_key(item) is None:
        return raw
    return msgspec.json.encode({key: item[key] for key in item if key not in {"writeKey", "write_key"}})


def _no_batch() -> MessageRejected:
    return MessageRejected("bad_request", 'A batch must be a JSON object with an array "batch".')
