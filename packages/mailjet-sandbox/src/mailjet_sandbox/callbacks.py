"""Events: their effect on the account, and their way to the callback URLs.

An event goes to the primary URL of its type, or to the backup once the primary is suspended [D]. Deliveries are keyed by URL, not
by event type: grouped calls mix the types that share a URL. [D]
"""

import asyncio
import threading
import time
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec
import urllib3

from mailjet_sandbox.contacts import unsubscribe
from mailjet_sandbox.events import HISTORY, OWN_FIELDS, STATUS, EmailEvent
from mailjet_sandbox.faults.kinds import (
    DeadCallback,
    DuplicateEvents,
    EventFault,
    LostEvents,
    ReorderedEvents,
)
from mailjet_sandbox.faults.register import Faults, Trigger
from mailjet_sandbox.model import Callback, MessageEvent
from mailjet_sandbox.settings import Settings
from mailjet_sandbox.store import Store

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
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopped or self.pending)
                if self._stopped:
                    return
                size = MAX_GROUP if self.version == 2 else 1
                batch = [self.pending[number] for number in range(min(size, len(self.pending)))]
            called_at = time.monotonic()
            if self._post(batch):
                self._failing_since = 0.0
                with self._wake:
                    for delivery in batch:
                        delivery.state = "delivered"
                        self.pending.popleft()
                self.delivered += len(batch)
                self._wait_until(called_at + self._settings.event_group_seconds if self.version == 2 else 0.0)
                continue
            self._failing_since = self._failing_since or time.monotonic()
            if time.monotonic() - self._failing_since >= self._settings.event_give_up_seconds:
                self._on_dead(self)
                return
            self._wait_until(time.monotonic() + self._settings.event_retry_seconds)

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

    def _wait_until(self, moment: float) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._stopped, timeout=max(0.0, moment - time.monotonic()))


#: Emitted events that are kept for ``GET /sandbox/events``.
REMEMBERED = 10_000


class Dispatcher:
    """Passes events to webhook senders. Used from the event loop's thread only."""

    def __init__(self, store: Store, settings: Settings, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._settings = settings
        self._senders: dict[tuple[str, int], WebhookSender] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.emitted: deque[EventDelivery] = deque(maxlen=REMEMBERED)
        self.totals: Counter[str] = Counter()
        #: Deliveries of senders that were stopped.
        self._retired = 0
        #: Events that faults delay, by the task that waits.
        self._delayed: dict[asyncio.Task[None], EventDelivery] = {}

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        for task in tuple(self._delayed):
            task.cancel()
        for sender in self._senders.values():
            sender.stop()

    def clear(self) -> None:
        """Forget all events; pending ones are not delivered."""
        self.stop()
        self._delayed.clear()
        self._senders.clear()
        self.emitted.clear()
        self.totals.clear()
        self._retired = 0

    def emit(self, email_event: EmailEvent) -> None:
        """Apply an event to the account, and send it to the callback URL of its type. Nothing, if its message was deleted."""
        event = apply_event(self._store, email_event)
        if event is None:
            return
        delivery = self._add(event)
        triggers = self._faults.on_event(event["event"])
        if any(isinstance(trigger.fault, DeadCallback) for trigger in triggers):
            self._suspend(self._callback(event["event"]))
        if any(isinstance(trigger.fault, LostEvents) for trigger in triggers):
            delivery.state = "undeliverable"
            return
        # The event itself, then its copies.
        late = [(one, one.fault.seconds) for one in triggers if isinstance(one.fault, ReorderedEvents)]
        self._route_after(delivery, *(late[0] if late else (None, 0.0)))
        for one in triggers:
            if isinstance(one.fault, DuplicateEvents):
                for _ in range(one.fault.copies):
                    self._route_after(delivery, one, one.fault.seconds)

    def send_test(self, row: Callback) -> None:
        """Send what the test button sends, whatever the URL's state: values that are missing are empty texts [I]."""
        message_id, uuid = self._store.new_message_ids()
        event = {
            "event": row.event_type,
            "time": self._store.now(),
            "MessageID": message_id,
            "Message_GUID": uuid,
            "email": "",
            "mj_campaign_id": 0,
            "mj_contact_id": 0,
            "customcampaign": "",
            "CustomID": "",
            "Payload": "",
            **dict.fromkeys(OWN_FIELDS[row.event_type], ""),
        }
        delivery = EventDelivery(event)
        self.emitted.append(delivery)
        self._sender(row).add(delivery)

    def refresh(self) -> None:
        """After a change of callback URLs: events that wait for a URL that is no longer in use are routed again."""
        used = {(row.url, row.version) for row in self._store.callbacks.values() if row.status == "alive"}
        for key in [key for key in self._senders if key not in used]:
            sender = self._senders.pop(key)
            waiting = sender.stop()
            self._retired += sender.delivered
            for delivery in waiting:
                self._route(delivery)

    def pending_count(self) -> int:
        return len(self._delayed) + sum(len(sender.pending) for sender in self._senders.values())

    def delivered(self) -> int:
        return self._retired + sum(sender.delivered for sender in self._senders.values())

    def pending(self) -> list[dict[str, Any]]:
        """List the events that no receiver has confirmed yet."""
        senders = self._senders.values()
        waiting = [delivery for sender in senders for delivery in tuple(sender.pending)]
        return [delivery.event for delivery in (*waiting, *self._delayed.values())]

    def restore(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            self._route(self._add(event))

    def _add(self, event: dict[str, Any]) -> EventDelivery:
        delivery = EventDelivery(event)
        self.emitted.append(delivery)
        self.totals[event["event"]] += 1
        return delivery

    def _route_after(
        self, delivery: EventDelivery, trigger: Trigger[EventFault] | None, seconds: float
    ) -> None:
        """Route an event after so many seconds, or at once."""
        if trigger is None or not seconds:
            self._route(delivery)
            return
        task = asyncio.get_running_loop().create_task(trigger.active.wait(seconds))
        self._delayed[task] = delivery

        def release(task: asyncio.Task[None]) -> None:
            if self._delayed.pop(task, None) is not None and not task.cancelled():
                self._route(delivery)

        task.add_done_callback(release)

    def _route(self, delivery: EventDelivery) -> None:
        row = self._callback(delivery.event["event"])
        if row is None:
            delivery.state = "undeliverable"
        else:
            self._sender(row).add(delivery)

    def _callback(self, event_type: str) -> Callback | None:
        rows = [
            row
            for row in self._store.callbacks.values()
            if row.event_type == event_type and row.status == "alive"
        ]
        return min(rows, key=lambda row: row.is_backup, default=None)

    def _sender(self, row: Callback) -> WebhookSender:
        key = (row.url, row.version)
        if key not in self._senders:
            self._senders[key] = WebhookSender(row.url, row.version, self._settings, self._on_dead)
        return self._senders[key]

    def _on_dead(self, sender: WebhookSender) -> None:
        """Runs in the thread of a sender that gave up."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._suspend, sender)

    def _suspend(self, receiver: WebhookSender | Callback | None) -> None:
        """Suspend a URL, for every type of event that it is registered for."""
        if receiver is None:
            return
        for row in self._store.callbacks.values():
            if (row.url, row.version) == (receiver.url, receiver.version):
                row.status = "dead"
        self.refresh()


def apply_event(store: Store, email_event: EmailEvent) -> dict[str, Any] | None:
    """Change the account and return the payload for callback URLs; None if the contact or the message was deleted."""
    message, details, state = email_event.message, email_event.details, email_event.state
    contact = store.contacts.get(message.contact_id)
    if contact is None or store.messages.get(message.id) is not message:
        return None
    message.status = STATUS[email_event.type]
    message.state_id = state.id if state else message.state_id
    message.history.append(
        MessageEvent(
            HISTORY[email_event.type],
            store.now(),
            comment=details.get("comment", ""),
            state=state.text if state else "",
            agent=details.get("agent", ""),
            url=details.get("url", ""),
        )
    )
    campaign = store.campaigns.get(message.campaign_id)
    match email_event.type:
        case "sent":
            contact.delivered += 1
        case "open" | "click":
            contact.last_activity_at = store.now()
        case "spam":
            contact.complaining = True
        case "unsub":
            # From the list that the campaign was sent to.
            contacts_list = store.active_list(campaign.list_id) if campaign else None
            if contacts_list is not None:
                unsubscribe(store, contacts_list, contact)
    return {
        "event": email_event.type,
        "time": store.now(),
        "MessageID": message.id,
        "Message_GUID": message.uuid,
        "email": contact.email,
        "mj_campaign_id": message.campaign_id,
        "mj_contact_id": contact.id,
        "customcampaign": campaign.custom_value if campaign else "",
        "CustomID": message.custom_id,
        "Payload": message.payload,
        **details,
    }
