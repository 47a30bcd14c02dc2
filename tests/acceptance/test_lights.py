"""No light is green while nothing moves: each way of standing still, made with real processes, and seen everywhere."""

import json
import os
import signal
import sqlite3
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.delivery.models import ConsumerOffset, destination_consumer
from jetbridge.services.queries import health

if TYPE_CHECKING:
    from conftest import Loop, Place

pytestmark = pytest.mark.acceptance

Eventually = Callable[..., None]


def codes(place: "Place") -> set[str]:
    return {light["code"] for light in place.status()["lights"] if light["state"] == "fail"}


def scrape(place: "Place") -> str:
    headers = {"Authorization": f"Bearer {os.environ['JETBRIDGE_METRICS_TOKEN']}"}
    request = urllib.request.Request(f"{place.url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def metric(place: "Place", name: str) -> float:
    """The sum over its labels, as a scraper gets it."""
    lines = scrape(place).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


def fails(place: "Place", code: str, sentence: str, kind: str = "mailjet") -> None:
    """`status`, `check` and the metrics all say so, and none says that the destination runs."""
    assert code in codes(place)
    (row,) = [each for each in place.status()["destinations"] if each["kind"] == kind]
    assert (row["state"], row["health"]) == ("stalled", "fail")
    checked = place.run("doctor")
    assert checked.returncode == 1
    assert f"FAIL  {sentence}" in checked.stdout
    assert f'jetbridge_light{{code="{code}",state="fail"' in scrape(place)
    assert metric(place, "jetbridge_healthy") == 0


def send(loop: "Loop", number: int) -> None:
    batch = [
        {"type": "identify", "userId": f"u{n}", "traits": {"email": f"u{n}@example.com"}}
        for n in range(number)
    ]
    request = urllib.request.Request(
        f"{loop.url}/v1/batch",
        data=json.dumps({"writeKey": loop.write_key, "batch": batch}).encode(),
        headers={"content-type": "application/json"},
    )
    assert urllib.request.urlopen(request, timeout=20).status == 200


@pytest.mark.parametrize("name", ["worker", "web"])
def test_a_child_that_is_stopped_is_seen_and_started_again(
    loop: "Loop", eventually: Eventually, name: str
) -> None:
    eventually(lambda: codes(loop) == set(), "all is well")
    before = loop.child(name)
    os.kill(before, signal.SIGSTOP)
    if name == "worker":
        eventually(lambda: "WORKER_SILENT" in codes(loop), "status says that it is silent")
        fails(loop, "WORKER_SILENT", f"The worker (process {before}) has given no sign of life for ")
    eventually(lambda: loop.child(name) != before, f"another {name} is started")
    assert f"{name} (process {before}) has no heartbeat and is killed." in loop.output()
    loop.serve.wait_for(f"{loop.url}/healthz")
    eventually(lambda: codes(loop) == set(), "all is well again")
    send(loop, 1)
    loop.settle()


def test_a_worker_that_was_killed_and_one_that_hangs_without_serve(
    place: "Place", start_jetbridge: Any, eventually: Eventually, receiver: Any
) -> None:
    place.set_up()
    start_jetbridge("web", health=f"{place.url}/healthz")
    fails(place, "NO_WORKER", "No worker is running, nothing is delivered")
    worker = start_jetbridge("worker")
    eventually(lambda: codes(place) == set(), "it works")
    rule = AlertRule.objects.get()  # made with the workspace
    assert (rule.kind, rule.owners) == (AlertKind.STALL, True)
    AlertRule.objects.update(webhook_url=receiver.url)
    worker.popen.send_signal(signal.SIGSTOP)
    eventually(lambda: codes(place) == {"WORKER_SILENT"}, "it is silent")
    eventually(lambda: receiver.posts, "an alert is sent by the web process", seconds=90)
    told = json.loads(receiver.posts[0][1])
    assert (told["event"], told["kind"]) == ("alert.opened", "stall")
    assert "The worker (process " in told["message"]
    worker.popen.kill()
    worker.popen.wait()
    eventually(lambda: codes(place) == {"NO_WORKER"}, "it is gone")


def test_a_destination_whose_thread_always_dies(loop: "Loop", eventually: Eventually) -> None:
    (row,) = [each for each in loop.status()["destinations"] if each["kind"] == "mailjet"]
    ConsumerOffset.objects.filter(consumer=destination_consumer(row["id"])).delete()
    loop.kill("worker")
    eventually(lambda: "THREAD_DIES" in codes(loop), "its thread dies")
    fails(
        loop,
        "THREAD_DIES",
        f"The thread destination {row['id']} ({row['name']}) dies again and again (DoesNotExist in delivery/",
    )
    (segment,) = [each for each in loop.status()["destinations"] if each["kind"] == "segment"]
    assert (segment["state"], segment["health"]) == ("running", "ok")  # it is not concerned


def test_a_job_that_does_not_end(
    loop: "Loop", eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.sandbox(
        "POST",
        "/sandbox/faults",
        {"faults": [{"kind": "job_stuck", "seconds": 3600, "endpoint": "POST *managemanycontacts"}]},
    )
    send(loop, 30)
    eventually(lambda: metric(loop, "jetbridge_destination_open_jobs") == 1, "the job is open")
    monkeypatch.setattr(health, "JOB_SECONDS", 2.0)  # of this process; others say so when it is 45 s old
    eventually(lambda: "JOB_OPEN" in codes(loop), "it has been open too long")
    (row,) = [each for each in loop.status()["destinations"] if each["kind"] == "mailjet"]
    assert (row["state"], row["open_jobs"], row["pending"]) == ("stalled", 1, 30)
    eventually(lambda: metric(loop, "jetbridge_destination_oldest_job_seconds") > 45, "long", seconds=100)
    fails(loop, "JOB_OPEN", f"{row['name']}: a job at the other side has not ended for ")


def test_state_db_locked_by_another_program_is_seen_and_ends_by_itself(
    loop: "Loop", home: Path, eventually: Eventually
) -> None:
    eventually(lambda: codes(loop) == set(), "all is well")
    with closing(sqlite3.connect(home / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        eventually(lambda: "WORKER_SILENT" in codes(loop), "the heartbeats have stopped")
    eventually(lambda: codes(loop) == set(), "all is well again")
