"""From the bytes of a request to encoded messages: the quick way, for what Segment's libraries send.

It decodes the whole body at once into `Call`s. Whatever goes wrong on it, the body is read again by
`parse_carefully`, which says what is wrong with which item.
"""

from typing import Any

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec import limits
from jetbridge.spec.call import Call
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse_carefully import parse_batch_carefully, parse_single_carefully
from jetbridge.spec.parsed import ALONE, UNREADABLE, Parsed, accept, common_of


class _Batch(Call, rename="camel", kw_only=True, forbid_unknown_fields=True, gc=False):
    batch: list[Call]
    sequence: Any = None  # analytics-java writes it


_decode_call = msgspec.json.Decoder(Call).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode


def parse_single(body: bytes, arrival: Arrival) -> Parsed:
    """The one call of a request, accepted or rejected. Raises MessageRejected if the body is not JSON."""
    if len(body) <= arrival.max_call_bytes:
        try:
            call = _decode_call(body)
            return Parsed([accept(call, ALONE, arrival)], [], call.write_key)
        except (*UNREADABLE, MessageRejected):
            pass
    return parse_single_carefully(body, arrival)


def parse_batch(body: bytes, arrival: Arrival) -> Parsed:
    """The calls of a batch, each accepted or rejected. Raises MessageRejected if the body is no batch."""
    try:
        batch = _decode_batch(body)
        if 0 < len(batch.batch) <= limits.BATCH_EVENTS:
            common = common_of(batch)
            accepted = [accept(call, common, arrival) for call in batch.batch]
            if len(body) <= limits.EVENT_BYTES or not any(
                len(item.body) > limits.EVENT_BYTES for item in accepted
            ):
                return Parsed(accepted, [], batch.write_key or batch.batch[0].write_key)
    except (*UNREADABLE, MessageRejected):
        pass
    return parse_batch_carefully(body, arrival)
