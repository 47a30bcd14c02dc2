"""Reading requests: bodies are bounded JSON, query strings filter, page and sort. Names come in any case, numbers and booleans
possibly as strings.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from mailjet_sandbox import errors
from mailjet_sandbox.clock import parse_moment

#: Bytes of one request body that are read; more is answered 413. The real limit is not known. [X]
MAX_BODY_BYTES = 32 * 1024 * 1024


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


DEFAULT_LIMIT = 10  # [D]
MAX_LIMIT = 1000  # [D]; that more is cut down to it rather than rejected is [X]

T = TypeVar("T")


class Query:
    """The query string: names in any case, and only the first of a repeated filter counts [R][D]."""

    def __init__(self, query_string: bytes) -> None:
        self._values: dict[str, str] = {}
        for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
            self._values.setdefault(name.lower(), value)

    def text(self, name: str) -> str | None:
        return self._values.get(name.lower()) or None

    def flag(self, name: str) -> bool | None:
        return as_bool(self._values.get(name.lower()))

    def integer(self, name: str) -> int | None:
        return as_id(self._values.get(name.lower(), ""))

    def moment(self, name: str) -> int | None:
        return parse_moment(self._values.get(name.lower(), ""))

    @property
    def limit(self) -> int:
        """The page size; 0 means the largest [D]."""
        limit = self.integer("limit")
        if limit is None:
            return DEFAULT_LIMIT
        return min(limit, MAX_LIMIT) or MAX_LIMIT

    @property
    def offset(self) -> int:
        return self.integer("offset") or 0


def page(
    rows: Iterable[T], query: Query, sort_keys: Mapping[str, Callable[[T], Any]]
) -> tuple[list[T], int | None]:
    """Cut one page out of the rows. The total is None unless the query requests it, which prints as the page's own size."""
    if query.flag("countonly"):
        return [], sum(1 for _ in rows)
    sort = query.text("sort")
    if sort:
        name, _, direction = sort.partition(" ")
        key = {known.lower(): key for known, key in sort_keys.items()}.get(name.lower())
        if key is None or direction.lower() not in ("", "asc", "desc"):
            raise errors.MailjetError(
                400, f"Unexpected error during GET: Invalid sort specification: Cannot sort on field {sort}"
            )
        rows = sorted(rows, key=key, reverse=direction.lower() == "desc")
    if query.flag("countrecords"):
        everything = list(rows)
        return everything[query.offset : query.offset + query.limit], len(everything)
    return list(islice(rows, query.offset, query.offset + query.limit)), None
