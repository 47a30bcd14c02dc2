"""Removing a destination, a source or a workspace, so that nothing waits for it and nothing of anybody stays behind."""

from itertools import chain

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jetbridge.control.models import (
    DeletedSource,
    Destination,
    Source,
    SourceKind,
    Workspace,
)
from jetbridge.delivery import ledger, syncs
from jetbridge.delivery.models import (
    ConsumerOffset,
    DeliveryRecordRow,
    Replay,
    RetryEntry,
    SourceOffset,
    destination_consumer,
    source_consumer,
)
from jetbridge.errors import ConflictError
from jetbridge.eventlog.base import Counts
from jetbridge.integrations import registry


@transaction.atomic
def remove(row: Destination) -> None:
    """A running worker stops its threads within a second; what they still write counts for nobody.

    Its reader and its open replays go, so that retention no longer keeps the log for it. Kept messages go,
    because an erasure would no longer find them, and so does what its integration keeps for it. Its totals stay: they
    name nobody.
    """
    ConsumerOffset.objects.filter(consumer=destination_consumer(row.id)).delete()
    SourceOffset.objects.filter(destination_id=row.id).update(ended_total=F("baseline") + F("consumed"))
    Replay.objects.filter(destination_id=row.id, ended_at=None).update(ended_at=timezone.now())
    RetryEntry.objects.filter(destination_id=row.id).delete()
    DeliveryRecordRow.objects.filter(destination_id=row.id).delete()
    syncs.end_all(row.id)
    if integration := registry.destinations().get(row.kind):
        integration.delete_records(row.id)
    row.delete()


def source_obstacles(row: Source, counts: Counts) -> list[str]:
    """What has to be done before the source can be deleted, so that no acknowledged message is lost by it."""
    if owner := registry.source_owners(row.workspace_id).get(row.id):
        return [f"{row} {owner.obstacle}"]
    if row.kind == SourceKind.ENGAGE:
        return [
            f"{row} has the calls that Engage makes, and goes with the workspace: switch Engage off instead."
        ]
    if row.enabled:
        return [f"{row} is enabled: disable it, so that its senders are refused."]
    destinations = {
        destination.id: destination for destination in Destination.objects.filter(workspace=row.workspace_id)
    }
    unread = {
        destinations[reading.destination_id]: ledger.received_messages(reading, counts) - reading.consumed
        for reading in SourceOffset.objects.filter(source_id=row.id, destination_id__in=destinations)
    }
    return [
        f"{destination} has not read {total:,} of its messages yet: "
        + ("wait until it has." if destination.enabled else "enable it until it has, or remove it.")
        for destination, total in sorted(unread.items(), key=lambda item: item[0].name)
        if total > 0
    ]


@transaction.atomic
def remove_source(row: Source, counts: Counts) -> None:
    """Only if nothing is in the way. What was counted stays; what it has sent leaves the event log with retention.

    Raises ConfigurationError.
    """
    if obstacles := source_obstacles(row, counts):
        raise ConflictError(" ".join(obstacles))
    SourceOffset.objects.filter(source_id=row.id).update(ended_total=F("baseline") + F("consumed"))
    ConsumerOffset.objects.filter(consumer=source_consumer(row.id)).delete()
    DeletedSource.objects.create(workspace_id=row.workspace_id, source_id=row.id)
    row.delete()


def in_the_way(workspace: Workspace) -> list[str]:
    """What has to go before the workspace can: everything through which a message still comes or goes."""
    owned = registry.source_owners(workspace.id)
    return [
        *(f"The destination {row} is enabled." for row in workspace.destinations.filter(enabled=True)),
        *chain.from_iterable(
            integration.workspace_obstacles(workspace.id) for integration in registry.integrations()
        ),
        *(
            "Engage is on." if row.kind == SourceKind.ENGAGE else f"The source {row} is enabled."
            for row in workspace.sources.filter(enabled=True)
            if row.id not in owned
        ),
    ]


@transaction.atomic
def remove_workspace(workspace: Workspace) -> None:
    """Only if nothing is in the way. Records of its sources leave the event log with retention.

    Raises ConfigurationError.
    """
    if messages := in_the_way(workspace):
        raise ConflictError(" ".join(messages))
    for row in workspace.destinations.all():
        remove(row)
    readers = [source_consumer(row.id) for row in workspace.sources.all()]
    ConsumerOffset.objects.filter(consumer__in=readers).delete()
    workspace.delete()
