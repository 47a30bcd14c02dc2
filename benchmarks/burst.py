"""Row 13: the events of a campaign of a million messages, as fast as somebody sends them: what web and worker take and weigh.

Grouped as Mailjet groups them, then some one by one. People go on calling identify meanwhile; the floor of their waits are ten
seconds without a burst.
"""

import json
import multiprocessing
import threading
import time
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Self

import msgspec
import urllib3

from benchmarks import fixtures
from benchmarks.figures import line, percentile, title
from benchmarks.options import Options
from benchmarks.outside import children, email_events, megabytes, processor_seconds, wait_until
from benchmarks.place import Place, place

EVENTS, QUICK = 1_000_000, 100_000
#: Events in one grouped call, and calls at once. Mailjet makes one call at a time, with the events of a second.
GROUP, CONNECTIONS = 5_000, 4
#: Of so many events that come in groups, one more comes alone (Version 1 of a callback URL), over more connections.
PER_SINGLE, SINGLE_CONNECTIONS = 50, 16
#: Seconds between two identifies whose responses are timed, and for how long before the burst.
PROBE_SECONDS, ALONE_SECONDS = 0.05, 10.0


def run(options: Options) -> None:
    total = QUICK if options.quick else EVENTS
    title(f"13. {total:,} email events in calls of {GROUP:,} over {CONNECTIONS} connections, then some alone")
    with place("serve") as here:
        campaign = _campaign(here)  # before anybody is on the list: it sends nothing
        _measure(here, campaign, total)


def _measure(here: Place, campaign: int, total: int) -> None:
    with Probe(here) as probe:
        time.sleep(ALONE_SECONDS)
        line("identify, nothing else: p50, p99, longest", probe.waits())
        singles = total // PER_SINGLE
        bodies = (
            msgspec.json.encode([_event(number, campaign) for number in range(start, start + GROUP)])
            for start in range(0, total, GROUP)
        )
        _send(here, "grouped", bodies, total, CONNECTIONS)
        line("identify meanwhile: p50, p99, longest", probe.waits())
        alone = (msgspec.json.encode(_event(number, campaign)) for number in range(total, total + singles))
        _send(here, "one by one", alone, singles, SINGLE_CONNECTIONS)
        line("identify meanwhile: p50, p99, longest", probe.waits())
        _wait_for_tracks(here, total + singles)
        line("identify while events become calls", probe.waits())
        processes = children(here)
        line("web, resident, at its highest", megabytes(processes["web"], field="VmHWM"), "150 MB")
        line("worker, resident, at its highest", megabytes(processes["worker"], field="VmHWM"), "400 MB")


def _campaign(here: Place) -> int:
    """A campaign that the sandbox knows, so that its subject and title are found."""
    body = json.dumps({"list_id": here.told["list_id"], "subject": "Spring is here"}).encode()
    with urllib.request.urlopen(f"{here.mailjet}/sandbox/campaigns", body) as response:
        number: int = json.load(response)["campaign_id"]
        return number


def _event(number: int, campaign: int) -> dict[str, object]:
    return fixtures.email_event(number) | {
        "email": f"person.{number}@example.com",
        "mj_campaign_id": campaign,
        "time": int(time.time()),
        "CustomID": "",
    }


def _send(here: Place, what: str, bodies: Iterable[bytes], events: int, connections: int) -> None:
    """Say how fast they were taken. Bodies are made as they are sent."""
    pool, lock, waiting = (
        urllib3.PoolManager(maxsize=connections, retries=False),
        threading.Lock(),
        iter(bodies),
    )
    web, waits, refused = children(here)["web"], list[float](), list[int]()
    used, began = processor_seconds(web), time.perf_counter()

    def work() -> None:
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            while True:
                sent_at = time.perf_counter()
                status = pool.request("POST", here.told["mailjet_events_url"], body=body).status
                waits.append((time.perf_counter() - sent_at) * 1000)
                if status == 200:
                    break
                refused.append(status)
                time.sleep(0.1)

    with ThreadPoolExecutor(connections) as threads:
        for future in [threads.submit(work) for _ in range(connections)]:
            future.result()
    passed, used = time.perf_counter() - began, processor_seconds(web) - used
    line(f"{what}: taken", f"{events / passed:,.0f}/s")
    line("  per second of web's processor time", f"{events / max(used, 0.01):,.0f}")
    line("  responses: p50, p99, longest", _in_words(waits))
    line("  refused for the moment, and sent again", str(len(refused)))
    line("  web, resident", megabytes(web))


def _wait_for_tracks(here: Place, total: int) -> None:
    """Say how fast the worker makes calls of what waits now."""
    worker = children(here)["worker"]
    made, used, began = email_events(here, "message"), processor_seconds(worker), time.perf_counter()
    wait_until(lambda: email_events(here, "message") >= total)
    passed, used = time.perf_counter() - began, processor_seconds(worker) - used
    taken, calls = email_events(here, "email_event"), email_events(here, "message")
    assert (taken, calls) == (total, total), (taken, calls)
    line("track calls made when all was taken", f"{made:,}")
    line("track calls made of the rest", f"{(total - made) / passed:,.0f}/s")
    line("  per second of worker's processor time", f"{(total - made) / max(used, 0.01):,.0f}")


class Probe:
    """A process that identifies a person now and then, and times the responses: the senders' work is not in its figures."""

    def __init__(self, here: Place) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_probe, args=(f"{here.jetbridge}/v1/identify", here.write_key, theirs), daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def waits(self) -> str:
        """In words, since the last time."""
        self._pipe.send(None)
        return _in_words(self._pipe.recv())


def _probe(url: str, write_key: str, pipe: Connection) -> None:
    """Sends the milliseconds that the calls since the last question waited, whenever it is asked."""
    pool, number, waits = urllib3.PoolManager(maxsize=1, retries=False), 0, list[float]()
    while True:
        if pipe.poll(PROBE_SECONDS):
            pipe.recv()
            pipe.send(waits)
            waits = []
        number += 1
        body = json.dumps(fixtures.call(number) | {"writeKey": write_key})
        began = time.perf_counter()
        response = pool.request("POST", url, body=body)
        assert response.status == 200, response.data
        waits.append((time.perf_counter() - began) * 1000)


def _in_words(waits: list[float]) -> str:
    if not waits:
        return "none"
    figures = ", ".join(f"{percentile(waits, share):,.0f} ms" for share in (0.5, 0.99, 1.0))
    return f"{figures} (n={len(waits):,})"
