"""Group commit: one thread, one transaction for all that arrived while the last one was being synced.

A sync to disk costs about as much for one message as for a thousand. Whoever submits is called back when
its entries are durable, or with the error that kept them out.
"""

import threading
from collections.abc import Callable, Sequence

from jetbridge.errors import Backpressure
from jetbridge.eventlog.base import Entry, EventLog, LogUnavailable

#: Called in the writer's thread, once: with None when durable, else with the error. Must not block.
Done = Callable[[Exception | None], None]


class GroupCommit:
    """`close()` commits what was submitted before it, then refuses."""

    def __init__(self, log: EventLog, *, max_waiting_bytes: int = 64_000_000) -> None:
        self._log = log
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: list[tuple[Sequence[Entry], Done]] = []
        self._waiting_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, entries: Sequence[Entry], done: Done) -> None:
        """Hand over entries. Does not block. Raises Backpressure when too much waits already."""
        size = sum(len(entry.body) for entry in entries)
        with self._changed:
            if self._closed:
                raise Backpressure("Jetbridge is stopping. Send this again in a few seconds.")
            if self._waiting and self._waiting_bytes + size > self._max_waiting_bytes:
                raise Backpressure("The event log is busy. Send this again in a few seconds.")
            self._waiting.append((entries, done))
            self._waiting_bytes += size
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            error = self._append(group)
            for _, done in group:
                done(error)

    def _next_group(self) -> list[tuple[Sequence[Entry], Done]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            group, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return group

    def _append(self, group: list[tuple[Sequence[Entry], Done]]) -> Exception | None:
        try:
            self._log.append(entry for entries, _ in group for entry in entries)
        except LogUnavailable as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, the senders must not wait for ever
            return LogUnavailable(f"The event log failed: {error}.")
        return None
