"""Removing a destination, so that nothing waits for it and nothing of anybody stays behind."""

from django.db import transaction
from django.utils import timezone

from jetbridge.control.models import Destination
from jetbridge.delivery import ledger
from jetbridge.delivery.models import AgainRow, ExhibitRow, Reading, ReadingSource, Replay


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
