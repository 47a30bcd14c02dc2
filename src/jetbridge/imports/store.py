"""Uploaded files and files of rejected rows, in the home: for the owner of the process alone, and for a day."""

import json
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from django.conf import settings
from django.db import DatabaseError

from jetbridge.errors import ConfigurationError
from jetbridge.imports.files.rejected import name_for
from jetbridge.imports.models import OPEN, Import, State

log = logging.getLogger(__name__)

#: Files, and what is known of the people in them, go a day after the upload if nobody confirmed it, else after the end.
KEPT = timedelta(days=1)
#: How long it is remembered that there was an import.
REMEMBERED = timedelta(days=30)
#: A file of rejected rows has so many at the most: a file that is read wrong is all of them.
MOST_REJECTED = 100_000
#: Longer than an upload may take.
WRITING_SECONDS = 3_600
#: How often is looked for what goes.
TRIM_SECONDS = 60.0


def folder() -> Path:
    path: Path = settings.CONFIG.home / "imports"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def upload_path(number: int) -> Path:
    return folder() / f"{number}.upload"


def rejected_path(number: int) -> Path:
    return folder() / f"{number}.rejected"


def rejected_name(row: Import) -> str:
    """What the file of rejected rows is called where it is downloaded."""
    return name_for(row.name, json.loads(row.about)["kind"] if row.about else "csv")


def can_be_read_otherwise(row: Import) -> bool:
    """Whether other options may help: it was not confirmed yet, and its file is here."""
    return row.state in {State.READY, State.FAILED} and upload_path(row.id).exists()


def has_rejected(row: Import) -> bool:
    """Whether there are rejected rows to be downloaded."""
    return not row.is_open and rejected_path(row.id).exists()


@contextmanager
def written(chunks: Iterable[bytes]) -> Iterator[tuple[Path, int]]:
    """The chunks as a file for its owner's eyes, durable, and its size. It goes unless it is renamed.

    Raises ConfigurationError if it cannot be kept.
    """
    descriptor, name = tempfile.mkstemp(dir=folder(), suffix=".part")  # mode 0600
    path = Path(name)
    try:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            _write(descriptor, chunk)
        os.fsync(descriptor)
        yield path, size
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise ConfigurationError(f"The file cannot be kept: {error.strerror}.") from error


def remove_upload(number: int) -> None:
    with suppress(FileNotFoundError):
        upload_path(number).unlink()


def trim() -> None:
    """Let go of what nobody confirmed, of files whose day is over, and of those whose import is gone."""
    now = datetime.now(UTC)
    Import.objects.filter(state=State.READY, created_at__lt=now - KEPT).update(
        state=State.CANCELLED, ended_at=now, problem="Nobody confirmed it within a day."
    )
    Import.objects.filter(ended_at__lt=now - KEPT).exclude(about="").update(about="")
    Import.objects.filter(ended_at__lt=now - REMEMBERED).delete()
    open_ = set(Import.objects.filter(state__in=OPEN).values_list("id", flat=True))
    failed = Import.objects.filter(state=State.FAILED, ended_at__gte=now - KEPT)
    uploads = open_ | set(failed.values_list("id", flat=True))  # some may be read with other options
    recent = open_ | set(Import.objects.filter(ended_at__gte=now - KEPT).values_list("id", flat=True))
    for path in folder().iterdir():
        number, _, kind = path.name.partition(".")
        kept = {"upload": uploads, "rejected": recent}.get(kind, set())
        is_ours = number.isdecimal() and int(number) in kept
        # What is being written belongs to no import yet.
        if not is_ours and path.stat().st_mtime < now.timestamp() - WRITING_SECONDS:
            path.unlink(missing_ok=True)


def keep_trimming(stop: Event) -> None:
    """For a thread."""
    while not stop.wait(TRIM_SECONDS):
        try:
            trim()
        except (OSError, DatabaseError) as error:
            log.warning("files of imports are looked after later: %s", error)
