"""Reads the log as it grows and keeps the schema of every source. One thread of the worker, in no hurry.

Once: the schema and the position move in one transaction.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from django.db import transaction

from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.pauses import PROBE_SECONDS, PauseRegistry
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import Counts, EventLog
from jetbridge.source_schema import volumes
from jetbridge.source_schema.schema_counts import NameLimit, SchemaCounts

READER = "schema"
#: How often it looks for news, and writes down what it saw.
EVERY_SECONDS = 1.0
#: Records that are written down together; while there are more, it rests as long as it worked.
GATHERED = 20_000
BATCH_RECORDS = 1_000
TRIM_SECONDS = 3_600.0

#: A new reader begins at the beginning: a schema is of what came before, too.
_START = Counts(0, {})


@dataclass
class SchemaReader:
    """`run(stop)` works until `stop` is set; it may die anywhere. `clock` gives seconds."""

    event_log: EventLog
    clock: Callable[[], float] = time.monotonic
    _limit: NameLimit = field(default_factory=NameLimit)

    def run(self, stop: Event) -> None:
        ledger.begin(READER, _START)
        pauses.resume(READER)
        log_reader, registry = LogReader(self.event_log, READER, self.clock), PauseRegistry()
        trimmed_at = -TRIM_SECONDS
        while not stop.is_set():
            begun = self.clock()
            try:
                records = self.step(log_reader)
            except PauseError as error:
                registry.pause(READER, error)
                registry.wait(stop, PROBE_SECONDS)
                continue
            registry.resume(READER)
            if begun - trimmed_at > TRIM_SECONDS:
                volumes.trim(self.event_log)
                trimmed_at = begun
            is_behind = records >= GATHERED
            stop.wait(self.clock() - begun if is_behind else EVERY_SECONDS)

    def step(self, log_reader: LogReader) -> int:
        """Take what comes next, up to GATHERED records; how many. Raises PauseError if there is none that can be read."""
        counts, total = SchemaCounts(self._limit.accepts), 0
        while total < GATHERED:
            try:
                records = log_reader.read(BATCH_RECORDS)
            except PauseError:
                if not total:
                    raise
                break  # what came before it is taken
            if not records:
                break
            counts.add(records)
            total += len(records)
            log_reader.moved(records[-1].position, log_reader.place_of(records[-1]))
        if total:
            with transaction.atomic():
                counts.save()
                ledger.move(READER, log_reader.position, log_reader.place)
        return total
