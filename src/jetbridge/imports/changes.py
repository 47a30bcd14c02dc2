"""What a person does with an import: upload, read otherwise, confirm, cancel."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import PurePath

from django.db import transaction

from jetbridge.control import sources
from jetbridge.control.models import Source
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.imports import store
from jetbridge.imports.files.options import Options
from jetbridge.imports.models import OPEN, Import, State
from jetbridge.integrations import registry

#: Of a source, so many may be open at once: each holds a file.
MOST_OPEN = 5


def upload(source: Source, name: str, chunks: Iterable[bytes], options: Options) -> Import:
    """Keep the file, and have the worker read it. Raises ConfigurationError, having kept nothing."""
    if kind := registry.sources().get(source.kind):
        raise ConfigurationError(f"{source.name} takes {kind.title}. Import people into another source.")
    sources.reject_engage(source, "Import people into another source.")
    if source.imports.filter(state__in=OPEN).count() >= MOST_OPEN:
        raise ConflictError(f"{MOST_OPEN} imports of {source.name} are open. Confirm or cancel one first.")
    shown = PurePath(name.replace("\\", "/")).name.strip()[:200] or "people"
    with store.written(chunks) as (path, size):
        if not size:
            raise ConfigurationError(f"{shown} is empty.")
        with transaction.atomic():
            row = Import.objects.create(source=source, name=shown, size=size, options=options.as_object())
            path.rename(store.upload_path(row.id))  # before anybody sees the row
    return row


def read_otherwise(row: Import, options: Options) -> None:
    """Read the file again, before it is confirmed. Raises ConfigurationError."""
    if not store.upload_path(row.id).exists():
        raise ConflictError(f"The file {row.name} is not here any more. Upload it again.")
    _move(
        row,
        (State.READY, State.FAILED),
        state=State.READING,
        options=options.as_object(),
        about="",
        problem="",
        ended_at=None,
        done=0,
    )


def confirm(row: Import) -> None:
    """Have the worker send what the preview has shown. Raises ConfigurationError."""
    _move(row, (State.READY,), state=State.RUNNING, begun_at=datetime.now(UTC), done=0, accepted=0)


def cancel(row: Import) -> None:
    """What was sent until then stays. Raises ConfigurationError."""
    _move(row, OPEN, state=State.CANCELLED, ended_at=datetime.now(UTC), problem="Cancelled.")
    store.remove_upload(row.id)


def _move(row: Import, states: tuple[State, ...], **fields: object) -> None:
    if not Import.objects.filter(id=row.id, state__in=states).update(**fields):
        row.refresh_from_db()
        raise ConflictError(f"The import of {row.name} is {row.get_state_display().lower()} by now.")
    row.refresh_from_db()
