"""Destinations and their settings, laid out for `jetbridge destinations`."""

import json
from collections.abc import Sequence
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


def as_changed(row: Destination, changes: Sequence[Change]) -> dict[str, Any]:
    return {"destination": as_object(row), "changed": [change._asdict() for change in changes]}


def text(rows: Sequence[Destination]) -> str:
    """The same for a person."""
    lines = []
    for row in map(as_object, rows):
        state = "" if row["enabled"] else ", disabled"
        sources = ", ".join(row["sources"]) or "no source"
        lines.append(f"{row['id']}  {row['name']} ({row['kind']}{state}), from {sources}")
        for name, value in row["settings"].items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            lines.append(f"   {name:<{_INDENT - 3}}{_aligned(shown)}".rstrip())
    return "\n".join(lines)


def text_of_changes(changes: Sequence[Change]) -> str:
    if not changes:
        return "Nothing changed: it was so already."
    lines = []
    for change in changes:
        before, after = change.before or "(empty)", change.after or "(empty)"
        if "\n" in before + after:
            lines.append(f"{change.what:<{_INDENT}}{_aligned(after)}")
        else:
            lines.append(f"{change.what}: {f'{before} → {after}' if before != after else 'changed'}")
        lines += [f"   {note}" for note in change.notes]
    return "\n".join([*lines, "A running worker takes it up within a second, for calls not read yet."])


def _aligned(value: str) -> str:
    """Lines of one value stand under the first."""
    return value.replace("\n", "\n" + " " * _INDENT)
