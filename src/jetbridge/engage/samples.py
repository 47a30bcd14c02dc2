"""Values that people and events really have, for whoever writes a condition. A look at a few hundred of the newest, in bounded time."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from django.conf import settings

from jetbridge.engage import store
from jetbridge.engage.models import Space
from jetbridge.engage.queries import QueryTimeoutError, time_limit

#: Path -> values, the most frequent first.
Samples = Mapping[str, list[Any]]

#: People, or events of a name, that are looked at; for how long at most; and values of a path that are kept.
_LOOKED_AT, _SECONDS, _VALUES = 300, 0.2, 20
#: Levels of nested objects, paths of one object, characters of a value.
_LEVELS, _PATHS, _CHARACTERS = 3, 200, 100
_EVENTS: Final = "SELECT props FROM event WHERE name = ? ORDER BY profile DESC LIMIT ?"
_TRAITS: Final = "SELECT traits FROM profile ORDER BY id DESC LIMIT ?"


def of_events(space: Space, names: Collection[str]) -> dict[str, Samples]:
    """By event. One that is rare among very many events may have none."""
    seconds = _SECONDS / max(1, len(names))
    return {name: _samples(_rows(space, seconds, _EVENTS, name, _LOOKED_AT)) for name in names}


def of_traits(space: Space) -> Samples:
    return _samples(_rows(space, _SECONDS, _TRAITS, _LOOKED_AT))


def _rows(space: Space, seconds: float, statement: str, *parameters: object) -> list[Any]:
    path = store.path(settings.CONFIG.home, space.workspace_id)
    try:
        with store.open_for_reading(path) as connection:
            if connection is None:
                return []
            with time_limit(connection, seconds):
                return [msgspec.json.decode(text) for (text,) in connection.execute(statement, parameters)]
    except (QueryTimeoutError, sqlite3.OperationalError):
        return []


def _samples(rows: Iterable[Any]) -> Samples:
    counts: dict[str, Counter[tuple[type, Any]]] = {}
    for row in rows:
        for path, value in _leaves(row, ""):
            if len(counts) < _PATHS or path in counts:
                counts.setdefault(path, Counter())[type(value), value] += 1
    return {
        path: [value for (_, value), _ in counter.most_common(_VALUES)] for path, counter in counts.items()
    }


def _leaves(value: Any, path: str, level: int = 0) -> Iterator[tuple[str, Any]]:
    """Scalars, also those of lists, with their paths."""
    if isinstance(value, dict):
        if level < _LEVELS:
            for name, inner in value.items():
                yield from _leaves(inner, f"{path}.{name}" if path else name, level + 1)
    elif isinstance(value, list):
        for inner in value[:_VALUES]:
            if not isinstance(inner, dict | list):
                yield from _leaves(inner, path, level)
    elif value is not None and not (isinstance(value, str) and len(value) > _CHARACTERS):
        yield path, value
