"""One `serve` and one `worker` per home, kept by a lock that the kernel lets go when its holder dies."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from jetbridge.errors import ConfigurationError

#: How long a new `serve` waits for what an earlier, killed one has left running.
ORPHANS_SECONDS = 30.0


def take(home: Path, command: str) -> IO[str]:
    """Hold the lock until the file is closed, in this process and in those that inherit it.

    Waits while the lock is held by the orphans of a dead holder. Raises ConfigurationError when the holder
    lives, or the orphans do not end in time.
    """
    file = (home / f"{command}.lock").open("a+")
    deadline = time.monotonic() + ORPHANS_SECONDS
    while not _locked(file):
        holder = _holder(file)
        if _lives(holder) or time.monotonic() > deadline:
            file.close()
            raise ConfigurationError(
                f"Another `jetbridge {command}` (process {holder}) works on {home}. "
                "Stop it first, or give this one a JETBRIDGE_HOME of its own."
            )
        time.sleep(0.1)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def is_taken(home: Path, command: str) -> bool:
    """Whether somebody holds the lock now."""
    try:
        with (home / f"{command}.lock").open("r+") as file:
            return not _locked(file)
    except FileNotFoundError:
        return False


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> int:
    file.seek(0)
    text = file.read()
    return int(text) if text.isdecimal() else 0


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process > 0
