"""The end of activations: what is deleted or deactivated is sent nowhere any more."""

from django.conf import settings
from django.db import transaction

from jetbridge import eventlog
from jetbridge.control.models import Destination
from jetbridge.delivery import source_offsets
from jetbridge.engage.models import Activation, Computation, Space


def end_all(row: Computation) -> None:
    """A deleted one is sent nowhere any more. By `delete`, or by the worker once all that was to be cleared is in the log."""
    destinations = [activation.destination for activation in row.activations.select_related("destination")]
    with transaction.atomic():
        row.activations.all().delete()
        for destination in destinations:
            disconnect_unused(row.space, destination)


def disconnect_unused(space: Space, destination: Destination) -> None:
    """Disconnect a destination to which nothing of Engage is sent any more."""
    if not Activation.objects.filter(destination=destination, computation__space=space).exists():
        with eventlog.open(settings.CONFIG) as log:
            source_offsets.disconnect(space.source, destination, log)
