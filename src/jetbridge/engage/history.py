"""Reads what the event log held before Engage was switched on, once that is asked for: in steps, between live rounds.

It brings profiles, traits and events. Nobody is evaluated meanwhile, nor by live messages or by time: a part of the past would make
members of people who never were ("did not"). In the end all definitions are computed anew, and differences are sent.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from jetbridge.engage.configuration import Configuration
from jetbridge.engage.profile_ingestion import ProfileIngestion
from jetbridge.engage.store import Meta
from jetbridge.eventlog.base import EventLog

#: Records of one step.
STEP_RECORDS = 1_000


@dataclass(frozen=True)
class HistoryStep:
    is_over: bool = False
    #: As `Taken.merged`.
    merged: Sequence[tuple[int, int]] = ()


class History:
    """For one store, used by one thread. `history_place` in `meta` is the position up to which it has read."""

    def __init__(
        self, connection: sqlite3.Connection, event_log: EventLog, ingestion: ProfileIngestion
    ) -> None:
        self._meta = Meta(connection)
        self._log = event_log
        self._ingestion = ingestion

    def is_loading(self, configuration: Configuration) -> bool:
        """Whether it was asked for and is not read to its end."""
        return self._meta.number("history_done") < configuration.history_asked_at

    def step(self, configuration: Configuration, now: int) -> HistoryStep:
        """While it is loading, in the caller's transaction."""
        asked_at = configuration.history_asked_at
        upto = self._meta.number("began")
        records = self._log.read(self._meta.number("history_place"), limit=STEP_RECORDS)
        before = [record for record in records if record.position <= upto]
        if not before:
            self._meta.set(history_done=asked_at, history_place=0)
            return HistoryStep(is_over=True)
        taken = self._ingestion.take(before, configuration, now)
        self._meta.set(history_place=before[-1].position)
        return HistoryStep(merged=taken.merged)
