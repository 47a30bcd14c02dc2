"""Notifications of alerts: what they say, in a mail and in the JSON of a webhook (docs/console.md describes both), and the
thread that sends them, and sends again those that did not get through.

A process that dies between a response and its record sends a notification twice; its id says so.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from jetbridge import __version__
from jetbridge.control import mail
from jetbridge.control.alerts import Alert, AlertNotification, AlertRule, Channel
from jetbridge.control.models import Workspace
from jetbridge.delivery import isolation
from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.http.addresses import AddressRejected, public_part, read_address
from jetbridge.http.client import PAGE_SECONDS, Service, excerpt
from jetbridge.text import for_editors

log = logging.getLogger(__name__)

SIGNATURE = "X-Jetbridge-Signature"
LOOK_SECONDS = 1.0
#: 30 s, 1 min, 2 min ... an hour; eight hours in all.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
TRIES = 15
#: Notifications per look, so that a slow receiver does not keep a stopping worker waiting.
AT_ONCE = 10


@dataclass(frozen=True)
class Notification:
    """`id` is the same however often it is sent; `event` is alert.opened, alert.resolved or alert.test."""

    id: str
    event: str
    workspace: Workspace
    kind: str
    thing: str
    name: str
    message: str
    opened_at: datetime
    ended_at: datetime | None

    @property
    def subject(self) -> str:
        word = {"alert.resolved": "Resolved: ", "alert.test": "Test: "}.get(self.event, "")
        return f"[Jetbridge] {word}{self.name}"

    @property
    def text(self) -> str:
        lines = [f"{self.name} ({self.workspace}): {self.message}", f"Since {_minute(self.opened_at)}."]
        if self.ended_at:
            lines.append(f"Resolved at {_minute(self.ended_at)}.")
        return "\n".join([*lines, self.link])

    @property
    def link(self) -> str:
        return f"{settings.CONFIG.public_url}/w/{self.workspace.id}/settings/alerts/"

    def body(self, now: datetime) -> bytes:
        type_, _, id_ = self.thing.partition(":")
        content: dict[str, Any] = {
            "id": self.id,
            "event": self.event,
            "sentAt": _iso(now),
            "text": self.text,
            "workspace": {"id": self.workspace.id, "name": self.workspace.name},
            "kind": self.kind,
            "thing": {"type": type_, "id": int(id_) if id_.isdecimal() else 0, "name": self.name},
            "message": self.message,
            "openedAt": _iso(self.opened_at),
            "endedAt": _iso(self.ended_at) if self.ended_at else None,
            "link": self.link,
        }
        return json.dumps(content, ensure_ascii=False).encode()


def notification_of(alert: Alert, *, resolved: bool) -> Notification:
    return Notification(
        id=f"alert-{alert.id}-{'resolved' if resolved else 'opened'}",
        event="alert.resolved" if resolved else "alert.opened",
        workspace=alert.workspace,
        kind=alert.kind,
        thing=alert.thing,
        name=alert.name,
        message=alert.message,
        opened_at=alert.opened_at,
        ended_at=alert.ended_at if resolved else None,
    )


def test_notification(rule: AlertRule, now: datetime) -> Notification:
    return Notification(
        id=f"test-{rule.id}-{int(now.timestamp())}",
        event="alert.test",
        workspace=rule.workspace,
        kind=rule.kind,
        thing="rule:" + str(rule.id),
        name=str(rule),
        message="This is a test. Nothing is wrong.",
        opened_at=now,
        ended_at=None,
    )


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def signature(secret: str, body: bytes) -> str:
    """What a receiver computes, to know that it was us."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(url: str, secret: str, body: bytes, *, timeout_seconds: float = PAGE_SECONDS) -> str:
    """Send JSON to an address that a person chose, signed and never redirected. Returns what came back, for a person.

    What receivers respond is nowhere agreed upon (Slack: `ok`, Teams: `1`, others nothing), so any 2xx means that the
    notification has arrived. Raises DeliveryError for any other response, and where none comes in time.
    """
    try:
        url = read_address(url, query=True)
    except AddressRejected as error:
        raise PermanentError("INVALID_URL", str(error)) from None
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Jetbridge/{__version__}",
        SIGNATURE: signature(secret, body),
    }
    # The address lets anybody post who knows it, so the errors of the call repeat nothing of it but the host.
    service = Service(public_part(url), url, timeout_seconds=timeout_seconds)
    response = service.call("POST", "", headers=headers, body=body, mask=lambda _: "", beginning_only=True)
    text = excerpt(response.body)
    message = f"It answered {response.status}: {for_editors(text) if text.strip() else 'nothing'}"
    if 200 <= response.status < 300:
        return message
    if 300 <= response.status < 400:
        message = f"It answered {response.status}, a redirect; alerts follow none. Enter the address that it leads to."
    raise TransientError("REFUSED", message, status=response.status, response=text)


def send(rule: AlertRule, channel: str, notification: Notification, now: datetime) -> str:
    """Send it once; what came back, for a person. Blocks. Raises DeliveryError."""
    if channel == Channel.WEBHOOK:
        return post(rule.webhook_url, rule.webhook_secret, notification.body(now))
    recipients = rule.recipients
    rejected = mail.send(recipients, notification.subject, notification.text)
    if rejected:
        return f"The mail server took it, but not for all: {rejected}"
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
            rule, now = row.alert.rule, self.clock()
            row.tries += 1
            try:
                if rule is not None:
                    send(rule, row.channel, notification_of(row.alert, resolved=row.resolved), now)
                    row.sent_at = now
                row.next_at, row.problem = None, "" if rule else "The rule is gone."
            except DeliveryError as error:
                row.problem, row.next_at = str(error), _next(row.tries, now)
            except Exception as error:
                if isolation.is_environmental(error):
                    raise
                isolation.note(error, f"Notification {row.id}")
                row.problem, row.next_at = str(isolation.as_pause(error)), _next(row.tries, now)
            stored = AlertNotification.objects.filter(
                id=row.id
            )  # not save(): it may have gone with its workspace
            stored.update(tries=row.tries, next_at=row.next_at, sent_at=row.sent_at, problem=row.problem)


def _next(tries: int, now: datetime) -> datetime | None:
    if tries >= TRIES:
        return None
    pause: timedelta = FIRST_PAUSE * 2 ** (tries - 1)
    return now + min(LONGEST_PAUSE, pause)
