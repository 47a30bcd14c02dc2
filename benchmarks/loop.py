"""Rows 6 to 8: the whole loop with real processes: latency, a hundred thousand contacts, memory."""

import json
import time

import urllib3

from benchmarks import fixtures
from benchmarks.figures import line, percentile, title
from benchmarks.options import Options
from benchmarks.outside import calls_of, children, delivered, forget_calls, megabytes, wait_until
from benchmarks.place import Place, place
from jetbridge.integrations.mailjet.api.client import MailjetClient


def run(options: Options) -> None:
    with place("serve") as here:
        _memory(here, "idle")
        _latency(here, 30 if options.quick else 100)
        people = 10_000 if options.quick else 100_000
        _many(here, people, "")
        _many(here, people, "again-")
        _memory(here, f"with {people:,} contacts")


def _latency(here: Place, samples: int) -> None:
    title(f"6. Acknowledged identify to contact visible in Mailjet, idle system: {samples} samples")
    mailjet = MailjetClient(here.mailjet, "bench", "bench")
    pool = urllib3.PoolManager()
    waits = []
    for number in range(samples):
        body = fixtures.call(10_000_000 + number) | {"writeKey": here.write_key}
        email = body["traits"]["email"]
        pool.request("POST", f"{here.jetbridge}/v1/identify", body=json.dumps(body))
        acknowledged = time.perf_counter()
        while mailjet.contact(email) is None:
            time.sleep(0.002)
        waits.append((time.perf_counter() - acknowledged) * 1000)
        time.sleep(0.05)
    line("p50", f"{percentile(waits, 0.5):,.0f} ms", "150 ms")
    line("p99", f"{percentile(waits, 0.99):,.0f} ms", "500 ms")


def _many(here: Place, people: int, label: str) -> None:
    title(f"7. {people:,} {'identifies that change nothing' if label else 'new contacts'}, whole loop")
    bodies = fixtures.batch_bodies(range(people), write_key=here.write_key, label=label)
    forget_calls(here)
    before = delivered(here)
    pool = urllib3.PoolManager()
    begun = time.perf_counter()
    for body in bodies:
        answer = pool.request("POST", f"{here.jetbridge}/v1/batch", body=body)
        assert answer.status == 200, answer.data
    acknowledged = time.perf_counter()
    wait_until(lambda: delivered(here) - before >= people)
    ended = time.perf_counter()
    line("first call sent to last one acknowledged", f"{acknowledged - begun:,.1f} s")
    line(
        "last one acknowledged to last one delivered",
        f"{ended - acknowledged:,.1f} s",
        "10 s" if not label else "",
    )
    line("first call sent to last one delivered", f"{ended - begun:,.1f} s")
    calls = calls_of(here)
    bulk = calls.get("POST contactslist/managemanycontacts", 0)
    line("bulk calls", bulk, "20" if not label else "0")
    line("all calls but GET", sum(n for call, n in calls.items() if not call.startswith("GET")))


def _memory(here: Place, when: str) -> None:
    title(f"8. Memory, {when}")
    for name, pid in children(here).items():
        target = "150 MB" if when == "idle" else "400 MB"
        line(f"{name}, resident", megabytes(pid, "status", "VmRSS"), target)
        line(f"{name}, its share of what is shared", megabytes(pid, "smaps_rollup", "Pss"))
