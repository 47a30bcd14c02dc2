"""A bound on nesting: every reader of the event log decodes a message again, further down its own stack."""

from typing import Any

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec.limits import NESTING


def too_deep() -> MessageRejected:
    return MessageRejected("bad_request", f"The call is nested deeper than {NESTING} levels.")


def refuse_deep(body: bytes) -> None:
    """Raise MessageRejected for JSON (known to be readable) that is nested deeper than NESTING."""
    # Counting brackets is a thousand times cheaper than walking, and settles nearly every call.
    if body.count(b"{") + body.count(b"[") > NESTING and depth(msgspec.json.decode(body)) > NESTING:
        raise too_deep()


def depth(value: Any) -> int:
    """How many objects and arrays enclose the innermost value. Without recursion."""
    deepest, rest = 0, [(value, 1)]
    while rest:
        value, level = rest.pop()
        if isinstance(value, dict | list):
            deepest = max(deepest, level)
            children = value.values() if isinstance(value, dict) else value
            rest.extend((child, level + 1) for child in children)
    return deepest
