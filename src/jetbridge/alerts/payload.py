"""What an alert says, in a mail and in the JSON of a webhook; docs/console.md describes both."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from jetbridge.control.alerts import Alert, AlertRule
from jetbridge.control.models import Workspace


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


def of_alert(alert: Alert, *, resolved: bool) -> Notification:
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


def of_test(rule: AlertRule, now: datetime) -> Notification:
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
