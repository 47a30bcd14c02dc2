"""Row 9: a million identifies over ten thousand people: calls go by people, and memory stays as it is."""

import time
from typing import Any

import urllib3

from benchmarks import fixtures
from benchmarks.figures import line, title
from benchmarks.options import Options
from benchmarks.outside import calls_of, children, delivered, megabytes, processor_seconds, wait_until
from benchmarks.place import Place, place
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import Listing, Row

#: Calls of one body.
BODY = 100


class _BatchJob(Row):
    count: int = 0


def run(options: Options) -> None:
    people, rounds = options.size(10_000), 100
    calls = [fixtures.call(number) for number in range(people)]
    title(f"9. {people * rounds:,} identifies over {people:,} people, each with news")
    with place("serve") as here:
        worker = children(here)["worker"]
        line("worker, resident, idle", megabytes(worker))
        begun = time.perf_counter()
        for number in range(rounds):
            _tell_of_all(here, calls, number)
            if number + 1 in {rounds // 10, rounds // 2, rounds}:
                sent = f"{people * (number + 1):,} sent"
                line(f"worker, resident, {sent}", megabytes(worker), "400 MB")
        acknowledged = time.perf_counter()
        wait_until(lambda: delivered(here) >= people * rounds)
        ended = time.perf_counter()
        line("worker, resident, all delivered", megabytes(worker))
        line("worker, resident, at its highest", megabytes(worker, field="VmHWM"), "400 MB")
        line("the worker's processor time", f"{processor_seconds(worker):,.1f} s")
        line("first call sent to last one acknowledged", f"{acknowledged - begun:,.1f} s")
        line("last one acknowledged to last one delivered", f"{ended - acknowledged:,.1f} s")
        _calls(here, people)


def _tell_of_all(here: Place, calls: list[dict[str, Any]], number: int) -> None:
    pool = urllib3.PoolManager()
    for start in range(0, len(calls), BODY):
        body = fixtures.news(calls[start : start + BODY], number, write_key=here.write_key)
        answer = pool.request("POST", f"{here.jetbridge}/v1/batch", body=body)
        assert answer.status == 200, answer.data


def _calls(here: Place, people: int) -> None:
    calls = calls_of(here)
    line("bulk calls", calls.get("POST contactslist/managemanycontacts", 0))
    line("all calls but GET", sum(n for call, n in calls.items() if not call.startswith("GET")))
    jobs = MailjetClient(here.mailjet, "bench", "bench").page(Listing("batchjob", _BatchJob), 0)
    told = sum(job.count for job in jobs)
    line("contacts told", f"{told:,}, {told / people:.1f} times each")
