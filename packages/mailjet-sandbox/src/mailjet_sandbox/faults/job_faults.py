"""The faults of one job: chosen when the job is accepted, applied when it runs."""

import random
from collections.abc import Callable
from typing import Any, TypeVar, cast

from mailjet_sandbox.faults.kinds import JobError, JobFault, JobStuck, RowErrors, When
from mailjet_sandbox.faults.register import Trigger
from mailjet_sandbox.upsert import Info

F = TypeVar("F", bound=JobFault)


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

    def reject_rows(self, write: Callable[[Any], Info]) -> Callable[[Any], Info]:
        """Wrap a writer of rows: it rejects some of them, before or after it has written them."""
        rejecting = [*self._of(RowErrors, "after"), *reversed(self._of(RowErrors, "before"))]
        for trigger in rejecting:  # The last wrapper runs first.
            write = _reject_some(write, trigger)
        return write

    def _of(self, kind: type[F], when: When) -> list[Trigger[F]]:
        triggers = (trigger for trigger in self._triggers if isinstance(trigger.fault, kind))
        return cast("list[Trigger[F]]", [trigger for trigger in triggers if trigger.fault.when == when])


def _reject_some(write: Callable[[Any], Info], trigger: Trigger[RowErrors]) -> Callable[[Any], Info]:
    fault = trigger.fault
    stream = random.Random(trigger.chance)  # noqa: S311 - repeatable, not secret

    def write_or_reject(row: Any) -> Info:
        is_rejected = stream.random() < fault.share
        if is_rejected and fault.when == "before":
            return row_problem(fault, row)
        return write(row) or (row_problem(fault, row) if is_rejected else {})

    return write_or_reject


def row_problem(fault: RowErrors, row: Any) -> Info:
    """Blame a property of the row, or its address."""
    lowered = {name.lower(): value for name, value in row.items()} if isinstance(row, dict) else {}
    given = lowered.get("properties")
    name = fault.property or (next(iter(given), "") if isinstance(given, dict) else "")
    return {"Properties": [{name: fault.message}]} if name else {"email": fault.message}
