"""The way of events while something else answers at Segment's address: they wait, say why, pause, and then arrive."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jetbridge.delivery.base import DELIVERED
from jetbridge.delivery.circuit_breaker import CircuitBreaker
from jetbridge.delivery.models import ConsumerOffset, Outcome
from jetbridge.delivery.retry import RetryDeadline
from jetbridge.integrations.segment.client import SegmentClient
from jetbridge.integrations.segment.destination import SegmentDestination


def delivered(bench: Any) -> int:
    rows = Outcome.objects.filter(destination_id=bench.row.id, outcome=DELIVERED)
    return sum(rows.values_list("total", flat=True))


def reading(bench: Any) -> ConsumerOffset:
    return ConsumerOffset.objects.get(consumer=bench.reader)


def segment_at(url: str, seconds: float = 5.0) -> SegmentDestination:
    client = SegmentClient(url, "key", timeout_seconds=seconds)
    return SegmentDestination(client, CircuitBreaker(), RetryDeadline(3_600))


@pytest.mark.parametrize(
    "answer", [b"", b"<html>Welcome! Log in to use the Wi-Fi.</html>", b'{"success": false}', b"{}"]
)
def test_events_wait_while_something_else_answers_and_then_arrive(
    bench: Any, run: Any, receiver: Any, eventually: Any, answer: bytes
) -> None:
    receiver.answer = answer
    bench.begin()
    bench.send(20)
    run(segment_at(receiver.url.removesuffix("/hook")), retry_deadline=RetryDeadline(0.2))
    eventually(lambda: reading(bench).pause_code, "it is paused when its time is over")
    assert delivered(bench) == 0
    paused = reading(bench)
    assert paused.pause_code == "RETRIES_EXHAUSTED"
    for sentence in (paused.pause_reason, paused.last_error):
        assert "is not Segment's Tracking API" in sentence
        assert "Correct the endpoint, or what stands between." in sentence
    receiver.answer = b'{"success": true}'
    eventually(lambda: delivered(bench) == 20, "all of it arrives once Segment answers")
    eventually(lambda: not reading(bench).pause_code, "its pause ends")


@pytest.fixture
def trickling() -> Iterator[str]:
    """A byte of a response now and then, for ever."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        connections = []
        listener.settimeout(0.05)
        while not over.is_set():
            try:
                connections.append(listener.accept()[0])
            except TimeoutError:
                connections = [each for each in connections if _sends(each)]
        for each in connections:
            each.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        thread.join()


def _sends(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"H")
    except OSError:
        connection.close()
        return False
    return True


def test_a_call_without_an_end_is_the_last_error_of_the_destination(
    bench: Any, run: Any, trickling: str, eventually: Any
) -> None:
    bench.begin()
    bench.send(3)
    run(segment_at(trickling, seconds=0.3))
    eventually(lambda: reading(bench).last_error, "the destination has a last error")
    assert "did not respond in 0.3 s" in reading(bench).last_error
    assert delivered(bench) == 0
