"""Alert rules: added, changed, tested, deleted."""

from collections.abc import Collection
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from jetbridge.alerts import notifications, rules, watch
from jetbridge.control.alerts import AlertRule
from jetbridge.control.audit import Actor
from jetbridge.errors import DeliveryError


class Tested(NamedTuple):
    """What came of a test over one channel: `response` is the status, or why none came."""

    channel: str
    arrived: bool
    response: str


def save(actor: Actor, rule: AlertRule, changed: Collection[str]) -> None:
    """Add a rule, or change one: `changed` names the fields whose values are others now."""
    rules.check(rule)
    is_new, now = rule.pk is None, timezone.now()
    if not is_new and not changed:
        return
    rule.since = now
    with transaction.atomic():
        rule.save()
        if not rule.enabled:
            watch.close_alerts(rule, now)
        details = {"webhook": rule.webhook_host, "emails": rule.emails, "enabled": rule.enabled}
        if is_new:
            actor.audit("alert-rule.added", rule, details)
        else:
            actor.audit("alert-rule.changed", rule, details | {"changed": list(changed)})


def test(actor: Actor, rule: AlertRule) -> list[Tested]:
    """Send a test alert now, over each channel. Blocks."""
    now = timezone.now()
    what = notifications.test_notification(rule, now)
    results = []
    for channel in rule.channels:
        try:
            results.append(
                Tested(channel.label, arrived=True, response=notifications.send(rule, channel, what, now))
            )
        except DeliveryError as error:
            results.append(Tested(channel.label, arrived=False, response=str(error)))
    actor.audit("alert-rule.tested", rule)
    return results


def delete(actor: Actor, rule: AlertRule) -> None:
    """Its alerts are over; nobody is told."""
    with transaction.atomic():
        actor.audit("alert-rule.deleted", rule)
        watch.close_alerts(rule, timezone.now())
        rule.delete()
