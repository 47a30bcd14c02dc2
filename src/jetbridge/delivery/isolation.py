"""One record must not stop the others: which exceptions are its own fault, and how it fails by them.

A record that raises while it is taken together with others is taken again with fewer, until it is alone. One
that raises alone fails with INTERNAL_ERROR, so that it can be seen and retried. Errors of the disk, the databases
and memory are nobody's fault: whoever meets them waits and tries the same again.
"""

import errno
import logging
import sqlite3
import threading
import traceback
from pathlib import Path

from django import db
from django.conf import settings

import jetbridge
from jetbridge.control import storage
from jetbridge.errors import Backpressure, PauseError, TransientError
from jetbridge.text import one_line

log = logging.getLogger(__name__)

#: The code of a failure, or of a pause, for which no other part of Jetbridge had a name: it is a bug.
INTERNAL_ERROR = "INTERNAL_ERROR"
#: The code of a pause because the disk, a database or memory would not do.
STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"

_OF_VALUES = frozenset({errno.EOVERFLOW, errno.ERANGE, errno.EDOM})

_ROOT = f"{Path(jetbridge.__file__).parent}/"

#: Places in the code whose trace the log has already. Strangers could fill it otherwise: records come from them.
_logged: set[str] = set()
_lock = threading.Lock()


def is_environmental(error: BaseException) -> bool:
    """Whether the disk, a database, memory or the network failed, and no record.

    Not so of a value that a database cannot keep (class 22 of SQL, "data exception"), or that the C library cannot
    compute with (`datetime.fromtimestamp` may raise OSError): that is the record's.
    """
    if isinstance(error, db.DataError | sqlite3.DataError):
        return False
    if isinstance(error, OSError) and error.errno in _OF_VALUES:
        return False
    return isinstance(error, OSError | MemoryError | db.Error | sqlite3.Error | Backpressure)


def as_transient(error: BaseException, *files: Path) -> TransientError:
    """An environmental error in the words of those who wait and try again. `files`: databases that it may be of, beside the two."""
    words = one_line(str(error))[:200].rstrip(".") or type(error).__name__
    words = words.replace(f"{settings.CONFIG.home}/", "")  # pages show it to people who are not logged in
    fix = "See whether the disk is full, or another program locks a database."
    if isinstance(error, MemoryError):
        words = "there is not enough memory"
    elif "is locked" in words:
        config = settings.CONFIG
        paths = (*files, config.state_path, config.log_path)
        writer = next((writer for path in paths if (writer := storage.writer_of(path))), None)
        if writer and writer.is_ours:
            fix = f"{writer} is writing to it for long. Try again in a few seconds."
        else:
            fix = (
                f"Another program has it{f' ({writer})' if writer else ''}, such as a backup tool or an open shell of SQLite: "
                "let it end, or end it."
            )
    return TransientError(
        STORAGE_UNAVAILABLE,
        f"Jetbridge cannot work with its files now: {words}. {fix} Nothing is lost, and it goes on by itself.",
    )


def place_of(error: BaseException) -> str:
    """The type of an exception and the last line of ours that it came through, such as
    `ValueError in spec/times.py:21`. Not its text, which may repeat what the record holds.
    """
    place = type(error).__name__
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if file.startswith(_ROOT):
            place = f"{type(error).__name__} in {file.removeprefix(_ROOT)}:{line}"
    return place


def bug_message(error: BaseException, *, retry: str = "retry the message") -> str:
    return (
        f"Jetbridge has a bug that this message meets ({place_of(error)}); the others went on. Please report it, "
        f"and {retry} with a newer version."
    )


def as_pause(error: BaseException) -> PauseError:
    """A pause for an exception that no single record raises alone."""
    return PauseError(
        INTERNAL_ERROR,
        f"Jetbridge has a bug that stops it here ({place_of(error)}), and no single message is at fault. Nothing is "
        "lost; it goes on trying. Please report it, with the trace that the worker's log has.",
    )


def note(error: BaseException, what: str) -> None:
    """Write the trace into the log, once for each place in the code."""
    place = place_of(error)
    with _lock:
        is_known = place in _logged
        _logged.add(place)
    if not is_known:
        log.error("%s meets a bug: %s", what, place, exc_info=error)
