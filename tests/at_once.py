"""Several writers at once, each in a thread with a database connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

T = TypeVar("T")

#: After so long a writer that waits for another one fails the test, so that it does not hang.
LONGEST_WAIT_SECONDS = 60.0


def at_once(*writers: Callable[[], T]) -> list[T]:
    """What each of them returns, in their order. They begin together; what one raises is raised once all have ended."""
    begin = Barrier(len(writers), timeout=LONGEST_WAIT_SECONDS)

    def run(writer: Callable[[], T]) -> T:
        begin.wait()
        try:
            return writer()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(writers)) as pool:
        return [future.result() for future in [pool.submit(run, writer) for writer in writers]]
