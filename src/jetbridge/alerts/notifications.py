"""The thread that sends notifications, and sends again those that did not get through.

A process that dies between a response and its record sends a notification twice; its id says so.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from django.db import DatabaseError
from django.utils import timezone

from jetbridge.alerts import payload, webhook
from jetbridge.alerts.payload import Notification
from jetbridge.control import mail
from jetbridge.control.alerts import AlertNotification, AlertRule, Channel
from jetbridge.delivery import isolation
from jetbridge.errors import DeliveryError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
#: 30 s, 1 min, 2 min ... an hour; eight hours in all.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
TRIES = 15
#: Notifications per look, so that a slow receiver does not keep a stopping worker waiting.
AT_ONCE = 10


def send(rule: AlertRule, channel: str, notification: Notification, now: datetime) -> str:
    """Send it once; what was answered, for a person. Blocks. Raises DeliveryError."""
    if channel == Channel.WEBHOOK:
        answer = webhook.post(rule.webhook_url, rule.webhook_secret, notification.body(now))
        return answer.message
    recipients = rule.recipients
    refused = mail.send(recipients, notification.subject, notification.text)
    if refused:
        return f"The mail server took it, but not for all: {refused}"
    return f"The mail server took it for {', '.join(recipients)}."


@dataclass(frozen=True)
class NotificationSender:
    clock: Callable[[], datetime] = timezone.now

    def run(self, stop: Event) -> None:
        while not stop.wait(LOOK_SECONDS):
            try:
                self.step(stop)
            except DatabaseError as error:
                log.warning("notifications wait for the next round: %s", error)

    def step(self, stop: Event | None = None) -> None:
        """Send what is due."""
        rows = AlertNotification.objects.filter(next_at__lte=self.clock()).order_by("next_at", "id")
        for row in rows.select_related("alert__rule", "alert__workspace")[:AT_ONCE]:
            if stop and stop.is_set():
                return
            self._send(row)

    def _send(self, row: AlertNotification) -> None:
        rule, now = row.alert.rule, self.clock()
        row.tries += 1
        try:
            if rule is not None:
                send(rule, row.channel, payload.of_alert(row.alert, resolved=row.resolved), now)
                row.sent_at = now
            row.next_at, row.problem = None, "" if rule else "The rule is gone."
        except DeliveryError as error:
            row.problem, row.next_at = str(error), _next(row.tries, now)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"Notification {row.id}")
            row.problem, row.next_at = str(isolation.as_pause(error)), _next(row.tries, now)
        _store(row)


def _store(row: AlertNotification) -> None:
    rows = AlertNotification.objects.filter(id=row.id)  # not save(): it may have gone with its workspace
    rows.update(tries=row.tries, next_at=row.next_at, sent_at=row.sent_at, problem=row.problem)


def _next(tries: int, now: datetime) -> datetime | None:
    if tries >= TRIES:
        return None
    pause: timedelta = FIRST_PAUSE * 2 ** (tries - 1)
    return now + min(LONGEST_PAUSE, pause)
