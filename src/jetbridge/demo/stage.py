"""What there is to see: the acts and their progress, the figures, the last tracks. Shared by play and page."""

import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class State(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Act:
    """`done` of `total` are steps, whatever the act's steps are. `result` is said when it is over."""

    name: str
    what: str
    total: int = 1
    done: int = 0
    state: State = State.WAITING
    result: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Figures:
    """One look at both services. Outcomes are those of the Mailjet destination."""

    received: int = 0
    delivered: int = 0
    pending: int = 0
    filtered: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    contacts: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    email_events: int = 0
    to_segment: int = 0
    #: Messages that the warehouse has not loaded yet.
    to_load: int = 0


@dataclass
class Stage:
    """Written by the demo's threads, read by the page; every field is replaced, or only grows."""

    acts: list[Act]
    figures: Figures = field(default_factory=Figures)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    caption: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started
