"""Call: one call as a sender writes it, before it becomes a Message. Two readings of the same JSON.

`Call` itself is what Segment's own libraries write; msgspec checks and fills it in one go. What does not fit
(a number as id, a key in another case, an empty array for an object, a wrong type) is read again by
`call_of`, key by key, which forgives what can be forgiven and names the rest.
"""

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import msgspec

from jetbridge.errors import MessageRejected


class Call(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True, gc=False):
    type: str | None = None
    action: str | None = None  # what `type` was called by clients of /v1/import
    message_id: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    group_id: str | None = None
    previous_id: str | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    traits: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None
    channel: str | None = None
    project_id: str | None = None
    metadata: dict[str, Any] | None = msgspec.field(name="_metadata", default=None)
    write_key: str | None = None
    # Read and not used: the server makes its own.
    received_at: Any = None
    version: Any = None


#: The quick reading. Raises what msgspec raises.
decode_call = msgspec.json.Decoder(Call).decode


def call_of(item: object) -> Call:
    """Read a decoded JSON value as a call. Raises MessageRejected naming the first field that is wrong.

    Keys count whatever their case and with or without underscores (`user_id`, `userID`); the first of
    several that mean the same wins. Unknown keys are left out.
    """
    if not isinstance(item, dict):
        raise MessageRejected("bad_request", "A call must be a JSON object.")
    values: dict[str, Any] = {}
    for key, value in item.items():
        field = _FIELD_OF_KEY.get(key.replace("_", "").lower())
        if field and values.get(field) is None:
            values[field] = _READERS.get(field, _as_it_is)(value, key)
    return Call(**values)


def fields_of(paths: Iterable[str]) -> list[str]:
    """Dotted paths in a call, the field in its usual spelling; those of fields that calls do not have are left out."""
    found = []
    for path in paths:
        key, dot, inner = path.partition(".")
        if field := _FIELD_OF_KEY.get(key.replace("_", "").lower()):
            found.append(f"{_SPELLING[field]}{dot}{inner}")
    return found


def _as_it_is(value: Any, _: str) -> Any:
    return value


def _reject(code: str, sentence: str) -> NoReturn:
    raise MessageRejected(code, sentence)


def _id(value: Any, key: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        _reject("id_not_string", f"{key} must be text.")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _text(code: str) -> Callable[[Any, str], str | None]:
    def read(value: Any, key: str) -> str | None:
        return value if value is None or isinstance(value, str) else _reject(code, f"{key} must be text.")

    return read


def _object(code: str) -> Callable[[Any, str], dict[str, Any] | None]:
    def read(value: Any, key: str) -> dict[str, Any] | None:
        if value is None or isinstance(value, dict):
            return value
        if value == []:  # PHP's json_encode writes an empty object so; so do Segment's delete messages
            return {}
        _reject(code, f"{key} must be a JSON object.")

    return read


def _time(value: Any, _: str) -> str | float | None:
    """What is no time is kept as it was written, and turns out to be none later."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return msgspec.json.encode(value).decode()


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "type": _text("bad_request"),
    "action": _text("bad_request"),
    "message_id": _id,
    "user_id": _id,
    "anonymous_id": _id,
    "group_id": _id,
    "previous_id": _id,
    "event": _text("event_not_string"),
    "name": _text("name_not_string"),
    "category": _text("category_not_string"),
    "traits": _object("traits_not_object"),
    "properties": _object("properties_not_object"),
    "context": _object("bad_request"),
    "integrations": _object("bad_request"),
    "timestamp": _time,
    "original_timestamp": _time,
    "sent_at": _time,
    "channel": _text("bad_request"),
    "project_id": _text("bad_request"),
    "metadata": _object("bad_request"),
    "write_key": _text("bad_request"),
}

_FIELD_OF_KEY = {field.replace("_", ""): field for field in Call.__struct_fields__}
_SPELLING = dict(zip(Call.__struct_fields__, Call.__struct_encode_fields__, strict=True))
