"""Destinations and their settings, laid out for `jetbridge destinations`."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from jetbridge.control.models import Destination
from jetbridge.services import destination_settings
from jetbridge.services.destination_settings import Change

_INDENT = 24


def as_object(row: Destination) -> dict[str, Any]:
    """The JSON of one destination; its keys are a promise to scripts. Secrets are masked."""
    return {
        "id": row.id,
        "workspace": row.workspace.name,
        "name": row.name,
        "kind": row.kind,
        "enabled": row.enabled,
        "sources": [source.name for source in row.chosen_sources],
        "settings": destination_settings.shown_values(row),
    }


def as_changed(row: Destination, made: Sequence[Change]) -> dict[str, Any]:
    return {"destination": as_object(row), "changed": [each._asdict() for each in made]}


def text(rows: Sequence[Destination]) -> str:
    """The same for a person."""
    return "\n".join(line for row in rows for line in _lines(as_object(row)))


def text_of_changes(made: Sequence[Change]) -> str:
    if not made:
        return "Nothing changed: it was so already."
    lines = [line for each in made for line in (_changed(each), *(f"   {note}" for note in each.notes))]
    return "\n".join([*lines, "A running worker takes it up within a second, for calls not read yet."])


def _lines(each: dict[str, Any]) -> Iterator[str]:
    state = "" if each["enabled"] else ", disabled"
    sources = ", ".join(each["sources"]) or "no source"
    yield f"{each['id']}  {each['name']} ({each['kind']}{state}), from {sources}"
    for name, value in each["settings"].items():
        yield f"   {name:<{_INDENT - 3}}{_aligned(_text(value))}".rstrip()


def _changed(each: Change) -> str:
    before, after = each.before or "(empty)", each.after or "(empty)"
    if "\n" in before + after:
        return f"{each.what:<{_INDENT}}{_aligned(after)}"
    return f"{each.what}: changed" if before == after else f"{each.what}: {before} → {after}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _aligned(value: str) -> str:
    """Lines of one value stand under the first."""
    return value.replace("\n", "\n" + " " * _INDENT)
