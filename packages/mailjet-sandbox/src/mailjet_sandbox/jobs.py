"""Asynchronous imports: accepted at once, carried out a little later, in the order of arrival, in pieces.

Nothing promises this order at Mailjet; here it holds because one worker takes the jobs one after another. [X]
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from mailjet_sandbox.contacts import Info, active_targets, write_contact
from mailjet_sandbox.faults.register import Faults, JobFaults
from mailjet_sandbox.model import Job, ListAction
from mailjet_sandbox.store import Store

logger = logging.getLogger(__name__)

#: Rows written before other requests are handled: some 10 ms.
CHUNK = 500

#: Finished jobs that are remembered.
KEPT = 10_000

#: The states of a waiting job by the share of its delay that has passed. [D] names and order, [X] timing
_WAITING = ((0.34, "Allocated"), (0.67, "Upload"), (1.0, "Prepare"))

#: Writes one row and returns what was wrong with it.
RowWriter = Callable[[Any], Info]

#: Prepares the writing of a job's rows.
Writer = Callable[[Store, Job], RowWriter]


def json_writer(store: Store, job: Job) -> RowWriter:
    targets = active_targets(store, job.lists)
    return lambda row: write_contact(store, row, targets)


#: Of most jobs.
_NO_FAULTS = JobFaults([])


class JobRunner:
    def __init__(
        self, store: Store, faults: Faults, delay_seconds: float, writers: Mapping[str, Writer]
    ) -> None:
        self._store = store
        self._faults = faults
        self._job_faults: dict[int, JobFaults] = {}
        self._delay = delay_seconds
        self._writers = writers
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        #: About how many rows were handled since the start.
        self.written = 0

    def new(self, kind: str, lists: list[ListAction], rows: list[Any], path: str) -> Job:
        """Make a job; the path is that of the request that submits it."""
        job = Job(self._store.new_id("job"), kind, lists, self._store.clock(), rows)
        triggers = self._faults.on_job(path)
        if triggers:
            self._job_faults[job.id] = JobFaults(triggers)
        return job

    def submit(self, kind: str, lists: list[ListAction], rows: list[Any], path: str) -> Job:
        job = self.new(kind, lists, rows, path)
        self.enqueue(job)
        return job

    def enqueue(self, job: Job) -> None:
        self._store.jobs[job.id] = job
        if len(self._store.jobs) > KEPT:
            del self._store.jobs[next(iter(self._store.jobs))]
        self._queue.put_nowait(job)

    def status(self, job: Job) -> str:
        """Name the state of a job in Mailjet's words."""
        if job.ended_at:
            return job.ending or "Completed"
        passed = (self._store.clock() - job.created_at) / self._delay if self._delay else 1.0
        waiting = next((name for share, name in _WAITING if passed < share), "Prepare")
        return "Importing" if job.started_at else waiting

    async def run(self) -> None:
        """Carry out jobs until cancelled; a job cut short starts again from its first row when it is enqueued again."""
        async with asyncio.TaskGroup() as stuck:
            while True:
                job = await self._queue.get()
                await asyncio.sleep(max(0.0, job.created_at + self._delay - self._store.clock()))
                job_faults = self._job_faults.get(job.id, _NO_FAULTS)
                if job_faults.is_stuck("before"):
                    stuck.create_task(self._requeue_later(job, job_faults))
                    continue
                try:
                    await self._write(job, job_faults)
                except Exception:  # the end of the job, and not of the runner
                    logger.exception("Job %d broke down", job.id)
                    job.ending = "Error"
                if job_faults.is_stuck("after"):
                    stuck.create_task(self._end(job, job_faults))
                else:
                    await self._end(job, job_faults)

    async def _requeue_later(self, job: Job, job_faults: JobFaults) -> None:
        await job_faults.wait_while_stuck("before")
        self._queue.put_nowait(job)

    async def _write(self, job: Job, job_faults: JobFaults) -> None:
        """Write the rows, unless a fault ends the job before."""
        failure = job_faults.failure("before")
        if failure is not None:
            job.ending, job.failure = failure.status, failure.message
            return
        job.started_at = self._store.now()
        job.count, job.errors = 0, []
        write = job_faults.reject_rows(self._writers[job.kind](self._store, job))
        for start in range(0, len(job.rows), CHUNK):
            if self._store.jobs.get(job.id) is not job:
                return  # The account was reset meanwhile.
            for number, row in enumerate(job.rows[start : start + CHUNK], start):
                info = write(row)
                job.count += 1
                if info:
                    job.errors.append(row_error(number, row, info))
            self.written += CHUNK
            await asyncio.sleep(0)

    async def _end(self, job: Job, job_faults: JobFaults) -> None:
        await job_faults.wait_while_stuck("after")
        self._job_faults.pop(job.id, None)
        failure = job_faults.failure("after")
        if failure is not None:
            job.ending, job.failure = failure.status, failure.message
        job.ended_at = self._store.now()
        job.rows = []


def row_error(number: int, row: Any, info: Info) -> dict[str, Any]:
    """Describe a rejected row as the error file lists it; the real file's format is not documented [X]."""
    email = next((row[name] for name in row if name.lower() == "email"), "") if isinstance(row, dict) else ""
    return {"Row": number, "Email": email, "ErrorMessage": "Object properties invalid", "ErrorInfo": info}


def error_text(job: Job) -> str:
    """Sum up in a job's ``Error`` what its error file lists [X]."""
    if job.failure or not job.errors:
        return job.failure
    info = job.errors[0]["ErrorInfo"]
    if problems := info.get("Properties"):
        reason = "; ".join(f"{name}: {text}" for problem in problems for name, text in problem.items())
    else:
        reason = "; ".join(str(text) for text in info.values())
    return f"{len(job.errors)} of {job.count} rows rejected, first: {reason}"
