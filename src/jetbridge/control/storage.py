"""Whether the files in the home can be written now: a full disk, a database that another program locks.

Readers are not stopped by such a lock (both databases keep a write-ahead log), so pages and commands can say it.
What that log holds goes into the files at a clean stop: people copy a file and leave out what lies beside it.
"""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from jetbridge.control import home_lock
from jetbridge.text import one_line

#: How long a checkpoint waits for other processes that read or write.
CHECKPOINT_SECONDS = 2.0
#: With less free space than this nothing can be relied on: SQLite needs room to begin.
LEAST_FREE_BYTES = 1_000_000
#: What may wait stops before: a hundredth of the disk is kept for messages that are taken in and delivered, within these bounds.
LEAST_RESERVE_BYTES, MOST_RESERVE_BYTES = 2_000_000, 100_000_000


def lack_of_space(home: Path) -> str | None:
    """A sentence if the disk is full."""
    free = shutil.disk_usage(home).free
    return "the disk is full" if free < LEAST_FREE_BYTES else None


def lack_of_reserve(home: Path) -> str | None:
    """A sentence if what may wait has to, so that messages are taken in and delivered as long as possible."""
    disk = shutil.disk_usage(home)
    reserve = min(max(disk.total // 100, LEAST_RESERVE_BYTES), MOST_RESERVE_BYTES)
    if disk.free >= reserve:
        return None
    return (
        f"only {disk.free / 1e6:,.1f} MB of the disk are free, and {reserve / 1e6:,.1f} MB are kept for messages that are taken in and "
        "delivered"
    )


def lock_on(path: Path, *, seconds: float) -> str | None:
    """A sentence if nobody can write the database within so many seconds; None if it is not there. Takes its write
    lock for an instant.
    """
    try:
        with closing(_open(path, seconds)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        if not path.exists():
            return None
        if "locked" in str(error):
            writer = writer_of(path)
            if writer and writer.is_ours:
                return f"{writer} is writing to {path.name}"
            return f"another program locks {path.name}" + (f" ({writer})" if writer else "")
        return f"{path.name} cannot be written ({error})"
    return None


class Writer(NamedTuple):
    """A process that holds the write lock of a database. `str()` is for a person."""

    process: int
    name: str
    is_ours: bool

    def __str__(self) -> str:
        return self.name if self.is_ours else f"process {self.process}, {self.name}"


def writer_of(path: Path) -> Writer | None:
    """Who has the write lock now; None if nobody has, or the kernel does not say (it is not Linux)."""
    with suppress(OSError):
        file = Path(f"{path}-shm").stat()
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "->" in fields or fields[3] != "WRITE" or int(fields[5].rpartition(":")[2]) != file.st_ino:
                continue
            if int(fields[6]) <= _WAL_WRITE_LOCK and fields[7] != "EOF" and int(fields[7]) >= _WAL_WRITE_LOCK:
                process = int(fields[4])
                for own in ("worker", "web"):
                    holder = home_lock.holder(path.parent, own)
                    if holder and holder.process == process:
                        return Writer(process, f"Jetbridge's own {own} process", is_ours=True)
                name = Path(f"/proc/{process}/comm").read_text().strip()
                return Writer(process, one_line(name), is_ours=False)
    return None


#: The byte of a `-shm` file that is locked by whoever writes. Source: SQLite's "WAL-mode File Format", 2.2.
_WAL_WRITE_LOCK = 120


def checkpoint() -> None:
    """Move what the write-ahead logs hold into `state.db` and `eventlog.db`, so that a copy of either file is complete.

    For the end of a process, after its last write: whichever ends last moves all. SQLite does that only when the last
    connection is closed, and a thread that still has one keeps it from it. Waits for others as long as
    CHECKPOINT_SECONDS per file; what cannot be moved stays in the write-ahead log, where the next start finds it.
    """
    for path in (settings.CONFIG.state_path, settings.CONFIG.log_path):
        # No such file, a full disk, a damaged file: a stop does not report them.
        with suppress(sqlite3.Error), closing(_open(path, CHECKPOINT_SECONDS)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open(path: Path, seconds: float) -> sqlite3.Connection:
    """Of a file that is there; each statement waits so long for other processes."""
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=seconds, isolation_level=None)


def write_problem(*, seconds: float) -> str | None:
    """The first thing that keeps files from being written. Blocks for so many seconds per database at the most."""
    config = settings.CONFIG
    return (
        lack_of_space(config.home)
        or lock_on(config.state_path, seconds=seconds)
        or lock_on(config.log_path, seconds=seconds)
    )


@dataclass
class StorageWatch:
    """The same for the top bar of every page, where it must cost next to nothing. For all threads of a process.

    It looks every `every_seconds` at the most, and believes a lock that two looks have seen: others write, too.
    """

    look: Callable[[], str | None] = lambda: write_problem(seconds=1.0)
    every_seconds: float = 3.0
    clock: Callable[[], float] = time.monotonic
    _looked_at: float = float("-inf")
    _last: str | None = None
    _shown: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> str | None:
        if self.clock() - self._looked_at >= self.every_seconds and self._lock.acquire(blocking=False):
            try:
                state = self.look()
                self._shown, self._last = (state if self._last else None), state
                self._looked_at = self.clock()
            finally:
                self._lock.release()
        return self._shown
