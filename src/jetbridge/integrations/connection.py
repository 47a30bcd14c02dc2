"""A connection that is really tested, step by step, for who sets a destination up: what passes, and else what to do."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, Final, Literal

from jetbridge.errors import Backpressure

#: Tests at once in one process: each holds a thread for as long as the other side lets it wait.
TESTS_AT_ONCE: Final = 4
_tests = BoundedSemaphore(TESTS_AT_ONCE)


@dataclass(frozen=True)
class ConnectionStep:
    """One step of a test. `title` says what is tried: "Log in"."""

    name: str
    title: str


@dataclass(frozen=True)
class StepResult:
    """`message` says what happened and, where it failed, what to do; `command` is to be run for that, at the other side."""

    step: str
    state: Literal["passed", "failed"]
    message: str
    command: str = ""


@dataclass(frozen=True)
class ConnectionDraft:
    """Settings whose connection is tested: of a destination that is there (`destination` is its id), or not yet (0).

    `values` are typed and complete, defaults and secrets included. `sources` are ids.
    """

    workspace: int
    values: Mapping[str, Any] = field(repr=False)
    destination: int = 0
    sources: Sequence[int] = ()


@contextmanager
def limited() -> Iterator[None]:
    """Raises Backpressure where TESTS_AT_ONCE are made already."""
    if not _tests.acquire(blocking=False):
        raise Backpressure(
            "As many connections are tested as Jetbridge tests at once. Try again in a moment."
        )
    try:
        yield
    finally:
        _tests.release()
