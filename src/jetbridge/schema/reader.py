"""Reads the log as it grows and keeps the schema of every source. One thread of the worker, in no hurry.

Once: the schema and the position move in one transaction.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from django.db import transaction

from jetbridge.delivery import ledger
from jetbridge.eventlog.base import Counts, EventLog
from jetbridge.schema import volumes
from jetbridge.schema.tally import Room, SchemaTally

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
    _room: Room = field(default_factory=Room)

    def run(self, stop: Event) -> None:
        ledger.begin(READER, _START)
        position = ledger.position(READER)
        trimmed_at = -TRIM_SECONDS
        while not stop.is_set():
            begun = self.clock()
            before, position = position, self.step(position)
            if begun - trimmed_at > TRIM_SECONDS:
                volumes.trim(self.event_log)
                trimmed_at = begun
            is_behind = position - before >= GATHERED
            stop.wait(self.clock() - begun if is_behind else EVERY_SECONDS)

    def step(self, position: int) -> int:
        """Take what came after a position, up to GATHERED records; return where it ended."""
        tally, after = SchemaTally(self._room.may_keep), position
        for _ in range(GATHERED // BATCH_RECORDS):
            records = self.event_log.read(after, limit=BATCH_RECORDS)
            if not records:
                break
            tally.add(records)
            after = records[-1].position
        if after > position:
            with transaction.atomic():
                tally.save()
                ledger.move(READER, after)
        return after
