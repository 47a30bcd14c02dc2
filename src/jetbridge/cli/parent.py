"""A child of `serve` does not outlive it, not even when `serve` is killed and can tell nobody."""

import os
import signal
import time
from threading import Thread

LOOK_SECONDS = 0.5
#: How long a clean stop may take before the process ends without one.
STOP_SECONDS = 20.0


def end_with(parent: int) -> None:
    """Send this process SIGTERM once `parent` is no longer its parent; end it hard if that is ignored."""
    Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)
