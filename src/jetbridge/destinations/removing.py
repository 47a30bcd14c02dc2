"""Removing a destination, or a workspace, so that nothing waits for it and nothing of anybody stays behind."""

from django.db import transaction
from django.utils import timezone

from jetbridge.control.models import Destination, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.models import AgainRow, ExhibitRow, Reading, ReadingSource, Replay
from jetbridge.errors import ConfigurationError


@transaction.atomic
def remove(row: Destination) -> None:
    """A running worker stops its threads within a second; what they still write counts for nobody.

    Its reader and its open replays go, so that retention no longer keeps the log for it. Kept messages go,
    because an erasure would no longer find them. Its totals stay: they name nobody.
    """
    Reading.objects.filter(reader=ledger.destination_reader(row.id)).delete()
    ReadingSource.objects.filter(destination_id=row.id).update(closed=True)
    Replay.objects.filter(destination_id=row.id, ended_at=None).update(ended_at=timezone.now())
    AgainRow.objects.filter(destination_id=row.id).delete()
    ExhibitRow.objects.filter(destination_id=row.id).delete()
    row.delete()


def in_the_way(workspace: Workspace) -> list[str]:
    """What has to go before the workspace can: everything through which a message still comes or goes."""
    return [
        *(f"The destination {row} is enabled." for row in workspace.destinations.filter(enabled=True)),
        *(f"The Mailjet account {row} is there." for row in workspace.mailjet_accounts.all()),
        *(
            f"The source {row} is enabled."
            for row in workspace.sources.filter(enabled=True, mailjet_account=None, app_connection=None)
        ),
    ]


@transaction.atomic
def remove_workspace(workspace: Workspace) -> None:
    """Only if nothing is in the way. Records of its sources leave the event log with retention.

    Raises ConfigurationError.
    """
    if sentences := in_the_way(workspace):
        raise ConfigurationError(" ".join(sentences))
    for row in workspace.destinations.all():
        remove(row)
    readers = [ledger.source_reader(row.id) for row in workspace.sources.all()]
    Reading.objects.filter(reader__in=readers).delete()
    workspace.delete()
