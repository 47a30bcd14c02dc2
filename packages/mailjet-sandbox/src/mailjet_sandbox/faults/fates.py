"""What becomes of jobs: decided when they are accepted, carried out when their turn comes."""

import random
from collections.abc import Callable
from typing import Any, TypeVar, cast

from mailjet_sandbox.faults.kinds import JobError, JobFault, JobStuck, RowErrors, When
from mailjet_sandbox.faults.register import Strike
from mailjet_sandbox.upsert import Info

F = TypeVar("F", bound=JobFault)


class Fate:
    """The faults that strike one job."""

    def __init__(self, strikes: list[Strike[JobFault]]) -> None:
        self._strikes = strikes

    def failure(self, when: When) -> JobError | None:
        return next((strike.fault for strike in self._of(JobError, when)), None)

    def is_stuck(self, when: When) -> bool:
        return bool(self._of(JobStuck, when))

    async def get_unstuck(self, when: When) -> None:
        """Wait until nothing holds the job any longer."""
        for strike in self._of(JobStuck, when):
            await strike.by.last(strike.fault.seconds)
        self._strikes = [strike for strike in self._strikes if strike not in self._of(JobStuck, when)]

    def spoil_rows(self, write: Callable[[Any], Info]) -> Callable[[Any], Info]:
        """Make a writer of rows refuse some of them, or say so after it wrote them."""
        refusers = [*self._of(RowErrors, "after"), *reversed(self._of(RowErrors, "before"))]
        for strike in refusers:  # The last one is asked first.
            write = _refuse_some(write, strike)
        return write

    def _of(self, kind: type[F], when: When) -> list[Strike[F]]:
        found = (strike for strike in self._strikes if isinstance(strike.fault, kind))
        return cast("list[Strike[F]]", [strike for strike in found if strike.fault.when == when])


def _refuse_some(write: Callable[[Any], Info], strike: Strike[RowErrors]) -> Callable[[Any], Info]:
    fault = strike.fault
    stream = random.Random(strike.chance)  # noqa: S311 - repeatable, not secret

    def write_or_refuse(row: Any) -> Info:
        refused = stream.random() < fault.share
        if refused and fault.when == "before":
            return row_problem(fault, row)
        return write(row) or (row_problem(fault, row) if refused else {})

    return write_or_refuse


def row_problem(fault: RowErrors, row: Any) -> Info:
    """Blame a property of the row, or its address."""
    lowered = {name.lower(): value for name, value in row.items()} if isinstance(row, dict) else {}
    given = lowered.get("properties")
    name = fault.property or (next(iter(given), "") if isinstance(given, dict) else "")
    return {"Properties": [{name: fault.message}]} if name else {"email": fault.message}
