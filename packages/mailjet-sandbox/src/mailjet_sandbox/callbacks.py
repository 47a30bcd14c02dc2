"""Routes events to callback URLs: the primary one, or the backup once the primary is suspended [D].

Deliveries are keyed by URL, not by event type: grouped calls mix the types that share a URL. [D]
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

from mailjet_sandbox.events import OWN_FIELDS
from mailjet_sandbox.faults.kinds import (
    DeadCallback,
    DuplicateEvents,
    EventFault,
    LostEvents,
    ReorderedEvents,
)
from mailjet_sandbox.faults.register import Faults, Trigger
from mailjet_sandbox.model import Callback
from mailjet_sandbox.settings import Settings
from mailjet_sandbox.store import Store
from mailjet_sandbox.webhook_sender import EventDelivery, WebhookSender

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

    def emit(self, event: dict[str, Any]) -> None:
        delivery = self._add(event)
        triggers = self._faults.on_event(event["event"])
        if any(isinstance(trigger.fault, DeadCallback) for trigger in triggers):
            self._suspend(self._callback(event["event"]))
        if any(isinstance(trigger.fault, LostEvents) for trigger in triggers):
            delivery.state = "undeliverable"
            return
        for trigger, seconds in _delays(triggers):
            self._route_after(delivery, trigger, seconds)

    def send_test(self, row: Callback) -> None:
        """Send what the test button sends, whatever the URL's state: values that are missing are empty texts [I]."""
        delivery = EventDelivery(self._sample(row.event_type))
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
        task.add_done_callback(self._release)

    def _release(self, task: asyncio.Task[None]) -> None:
        delivery = self._delayed.pop(task, None)
        if delivery is not None and not task.cancelled():
            self._route(delivery)

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

    def _sample(self, event_type: str) -> dict[str, Any]:
        message_id, uuid = self._store.new_message_ids()
        return {
            "event": event_type,
            "time": self._store.now(),
            "MessageID": message_id,
            "Message_GUID": uuid,
            "email": "",
            "mj_campaign_id": 0,
            "mj_contact_id": 0,
            "customcampaign": "",
            "CustomID": "",
            "Payload": "",
            **dict.fromkeys(OWN_FIELDS[event_type], ""),
        }


def _delays(triggers: list[Trigger[EventFault]]) -> Iterator[tuple[Trigger[EventFault] | None, float]]:
    """Return the delay in seconds of an event, then of each copy, with the fault that causes it."""
    late = [(one, one.fault.seconds) for one in triggers if isinstance(one.fault, ReorderedEvents)]
    yield late[0] if late else (None, 0.0)
    for one in triggers:
        if isinstance(one.fault, DuplicateEvents):
            yield from [(one, one.fault.seconds)] * one.fault.copies
