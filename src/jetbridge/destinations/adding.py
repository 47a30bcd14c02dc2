"""Adding a destination: checked by its definition, and begun at the log's end in the transaction that makes it."""

import json
from collections.abc import Iterable, Mapping

from django.db import transaction

from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.control.new_rows import new_destination
from jetbridge.delivery import ledger
from jetbridge.destinations import changes
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import Counts, EventLog


def add(
    event_log: EventLog,
    workspace: Workspace,
    kind: str,
    name: str,
    values: Mapping[str, str],
    *,
    sources: Iterable[Source],
    enabled: bool = True,
) -> Destination:
    """Raises ConfigurationError, having added nothing. A name that is taken gets a number."""
    counts = event_log.counts()
    with transaction.atomic():
        row = new_destination(workspace, kind, name)
        row.enabled = enabled
        _set(row, {name: value.strip() for name, value in values.items() if value.strip()})
        row.save()
        row.sources.set(sources)
        begin(row, counts)
    return row


def begin(row: Destination, counts: Counts) -> None:
    """Let the readers of a new destination begin here. In the transaction that made it, or a worker may see a
    destination without one.
    """
    ledger.begin_destination(row.id, row.sources.values_list("id", flat=True), counts)


def _set(row: Destination, values: Mapping[str, str]) -> None:
    definition = changes.definition_of(row)
    for sentence in definition.problems(values).values():
        raise ConfigurationError(sentence)
    secret = {field.name for field in definition.fields if field.secret}
    row.settings = {name: value for name, value in values.items() if name not in secret}
    row.secrets = json.dumps({name: value for name, value in values.items() if name in secret})
