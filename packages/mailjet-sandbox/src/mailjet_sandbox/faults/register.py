"""The faults that are set, and the decision whom each strikes.

The same occasions in the same order meet the same faults: each fault draws from a stream of its own, which depends on the
sandbox's seed and on the fault alone, so that setting another one shifts nothing.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

import msgspec

from mailjet_sandbox.clock import Clock
from mailjet_sandbox.faults.kinds import EventFault, Fault, JobFault, RequestFault, split_endpoint

K = TypeVar("K", bound=Fault)


class SetFault:
    """One fault at work."""

    def __init__(self, number: int, fault: Fault, stream: random.Random, clock: Clock) -> None:
        self.id = number
        self.fault = fault
        #: How often it struck.
        self.struck = 0
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
        used_up = self.fault.times is not None and self.struck >= self.fault.times
        if used_up or (self._ends_at is not None and now >= self._ends_at):
            return "over"
        return "active" if now >= self._begins_at else "waiting"

    def draw(self) -> float | None:
        """Decide about one occasion: None if it is spared, else a number from 0 to 1 for what else is left to chance."""
        if self.state != "active":
            return None
        hit, chance = self._stream.random() < self.fault.rate, self._stream.random()
        return chance if hit else None

    def remove(self) -> None:
        self._removed.set()

    async def last(self, seconds: float | None = None) -> None:
        """Wait for so long, None meaning for ever, but no longer than the fault is set."""
        waits = [] if seconds is None else [seconds]
        waits += [] if self._ends_at is None else [max(0.0, self._ends_at - self._clock())]
        try:
            await asyncio.wait_for(self._removed.wait(), min(waits, default=None))
        except TimeoutError:
            return

    def describe(self) -> dict[str, Any]:
        given: dict[str, Any] = msgspec.to_builtins(self.fault)
        return {"id": self.id, "state": self.state, "struck": self.struck, **given}


@dataclass(frozen=True)
class Strike(Generic[K]):
    """A fault strikes."""

    by: SetFault
    fault: K
    #: From 0 to 1, for what else is left to chance.
    chance: float


class Faults:
    """The register. Used from the event loop's thread only."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._next_id = 1
        self._set: dict[int, SetFault] = {}
        #: How often the same fault was set before: twins must not strike in step.
        self._twins: Counter[bytes] = Counter()

    def __iter__(self) -> Iterator[SetFault]:
        return iter(self._set.values())

    def add(self, faults: Iterable[Fault]) -> list[SetFault]:
        added = [SetFault(self._new_id(), fault, self._stream(fault), self._clock) for fault in faults]
        self._set |= {one.id: one for one in added}
        return added

    def remove(self, number: int) -> bool:
        """Take a fault away, and let go whom it holds; False if it is not set."""
        one = self._set.pop(number, None)
        if one is not None:
            one.remove()
        return one is not None

    def clear(self) -> None:
        """Take all away, and let their streams begin anew."""
        for number in list(self._set):
            self.remove(number)
        self._twins.clear()

    def strike(self, kind: type[K], concerns: Callable[[K], bool] = lambda _: True) -> list[Strike[K]]:
        """List who strikes at this occasion, in the order in which they were set.

        Every fault that it concerns draws, whatever the others do. Of those that do not add up, the first one strikes alone.
        """
        drawn = list(self._draw(kind, concerns))
        alone = next((strike for strike in drawn if not strike.fault.adds_up), None)
        strikes = [strike for strike in drawn if strike.fault.adds_up or strike is alone]
        for strike in strikes:
            strike.by.struck += 1
        return strikes

    def _draw(self, kind: type[K], concerns: Callable[[K], bool]) -> Iterator[Strike[K]]:
        for one in self:
            if isinstance(one.fault, kind) and concerns(one.fault):
                chance = one.draw()
                if chance is not None:
                    yield Strike(one, one.fault, chance)

    def on_request(self, method: str, path: str) -> list[Strike[RequestFault]]:
        """List who strikes a request to a path as ``path_words`` names it."""
        return self.strike(RequestFault, lambda fault: matches(fault.endpoint, method, path))

    def on_job(self, path: str) -> list[Strike[JobFault]]:
        """List who strikes a job that a request to this path submits."""
        return self.strike(JobFault, lambda fault: matches(fault.endpoint, "POST", path))

    def on_event(self, event_type: str) -> list[Strike[EventFault]]:
        return self.strike(EventFault, lambda fault: fault.event in ("*", event_type))

    def _new_id(self) -> int:
        number = self._next_id
        self._next_id += 1
        return number

    def _stream(self, fault: Fault) -> random.Random:
        key = msgspec.json.encode(fault)
        twin = self._twins[key]
        self._twins[key] += 1
        return random.Random(f"{self._seed}/{key.decode()}/{twin}")  # noqa: S311 - repeatable, not secret


def matches(endpoint: str, method: str, path: str) -> bool:
    wanted_method, wanted_path = split_endpoint(endpoint)
    return wanted_method in ("*", method) and fnmatchcase(path, wanted_path)


def path_words(segments: Iterable[str]) -> str:
    """Name an API path in Mailjet's words: no version, no REST or DATA, lower case."""
    words = [segment.lower() for segment in segments][1:]
    return "/".join(words[1:] if words[:1] in (["rest"], ["data"]) else words)
