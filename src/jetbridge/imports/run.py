"""The worker's part of an import: reading the file for a preview, and after that appending its rows to the event log.

Rows go in as calls of the source would, in batches, each durable before the next: a worker that dies goes on after
the last one. At the most one batch comes twice, under the same messageIds.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event

import msgspec
from django.db.models import F

from jetbridge.delivery.isolation import is_environmental
from jetbridge.errors import Backpressure, JetbridgeError
from jetbridge.eventlog.base import Entry, EventLog
from jetbridge.imports import store
from jetbridge.imports.files.calls import Row
from jetbridge.imports.files.options import Options
from jetbridge.imports.files.rejected import RejectedRows
from jetbridge.imports.files.scan import Check, Scan, check, scan
from jetbridge.imports.models import Import, State
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_single

log = logging.getLogger(__name__)

#: Files that are worked on at once: each takes a processor.
AT_ONCE = 2
#: Each batch is synced to disk, and its place in the file after it.
BATCH_ROWS = 1_000
#: How often the row says how far it is, and whether somebody has cancelled it.
REPORT_SECONDS = 0.5


class Stopped(Exception):
    """Somebody has cancelled the import, or the worker stops: it goes on when the next one starts."""


def to_do() -> list[Import]:
    """What the worker is to do now, the oldest first."""
    rows = Import.objects.filter(state__in=[State.READING, State.RUNNING]).select_related("source")
    return list(rows.order_by("id")[:AT_ONCE])


@dataclass
class Job:
    """One import at work: `run(stop)` for a thread."""

    row: Import
    event_log: EventLog
    _reported_at: float = float("-inf")
    #: Bytes of the passes before this one: the file is gone through to find out what it is, and then for its rows.
    _before: int = 0

    def run(self, stop: Event) -> None:
        self._stop = stop
        try:
            if self.row.state == State.RUNNING:
                self._send()
                return
            scanned = self._scan()
            checked = check(scanned, self._report)
            self._update(
                state=State.READY,
                done=self.row.size,
                accepted=checked.accepted,
                rejected=checked.rejected,
                about=_json(scanned, checked),
            )
        except Stopped:
            return
        except JetbridgeError as error:
            self._end(State.FAILED, problem=str(error))
        except Exception as error:
            if is_environmental(error):
                raise  # it is nobody's fault: the thread begins again
            log.exception("import %s broke", self.row.id)
            self._end(State.FAILED, problem="It broke for a reason that stands in the worker's log.")

    def _send(self) -> None:
        source = self.row.source
        if not source.enabled:
            raise JetbridgeError(
                f"{source.name} is disabled and takes no messages. Enable it, and import again."
            )
        scanned = self._scan()
        checked = Check()
        with RejectedRows(store.rejected_path(self.row.id), scanned, most=store.MOST_REJECTED) as rejected:
            batch: list[Row] = []
            for row in self._good(scanned.rows(self._report), checked, rejected):
                batch.append(row)
                if len(batch) == BATCH_ROWS:
                    self._append(batch)
                    batch = []
            self._append(batch)
        self._end(State.ENDED, done=self.row.size, rejected=checked.rejected, about=_json(scanned, checked))

    def _good(self, rows: Iterator[Row], checked: Check, rejected: RejectedRows) -> Iterator[Row]:
        """Rows that the log does not have yet, with their call as a source's message."""
        # All are of the moment at which the import was confirmed: what is sent meanwhile is newer, and wins.
        arrival = Arrival(received_at=self.row.begun_at or datetime.now(UTC), type="identify")
        for row in rows:
            ready = row
            if row.call is not None:
                parsed = parse_single(row.call, arrival)
                if parsed.rejected:
                    ready = row._replace(call=None, reason=f"cannot be taken: {parsed.rejected[0].reason}")
                else:
                    ready = row._replace(call=parsed.accepted[0].body)
            checked.see(row if ready.call else ready)
            if ready.call is None:
                rejected.add(ready)
            elif row.place.number > self.row.place:
                yield ready

    def _append(self, batch: list[Row]) -> None:
        """Raises Stopped."""
        if not batch:
            return
        at = int(time.time() * 1000)
        entries = [Entry(self.row.source_id, "identify", at, row.call or b"") for row in batch]
        while True:
            try:
                self.event_log.append(entries)
                break
            except Backpressure as error:
                log.warning("import %s waits: %s", self.row.id, error)
                if self._stop.wait(error.retry_after_seconds):
                    raise Stopped from None
        self._update(place=batch[-1].place.number, accepted=F("accepted") + len(batch))

    def _scan(self) -> Scan:
        path = store.upload_path(self.row.id)
        if not path.exists():
            raise JetbridgeError("The file is not here any more. Upload it again.")
        scanned = scan(path, Options.of(self.row.options), name=self.row.name, on_bytes=self._report)
        self._before = self.row.size
        return scanned

    def _report(self, done: int) -> None:
        """Raises Stopped."""
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            self._reported_at = time.monotonic()
            self._update(done=(self._before + done) // 2)

    def _update(self, **fields: object) -> None:
        """Raises Stopped if it is no longer what this thread is there for."""
        still = Import.objects.filter(id=self.row.id, state=self.row.state).update(**fields)
        if self._stop.is_set() or not still:
            raise Stopped

    def _end(self, state: State, **fields: object) -> None:
        """A file that could not be read stays for its day: a person may say how it is to be read."""
        rows = Import.objects.filter(id=self.row.id, state=self.row.state)
        rows.update(state=state, ended_at=datetime.now(UTC), **fields)
        if self.row.state == State.RUNNING:
            store.remove_upload(self.row.id)


def _json(scanned: Scan, checked: Check) -> str:
    return msgspec.json.encode(scanned.as_object() | checked.as_object()).decode()
