"""One `serve` and one `worker` per home, kept by a lock that the kernel lets go when its holder dies."""

import fcntl
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from jetbridge.errors import ConfigurationError

#: How long a new `serve` waits for what an earlier, killed one has left running.
ORPHANS_SECONDS = 30.0


#: Processes that work on a home, each of which takes the lock of its name.
PROCESSES = ("serve", "worker", "web")


def take(
    home: Path, command: str, *, shared: bool = False, environment: Mapping[str, str] | None = None
) -> IO[str]:
    """Hold the lock until the file is closed, in this process and in those that inherit it.

    Waits while the lock is held by the orphans of a dead holder. Raises ConfigurationError when the holder
    lives, or the orphans do not end in time. `shared`: others may hold it at the same time if they share it, too.
    `environment`: what others learn from `holder`.
    """
    file = (home / f"{command}.lock").open("a+")
    deadline = time.monotonic() + ORPHANS_SECONDS
    while not _locked(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
        holder, _ = _read(file)
        if _lives(holder) or time.monotonic() > deadline:
            file.close()
            raise ConfigurationError(
                f"Another `jetbridge {command}` (process {holder}) works on {home}. "
                "Stop it first, or give this one a JETBRIDGE_HOME of its own."
            )
        time.sleep(0.1)
    with suppress(OSError):  # on a full disk nobody learns whose lock it is; the kernel keeps it all the same
        os.ftruncate(file.fileno(), 0)
        lines = [str(os.getpid()), *(f"{name}={value}" for name, value in (environment or {}).items())]
        os.write(file.fileno(), "\n".join(lines).encode())
    return file


class Holder(NamedTuple):
    """The process that holds a lock, since when, and what it says of itself."""

    process: int
    since: datetime
    environment: dict[str, str]


def holder(home: Path, command: str) -> Holder | None:
    """Who holds the lock now."""
    try:
        with (home / f"{command}.lock").open("r+") as file:
            if _locked(file):
                return None
            since = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
            process, environment = _read(file)
            return Holder(process, since, environment)
    except FileNotFoundError:
        return None


def is_taken(home: Path, command: str) -> bool:
    """Whether somebody holds the lock now."""
    return holder(home, command) is not None


def _locked(file: IO[str], how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: IO[str]) -> tuple[int, dict[str, str]]:
    """The process, 0 if nobody knows, and its environment."""
    file.seek(0)
    first, *lines = file.read().split("\n")
    environment = dict(line.split("=", 1) for line in lines if "=" in line)
    return int(first) if first.isdecimal() else 0, environment


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process > 0
