"""Imports of a source: people in a file become its messages."""

from collections.abc import Iterable

from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import Source
from jetbridge.imports import changes
from jetbridge.imports.files.options import Options
from jetbridge.imports.models import Import


def upload(actor: Actor, source: Source, name: str, chunks: Iterable[bytes], options: Options) -> Import:
    """Keep the file until it is confirmed, for a day at most. Nothing of it is sent."""
    row = changes.upload(source, name, chunks, options)
    actor.audit("import.uploaded", row, {"source": source.name, "bytes": row.size})
    return row


def read_otherwise(actor: Actor, row: Import, options: Options) -> None:
    """Read the file with other options. Nothing of it is sent."""
    with transaction.atomic():
        changes.read_otherwise(row, options)
        actor.audit("import.read-otherwise", row, {"source": row.source.name, "options": options.as_object()})


def confirm(actor: Actor, row: Import) -> None:
    """Send what can be sent of it."""
    with transaction.atomic():
        changes.confirm(row)
        actor.audit("import.confirmed", row, {"source": row.source.name})


def cancel(actor: Actor, row: Import) -> None:
    """Send nothing more of it."""
    with transaction.atomic():
        changes.cancel(row)
        actor.audit("import.cancelled", row, {"source": row.source.name})
