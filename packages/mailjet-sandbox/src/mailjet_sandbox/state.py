"""The state of a running sandbox, and one API call, as handlers get them."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field

from mailjet_sandbox.callbacks import Dispatcher
from mailjet_sandbox.faults.register import Faults
from mailjet_sandbox.jobs import JobRunner
from mailjet_sandbox.recorder import Calls, Recorder
from mailjet_sandbox.requests import Query
from mailjet_sandbox.settings import Settings
from mailjet_sandbox.store import Store


@dataclass
class State:
    settings: Settings
    store: Store
    jobs: JobRunner
    callbacks: Dispatcher
    calls: Calls
    faults: Faults
    segment_calls: Recorder = field(default_factory=Recorder)
    #: Requests that may have changed the account.
    changes: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def version(self) -> tuple[int, ...]:
        """Differs from before whenever something may have changed."""
        return (self.changes, self.jobs.written, self.callbacks.totals.total(), self.callbacks.delivered())

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Run work in the background; it is cancelled when the sandbox stops."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


@dataclass(frozen=True)
class Call:
    """One API request: method, decoded path segments after ``/v3/REST``, query, body."""

    method: str
    segments: list[str]
    query: Query
    body: bytes = b""
    #: Where the caller reaches this sandbox, for addresses in answers.
    base_url: str = ""

    @property
    def path(self) -> str:
        """The path in lower case, as endpoints of faults are written."""
        return "/".join(segment.lower() for segment in self.segments)
