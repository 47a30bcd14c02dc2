"""The faults that are set, and which of them trigger for a request, a job or an event.

The same requests in the same order trigger the same faults. Each fault draws from its own stream of random numbers, which depends on
the sandbox's seed and on the fault alone, so that another fault changes nothing.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar, cast

import msgspec

from mailjet_sandbox.clock import Clock
from mailjet_sandbox.faults.kinds import (
    EventFault,
    Fault,
    JobError,
    JobFault,
    JobStuck,
    RequestFault,
    RowErrors,
    When,
    split_endpoint,
)

F = TypeVar("F", bound=JobFault)
K = TypeVar("K", bound=Fault)


class ActiveFault:
    """A fault that is set."""

    def __init__(self, number: int, fault: Fault, stream: random.Random, clock: Clock) -> None:
        self.id = number
        self.fault = fault
        #: How often it triggered.
        self.trigger_count = 0
        self._stream = stream
        self._clock = clock
        self._begins_at = clock() + fault.from_seconds
        self._ends_at = None if fault.for_seconds is None else self._begins_at + fault.for_seconds
        self._removed = asyncio.Event()

    @property
    def kind(self) -> str:
        return str(self.fault.__struct_config__.tag)

    @property
    def state(self) -> str:
        """``waiting``, ``active`` or ``over``."""
        now = self._clock()
        used_up = self.fault.times is not None and self.trigger_count >= self.fault.times
        if used_up or (self._ends_at is not None and now >= self._ends_at):
            return "over"
        return "active" if now >= self._begins_at else "waiting"

    def draw(self) -> float | None:
        """Return None if the fault does not trigger now, else a random number from 0 to 1 for its other choices."""
        if self.state != "active":
            return None
        hit, chance = self._stream.random() < self.fault.rate, self._stream.random()
        return chance if hit else None

    def remove(self) -> None:
        self._removed.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for so many seconds, None meaning forever, and no longer than the fault is set."""
        waits = [] if seconds is None else [seconds]
        waits += [] if self._ends_at is None else [max(0.0, self._ends_at - self._clock())]
        try:
            await asyncio.wait_for(self._removed.wait(), min(waits, default=None))
        except TimeoutError:
            return

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that were set, without the defaults."""
        fields = msgspec.structs.fields(self.fault)
        values = {field.name: getattr(self.fault, field.name) for field in fields}
        return {field.name: values[field.name] for field in fields if values[field.name] != field.default}

    def describe(self) -> dict[str, Any]:
        given: dict[str, Any] = msgspec.to_builtins(self.fault)
        return {"id": self.id, "state": self.state, "triggered": self.trigger_count, **given}


@dataclass(frozen=True)
class Trigger(Generic[K]):
    """A fault that triggered once."""

    active: ActiveFault
    fault: K
    #: From 0 to 1, for the fault's other choices.
    chance: float


class JobFaults:
    """The faults that one job triggered."""

    def __init__(self, triggers: list[Trigger[JobFault]]) -> None:
        self._triggers = triggers

    def failure(self, when: When) -> JobError | None:
        return next((trigger.fault for trigger in self._of(JobError, when)), None)

    def is_stuck(self, when: When) -> bool:
        return bool(self._of(JobStuck, when))

    async def wait_while_stuck(self, when: When) -> None:
        """Wait until no fault blocks the job."""
        for trigger in self._of(JobStuck, when):
            await trigger.active.wait(trigger.fault.seconds)
        self._triggers = [trigger for trigger in self._triggers if trigger not in self._of(JobStuck, when)]

    def reject_rows(self, write: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        """Wrap a writer of rows: it rejects some of them, before or after it has written them."""
        rejecting = [*self._of(RowErrors, "after"), *reversed(self._of(RowErrors, "before"))]
        for trigger in rejecting:  # The last wrapper runs first.
            write = _reject_some(write, trigger)
        return write

    def _of(self, kind: type[F], when: When) -> list[Trigger[F]]:
        triggers = (trigger for trigger in self._triggers if isinstance(trigger.fault, kind))
        return cast("list[Trigger[F]]", [trigger for trigger in triggers if trigger.fault.when == when])


def _reject_some(
    write: Callable[[Any], dict[str, Any]], trigger: Trigger[RowErrors]
) -> Callable[[Any], dict[str, Any]]:
    fault = trigger.fault
    stream = random.Random(trigger.chance)  # noqa: S311 - repeatable, not secret

    def write_or_reject(row: Any) -> dict[str, Any]:
        is_rejected = stream.random() < fault.share
        if is_rejected and fault.when == "before":
            return row_problem(fault, row)
        return write(row) or (row_problem(fault, row) if is_rejected else {})

    return write_or_reject


def row_problem(fault: RowErrors, row: Any) -> dict[str, Any]:
    """Blame a property of the row, or its address."""
    lowered = {name.lower(): value for name, value in row.items()} if isinstance(row, dict) else {}
    given = lowered.get("properties")
    name = fault.property or (next(iter(given), "") if isinstance(given, dict) else "")
    return {"Properties": [{name: fault.message}]} if name else {"email": fault.message}


class Faults:
    """All faults that are set. Used from the event loop's thread only."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._next_id = 1
        self._set: dict[int, ActiveFault] = {}
        #: How often an equal fault was set before: equal faults draw different numbers.
        self._copies: Counter[bytes] = Counter()

    def __iter__(self) -> Iterator[ActiveFault]:
        return iter(self._set.values())

    def add(self, faults: Iterable[Fault]) -> list[ActiveFault]:
        added = [
            ActiveFault(number, fault, self._stream(fault), self._clock)
            for number, fault in enumerate(faults, self._next_id)
        ]
        self._next_id += len(added)
        self._set |= {one.id: one for one in added}
        return added

    def remove(self, number: int) -> bool:
        """Remove a fault and release what it blocks; False if it is not set."""
        one = self._set.pop(number, None)
        if one is not None:
            one.remove()
        return one is not None

    def clear(self) -> None:
        """Remove all faults and restart their random numbers."""
        for number in list(self._set):
            self.remove(number)
        self._copies.clear()

    def trigger(self, kind: type[K], matching: Callable[[K], bool] = lambda _: True) -> list[Trigger[K]]:
        """Return the faults that trigger, in the order in which they were set.

        Every matching fault draws a number, whatever the others do. Of those that are not cumulative, the first one triggers.
        """
        drawn = [
            Trigger(one, one.fault, chance)
            for one in self
            if isinstance(one.fault, kind) and matching(one.fault) and (chance := one.draw()) is not None
        ]
        exclusive = next((trigger for trigger in drawn if not trigger.fault.cumulative), None)
        triggers = [trigger for trigger in drawn if trigger.fault.cumulative or trigger is exclusive]
        for trigger in triggers:
            trigger.active.trigger_count += 1
        return triggers

    def on_request(self, method: str, path: str) -> list[Trigger[RequestFault]]:
        """Return the faults of a request; the path is as ``path_words`` names it."""
        return self.trigger(RequestFault, lambda fault: matches(fault.endpoint, method, path))

    def on_job(self, path: str) -> list[Trigger[JobFault]]:
        """Return the faults of a job that a request to this path submits."""
        return self.trigger(JobFault, lambda fault: matches(fault.endpoint, "POST", path))

    def on_event(self, event_type: str) -> list[Trigger[EventFault]]:
        return self.trigger(EventFault, lambda fault: fault.event in ("*", event_type))

    def _stream(self, fault: Fault) -> random.Random:
        key = msgspec.json.encode(fault)
        copy = self._copies[key]
        self._copies[key] += 1
        return random.Random(f"{self._seed}/{key.decode()}/{copy}")  # noqa: S311 - repeatable, not secret


def matches(endpoint: str, method: str, path: str) -> bool:
    """Return whether an endpoint of a fault means a call. ``*`` means Mailjet's API; Segment's is ``segment/*``."""
    fault_method, fault_path = split_endpoint(endpoint)
    if fault_path.startswith("segment/") is not path.startswith("segment/"):
        return False
    return fault_method in ("*", method) and fnmatchcase(path, fault_path)


def path_words(segments: Iterable[str]) -> str:
    """Name an API path in Mailjet's words: no version, no REST or DATA, lower case."""
    words = [segment.lower() for segment in segments][1:]
    return "/".join(words[1:] if words[:1] in (["rest"], ["data"]) else words)
