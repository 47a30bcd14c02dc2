"""Health of deliveries: whether a message that is accepted now would arrive, and if not, why and what to do.

This is the one place that decides it. Pages, the API, `jetbridge status` and `check`, `/metrics` and alerts show what it
says. docs/operating.md has a row for every code: what it watches, within which time it turns, what to do.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Min

from jetbridge.control import home_lock, storage
from jetbridge.control.models import Source
from jetbridge.delivery import ledger, metrics, threads
from jetbridge.delivery.base import RECEIVED
from jetbridge.delivery.light import Light, State, providers
from jetbridge.delivery.log_recovery import LOG_END
from jetbridge.delivery.models import (
    ConsumerOffset,
    HeartbeatRow,
    MetricBucket,
    RetryEntry,
    destination_consumer,
    source_consumer,
)
from jetbridge.delivery.report import DISABLED, PAUSED, RUNNING, DestinationReport, report
from jetbridge.delivery.syncs import SyncState
from jetbridge.eventlog.base import EMAIL_EVENT, EventLog
from jetbridge.integrations import registry
from jetbridge.integrations.base import InFlight
from jetbridge.privacy.models import Erasure
from jetbridge.services import schedules
from jetbridge.text import duration, pluralize

#: The worker writes its heartbeats every two seconds.
WORKER_SILENT_SECONDS = 15.0
#: A worker that could not write for so long may be kept from it by a lock; how long is tried to take it. Retention, too,
#: holds a lock for a moment, and that is no news.
LOCKED_SECONDS, LOCK_PROBE_SECONDS = 5.0, 3.0
#: A thread may be inside one call for 45 s.
THREAD_SILENT_SECONDS = 47.0
#: Deaths in a row after which it is no accident.
DEATHS = 3
#: How old the oldest pending message may be; with pauses of up to 5 s nothing waits longer that moves.
PENDING_SECONDS = 45.0
#: How old it may be while others get through: that is a backlog, not a standstill.
BACKLOG_SECONDS = 900.0
#: Mailjet's jobs end within seconds (mailjet-apiv3-nodejs#292).
JOB_SECONDS = 45.0
#: A person is forgotten within seconds, too.
ERASURE_SECONDS = 45.0

#: Threads that work for one source.
_SOURCE_THREAD = re.compile(r"(?:source|callback URLs) (\d+)\b")

#: Threads that read the log for one destination or source.
_READING_THREAD = re.compile(r"(destination|source) (\d+)\b")

STALLED = "stalled"
#: Code of the light of a destination that waits and tries again.
RETRYING = "RETRYING"


@dataclass(frozen=True)
class Backlog:
    """What waits at a destination. `lag` are messages in the log that it has not read."""

    lag: int = 0
    oldest_at: datetime | None = None
    jobs: int = 0
    job_since: datetime | None = None

    def oldest_seconds(self, now: datetime) -> float:
        """Age of the oldest pending message; 0 if none waits."""
        return _age(self.oldest_at, now)

    def job_seconds(self, now: datetime) -> float:
        return _age(self.job_since, now)


@dataclass(frozen=True)
class Thread:
    """A thread of the worker as it was when the worker wrote last. `position` is its place in the log, if it has one."""

    name: str
    position: int | None
    silent_seconds: float
    deaths: int
    error: str


@dataclass(frozen=True)
class Health:
    """All lights that are on; green is where there is none."""

    at: datetime
    lights: Sequence[Light]
    backlogs: Mapping[int, Backlog]
    threads: Sequence[Thread] = ()
    #: Of the enabled destinations that have a schedule.
    syncs: Mapping[int, SyncState] = field(default_factory=dict)

    @property
    def state(self) -> State:
        return worst(self.lights)

    def of(self, destination: int) -> list[Light]:
        """Those that stop or delay it, the worst first."""
        lights = [light for light in self.lights if light.is_of(destination)]
        return sorted(lights, key=lambda light: light.state != "fail")

    def state_of(self, destination: int) -> State:
        return worst(self.of(destination))

    def shown(self, destination: int, state: str) -> str:
        """The state of a destination for people: one that is only said to be running while nothing moves is stalled."""
        return STALLED if state == RUNNING and self.state_of(destination) == "fail" else state

    def backlog(self, destination: int) -> Backlog:
        return self.backlogs.get(destination, Backlog())

    def within(self, workspace: int, destinations: Collection[int], sources: Collection[int]) -> list[Light]:
        """Those that concern a workspace with these destinations and sources."""
        return [light for light in self.lights if light.is_within(workspace, destinations, sources)]


def read(event_log: EventLog, reports: Sequence[DestinationReport] | None = None) -> Health:
    """As it is now, of all destinations. Some twenty quick queries; `reports` saves those that were made already."""
    now = datetime.now(UTC)
    rows = report(event_log.counts) if reports is None else reports
    beats, positions = list(HeartbeatRow.objects.order_by("thread")), ledger.positions()
    backlogs = _backlogs(event_log, positions, [row for row in rows if row.state != DISABLED])
    syncs = schedules.of_all({row.kind for row in rows if row.state != DISABLED}, now)
    lights = [
        *_files(beats, now),
        *_worker(beats, now, is_needed=any(row.state != DISABLED for row in rows)),
        *_threads(beats, now),
        *_other_readers(event_log, now),
        *_erasures(now),
        *(light for provider in providers.values() for light in provider(event_log, now)),
        *(light for kind in registry.destinations().values() for light in kind.lights()),
        *(
            light
            for row in rows
            for light in _destination(row, backlogs.get(row.id, Backlog()), syncs.get(row.id), now)
        ),
    ]
    return Health(now, lights, backlogs, [_thread(row, positions, now) for row in beats], syncs)


def _thread(row: HeartbeatRow, positions: Mapping[str, int], now: datetime) -> Thread:
    reads = _READING_THREAD.match(row.thread)
    reader = f"{reads[1]}:{reads[2]}" if reads else row.thread
    return Thread(row.thread, positions.get(reader), _age(row.beaten_at, now), row.deaths, row.error)


def _files(beats: Sequence[HeartbeatRow], now: datetime) -> Iterator[Light]:
    """Heartbeats that are written say that state.db can be; else, and always of the event log, it is tried."""
    config = settings.CONFIG
    if full := storage.lack_of_space(config.home):
        yield Light(
            "DISK_FULL", "fail", "disk", f"{full[:1].upper()}{full[1:]} ({config.home})",
            "Free space. Senders are answered 503 and try again, and it goes on by itself. Nothing is lost.", None, None,
        )  # fmt: skip
        return
    worker = next((row for row in beats if row.thread == threads.WORKER), None)
    is_written = worker is not None and _age(worker.beaten_at, now) < LOCKED_SECONDS
    for path in (config.log_path,) if is_written else (config.state_path, config.log_path):
        if locked := storage.lock_on(path, seconds=LOCK_PROBE_SECONDS):
            what = "Senders are answered 503" if path == config.log_path else "Messages are taken in and wait"
            yield Light(
                "DATABASE_LOCKED", "fail", "files", f"{locked[:1].upper()}{locked[1:]}",
                f"Let a backup copy it with `VACUUM INTO` or SQLite's backup API, or end the program that has it open (`fuser "
                f"{path}`). {what}; it goes on by itself, and nothing is lost.",
                worker.beaten_at if worker and path == config.state_path else None, None,
            )  # fmt: skip


def _worker(beats: Sequence[HeartbeatRow], now: datetime, *, is_needed: bool) -> Iterator[Light]:
    holder = home_lock.holder(settings.CONFIG.home, "worker")
    if holder is None:
        fix = "Start `jetbridge serve`. What is accepted meanwhile waits and is delivered then."
        yield Light(
            "NO_WORKER", "fail" if is_needed else "warn", "worker", "No worker is running, nothing is delivered",
            fix, None, None,
        )  # fmt: skip
        return
    beaten_at = max([holder.since, *(row.beaten_at for row in beats if row.thread == threads.WORKER)])
    if (silent := _age(beaten_at, now)) >= WORKER_SILENT_SECONDS:
        yield Light(
            "WORKER_SILENT",
            "fail",
            "worker",
            f"The worker (process {holder.process}) has given no sign of life for {duration(silent)}",
            "It is stopped, hangs, or cannot write state.db (full disk, or another program locks the file). "
            f"`jetbridge serve` kills and restarts one that is stopped; without it run `kill -9 {holder.process}` "
            "and start it again.",
            beaten_at,
            None,
        )  # fmt: skip


def _threads(beats: Sequence[HeartbeatRow], now: datetime) -> Iterator[Light]:
    worker = next((row for row in beats if row.thread == threads.WORKER), None)
    for row in beats:
        depend = None if row.thread in {threads.WORKER, threads.SUPERVISOR} else frozenset(row.destinations)
        name = f"The thread {row.thread}" if row.thread != threads.WORKER else "The worker"
        source = _SOURCE_THREAD.match(row.thread)
        thing = source_consumer(int(source[1])) if source else f"thread:{row.thread}"
        if row.deaths >= DEATHS:
            fix = (
                "It is started again, with pauses of up to a minute. The worker's log has the whole trace. If that names no "
                "cause that you can remove, please report it; nothing is lost meanwhile."
            )
            yield Light(
                "THREAD_DIES", "fail", thing, f"{name} dies again and again ({row.error})",
                fix, row.failing_since, depend,
            )  # fmt: skip
        # As the worker saw it when it wrote last: a worker that is silent has a light of its own.
        seen_at = worker.beaten_at if worker else now
        if (silent := _age(row.beaten_at, seen_at)) >= THREAD_SILENT_SECONDS:
            yield Light(
                "THREAD_HANGS", "fail", thing,
                f"{name} has not moved for {duration(silent)}",
                "No call may take so long. After five minutes the worker ends and is started again by `jetbridge serve`.",
                row.beaten_at, depend,
            )  # fmt: skip


def _other_readers(event_log: EventLog, now: datetime) -> Iterator[Light]:
    """Readers of the log that are no destination: the schema, and email events. Engage has its own."""
    others = ConsumerOffset.objects.exclude(consumer__startswith="destination:").exclude(
        consumer__startswith="engage "
    )
    readings = {row.consumer: row for row in others}
    rows = Source.objects.filter(kind__in=registry.sources())
    sources = {source_consumer(row.id): row for row in rows}
    for reader, row in readings.items():
        source = sources.get(reader)
        name = f"The reader of the email events of {source}" if source else f"The reader {reader}"
        thing = reader if source else f"thread:{reader}"
        if row.pause_code and reader == LOG_END:
            yield Light(
                row.pause_code, "fail", thing,
                f"The event log has lost messages that it had taken ({row.pause_code}){_since(row.paused_at)}",
                row.pause_reason, row.paused_at,
            )  # fmt: skip
        elif row.pause_code:
            yield Light(
                row.pause_code, "fail", thing, f"{name} is paused ({row.pause_code}){_since(row.paused_at)}",
                row.pause_reason, row.paused_at,
            )  # fmt: skip
        elif source:
            first = event_log.first_received(row.position, [source.id], of_type=EMAIL_EVENT)
            since = _of_ms(first)
            if (age := _age(since, now)) >= PENDING_SECONDS:
                yield Light(
                    "BACKLOG", "fail", thing,
                    f"{source}: the oldest email event has waited for {duration(age)} to become a track call",
                    "See the other lights; the worker's log says what its reader does.", since,
                )  # fmt: skip


def _erasures(now: datetime) -> Iterator[Light]:
    """One for each workspace. The oldest of its erasures speaks for all; no name does."""
    late = Erasure.objects.filter(ended_at=None, requested_at__lte=now - timedelta(seconds=ERASURE_SECONDS))
    oldest: dict[int, Erasure] = {}
    totals: Counter[int] = Counter()
    for row in late.defer("users", "emails").order_by("id"):
        oldest.setdefault(row.workspace_id, row)
        totals[row.workspace_id] += 1
    for workspace, row in oldest.items():
        total, age = totals[workspace], _age(row.requested_at, now)
        yield Light(
            "ERASURE_OPEN", "fail", f"erasures:{workspace}",
            f"{pluralize(total, 'erasure is', 'erasures are')} open, the oldest (receipt {row.id}) for {duration(age)}",
            f"{row.waits_for or 'See the other lights.'} Who is to be forgotten is suppressed, but not deleted yet. It goes on by "
            "itself, whatever is disabled, once the worker runs and Mailjet takes the keys of the account.",
            row.requested_at, workspace=workspace,
        )  # fmt: skip


def _destination(
    row: DestinationReport, backlog: Backlog, sync: SyncState | None, now: datetime
) -> Iterator[Light]:
    thing, own = destination_consumer(row.id), frozenset([row.id])
    if not row.balanced:
        yield Light(
            "UNBALANCED", "fail", thing,
            f"{row.name}: received {row.received:,}, but the outcomes do not add up to it (pending {row.pending:,})",
            "Please report it with `jetbridge status --json`: this is a bug in Jetbridge, unless files in its home "
            "were replaced by hand.",
            None, own,
        )  # fmt: skip
    if row.state == PAUSED:
        yield Light(
            row.pause_code, "fail", thing, f"{row.name} is paused ({row.pause_code}){_since(row.stopped_at)}",
            row.pause_reason, row.stopped_at, own,
        )  # fmt: skip
        return
    if row.state == DISABLED:
        return
    if row.last_error:
        yield Light(
            RETRYING, "warn", thing, f"{row.name} waits and tries again{_since(row.stopped_at)}",
            row.last_error, row.stopped_at, own,
        )  # fmt: skip
    if (age := backlog.job_seconds(now)) >= JOB_SECONDS:
        yield Light(
            "JOB_OPEN", "fail", thing,
            f"{row.name}: a job at the other side has not ended for {duration(age)} ({backlog.jobs} open)",
            "Mailjet works on it, and its status page (status.mailjet.com) says whether that is slow today. After an hour the "
            "job is given up and its contacts are sent again. Nothing is lost.",
            backlog.job_since, own,
        )  # fmt: skip
    if sync:
        yield from _sync(row, backlog, sync, now)
    elif (age := backlog.oldest_seconds(now)) >= PENDING_SECONDS:
        moves = _moves(row.id)
        waits = f"{row.name}: the oldest pending message (of {row.pending:,}) has waited for {duration(age)}"
        yield Light(
            "BACKLOG",
            "warn" if moves and age < BACKLOG_SECONDS else "fail",
            thing,
            f"{waits}, {'and others get through' if moves else 'and nothing gets through'}",
            "More comes than goes; it arrives in the order in which it came. If that lasts, see the throughput in docs/operating.md."
            if moves and not row.awaiting_retry
            else "See the other lights of this destination, and the worker's log. Nothing is lost.",
            backlog.oldest_at,
            own,
        )  # fmt: skip


def _sync(row: DestinationReport, backlog: Backlog, sync: SyncState, now: datetime) -> Iterator[Light]:
    """What waits for the next sync is no trouble: a sync that is late is, one that does not move, and what one has left over."""
    thing, own = destination_consumer(row.id), frozenset([row.id])
    if sync.began_at and sync.is_running:
        runs = _age(sync.began_at, now)
        moves = runs < PENDING_SECONDS or _moves(row.id)
        longest = max(60.0 * sync.schedule.minutes, BACKLOG_SECONDS)
        if not moves:
            yield Light(
                "SYNC_OVERDUE", "fail", thing,
                f"{row.name}: the sync has been under way for {duration(runs)}, and nothing gets through",
                "See the other lights of this destination, and the worker's log. It goes on by itself, and nothing is lost.",
                sync.began_at, own,
            )  # fmt: skip
        elif runs >= longest:
            yield Light(
                "SYNC_OVERDUE", "warn", thing,
                f"{row.name}: the sync has been under way for {duration(runs)}, and the schedule is {sync.schedule}",
                "More waits than goes in that time. If that lasts, see the throughput in docs/operating.md.",
                sync.began_at, own,
            )  # fmt: skip
    elif (late := _age(sync.next_at, now)) >= PENDING_SECONDS:
        yield Light(
            "SYNC_OVERDUE", "fail", thing,
            f"{row.name}: the sync has been due for {duration(late)} and has not begun",
            "See the other lights of this destination, and the worker's log. What waits is loaded then, and nothing is lost.",
            sync.next_at, own,
        )  # fmt: skip
    elif sync.began_at and backlog.oldest_at and _age(backlog.oldest_at, sync.began_at) >= PENDING_SECONDS:
        yield Light(
            "BACKLOG", "fail", thing,
            f"{row.name}: the last sync has left messages over, the oldest for {duration(backlog.oldest_seconds(now))}",
            "The warnings of this destination say what holds them up; the next sync tries them again. Nothing is lost.",
            backlog.oldest_at, own,
        )  # fmt: skip


def _moves(destination: int) -> bool:
    """Whether a message has come to an end in this minute or the one before."""
    rows = MetricBucket.objects.filter(destination_id=destination, minute__gte=metrics.now() - 1, total__gt=0)
    return rows.exclude(outcome=RECEIVED).exists()


def _backlogs(
    event_log: EventLog, positions: Mapping[str, int], rows: Sequence[DestinationReport]
) -> dict[int, Backlog]:
    """Costs nothing for destinations at which nothing waits."""
    known = registry.destinations()
    at_work = {row.kind for row in rows if row.in_flight > 0 and row.kind in known}
    in_flight = {id_: state for kind in at_work for id_, state in known[kind].in_flight().items()}
    unread = _unread_since(event_log, positions, [row.id for row in rows if row.unread > 0])
    requested = dict(
        RetryEntry.objects.filter(destination_id__in=[row.id for row in rows if row.awaiting_retry > 0])
        .values_list("destination_id")
        .annotate(Min("requested_at"))
    )
    backlogs = {}
    for row in rows:
        taken = in_flight.get(row.id, InFlight()) if row.in_flight > 0 else InFlight()
        waiting = [at for at in (unread.get(row.id), taken.since, requested.get(row.id)) if at]
        backlogs[row.id] = Backlog(row.unread, min(waiting, default=None), taken.jobs, taken.job_since)
    return backlogs


def _unread_since(
    event_log: EventLog, positions: Mapping[str, int], destinations: Sequence[int]
) -> dict[int, datetime]:
    """When the first message that each of them has not read was received."""
    if not destinations:
        return {}
    since = {}
    places = {of: positions.get(destination_consumer(of), 0) for of in destinations}
    for destination, sources in ledger.unread_sources(places).items():
        if at := _of_ms(event_log.first_received(places[destination], sources)):
            since[destination] = at
    return since


def _since(at: datetime | None) -> str:
    return f" since {at:%Y-%m-%d %H:%M} UTC" if at else ""


def worst(lights: Iterable[Light]) -> State:
    states = {light.state for light in lights}
    return "fail" if "fail" in states else "warn" if states else "ok"


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since) / timedelta(seconds=1)) if since else 0.0


def _of_ms(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
