"""Changing a destination that is there: its settings, its name, whether it is enabled.

Commands and pages come here, so that what one accepts the other does. A running worker reads the configuration
every second and starts the destination anew when it has changed.
"""

import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from django.db import transaction

from jetbridge.control import names
from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.destinations.definition import Definition
from jetbridge.destinations.field import Field
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.errors import ConfigurationError

#: What is shown of a secret.
MASK = "••••••••"


class Change(NamedTuple):
    """Secrets are masked. `notes` are what a person should know about the new value."""

    what: str
    before: str
    after: str
    notes: tuple[str, ...] = ()


def definition_of(row: Destination) -> Definition:
    """Raises ConfigurationError."""
    if row.kind not in DEFINITIONS:
        raise ConfigurationError(f"{row.name} is of the kind {row.kind}, which this Jetbridge does not know.")
    return DEFINITIONS[row.kind]


def values_of(row: Destination) -> dict[str, str]:
    """Settings and secrets as texts; only those that are set."""
    stored = {**row.settings, **json.loads(row.secrets)}
    return {name: str(value) for name, value in stored.items() if value not in {None, ""}}


def shown(field: Field, value: str) -> str:
    """What a screen may show of a value."""
    return MASK if field.secret and value else value


@transaction.atomic
def change(
    destination: int,
    values: Mapping[str, str],
    *,
    enabled: bool | None = None,
    name: str | None = None,
    sources: Collection[int] | None = None,
) -> list[Change]:
    """Make it so; an empty value goes back to the default. Returns what is different now.

    Raises ConfigurationError, having changed nothing.
    """
    row = Destination.objects.select_related("workspace").get(id=destination)
    definition = definition_of(row)
    changes = _set_values(row, definition, values)
    if name is not None and name != row.name:
        changes.append(_rename(row, name))
    if enabled is not None and enabled != row.enabled:
        changes.append(Change("enabled", _yes_no(row.enabled), _yes_no(enabled)))
        row.enabled = enabled
    if sources is not None:
        changes += _set_sources(row, sources)
    if changes:
        row.save()
    return changes


def sources_of(workspace: Workspace, ids: Collection[int]) -> list[Source]:
    """Those of the workspace with these ids, by name. Raises ConfigurationError if one is not there."""
    found = list(workspace.sources.filter(id__in=ids).order_by("name"))
    if gone := set(ids) - {row.id for row in found}:
        raise ConfigurationError(f"There is no source {min(gone)} in {workspace}. Nothing was changed.")
    return found


def check(definition: Definition, values: Mapping[str, str], changed: Mapping[str, str]) -> None:
    """Refuse what is wrong with the changed ones of these values. Raises ConfigurationError."""
    for name, sentence in definition.problems({**values, **changed}).items():
        if name in changed:
            raise ConfigurationError(f"{name}: {sentence} Nothing was changed.")


def _set_values(row: Destination, definition: Definition, values: Mapping[str, str]) -> list[Change]:
    before = values_of(row)
    fields = {field.name: field for field in definition.fields}
    values = {name: value.strip() for name, value in values.items()}
    check(definition, before, values)
    changed = {
        name: value
        for name, value in values.items()
        if (value or fields[name].default) != before.get(name, fields[name].default)
    }
    after = {name: value for name, value in {**before, **changed}.items() if value}
    row.settings = {name: value for name, value in after.items() if not fields[name].secret}
    row.secrets = json.dumps({name: value for name, value in after.items() if fields[name].secret})
    return [
        Change(
            name,
            shown(fields[name], before.get(name, fields[name].default)),
            shown(fields[name], value or fields[name].default),
            tuple(fields[name].notes(value)),
        )
        for name, value in changed.items()
    ]


def _set_sources(row: Destination, wanted: Collection[int]) -> list[Change]:
    """Its consumer begins new ones, and closes those that are gone, when it starts anew."""
    before = list(row.sources.order_by("name"))
    after = sources_of(row.workspace, wanted)
    if before == after:
        return []
    row.sources.set(after)
    return [Change("sources", ", ".join(map(str, before)), ", ".join(map(str, after)))]


def _rename(row: Destination, name: str) -> Change:
    wanted = names.checked("a destination", name)
    if row.workspace.destinations.filter(name=wanted).exclude(id=row.id).exists():
        raise ConfigurationError(f"Another destination is named {wanted}. Nothing was changed.")
    before, row.name = row.name, wanted
    return Change("name", before, wanted)


def _yes_no(value: bool) -> str:  # noqa: FBT001 - it is what is shown
    return "yes" if value else "no"
