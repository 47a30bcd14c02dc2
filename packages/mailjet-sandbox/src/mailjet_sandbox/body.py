"""Reading request bodies: bounded, JSON, names in any case, numbers and booleans possibly written as strings."""

from typing import Any

import msgspec
from starlette.requests import Request

from mailjet_sandbox import errors
from mailjet_sandbox.settings import MAX_BODY_BYTES


async def read_body(request: Request) -> bytes:
    """Read the whole body. Raises TooLarge without having kept more than the limit."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise errors.TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def decode_json(body: bytes | str, shape: Any = Any) -> Any:
    """Decode JSON, as a type of msgspec if one is given. Raises MailjetError 400."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise errors.MailjetError(400, f"Invalid json input: {error}") from None


def parse_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object; an empty body counts as an empty object."""
    if not body.strip():
        return {}
    value = decode_json(body)
    if not isinstance(value, dict):
        raise errors.MailjetError(400, "Invalid json input: an object is expected")
    return value


def lowered(value: dict[str, Any]) -> dict[str, Any]:
    """Names match in any case [R]."""
    return {name.lower(): item for name, item in value.items()}


def rows_of(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list with their names in lower case; anything else in it counts as an empty object."""
    if not isinstance(value, list):
        return []
    return [lowered(row) if isinstance(row, dict) else {} for row in value]


def as_bool(value: Any) -> bool | None:
    """Every official sample sends booleans as strings [D]."""
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    if isinstance(value, bool | int) and value in (0, 1):
        return bool(value)
    return None


def as_int(value: Any) -> int | None:
    """Integers may be sent as strings (``"ListID":"61309"``) [R]."""
    if isinstance(value, str):
        return as_id(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_id(text: str) -> int | None:
    """Read an identifier from a path or a filter; None if it is not a number that an identifier can be."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
