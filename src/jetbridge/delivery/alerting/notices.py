"""The thread that sends notices, and sends again those that did not get through.

A process that dies between an answer and its note sends a notice twice; its id says so.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from django.db import DatabaseError
from django.utils import timezone

from jetbridge.control import mail
from jetbridge.control.alerts import AlertNotice, AlertRule, Channel
from jetbridge.delivery import isolation
from jetbridge.delivery.alerting import telling, webhook
from jetbridge.delivery.alerting.telling import Telling
from jetbridge.errors import DeliveryError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
#: 30 s, 1 min, 2 min ... an hour; eight hours in all.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
TRIES = 15
#: Notices per look, so that a slow receiver does not keep a stopping worker waiting.
AT_ONCE = 10


def tell(rule: AlertRule, channel: str, what: Telling, now: datetime) -> str:
    """Send it once; what was answered, for a person. Blocks. Raises DeliveryError."""
    if channel == Channel.WEBHOOK:
        answer = webhook.post(rule.webhook_url, rule.webhook_secret, what.body(now))
        return answer.sentence
    recipients = rule.recipients
    refused = mail.send(recipients, what.subject, what.text)
    if refused:
        return f"The mail server took it, but not for all: {refused}"
    return f"The mail server took it for {', '.join(recipients)}."


@dataclass(frozen=True)
class NoticeSender:
    clock: Callable[[], datetime] = timezone.now

    def run(self, stop: Event) -> None:
        while not stop.wait(LOOK_SECONDS):
            try:
                self.step(stop)
            except DatabaseError as error:
                log.warning("notices wait for the next round: %s", error)

    def step(self, stop: Event | None = None) -> None:
        """Send what is due."""
        rows = AlertNotice.objects.filter(next_at__lte=self.clock()).order_by("next_at", "id")
        for row in rows.select_related("alert__rule", "alert__workspace")[:AT_ONCE]:
            if stop and stop.is_set():
                return
            self._send(row)

    def _send(self, row: AlertNotice) -> None:
        rule, now = row.alert.rule, self.clock()
        row.tries += 1
        try:
            if rule is not None:
                tell(rule, row.channel, telling.of_alert(row.alert, over=row.over), now)
                row.sent_at = now
            row.next_at, row.problem = None, "" if rule else "The rule is gone."
        except DeliveryError as error:
            row.problem, row.next_at = str(error), _next(row.tries, now)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"Notice {row.id}")
            row.problem, row.next_at = str(isolation.as_hold(error)), _next(row.tries, now)
        _store(row)


def _store(row: AlertNotice) -> None:
    rows = AlertNotice.objects.filter(id=row.id)  # not save(): it may have gone with its workspace
    rows.update(tries=row.tries, next_at=row.next_at, sent_at=row.sent_at, problem=row.problem)


def _next(tries: int, now: datetime) -> datetime | None:
    if tries >= TRIES:
        return None
    pause: timedelta = FIRST_PAUSE * 2 ** (tries - 1)
    return now + min(LONGEST_PAUSE, pause)
