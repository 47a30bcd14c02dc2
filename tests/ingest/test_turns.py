"""While a large request is parsed, others are served."""

import asyncio
import base64
import gc
import gzip
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jetbridge.eventlog.base import EMAIL_EVENT
from jetbridge.ingest import request
from jetbridge.spec.limits import BATCH_BYTES, BATCH_EVENTS, PARTNER_BYTES

#: How much of a request's work may be one step, during which nobody else is served.
MOST = 0.2

IDENTIFY = {
    "type": "identify",
    "userId": "user-{}",
    "traits": {"email": "user-{}@example.com", "plan": "pro"},
}
OPEN = {"event": "open", "time": 1700000000, "MessageID": 1152921509597813712, "email": "user-{}@example.com"}


def array(item: Any, total: int) -> bytes:
    text = json.dumps(item)
    return b"[" + b",".join(text.replace("{}", str(number)).encode() for number in range(total)) + b"]"


def batch(total: int, key: str) -> bytes:
    """Each call has a value that cannot be read: that is the longest way."""
    call = IDENTIFY | {"traits": {"email": "user-{}@example.com", "a": float("nan"), "b": ["é"] * 5}}
    return b'{"batch":' + array(call, total) + b',"writeKey":"' + key.encode() + b'"}'


@pytest.fixture
def _tuned_collector() -> Iterator[None]:
    """As in the web process: what is there already is not looked through again, which takes seconds in a process of tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The steps of the server's event loop, in seconds of CPU time: how busy the machine is does not count."""
    taken: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        taken.append(time.thread_time() - began)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    # On a fast machine a whole batch takes no more than a few slices.
    monkeypatch.setattr(request, "SLICE_SECONDS", 0.001)
    return taken


@pytest.mark.usefixtures("_tuned_collector")
@pytest.mark.parametrize(
    ("path", "total", "is_gzipped"),
    [
        ("/segment", 20_000, False),
        ("/segment", 20_000, True),
        ("/mailjet/events/events-token", 30_000, False),
        ("/v1/batch", BATCH_EVENTS, False),
        ("/v1/import", BATCH_EVENTS, False),
    ],
)
def test_health_is_answered_while_a_large_body_is_parsed(
    server: Any, steps: list[float], path: str, total: int, *, is_gzipped: bool
) -> None:
    if path.startswith("/v1"):
        body = batch(total, server.write_key)
    else:
        body = array(OPEN if "mailjet" in path else IDENTIFY, total)
    assert len(body) <= (BATCH_BYTES if path.startswith("/v1") else PARTNER_BYTES)
    key = base64.b64encode(f"{server.authentication_key}:".encode()).decode()
    headers = {"authorization": f"Basic {key}"} | ({"content_encoding": "gzip"} if is_gzipped else {})
    longest = longest_step(server, path, gzip.compress(body, 1) if is_gzipped else body, headers, steps)
    taken = server.log.counts().by_source_and_type
    assert sum(taken.values()) == total  # all of it was durable when it was acknowledged
    assert {kind for _, kind in taken} == {EMAIL_EVENT if "mailjet" in path else "identify"}
    assert longest < MOST


@pytest.mark.usefixtures("_tuned_collector")
def test_a_body_that_is_parsed_in_one_go_would_be_noticed(
    server: Any, steps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "SLICE_SECONDS", 60.0)
    assert longest_step(server, "/v1/batch", batch(BATCH_EVENTS, server.write_key), {}, steps) > MOST


def longest_step(server: Any, path: str, data: bytes, headers: dict[str, str], steps: list[float]) -> float:
    """The share that the longest step has in the work of a request, while /healthz is asked again and again."""
    responses: list[int] = []
    sender = threading.Thread(target=lambda: responses.append(server.post(path, data, **headers).status))
    steps.clear()
    sender.start()
    while sender.is_alive():
        assert server.get("/healthz").status == 200
        time.sleep(0.001)  # else most of the work would be that of /healthz
    sender.join()
    assert responses == [200]
    return max(steps) / sum(steps)
