"""Sources: added, renamed, switched, connected with destinations."""

from django.db import transaction

from jetbridge.console.audit import Actor
from jetbridge.control import sources
from jetbridge.control.models import Destination, Source


def add(actor: Actor, name: str) -> Source:
    """One for Segment's libraries and HTTP API."""
    with transaction.atomic():
        row = sources.add_http(actor.workspace, name)
        actor.audit("source.added", row)
    return row


def change(actor: Actor, row: Source, *, name: str | None = None, enabled: bool | None = None) -> None:
    """All of it, or nothing. A source that is off refuses its senders."""
    with transaction.atomic():
        if name is not None and (renamed := sources.rename(row, name)):
            actor.audit("source.renamed", row, {"before": renamed.before})
        if enabled is not None and sources.switch(row, enabled=enabled):
            actor.audit("source.enabled" if enabled else "source.disabled", row)


def connect(actor: Actor, row: Source, destination: Destination) -> None:
    """From now on the destination gets its messages."""
    with transaction.atomic():
        if sources.connect(row, destination):
            actor.audit("source.connected", row, {"destination": destination.name})


def disconnect(actor: Actor, row: Source, destination: Destination) -> None:
    """From now on it gets none."""
    with transaction.atomic():
        if sources.disconnect(row, destination):
            actor.audit("source.disconnected", row, {"destination": destination.name})
