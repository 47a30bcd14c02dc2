"""Sampling: a part of all messages, or all messages of a part of the people; the same ones whenever it is asked.

As in Segment, the field's value decides by its MD5, so everybody with the same value stays in or out together, and who is in
at 10 % is in at 20 %. What has no such field, or where none is named, is sampled by messageId: Segment draws at random
there, and then a replay or a trace would not agree with what was delivered.
"""

import hashlib
from collections.abc import Callable
from functools import partial

import msgspec

from jetbridge.routing.fql import paths
from jetbridge.spec.message import Message

_RANGE = 2**64


def sampler(share: float, path: str = "") -> Callable[[Message], bool]:
    """Whether a message is in the sample. `share` is from 0 to 1, `path` one that is well-formed."""
    get = paths.getter(paths.split(path)) if path else paths.getter(("messageId",))
    return partial(_is_in, int(share * _RANGE), get)


def _is_in(bound: int, get: paths.Getter, message: Message) -> bool:
    value = get(message)
    by = msgspec.json.encode(message.message_id if value is None else value, order="deterministic")
    return int.from_bytes(hashlib.md5(by, usedforsecurity=False).digest()[:8], "big") < bound
