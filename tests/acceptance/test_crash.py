"""`kill -9` of a child in the middle of 10,000 identifies: what was acknowledged arrives."""

import http.client
import json
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

BATCHES, BATCH, LAST = 500, 20, 100


class Sender:
    """Sends each batch once, whatever happens, and remembers which were acknowledged. The last ones wait for `wait`."""

    def __init__(self, url: str, write_key: str) -> None:
        self._host = urllib.parse.urlsplit(url).netloc
        self._write_key = write_key
        self._numbers = iter(range(BATCHES))
        self._goes_on = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.lost = 0
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        self._goes_on.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            if number >= BATCHES - LAST:
                self._goes_on.wait()
            self._send([f"u{number * BATCH + index}@example.com" for index in range(BATCH)])

    def _send(self, emails: list[str]) -> None:
        calls = [{"type": "identify", "userId": email, "traits": {"email": email}} for email in emails]
        body = json.dumps({"writeKey": self._write_key, "batch": calls})
        connection = http.client.HTTPConnection(self._host, timeout=20)
        try:
            connection.request("POST", "/v1/batch", body)
            accepted = connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            accepted = False
        finally:
            connection.close()
        with self._lock:
            if accepted:
                self.acknowledged.update(emails)
            else:
                self.lost += 1
        if not accepted:
            time.sleep(0.05)


def test_a_killed_web_process_has_lost_nothing_it_acknowledged(loop: "Loop", eventually: Any) -> None:
    sender = Sender(loop.url, loop.write_key)
    eventually(lambda: len(sender.acknowledged) > 3_000, "the middle of the stream")
    loop.kill("web")
    sender.wait()
    assert sender.lost > 0
    loop.serve.wait_for(f"{loop.url}/healthz")
    assert "web died (signal 9) and is started again" in loop.serve.output()
    loop.settle(seconds=120)
    assert sender.acknowledged - loop.subscribers() == set()
    row = loop.destination("mailjet")
    assert (row["delivered"], row["failed"], row["filtered"]) == (row["received"], 0, 0)
    assert row["received"] >= len(sender.acknowledged)


def test_a_killed_worker_goes_on_where_it_was(loop: "Loop", eventually: Any) -> None:
    sender = Sender(loop.url, loop.write_key)
    eventually(lambda: len(sender.acknowledged) > 3_000, "the middle of the stream")
    loop.kill("worker")
    sender.wait()
    assert (sender.lost, len(sender.acknowledged)) == (0, BATCHES * BATCH)
    eventually(lambda: loop.status()["worker_runs"], "a new worker")
    time.sleep(0.3)
    loop.kill("worker")  # once more, most likely amid a job at Mailjet
    loop.settle(seconds=120)
    assert loop.subscribers() == sender.acknowledged
    row = loop.destination("mailjet")
    assert (row["received"], row["delivered"]) == (BATCHES * BATCH, BATCHES * BATCH)
