"""From the bytes of a request to encoded messages: the quick way, for what Segment's libraries send.

It decodes the whole body at once into `Call`s. Whatever goes wrong on it, the body is read again by
`parse_carefully`, which says what is wrong with which item.
"""

from collections.abc import Generator
from typing import Any, TypeVar

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec import limits
from jetbridge.spec.call import Call, decode_call
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse_carefully import Parsing, parse_batch_carefully, parse_single_carefully
from jetbridge.spec.parsed import ALONE, Accepted, Parsed, accept, common_of, refuse_spread
from jetbridge.spec.untrusted_json import JSON_ERRORS

T = TypeVar("T")


class _Batch(Call, rename="camel", kw_only=True, forbid_unknown_fields=True, gc=False):
    batch: list[Call]
    sequence: Any = None  # analytics-java writes it


#: Calls between two moments when others may be served.
_SLICE = 50

_decode_batch = msgspec.json.Decoder(_Batch).decode


def parse_single(body: bytes, arrival: Arrival) -> Parsed:
    """The one call of a request, accepted or rejected. Raises MessageRejected if the body is not JSON."""
    if len(body) <= arrival.max_call_bytes:
        try:
            call = decode_call(body)
            return Parsed([accept(call, ALONE, arrival)], [], call.write_key)
        except (*JSON_ERRORS, MessageRejected):
            pass
    return parse_single_carefully(body, arrival)


def parse_batch(body: bytes, arrival: Arrival) -> Parsing:
    """The calls of a batch, each accepted or rejected. Raises MessageRejected if the body is no batch."""
    try:
        batch = _decode_batch(body)
        if 0 < len(batch.batch) <= limits.BATCH_EVENTS:
            common = common_of(batch, arrival)
            accepted: list[Accepted] = []
            size = 0
            for start in range(0, len(batch.batch), _SLICE):
                items = [accept(call, common, arrival) for call in batch.batch[start : start + _SLICE]]
                accepted += items
                refuse_spread(size := size + sum(len(item.body) for item in items))
                yield
            if len(body) <= limits.EVENT_BYTES or not any(
                len(item.body) > limits.EVENT_BYTES for item in accepted
            ):
                return Parsed(accepted, [], batch.write_key or batch.batch[0].write_key)
    except (*JSON_ERRORS, MessageRejected):
        pass
    return (yield from parse_batch_carefully(body, arrival))


def at_once(parsing: Generator[None, None, T]) -> T:
    """The result of a parsing that nobody has to wait for."""
    while True:
        try:
            next(parsing)
        except StopIteration as end:
            result: T = end.value
            return result
