"""Sends events to one callback URL, in order, in its own thread, so that a slow receiver delays no other."""

import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec
import urllib3

from mailjet_sandbox.settings import Settings

#: Events in one grouped call. Mailjet's own bound is not known. [X]
MAX_GROUP = 5_000


class EventDelivery:
    """An event and the state of its delivery: pending, delivered or undeliverable."""

    __slots__ = ("attempts", "event", "state", "url")

    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event
        self.url = ""
        self.state = "pending"
        self.attempts = 0


#: Called, from the sender's thread, when it gives up.
OnDead = Callable[["WebhookSender"], None]


def split_credentials(url: str) -> tuple[str, dict[str, str]]:
    """Take ``user:password@`` out of a URL and turn it into the header that Mailjet sends [D]."""
    parts = urlsplit(url)
    userinfo, separator, host = parts.netloc.rpartition("@")
    if not separator:
        return url, {}
    token = b64encode(unquote(userinfo).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {token}"}


class WebhookSender:
    """Delivers to one URL in one version."""

    def __init__(self, url: str, version: int, settings: Settings, on_dead: OnDead) -> None:
        self.url = url
        self.version = version
        self.pending: deque[EventDelivery] = deque()
        self.delivered = 0
        self._settings = settings
        self._on_dead = on_dead
        self._target, self._headers = split_credentials(url)
        self._headers |= {"Content-Type": "application/json", "User-Agent": "Mailjet sandbox"}
        self._http = urllib3.PoolManager(maxsize=1, retries=False)
        self._wake = threading.Condition()
        self._stopped = False
        self._failing_since = 0.0
        self._thread = threading.Thread(target=self._run, name="webhook sender", daemon=True)
        self._thread.start()

    def add(self, delivery: EventDelivery) -> None:
        delivery.url, delivery.state = self._target, "pending"
        with self._wake:
            self.pending.append(delivery)
            self._wake.notify()

    def stop(self) -> list[EventDelivery]:
        """End the thread and return what was not delivered."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
            return list(self.pending)

    def _run(self) -> None:
        while batch := self._next_batch():
            called_at = time.monotonic()
            if self._post(batch):
                self._mark_delivered(batch)
                self._wait_until(called_at + self._settings.event_group_seconds if self.version == 2 else 0.0)
            elif self._gives_up():
                self._on_dead(self)
                return
            else:
                self._wait_until(time.monotonic() + self._settings.event_retry_seconds)

    def _next_batch(self) -> list[EventDelivery]:
        """Wait for events; an empty batch means stop."""
        with self._wake:
            self._wake.wait_for(lambda: self._stopped or self.pending)
            if self._stopped:
                return []
            size = MAX_GROUP if self.version == 2 else 1
            return [self.pending[number] for number in range(min(size, len(self.pending)))]

    def _post(self, batch: list[EventDelivery]) -> bool:
        """Make one call; only 200 will do [D]."""
        events = [delivery.event for delivery in batch]
        for delivery in batch:
            delivery.attempts += 1
        body = msgspec.json.encode(events if self.version == 2 else events[0])
        timeout = self._settings.event_timeout_seconds
        try:
            response = self._http.request(
                "POST", self._target, body=body, headers=self._headers, timeout=timeout, redirect=False
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return False
        return response.status == 200

    def _mark_delivered(self, batch: list[EventDelivery]) -> None:
        self._failing_since = 0.0
        with self._wake:
            for delivery in batch:
                delivery.state = "delivered"
                self.pending.popleft()
        self.delivered += len(batch)

    def _gives_up(self) -> bool:
        self._failing_since = self._failing_since or time.monotonic()
        return time.monotonic() - self._failing_since >= self._settings.event_give_up_seconds

    def _wait_until(self, moment: float) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._stopped, timeout=max(0.0, moment - time.monotonic()))
