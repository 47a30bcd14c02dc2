"""Group commit: one thread, one transaction for all that arrived while the last one was being synced.

A sync to disk costs about as much for one message as for a thousand. Whoever submits is called back when
its entries are durable, or with the error that kept them out. While somebody submits thousands at once (Mailjet the events of
a campaign), a single call waits for one such transaction and not for all that came before it.
"""

import threading
from collections.abc import Callable, Sequence

from jetbridge.errors import Backpressure
from jetbridge.eventlog.base import Entry, EventLog, LogUnavailable

#: Called in the writer's thread, once: with None when durable, else with the error. Must not block.
Complete = Callable[[Exception | None], None]


#: Entries of one transaction, besides those of the oldest submission.
GROUP_ENTRIES = 5_000

_Submission = tuple[Sequence[Entry], Complete]


class GroupCommit:
    """`close()` commits what was submitted before it, then rejects more."""

    def __init__(self, log: EventLog, *, max_waiting_bytes: int = 64_000_000) -> None:
        self._log = log
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: list[_Submission] = []
        self._waiting_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, entries: Sequence[Entry], complete: Complete) -> None:
        """Hand over entries. Does not block. Raises Backpressure when too much waits already."""
        size = _bytes(entries)
        with self._changed:
            if self._closed:
                raise Backpressure("Jetbridge is stopping. Send this again in a few seconds.")
            if self._waiting and self._waiting_bytes + size > self._max_waiting_bytes:
                raise Backpressure("The event log is busy. Send this again in a few seconds.")
            self._waiting.append((entries, complete))
            self._waiting_bytes += size
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                group, self._waiting = _divide(self._waiting)
                self._waiting_bytes = sum(_bytes(entries) for entries, _ in self._waiting)
            if not group:
                return
            error: Exception | None = None
            try:
                self._log.append(entry for entries, _ in group for entry in entries)
            except LogUnavailable as unavailable:
                error = unavailable
            except Exception as failure:  # noqa: BLE001 - whatever it is, the senders must not wait for ever
                error = LogUnavailable(f"The event log failed: {failure}.")
            for _, complete in group:
                complete(error)


def _divide(waiting: list[_Submission]) -> tuple[list[_Submission], list[_Submission]]:
    """What is committed next, and what waits on: the oldest submission goes, and the smallest of the others, in the order in
    which they came.
    """
    if sum(len(entries) for entries, _ in waiting[1:]) <= GROUP_ENTRIES:
        return waiting, []
    chosen, total = {0}, 0
    for place in sorted(range(1, len(waiting)), key=lambda place: len(waiting[place][0])):
        total += len(waiting[place][0])
        if total > GROUP_ENTRIES:
            break
        chosen.add(place)
    group = [submission for place, submission in enumerate(waiting) if place in chosen]
    return group, [submission for place, submission in enumerate(waiting) if place not in chosen]


def _bytes(entries: Sequence[Entry]) -> int:
    return sum(len(entry.body) for entry in entries)
