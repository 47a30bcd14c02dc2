"""Alerts are opened once and resolved once, with a notification over each channel for both."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from jetbridge.alerts.conditions import Violation
from jetbridge.control.alerts import Alert, AlertNotification, AlertRule

#: How long an alert that is over is remembered.
KEPT = timedelta(days=90)


def write(rule: AlertRule, violations: Sequence[Violation], now: datetime) -> None:
    """Open what is new and end what is over. Writes nothing if nothing has changed."""
    found = {each.thing: each for each in violations}
    is_open = {row.thing: row for row in Alert.objects.filter(rule=rule, ended_at=None)}
    if found.keys() == is_open.keys():
        return
    with transaction.atomic():
        if not AlertRule.objects.filter(id=rule.id, enabled=True).exists():
            return  # somebody has just taken it away
        for thing in found.keys() - is_open.keys():
            _open(rule, found[thing], now)
        for thing in is_open.keys() - found.keys():
            _end(rule, is_open[thing], now)


def close(rule: AlertRule, now: datetime) -> None:
    """The rule is no longer looked at, so its alerts are over; nobody is told, for nobody knows."""
    Alert.objects.filter(rule=rule, ended_at=None).update(ended_at=now)


def tidy(now: datetime) -> None:
    """End what lost its rule, with the thing that it was about; forget what is long over."""
    Alert.objects.filter(rule=None, ended_at=None).update(ended_at=now)
    Alert.objects.filter(ended_at__lt=now - KEPT).delete()


def _open(rule: AlertRule, violation: Violation, now: datetime) -> None:
    alert = Alert.objects.create(
        workspace_id=rule.workspace_id,
        rule=rule,
        kind=rule.kind,
        thing=violation.thing,
        name=violation.name,
        message=violation.message,
        opened_at=now,
    )
    _notify(rule, alert, now, resolved=False)


def _end(rule: AlertRule, alert: Alert, now: datetime) -> None:
    if Alert.objects.filter(id=alert.id, ended_at=None).update(ended_at=now):
        _notify(rule, alert, now, resolved=True)


def _notify(rule: AlertRule, alert: Alert, now: datetime, *, resolved: bool) -> None:
    AlertNotification.objects.bulk_create(
        AlertNotification(alert=alert, channel=channel, resolved=resolved, next_at=now)
        for channel in rule.channels
    )
