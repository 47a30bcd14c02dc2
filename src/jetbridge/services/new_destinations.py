"""Adding a destination: checked by its definition, and begun at the log's end in the transaction that makes it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from jetbridge.control import names
from jetbridge.control.factories import new_destination
from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.delivery import ledger
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.eventlog.base import Counts, EventLog
from jetbridge.integrations import base, registry
from jetbridge.services import destination_settings


def add(
    event_log: EventLog,
    workspace: Workspace,
    kind: str,
    name: str,
    values: Mapping[str, Any],
    *,
    sources: Iterable[Source],
    enabled: bool = True,
) -> Destination:
    """Raises ConfigurationError, having added nothing. A name that is taken gets a number."""
    counts = event_log.counts()
    with transaction.atomic():
        row = new_destination(workspace, kind, name)
        row.enabled = enabled
        integration = registry.destination(row.kind)
        check(integration, values)
        destination_settings.store(row, integration, integration.parsed(values))
        row.save()
        row.sources.set(sources)
        begin(row, counts)
    return row


def begin(row: Destination, counts: Counts) -> None:
    """Let the readers of a new destination begin here. In the transaction that made it, or a worker may see a
    destination without one.
    """
    ledger.begin_destination(row.id, row.sources.values_list("id", flat=True), counts)


def check_name(workspace: Workspace, name: str) -> str:
    """The name as it is kept. Raises ConfigurationError, ConflictError if another destination has it."""
    name = names.checked("a destination", name)
    if workspace.destinations.filter(name=name).exists():
        raise ConflictError(f"Another destination is named {name}. Nothing was added.")
    return name


def check(integration: base.Destination, values: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for the first setting that is wrong."""
    for name, problem in integration.problems(values).items():
        raise ConfigurationError(f"{name}: {problem} Nothing was added.")
