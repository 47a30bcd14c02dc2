"""Destinations and their settings, read and laid out for `jetbridge settings`."""

from collections.abc import Iterator, Sequence
from typing import Any

from jetbridge.control.models import Destination
from jetbridge.destinations import changes
from jetbridge.destinations.changes import Change
from jetbridge.errors import ConfigurationError

_INDENT = 24


def read(destination: int | None) -> list[dict[str, Any]]:
    """One destination, or all. Raises ConfigurationError if there is none of this id."""
    rows = Destination.objects.order_by("id").prefetch_related("sources")
    found = [_object(row) for row in (rows.filter(id=destination) if destination else rows)]
    if destination and not found:
        raise ConfigurationError(f"There is no destination {destination}: `jetbridge settings` lists them.")
    return found


def text(found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return "Nothing is set up yet: see `jetbridge setup --help`."
    return "\n".join(line for each in found for line in _lines(each))


def text_of_changes(made: Sequence[Change]) -> str:
    if not made:
        return "Nothing changed: it was so already."
    lines = [line for each in made for line in (_changed(each), *(f"   {note}" for note in each.notes))]
    return "\n".join([*lines, "A running worker takes it up within a second, for calls not read yet."])


def _object(row: Destination) -> dict[str, Any]:
    values = changes.values_of(row)
    fields = changes.definition_of(row).fields
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "enabled": row.enabled,
        "sources": [source.name for source in row.sources.all()],
        "settings": {
            field.name: changes.shown(field, values.get(field.name, field.default)) for field in fields
        },
    }


def _lines(each: dict[str, Any]) -> Iterator[str]:
    state = "" if each["enabled"] else ", disabled"
    sources = ", ".join(each["sources"]) or "no source"
    yield f"{each['id']}  {each['name']} ({each['kind']}{state}), from {sources}"
    for name, value in each["settings"].items():
        yield f"   {name:<{_INDENT - 3}}{_aligned(value)}".rstrip()


def _changed(each: Change) -> str:
    before, after = each.before or "(empty)", each.after or "(empty)"
    if "\n" in before + after:
        return f"{each.what:<{_INDENT}}{_aligned(after)}"
    return f"{each.what}: changed" if before == after else f"{each.what}: {before} → {after}"


def _aligned(value: str) -> str:
    """Lines of one value stand under the first."""
    return value.replace("\n", "\n" + " " * _INDENT)
