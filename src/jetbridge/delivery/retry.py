"""Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from jetbridge.errors import TransientError


@dataclass
class Backoff:
    """How long to wait before the next try. One object per thing that is tried; `reset()` on success."""

    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    tries: int = 0
    uniform: Callable[[float, float], float] = field(default=random.uniform, repr=False)

    def next_wait(self, error: TransientError) -> float:
        """Seconds to wait after this error. An explicit Retry-After is honoured as it stands."""
        self.tries += 1
        if error.retry_after_seconds is not None:
            return error.retry_after_seconds
        highest = min(self.cap_seconds, self.base_seconds * 2 ** min(self.tries - 1, 30))
        return self.uniform(0, highest)

    def reset(self) -> None:
        self.tries = 0
