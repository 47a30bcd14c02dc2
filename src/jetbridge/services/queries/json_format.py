"""A message as the call that may have made it, in the words of Segment's libraries."""

import json

import msgspec

from jetbridge.spec.message import Message, encode
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted


def pretty(message: Message) -> str:
    """About what a browser said. A delete has no call; it is shown as it is."""
    parts = _PARTS.get(message.type)
    if parts is None:
        return raw(encode(msgspec.structs.replace(message, settings=None)))
    values = filter(None, (getattr(message, name) for name in parts))
    arguments = [json.dumps(value, indent=2, ensure_ascii=False) for value in values]
    return f"analytics.{message.type}({', '.join(arguments)});"


def raw(body: bytes) -> str:
    """JSON with indentation, as far as it is JSON."""
    try:
        value = read_untrusted(body)
    except JSON_ERRORS:
        return body.decode("utf-8", "replace")
    return json.dumps(value, indent=2, ensure_ascii=False)


_PARTS = {
    "identify": ("user_id", "traits"),
    "track": ("event", "properties"),
    "page": ("category", "name", "properties"),
    "screen": ("category", "name", "properties"),
    "group": ("group_id", "traits"),
    "alias": ("user_id", "previous_id"),
}
