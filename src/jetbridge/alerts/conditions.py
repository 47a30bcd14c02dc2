"""What is wrong now, by the rules. Reads only, a query or two per rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Sum

from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.control.models import Destination, Source
from jetbridge.delivery import metrics
from jetbridge.delivery.base import DELIVERED, FAILED
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import ConsumerOffset, MetricBucket, destination_consumer, source_consumer
from jetbridge.text import pluralize


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
        return None if lights is None else _standstills(rule, lights)
    if rule.kind == AlertKind.PAUSE:
        return _pauses(rule)
    if rule.kind == AlertKind.FAILURES:
        return _failures(rule)
    return None if last_seen is None else _silence(rule, last_seen, now)


def _destinations(rule: AlertRule) -> dict[int, str]:
    rows = Destination.objects.filter(workspace_id=rule.workspace_id, enabled=True)
    rows = rows.filter(id=rule.destination_id) if rule.destination_id else rows
    return dict(rows.order_by("id").values_list("id", "name"))


def _standstills(rule: AlertRule, lights: Sequence[Light]) -> list[Violation]:
    """One for each destination that stands still, and one for each other thing that does."""
    names = _destinations(rule)
    sources = dict(Source.objects.filter(workspace_id=rule.workspace_id).values_list("id", "name"))
    found: dict[str, Violation] = {}
    for light in lights:
        if light.state != "fail" or not light.is_within(rule.workspace_id, names, sources):
            continue
        if rule.destination_id and not light.is_of(rule.destination_id):
            continue
        for id_ in sorted(names.keys() & (light.destinations or ())):
            reader = destination_consumer(id_)
            found.setdefault(reader, Violation(reader, names[id_], light.text))
        if not light.destinations:
            kind, _, id_text = light.thing.partition(":")
            name = sources[int(id_text)] if kind == "source" else "Deliveries"
            found.setdefault(light.thing, Violation(light.thing[:40], name, light.text))
    return list(found.values())


def _pauses(rule: AlertRule) -> list[Violation]:
    names = {destination_consumer(id_): name for id_, name in _destinations(rule).items()}
    paused = ConsumerOffset.objects.filter(consumer__in=names).exclude(pause_code="").order_by("consumer")
    return [
        Violation(row.consumer, names[row.consumer], f"It is paused ({row.pause_code}): {row.pause_reason}")
        for row in paused
    ]


def _failures(rule: AlertRule) -> list[Violation]:
    names = _destinations(rule)
    rows = MetricBucket.objects.filter(
        destination_id__in=names,
        minute__gt=metrics.now() - rule.minutes,
        outcome__in=[DELIVERED, FAILED],
    )
    settled = dict.fromkeys(names, 0)
    failed = dict.fromkeys(names, 0)
    for id_, outcome, total in rows.values_list("destination_id", "outcome").annotate(Sum("total")):
        settled[id_] += total
        failed[id_] += total if outcome == FAILED else 0
    return [
        Violation(destination_consumer(id_), names[id_], _share(failed[id_], settled[id_], rule))
        for id_ in names
        if failed[id_] * 100 > rule.percent * settled[id_]
    ]


def _share(failed: int, settled: int, rule: AlertRule) -> str:
    return (
        f"{failed:,} of {pluralize(settled, 'message')} failed in the last {rule.minutes} min "
        f"({failed / settled:.0%}; the limit is {rule.percent} %)."
    )


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
