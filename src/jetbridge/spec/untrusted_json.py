"""JSON that somebody else wrote, read within bounds: what comes back can be walked and written again.

A decoder uses the stack for each level of nesting. Bytes that it just manages to read, the next function that walks
or encodes the value does not, further down the same stack.
"""

from typing import Any, TypeVar, overload

import msgspec

from jetbridge.spec.limits import NESTING
from jetbridge.spec.nesting import depth

T = TypeVar("T")

#: All that msgspec raises on bytes from outside: syntax, types, numbers out of range; text; nesting.
JSON_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@overload
def read_untrusted(body: bytes) -> Any: ...
@overload
def read_untrusted(body: bytes, shape: type[T], *, strict: bool = True) -> T: ...
def read_untrusted(body: bytes, shape: Any = Any, *, strict: bool = True) -> Any:
    """The value, of the type `shape`. Raises what JSON_ERRORS names, also for more than NESTING levels, wherever they are.

    Not `strict`: numbers may be written as text.
    """
    # Counting brackets is a thousand times cheaper than walking, and settles most.
    if body.count(b"{") + body.count(b"[") > NESTING and depth(msgspec.json.decode(body)) > NESTING:
        raise msgspec.DecodeError(f"JSON is nested deeper than {NESTING} levels")
    return msgspec.json.decode(body, type=shape, strict=strict)
