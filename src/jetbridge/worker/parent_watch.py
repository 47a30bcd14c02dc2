"""A child of `serve`: it reports to its parent that it lives, and does not outlive it, not even when `serve` is killed."""

import os
import signal
import time
from contextlib import suppress
from threading import Thread

LOOK_SECONDS = 0.5
#: How long a clean stop may take before the process ends without one.
STOP_SECONDS = 20.0


def end_with(parent: int, pulse: int | None = None) -> None:
    """Send this process SIGTERM once `parent` is no longer its parent; end it hard if that is ignored.

    Until then write a byte to the file descriptor `pulse` twice a second: a process that is stopped, or in which one
    thread keeps all others from running, is silent.
    """

    def watch() -> None:
        while os.getppid() == parent:
            if pulse is not None:
                with suppress(
                    OSError
                ):  # the parent is gone, or has not looked for so long that the pipe is full
                    os.write(pulse, b".")
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)

    Thread(target=watch, name="parent-watch", daemon=True).start()
