"""Row 10: one Mailjet account answers nothing, while another receives at full speed.

Three phases: both answer, one hangs, both answer again. HANG_SECONDS says how long it hangs: 600 for ten minutes.
"""

import json
import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import urllib3

from benchmarks import fixtures
from benchmarks.figures import line, percentile, title
from benchmarks.options import Options
from benchmarks.outside import children, delivered, megabytes, processor_seconds, wait_until
from benchmarks.place import Place, place
from jetbridge.integrations.mailjet.api.client import MailjetClient
from mailjet_sandbox.server import running
from mailjet_sandbox.settings import Settings

HANG_SECONDS = float(os.environ.get("HANG_SECONDS", "60"))
#: How long each of the other phases lasts.
ALONE_SECONDS = 60.0
PEOPLE, BODY = 10_000, 100
#: One body in so many goes to the neighbour.
NEIGHBOUR_GETS = 10
#: The sender is no further ahead of the deliveries than so many calls: they never run out of work, nor fall behind.
AHEAD = 50_000
#: Seconds between two people whose way to Mailjet is timed.
PROBE_SECONDS = 3.0


def run(options: Options) -> None:
    alone, hanging = (10.0, 20.0) if options.quick else (ALONE_SECONDS, HANG_SECONDS)
    title(f"10. A neighbour that answers nothing for {hanging:,.0f} s; {alone:,.0f} s before and after")
    with place("serve") as here, _neighbour(here) as neighbour, Load(here, neighbour.write_key) as load:
        _phase(here, load, "both answer", alone)
        neighbour.hang()
        _phase(here, load, "one hangs", hanging)
        neighbour.mend()
        _phase(here, load, "both answer again", alone)
        load.stop()
        began = time.perf_counter()
        wait_until(lambda: delivered(here) >= load.sent)
        line("last one acknowledged to all delivered", f"{time.perf_counter() - began:,.1f} s")


@dataclass
class Neighbour:
    """A second workspace and Mailjet account of the same Jetbridge."""

    write_key: str
    url: str

    def hang(self) -> None:
        self._faults("POST", {"kind": "hang"})

    def mend(self) -> None:
        self._faults("DELETE")

    def _faults(self, method: str, fault: dict[str, str] | None = None) -> None:
        body = json.dumps(fault).encode() if fault else None
        request = urllib.request.Request(f"{self.url}/sandbox/faults", body, method=method)
        urllib.request.urlopen(request).close()


@contextmanager
def _neighbour(here: Place) -> Iterator[Neighbour]:
    with running(Settings(api_key="other", secret_key="other")) as sandbox:
        keys = ("--api-key", "other", "--secret-key", "other")
        where = (
            "--workspace",
            "Elsewhere",
            "--mailjet-url",
            sandbox.url,
            "--list",
            "Customers",
            "--create-list",
        )
        told = here.processes.run("setup", *where, *keys, "--json")
        yield Neighbour(told["write_key"], sandbox.url)


@dataclass
class Load:
    """Two threads: one sends as fast as the endpoints answer, one times single people. What they saw is in ms."""

    here: Place
    neighbour_key: str
    #: Messages sent; those of them for the account that answers.
    sent: int = 0
    healthy: int = 0
    answers: list[float] = field(default_factory=list)
    ways: list[float] = field(default_factory=list)

    @property
    def healthy_id(self) -> int:
        number: int = self.here.told["destinations"][0]["id"]
        return number

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._send, self._probe)]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _send(self) -> None:
        calls = [fixtures.call(number) for number in range(PEOPLE)]
        bodies = number = 0
        while not self._ended.is_set():
            number += 1
            while self.healthy - delivered(self.here, self.healthy_id) > AHEAD and not self._ended.wait(0.1):
                continue
            for start in range(0, PEOPLE, BODY):
                bodies += 1
                mine = bodies % NEIGHBOUR_GETS != 0
                key = self.here.write_key if mine else self.neighbour_key
                self.answers.append(
                    self._post(fixtures.news(calls[start : start + BODY], number, write_key=key))
                )
                self.sent += BODY
                self.healthy += BODY * mine

    def _post(self, body: bytes) -> float:
        began = time.perf_counter()
        answer = _POOL.request("POST", f"{self.here.jetbridge}/v1/batch", body=body)
        assert answer.status == 200, answer.data
        return (time.perf_counter() - began) * 1000

    def _probe(self) -> None:
        mailjet = MailjetClient(self.here.mailjet, "bench", "bench")
        number = 10_000_000
        while not self._ended.wait(PROBE_SECONDS):
            number += 1
            call = fixtures.call(number)
            self._post(fixtures.news([call], 0, write_key=self.here.write_key))
            self.sent, self.healthy = self.sent + 1, self.healthy + 1
            began = time.perf_counter()
            while mailjet.contact(call["traits"]["email"]) is None:
                time.sleep(0.02)
            self.ways.append((time.perf_counter() - began) * 1000)


def _phase(here: Place, load: Load, name: str, seconds: float) -> None:
    healthy = load.healthy_id
    worker = children(here)["worker"]
    load.answers.clear()
    load.ways.clear()
    line(name, "")
    line("  worker, resident, at its start", megabytes(worker))
    before, all_before, sent, began = (
        delivered(here, healthy),
        delivered(here),
        load.sent,
        time.perf_counter(),
    )
    used = processor_seconds(worker)
    time.sleep(seconds)
    passed, done = time.perf_counter() - began, delivered(here, healthy) - before
    used = processor_seconds(worker) - used
    line("  taken by the endpoints", f"{(load.sent - sent) / passed:,.0f}/s")
    line("  delivered to the one that answers", f"{done / passed:,.0f}/s")
    line("  delivered per second of its processor time", f"{(delivered(here) - all_before) / used:,.0f}")
    line("  not delivered to it yet", f"{load.healthy - delivered(here, healthy):,}")
    line("  the endpoints, p50, p99, longest", _waits(load.answers))
    line("  visible after, p50, p99, longest", _waits(load.ways))
    line("  worker, resident, at its end", megabytes(worker), "400 MB")


def _waits(values: list[float]) -> str:
    seen = list(values)
    if not seen:
        return "none"
    return ", ".join(f"{percentile(seen, share):,.0f} ms" for share in (0.5, 0.99, 1.0))


_POOL = urllib3.PoolManager(maxsize=2)
