"""Names of schemas, tables and columns: Segment's, within what DuckDB and PostgreSQL both take.

Words are converted by `spec.names`. What Segment does not publish (names that are too long, or that become empty) is ours, and the same on every engine.
"""

import hashlib
from functools import lru_cache
from typing import Final

from jetbridge.spec.names import snakecase

#: PostgreSQL cuts names after so many bytes, and two long names would silently become one.
NAME_BYTES: Final = 63
#: PostgreSQL keeps an id in an index, whose entries have at most 2,704 bytes.
KEY_BYTES: Final = 1_000

#: Tables that every source may have. An event of such a name gets a table with `_` in front.
CALL_TABLES: Final = frozenset(
    {"tracks", "identifies", "users", "pages", "screens", "groups", "accounts", "aliases"}
)
#: Columns that PostgreSQL has in every table, and refuses even when quoted.
SYSTEM_COLUMNS: Final = frozenset({"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})

#: Longer names are converted each time, and the cache begins anew when it is full: strangers choose what is in it.
_CACHED_CHARACTERS: Final = 200
_CACHED_COLUMNS: Final = 16_384
_CACHED_EVENTS: Final = 1_024
_DIGITS = frozenset("0123456789")


def identifier(snake: str) -> str:
    """The name of a table or column: `_` before a leading digit, and at most 63 bytes.

    A longer one ends in eight digits made from all of it, so two long names stay two, and everybody cuts alike.
    """
    if snake[0] in _DIGITS:
        snake = f"_{snake}"
    return snake if len(snake) <= NAME_BYTES else shorten(snake, NAME_BYTES)


class Column:
    """Where a field of an object goes: `name` is its column. If it is an object itself, `fields` are the columns of what is in it."""

    __slots__ = ("_cache", "_fields", "_path", "name")

    def __init__(self, path: str, cache: "_Cache") -> None:
        self.name = identifier(path)
        self._path, self._cache = path, cache
        self._fields: Fields | None = None

    @property
    def fields(self) -> "Fields":
        if self._fields is None:
            # Whatever strangers send, the names of one message are made in a time that its length bounds.
            path = self._path if len(self._path) <= 4 * NAME_BYTES else shorten(self._path, 4 * NAME_BYTES)
            self._fields = Fields(path, self._cache)
        return self._fields


class Fields(dict[str, Column | None]):
    """The columns of an object's fields, each made when it is first asked for; None if nothing is left of the field's name.

    `path` is the name of the object itself, "" for the outermost.
    """

    __slots__ = ("_cache", "path")

    def __init__(self, path: str, cache: "_Cache") -> None:
        self.path, self._cache = path, cache

    def __missing__(self, field: str) -> Column | None:
        snake, column = snakecase(field), None
        if snake:
            column = Column(f"{self.path}_{snake}" if self.path else snake, self._cache)
        if len(field) <= _CACHED_CHARACTERS and self._cache.size < _CACHED_COLUMNS:
            self._cache.size += 1
            self[field] = column
        return column


class _Cache:
    """Columns by the objects that they are in. `size` is their number."""

    def __init__(self) -> None:
        self.size = 0
        self._outermost: dict[str, Fields] = {}

    def fields(self, path: str) -> Fields:
        """The columns of the fields of an outermost object, whose names begin with `path` ("" or "context")."""
        if self.size >= _CACHED_COLUMNS:
            self.size, self._outermost = 0, {}
        fields = self._outermost.get(path)
        if fields is None:
            fields = self._outermost[path] = Fields(path, self)
        return fields


fields_of = _Cache().fields


def event_table(event: str) -> str | None:
    """The table of an event; None if nothing is left of its name."""
    return _cached_event_table(event) if len(event) <= _CACHED_CHARACTERS else _event_table(event)


def _event_table(event: str) -> str | None:
    snake = snakecase(event)
    if not snake:
        return None
    return f"_{snake}" if snake in CALL_TABLES else identifier(snake)


_cached_event_table = lru_cache(maxsize=_CACHED_EVENTS)(_event_table)


def schema_name(slug: str) -> str | None:
    """The schema of a source, from its slug or from what a person typed; None if nothing is left of it."""
    snake = snakecase(slug)
    if not snake:
        return None
    # PostgreSQL keeps `pg_…` for itself; both engines have an information_schema.
    return identifier(f"_{snake}" if snake.startswith("pg_") or snake == "information_schema" else snake)


def key(text: str) -> str:
    """An id as every engine can store and index it: itself, unless it is longer than 1,000 bytes or no database takes its text."""
    if len(text) * 4 <= KEY_BYTES and is_storable(text):
        return text
    storable = text.encode(errors="replace").decode().replace("\0", "\ufffd")
    if storable == text and len(text.encode()) <= KEY_BYTES:
        return text
    return shorten(storable, KEY_BYTES, whole=text)


def is_storable(text: str) -> bool:
    """Whether every engine takes it: PostgreSQL has no NUL, and nobody encodes half of a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shorten(text: str, most_bytes: int, *, whole: str = "") -> str:
    """As many characters as fit before `_` and eight digits that are made from `whole` (by default from the text)."""
    digits = hashlib.sha256((whole or text).encode(errors="surrogatepass")).hexdigest()[:8]
    head = text.encode()[: most_bytes - 1 - len(digits)].decode(errors="ignore")
    return f"{head}_{digits}"
