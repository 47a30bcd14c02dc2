"""What is wrong now, by the rules: the thread that looks every 10 s, the alerts that it opens and ends, and the web process
that takes over while the worker has stopped.

An alert is opened once and resolved once, with a notification over each channel for both.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event

from django.db import DatabaseError, connection, transaction
from django.db.models import Sum
from django.utils import timezone

from jetbridge.alerts.notifications import NotificationSender
from jetbridge.control.alerts import Alert, AlertKind, AlertNotification, AlertRule
from jetbridge.control.models import Destination, Source
from jetbridge.delivery import isolation, metrics
from jetbridge.delivery.base import DELIVERED, FAILED
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import (
    ConsumerOffset,
    HeartbeatRow,
    MetricBucket,
    destination_consumer,
    source_consumer,
)
from jetbridge.errors import Backpressure
from jetbridge.text import pluralize

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
#: How often the web process looks whether the worker watches.
STANDBY_SECONDS = 5.0
#: A worker that is restarted by `serve` is back before that.
AFTER = timedelta(seconds=45)
#: The threads of the worker that do it.
THREADS = ("alerts", "notifications")
#: How long an alert that has ended is remembered.
KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Violation:
    """A thing ("destination:3", "source:2") for which a rule holds now."""

    thing: str
    name: str
    message: str


#: Source id -> when it last sent something (ms since 1970).
LastSeenTimes = Mapping[int, int]


def violations(
    rule: AlertRule, last_seen: LastSeenTimes | None, lights: Sequence[Light] | None, now: datetime
) -> list[Violation] | None:
    """None: it cannot be known now. `last_seen` is None when the log has not been read up to the present, `lights` when
    nobody looked.
    """
    if rule.kind == AlertKind.STALL:
        return None if lights is None else _stalls(rule, lights)
    if rule.kind == AlertKind.PAUSE:
        names = {destination_consumer(id_): name for id_, name in _destinations(rule).items()}
        paused = ConsumerOffset.objects.filter(consumer__in=names).exclude(pause_code="").order_by("consumer")
        return [
            Violation(
                row.consumer, names[row.consumer], f"It is paused ({row.pause_code}): {row.pause_reason}"
            )
            for row in paused
        ]
    if rule.kind == AlertKind.FAILURES:
        return _failures(rule)
    return None if last_seen is None else _silence(rule, last_seen, now)


def _destinations(rule: AlertRule) -> dict[int, str]:
    rows = Destination.objects.filter(workspace_id=rule.workspace_id, enabled=True)
    rows = rows.filter(id=rule.destination_id) if rule.destination_id else rows
    return dict(rows.order_by("id").values_list("id", "name"))


def _stalls(rule: AlertRule, lights: Sequence[Light]) -> list[Violation]:
    """One for each destination that stands still, and one for each other thing that does."""
    names = _destinations(rule)
    sources = dict(Source.objects.filter(workspace_id=rule.workspace_id).values_list("id", "name"))
    stalled: dict[str, Violation] = {}
    for light in lights:
        if light.state != "fail" or not light.is_within(rule.workspace_id, names, sources):
            continue
        if rule.destination_id and not light.is_of(rule.destination_id):
            continue
        for id_ in sorted(names.keys() & (light.destinations or ())):
            consumer = destination_consumer(id_)
            stalled.setdefault(consumer, Violation(consumer, names[id_], light.text))
        if not light.destinations:
            kind, _, id_text = light.thing.partition(":")
            name = sources[int(id_text)] if kind == "source" else "Deliveries"
            stalled.setdefault(light.thing, Violation(light.thing[:40], name, light.text))
    return list(stalled.values())


def _failures(rule: AlertRule) -> list[Violation]:
    names = _destinations(rule)
    rows = MetricBucket.objects.filter(
        destination_id__in=names,
        minute__gt=metrics.now() - rule.minutes,
        outcome__in=[DELIVERED, FAILED],
    )
    completed = dict.fromkeys(names, 0)
    failed = dict.fromkeys(names, 0)
    for id_, outcome, total in rows.values_list("destination_id", "outcome").annotate(Sum("total")):
        completed[id_] += total
        failed[id_] += total if outcome == FAILED else 0
    return [
        Violation(
            destination_consumer(id_),
            names[id_],
            f"{failed[id_]:,} of {pluralize(completed[id_], 'message')} failed in the last {rule.minutes} min "
            f"({failed[id_] / completed[id_]:.0%}; the limit is {rule.percent} %).",
        )
        for id_ in names
        if failed[id_] * 100 > rule.percent * completed[id_]
    ]


def _silence(rule: AlertRule, last_seen: LastSeenTimes, now: datetime) -> list[Violation]:
    source = rule.source
    if source is None or not source.enabled:
        return []
    at = last_seen.get(source.id)
    last = max(rule.since, datetime.fromtimestamp(at / 1000, UTC)) if at else rule.since
    if (now - last).total_seconds() < rule.minutes * 60:
        return []
    before = (
        f"the last came at {datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
        if at
        else "none ever did"
    )
    message = f"Nothing has come for {rule.minutes} min; {before}."
    return [Violation(source_consumer(source.id), source.name, message)]


def update_alerts(rule: AlertRule, violations: Sequence[Violation], now: datetime) -> None:
    """Open what is new and end what is over, each with a notification. Writes nothing if nothing has changed."""
    violated = {violation.thing: violation for violation in violations}
    is_open = {row.thing: row for row in Alert.objects.filter(rule=rule, ended_at=None)}
    if violated.keys() == is_open.keys():
        return
    with transaction.atomic():
        if not AlertRule.objects.filter(id=rule.id, enabled=True).exists():
            return  # somebody has just deleted it
        for thing in violated.keys() - is_open.keys():
            alert = Alert.objects.create(
                workspace_id=rule.workspace_id,
                rule=rule,
                kind=rule.kind,
                thing=thing,
                name=violated[thing].name,
                message=violated[thing].message,
                opened_at=now,
            )
            _notify(rule, alert, now, resolved=False)
        for thing in is_open.keys() - violated.keys():
            alert = is_open[thing]
            if Alert.objects.filter(id=alert.id, ended_at=None).update(ended_at=now):
                _notify(rule, alert, now, resolved=True)


def close_alerts(rule: AlertRule, now: datetime) -> None:
    """End the alerts of a rule that is no longer looked at. Nobody is notified: whether they are resolved is not known."""
    Alert.objects.filter(rule=rule, ended_at=None).update(ended_at=now)


def trim_alerts(now: datetime) -> None:
    """End what lost its rule, with the thing that it was about; delete what has long ended."""
    Alert.objects.filter(rule=None, ended_at=None).update(ended_at=now)
    Alert.objects.filter(ended_at__lt=now - KEPT).delete()


def _notify(rule: AlertRule, alert: Alert, now: datetime, *, resolved: bool) -> None:
    AlertNotification.objects.bulk_create(
        AlertNotification(alert=alert, channel=channel, resolved=resolved, next_at=now)
        for channel in rule.channels
    )


def version_of_rules() -> tuple[tuple[int, datetime], ...]:
    """Changes with every rule: a watch that is started anew then has nobody wait for its next look."""
    return tuple(AlertRule.objects.filter(enabled=True).order_by("id").values_list("id", "since"))


@dataclass(frozen=True)
class AlertWatch:
    """`last_seen` gives when each source last sent something, or None while that is not certain; `lights` what
    stands still, or None if nobody looks.
    """

    last_seen: Callable[[Collection[int]], LastSeenTimes | None]
    clock: Callable[[], datetime] = timezone.now
    lights: Callable[[], Sequence[Light] | None] = lambda: None

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            try:
                self.step()
            except (Backpressure, DatabaseError) as error:
                log.warning("alerts wait for the next round: %s", error)
            stop.wait(EVERY_SECONDS)

    def step(self) -> None:
        now = self.clock()
        rules = list(AlertRule.objects.filter(enabled=True).select_related("source").order_by("id"))
        last_seen = self.last_seen(
            [row.source_id for row in rules if row.kind == AlertKind.SILENCE and row.source_id]
        )
        lights = self.lights() if any(rule.kind == AlertKind.STALL for rule in rules) else None
        for rule in rules:
            try:
                violated = violations(rule, last_seen, lights, now)
                if violated is not None:
                    update_alerts(rule, violated, now)
            except Exception as error:
                if isolation.is_environmental(error):
                    raise
                isolation.note(error, f"Alert rule {rule.id}")
        trim_alerts(now)


@dataclass
class Standby:
    """Alerts while the worker cannot send any, because it has stopped itself: the web process looks after them.

    `run(stop)` for a thread of the web process. Alerts and notifications are rows that are opened and sent once, so nobody gets
    them twice when the worker comes back.
    """

    watch: AlertWatch
    clock: Callable[[], datetime] = timezone.now
    #: Since when the worker could have given a sign of life.
    _since: datetime = field(default_factory=timezone.now)

    def run(self, stop: Event) -> None:
        try:
            while not stop.wait(STANDBY_SECONDS):
                try:
                    self.step(stop)
                except Exception as error:  # noqa: BLE001 - the next round may do better
                    isolation.note(error, "Alerts")
        finally:
            connection.close()

    def step(self, stop: Event | None = None) -> bool:
        """Do what the worker does not; False if it does."""
        before = self.clock() - AFTER
        if self._since > before:
            return False
        if HeartbeatRow.objects.filter(thread__in=THREADS, beaten_at__gte=before).count() == len(THREADS):
            return False
        self.watch.step()
        NotificationSender(self.clock).step(stop)
        return True
