"""Which callback URL an event goes to: the primary one, or the backup once the primary is suspended [D].

Deliveries are keyed by URL, not by event type: grouped calls mix the types that share a URL. [D]
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

from mailjet_sandbox.courier import Courier, Emission
from mailjet_sandbox.events import OWN_FIELDS
from mailjet_sandbox.faults.kinds import (
    DeadCallback,
    DuplicateEvents,
    EventFault,
    LostEvents,
    ReorderedEvents,
)
from mailjet_sandbox.faults.register import Faults, Strike
from mailjet_sandbox.model import Callback
from mailjet_sandbox.settings import Settings
from mailjet_sandbox.store import Store

#: Emitted events that are remembered for ``GET /sandbox/events``.
REMEMBERED = 10_000


class Dispatcher:
    """Hands events to couriers. Used from the event loop's thread only."""

    def __init__(self, store: Store, settings: Settings, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._settings = settings
        self._couriers: dict[tuple[str, int], Courier] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.emitted: deque[Emission] = deque(maxlen=REMEMBERED)
        self.totals: Counter[str] = Counter()
        #: Deliveries of couriers that are gone.
        self._retired = 0
        #: What faults hold back, and the task that waits for it.
        self._held: dict[asyncio.Task[None], Emission] = {}

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        for task in tuple(self._held):
            task.cancel()
        for courier in self._couriers.values():
            courier.stop()

    def clear(self) -> None:
        """Forget all events; what is under way is not delivered."""
        self.stop()
        self._held.clear()
        self._couriers.clear()
        self.emitted.clear()
        self.totals.clear()
        self._retired = 0

    def emit(self, event: dict[str, Any]) -> None:
        emission = self._remember(event)
        strikes = self._faults.on_event(event["event"])
        if any(isinstance(strike.fault, DeadCallback) for strike in strikes):
            self._suspend(self._callback(event["event"]))
        if any(isinstance(strike.fault, LostEvents) for strike in strikes):
            emission.state = "undeliverable"
            return
        for strike, seconds in _arrivals(strikes):
            self._route_late(emission, strike, seconds)

    def send_test(self, row: Callback) -> None:
        """Send what the test button sends, whatever the URL's state: values that are missing are empty texts [I]."""
        emission = Emission(self._sample(row.event_type))
        self.emitted.append(emission)
        self._courier(row).add(emission)

    def refresh(self) -> None:
        """After a change of callback URLs: what waits for a URL that is no longer in use finds its way again."""
        used = {(row.url, row.version) for row in self._store.callbacks.values() if row.status == "alive"}
        for key in [key for key in self._couriers if key not in used]:
            courier = self._couriers.pop(key)
            waiting = courier.stop()
            self._retired += courier.delivered
            for emission in waiting:
                self._route(emission)

    def pending_count(self) -> int:
        return len(self._held) + sum(len(courier.pending) for courier in self._couriers.values())

    def delivered(self) -> int:
        return self._retired + sum(courier.delivered for courier in self._couriers.values())

    def pending(self) -> list[dict[str, Any]]:
        """List the events that no receiver has confirmed yet."""
        couriers = self._couriers.values()
        waiting = [emission for courier in couriers for emission in tuple(courier.pending)]
        return [emission.event for emission in (*waiting, *self._held.values())]

    def restore(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            self._route(self._remember(event))

    def _remember(self, event: dict[str, Any]) -> Emission:
        emission = Emission(event)
        self.emitted.append(emission)
        self.totals[event["event"]] += 1
        return emission

    def _route_late(self, emission: Emission, strike: Strike[EventFault] | None, seconds: float) -> None:
        """Route an event some time later, or at once."""
        if strike is None or not seconds:
            self._route(emission)
            return
        task = asyncio.get_running_loop().create_task(strike.by.last(seconds))
        self._held[task] = emission
        task.add_done_callback(self._release)

    def _release(self, task: asyncio.Task[None]) -> None:
        emission = self._held.pop(task, None)
        if emission is not None and not task.cancelled():
            self._route(emission)

    def _route(self, emission: Emission) -> None:
        row = self._callback(emission.event["event"])
        if row is None:
            emission.state = "undeliverable"
        else:
            self._courier(row).add(emission)

    def _callback(self, event_type: str) -> Callback | None:
        rows = [
            row
            for row in self._store.callbacks.values()
            if row.event_type == event_type and row.status == "alive"
        ]
        return min(rows, key=lambda row: row.is_backup, default=None)

    def _courier(self, row: Callback) -> Courier:
        key = (row.url, row.version)
        if key not in self._couriers:
            self._couriers[key] = Courier(row.url, row.version, self._settings, self._on_dead)
        return self._couriers[key]

    def _on_dead(self, courier: Courier) -> None:
        """Hear from a courier's thread that it gave up."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._suspend, courier)

    def _suspend(self, one: Courier | Callback | None) -> None:
        """Suspend a URL, for every type of event that it is registered for."""
        if one is None:
            return
        for row in self._store.callbacks.values():
            if (row.url, row.version) == (one.url, one.version):
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


def _arrivals(strikes: list[Strike[EventFault]]) -> Iterator[tuple[Strike[EventFault] | None, float]]:
    """Say by how many seconds an event is late, and then each of its copies; and who sees to it."""
    late = [(one, one.fault.seconds) for one in strikes if isinstance(one.fault, ReorderedEvents)]
    yield late[0] if late else (None, 0.0)
    for one in strikes:
        if isinstance(one.fault, DuplicateEvents):
            yield from [(one, one.fault.seconds)] * one.fault.copies
