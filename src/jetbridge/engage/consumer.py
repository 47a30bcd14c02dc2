"""Reads the event log for Engage of one workspace: from messages to profiles, memberships, values, and calls.

One transaction per batch holds all that follows from it, the position included; the ledger has a copy of that, so that retention
waits for it and a log that was replaced is noticed. Between two batches there is one step of what takes long: a definition that is
computed for everybody, a walk of a first sync, history, what is deleted.

A record that raises is taken alone, and left out. Errors of the disk, the databases and memory pause the reader. A store that is
missing or damaged is made anew from what the log still has.
"""

import logging
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from django.conf import settings

from jetbridge.control import storage
from jetbridge.db.sqlite import is_damage
from jetbridge.delivery import isolation, ledger, pauses
from jetbridge.delivery.consumer import BatchLimit
from jetbridge.delivery.log_reader import LogReader, problem
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.delivery.pauses import PROBE_SECONDS, PauseRegistry
from jetbridge.delivery.retry import Backoff
from jetbridge.delivery.threads import Runnable
from jetbridge.engage import store
from jetbridge.engage.configuration import Configuration, ConfigurationReader, end_activations
from jetbridge.engage.evaluation import Evaluator
from jetbridge.engage.ingestion import History, ProfileIngestion, Pruning
from jetbridge.engage.models import Computation, Space
from jetbridge.engage.outbox import Outbox
from jetbridge.engage.store import Changes, Meta, transaction
from jetbridge.errors import PauseError, TransientError
from jetbridge.eventlog.base import EventLog, Place, Record
from jetbridge.heartbeat import beat
from jetbridge.privacy.suppression import WorkspaceSuppressed

log = logging.getLogger(__name__)
BATCH_RECORDS = 1_000
#: How often an idle reader looks for news, and how long it lets them gather after some.
IDLE_SECONDS, GATHER_SECONDS = 0.02, 0.1
#: How often the configuration is read, and the position is written into the ledger.
CONFIGURATION_SECONDS, MIRROR_SECONDS = 1.0, 1.0
#: How often it is looked whether somebody has written into the file, and how often the whole file is read at most because a reader
#: met damage.
LOOK_SECONDS, CHECK_SECONDS = 15.0, 30.0
#: A clock that is so much behind the last moment of evaluation (ms) was set back.
SET_BACK_MS = 60_000


class Engine:
    """For one workspace, used by one thread. `clock` gives ms since 1970, `monotonic` seconds.

    `turn` does what there is to do, in one batch; `close` at the end. After an exception it is of no more use, except for a
    PauseError: then `pause` comes first.
    """

    def __init__(
        self,
        space: Space,
        event_log: EventLog,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
        configuration_seconds: float = CONFIGURATION_SECONDS,
    ) -> None:
        self._log = event_log
        self._clock = clock
        self._monotonic = monotonic
        self._configuration_seconds = configuration_seconds
        self._workspace = space.workspace_id
        self._reader = store.reader(space.workspace_id)
        self._file = store.path(settings.CONFIG.home, space.workspace_id)
        self._connection = store.open_for_writing(self._file)
        self._file_id = store.file_id(self._file)
        self._meta = Meta(self._connection)
        self._begin(space)
        self._id = self._meta.text("id")
        self._now = self._meta.number("now")
        self._log_reader = LogReader(event_log, self._reader, monotonic)
        self._stored = self._mirrored = self._log_reader.position
        self._mirrored_at = self._configured_at = self._looked_at = self._checked_at = float("-inf")
        #: What the file has said so far, and whether the last look found it changed.
        self._checkpoint: store.Checkpoint | None = None
        self._is_odd = False
        self._evaluator = Evaluator(self._connection, monotonic)
        self._outbox = Outbox(
            self._connection,
            event_log,
            self._evaluator.live,
            clock=clock,
            monotonic=monotonic,
            space_id=space.space_id,
        )
        self._ingestion = ProfileIngestion(self._connection, WorkspaceSuppressed(space.workspace_id))
        self._history = History(self._connection, event_log, self._ingestion)
        self._pruning = Pruning(self._connection)
        self._limit = BatchLimit(BATCH_RECORDS)
        #: When the last record was received that was read (ms), while more follow.
        self._known_at: int | None = None
        self._configurations = ConfigurationReader(space.id)
        self._configuration: Configuration | None = None

    def close(self) -> None:
        self._connection.close()

    def turn(self) -> float:
        """Work for a moment; return how long to wait before the next turn (seconds)."""
        records = self._log_reader.read(self._limit.size)
        is_behind = bool(records) and records[-1].position < self._log.counts().end
        self._known_at = max(record.received_at for record in records) if is_behind else None
        configuration = self._configure()
        if configuration is None:
            return CONFIGURATION_SECONDS
        worked = self._round(records, configuration)
        if not self._is_rebuilding:
            worked |= self._outbox.append(configuration, self._log_reader.position)
        worked |= self._work_in_background(configuration)
        self._mirror()
        if worked or len(records) >= self._limit.size:
            return 0.0
        return GATHER_SECONDS if records else IDLE_SECONDS

    def pause(self) -> None:
        """The log cannot be read on: it may be another one when it can."""
        self._mirror(at_once=True)
        self._outbox.restart()

    # ---- where it begins

    def _begin(self, space: Space) -> None:
        """Make the store's position and the ledger's one, and know a store that was lost."""
        ledger.begin(self._reader, self._log.counts())
        row = ledger.offset(self._reader)
        if not self._meta.text("id"):
            position, place, end = row.position, Place(row.log, row.mark), 0
            if space.store_id:
                position, place, end = 0, Place(), self._log.counts().end
                log.warning(
                    "The store of Engage of workspace %s is gone: it is made anew.", space.workspace_id
                )
            with transaction(self._connection):
                self._meta.set(
                    id=secrets.token_hex(16),
                    began=position,
                    position=position,
                    log=place.log,
                    mark=place.mark,
                )
                if space.store_id:
                    self._meta.set(rebuilt_at=self._clock(), rebuild_upto=end)
        if space.store_id != self._meta.text("id"):
            Space.objects.filter(id=space.id).update(store_id=self._meta.text("id"))
        position = self._meta.number("position")
        place = Place(self._meta.text("log"), self._meta.text("mark"))
        if problem(self._log, position, place) and not problem(
            self._log, row.position, Place(row.log, row.mark)
        ):
            return  # `jetbridge admin reset-positions` has moved it
        ledger.move(self._reader, position, place)

    @property
    def _is_rebuilding(self) -> bool:
        """Nothing is evaluated or sent before all is read that the lost store had read."""
        return self._log_reader.position < self._meta.number("rebuild_upto")

    def _knows_all(self, configuration: Configuration) -> bool:
        """Whether people can be evaluated: a part of their events makes members of people who never were."""
        return not self._is_rebuilding and not self._history.is_loading(configuration)

    # ---- the configuration

    def _configure(self) -> Configuration | None:
        is_due = self._monotonic() - self._configured_at >= self._configuration_seconds
        if not is_due and not self._evaluator.has_recomputed:
            return self._configuration
        self._configured_at = self._monotonic()
        self._check_file()
        configuration = self._configurations.read()
        if configuration is None:
            return None
        if configuration is not self._configuration or self._evaluator.has_recomputed:
            now = self._moment()
            with transaction(self._connection):
                self._evaluator.configure(configuration)
                self._outbox.begin(configuration, now)
            self._configuration = configuration
        for ended in self._outbox.ended(configuration):
            end_activations(Computation.objects.get(computation_id=ended.computation_id))
        return configuration

    def _check_file(self) -> None:
        """Raise StoreReplaced."""
        if store.file_id(self._file) != self._file_id:
            raise StoreReplaced
        now, suspect = self._monotonic(), store.suspect(self._file)
        if suspect.exists() and now - self._checked_at >= CHECK_SECONDS:
            suspect.unlink(missing_ok=True)
            self._checked_at = now
            if store.is_damaged(self._file):
                raise StoreReplaced(is_damaged=True)
        if not self._is_odd and now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        looked, known = store.checkpoint(self._file), self._checkpoint
        if known is None and looked == store.Checkpoint():  # all of it is in the write-ahead log yet
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return
        is_ours = looked is not None and looked.id == self._id
        if looked is None or not is_ours or (known is not None and looked.position < known.position):
            if self._is_odd:  # one look may fall between two pages that are being written
                raise StoreReplaced(is_damaged=True)
            self._is_odd = True
            return
        self._checkpoint, self._is_odd = looked, False

    def _moment(self) -> int:
        """The moment of evaluation. It never goes back, but for a clock that was wrong.

        Behind in the log it is that of what was read: later, somebody may have done what is not read yet.
        """
        now = self._clock()
        if now < self._now - SET_BACK_MS:
            log.warning("The clock was set back: Engage computes everything anew.")
            with transaction(self._connection):
                self._connection.execute("UPDATE OR IGNORE event SET ts = ?1 WHERE ts > ?1", [now])
                self._connection.execute("UPDATE message SET ts = ?1 WHERE ts > ?1", [now])
                self._evaluator.recompute_all()
                self._meta.set(now=now)
            self._now = now
        known_at = now if self._known_at is None else min(now, self._known_at)
        self._now = max(self._now, known_at)
        return self._now

    # ---- a round

    def _round(self, records: Sequence[Record], configuration: Configuration) -> bool:
        """Take records, and evaluate whom they touch and whose moment has come. False if there was nothing of it."""
        now = self._moment()
        concern = {configuration.own_source, *configuration.sources}
        is_due = self._knows_all(configuration) and self._evaluator.is_due(now)
        if not any(record.source in concern for record in records) and not is_due:
            if records:
                self._log_reader.moved(records[-1].position, self._log_reader.place_of(records[-1]))
            return False
        try:
            with transaction(self._connection):
                self._take(records, configuration, now)
        except _RecordError as error:
            self._recover(configuration)
            if not self._limit.raised(len(records)):
                isolation.note(error.cause, f"Engage of workspace {self._workspace}")
                with transaction(self._connection):
                    self._meta.add("left_out", 1)
                    self._meta.set(left_out_at=self._clock(), left_out_why=isolation.place_of(error.cause))
                    self._store_position(records[0].position, self._log_reader.place_of(records[0]))
                self._stored = records[0].position
                self._log_reader.moved(self._stored, self._log_reader.place_of(records[0]))
            return True
        except BaseException:
            self._recover(configuration)
            raise
        self._limit.succeeded()
        if records:
            self._log_reader.moved(records[-1].position, self._log_reader.place_of(records[-1]))
            self._stored = records[-1].position
        return True

    def _take(self, records: Sequence[Record], configuration: Configuration, now: int) -> None:
        try:
            taken = self._ingestion.take(records, configuration, now)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            raise _RecordError(error) from error
        for loser, survivor in taken.merged:
            self._evaluator.merge(loser, survivor)
            self._outbox.merge(loser, survivor)
        if self._is_rebuilding:
            self._outbox.recall(taken.own, configuration)
        else:
            self._outbox.remove_appended(taken.own)
        if self._knows_all(configuration):
            changes = taken.changes
            changes.due.update(self._evaluator.due(now).due)
            changed = self._evaluator.evaluate(changes, now)
            self._outbox.write(configuration, changed, taken.identified, now)
        self._meta.set(now=now)
        self._meta.add("nobody", taken.nobody)
        if records:
            self._store_position(records[-1].position, self._log_reader.place_of(records[-1]))

    def _recover(self, configuration: Configuration) -> None:
        """After a rollback: what is in memory is what the store says."""
        self._outbox.restart()
        self._evaluator.load(configuration)

    # ---- between two rounds

    def _work_in_background(self, configuration: Configuration) -> bool:
        now, worked = self._moment(), False

        def compute() -> bool:
            computed = self._evaluator.compute(now)
            if computed.live:
                changed = self._evaluator.evaluate(Changes(), now, computed.changed)
                changed.pop(computed.live, None)  # a walk compares them with what was sent
                self._outbox.write(configuration, changed, (), now)
                self._outbox.begin(configuration, now, {computed.live})
            return computed.worked

        def read_history() -> bool:
            step = self._history.step(configuration, now)
            for loser, survivor in step.merged:
                self._evaluator.merge(loser, survivor)
                self._outbox.merge(loser, survivor)
            if step.is_over:
                self._evaluator.recompute_all()
            return True

        steps: list[Callable[[], bool]] = [
            self._evaluator.clean,
            lambda: self._outbox.clean(configuration, now),
        ]
        if self._knows_all(configuration):
            steps += [
                compute,
                lambda: self._outbox.walk(configuration, now),
                lambda: not worked and self._pruning.step(configuration, now),
            ]
        elif not self._is_rebuilding:
            steps.append(read_history)
        for step in steps:
            beat()
            with transaction(self._connection):
                worked |= step()
        return worked

    # ---- the position

    def _store_position(self, position: int, place: Place) -> None:
        self._meta.set(position=position, log=place.log, mark=place.mark)

    def _mirror(self, *, at_once: bool = False) -> None:
        position, place = self._log_reader.position, self._log_reader.place
        is_due = at_once or self._monotonic() - self._mirrored_at >= MIRROR_SECONDS
        if position == self._mirrored or not is_due:
            return
        if position != self._stored:
            with transaction(self._connection):
                self._store_position(position, place)
            self._stored = position
        ledger.move(self._reader, position, place)
        self._mirrored, self._mirrored_at = position, self._monotonic()


class StoreReplaced(Exception):
    """Somebody removed the file of the store, put another one in its place, or has written into it (`is_damaged`)."""

    def __init__(self, *, is_damaged: bool = False) -> None:
        super().__init__()
        self.is_damaged = is_damaged


class _RecordError(Exception):
    """A record cannot be taken in."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass
class EngageReader:
    """`run(stop)` works until `stop` is set; it may die anywhere."""

    space: Space
    event_log: EventLog
    _engine: Engine | None = None

    def run(self, stop: Event) -> None:
        reader = store.reader(self.space.workspace_id)
        ledger.begin(reader, self.event_log.counts())
        pauses.resume(reader)
        registry, backoff = PauseRegistry(), Backoff()
        registry.inherit([reader])
        try:
            while not stop.is_set():
                try:
                    wait = self._turn()
                except PauseError as error:
                    registry.pause(reader, error)
                    registry.wait(stop, PROBE_SECONDS)
                except TransientError as error:
                    registry.record_error([reader], error)
                    stop.wait(backoff.next_wait(error))
                else:
                    backoff.reset()
                    registry.resume(reader)
                    registry.clear_error()
                    stop.wait(wait)
        finally:
            self._close()

    def _turn(self) -> float:
        """Raises PauseError or TransientError, whatever happens."""
        try:
            if lack := storage.lack_of_reserve(settings.CONFIG.home):
                raise TransientError(  # noqa: TRY301 - one way out
                    isolation.STORAGE_UNAVAILABLE,
                    f"Engage waits: {lack}. Free space: nothing is lost, and it goes on by itself.",
                )
            if self._engine is None:
                space = Space.objects.filter(id=self.space.id).first()
                self._engine = Engine(space, self.event_log) if space else None
            return self._engine.turn() if self._engine else CONFIGURATION_SECONDS  # it was removed only now
        except PauseError:
            if self._engine:
                self._engine.pause()
            raise
        except StoreReplaced as error:
            self._begin_anew(is_damaged=error.is_damaged)
            return 0.0
        except TransientError:
            self._close()
            raise
        except Exception as error:
            self._close()
            if isinstance(error, sqlite3.DatabaseError) and is_damage(error) and store.is_damaged(self._file):
                self._begin_anew(is_damaged=True)
                return 0.0
            if isolation.is_environmental(error):
                raise isolation.as_transient(error, self._file) from error
            isolation.note(error, f"Engage of workspace {self.space.workspace_id}")
            raise isolation.as_pause(error) from error

    def _begin_anew(self, *, is_damaged: bool) -> None:
        if is_damaged:  # before the last connection is closed, which writes what its log has into the file
            log.warning("%s is damaged, or was written over: it is made anew.", self._file)
            store.quarantine(self._file)
        self._close()

    @property
    def _file(self) -> Path:
        return store.path(settings.CONFIG.home, self.space.workspace_id)

    def _close(self) -> None:
        if self._engine:
            self._engine.close()
            self._engine = None


# ---- threads


_FILE = re.compile(r"engage-(\d+)\.db\b.*")


def threads(event_log: EventLog) -> Mapping[str, tuple[object, Runnable]]:
    """For `Threads.keep`: name -> what the thread is made from, and what it runs."""
    spaces = list(Space.objects.order_by("id"))
    enabled = [space for space in spaces if space.enabled]
    # Retention waits for no reader that does not read. A file of people goes with its workspace.
    readers = {store.reader(space.workspace_id) for space in enabled}
    rows = ConsumerOffset.objects.filter(consumer__startswith=store.reader(0)[:-1]).exclude(
        consumer__in=readers
    )
    if rows.exists():
        rows.delete()
    workspaces = {space.workspace_id for space in spaces}
    for path in settings.CONFIG.home.glob("engage-*.db*"):
        match = _FILE.fullmatch(path.name)
        if match and int(match[1]) not in workspaces:
            path.unlink(missing_ok=True)
    return {
        store.reader(space.workspace_id): (space.id, EngageReader(space, event_log).run) for space in enabled
    }
