"""Threads that send what a crowd says, each body until it is acknowledged, as Segment's libraries do."""

import http.client
import json
import random
import threading
import urllib.parse
from types import TracebackType
from typing import Any, Self

from .crowd import Crowd

THREADS = 4
#: Calls of one body at the most, and how long a thread rests after each, on average.
CALLS, REST_SECONDS = 25, 0.15


class Senders:
    """They start at once. Some of what was acknowledged is sent again all the same."""

    def __init__(self, url: str, write_key: str, crowd: Crowd, chance: random.Random) -> None:
        self._host = urllib.parse.urlsplit(url).netloc
        self._write_key = write_key
        self._crowd = crowd
        self._ending, self._leaving = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        #: Ids of messages.
        self.acknowledged: set[str] = set()
        #: Bodies that were acknowledged, and tries that were not.
        self.taken = self.lost = 0
        #: Answers that no crash explains.
        self.strange: list[tuple[int, bytes]] = []
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(chance.random()),)) for _ in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Return when all that the crowd has said is acknowledged."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._deliver(self._crowd.rest())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._leaving.set()
        for thread in self._threads:
            thread.join()

    def _run(self, chance: random.Random) -> None:
        while not self._ending.is_set():
            calls = self._crowd.take(CALLS)
            for _ in range(2 if chance.random() < 0.1 else 1):
                self._deliver(calls)
            self._ending.wait(chance.uniform(0, 2 * REST_SECONDS))

    def _deliver(self, calls: list[dict[str, Any]]) -> None:
        body = json.dumps({"writeKey": self._write_key, "batch": calls})
        while not self._is_taken(body):
            if self._leaving.wait(0.05):
                return
        with self._lock:
            self.acknowledged.update(call["messageId"] for call in calls)

    def _is_taken(self, body: str) -> bool:
        connection = http.client.HTTPConnection(self._host, timeout=20)
        try:
            connection.request("POST", "/v1/batch", body)
            answer = connection.getresponse()
            status, said = answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            status, said = 0, b""
        finally:
            connection.close()
        with self._lock:
            self.taken += status == 200
            self.lost += status != 200
            if status not in {0, 200, 503}:
                self.strange.append((status, said))
        return status == 200
