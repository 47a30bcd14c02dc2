import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.delivery.retry import BatchRefused
from jetbridge.errors import DeliveryError, PauseError, TransientError
from jetbridge.integrations.segment.client import SegmentClient


def test_a_batch_carries_the_key_twice_and_the_time_of_sending(segment: Any, write_key: str) -> None:
    at = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    SegmentClient(segment.url, write_key, now=lambda: at).send([b'{"type":"track"}', b'{"type":"page"}'])
    assert segment.requests == [
        {
            "batch": [{"type": "track"}, {"type": "page"}],
            "sentAt": "2026-11-23T09:30:00Z",
            "writeKey": write_key,
        }
    ]


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, BatchRefused, "REFUSED"),
        (413, BatchRefused, "REFUSED"),
        (401, PauseError, "INVALID_AUTHENTICATION"),
        (403, PauseError, "INVALID_AUTHENTICATION"),
        (404, PauseError, "INVALID_URL"),
        (301, PauseError, "INVALID_URL"),
        (408, TransientError, "SERVER_ERROR"),
        (410, TransientError, "SERVER_ERROR"),
        (429, TransientError, "TOO_MANY_REQUESTS"),
        (500, TransientError, "SERVER_ERROR"),
        (503, TransientError, "SERVER_ERROR"),
    ],
)
def test_an_answer_says_what_happens_next(
    segment: Any, write_key: str, status: int, kind: type[DeliveryError], code: str
) -> None:
    segment.answer(status)
    with pytest.raises(DeliveryError) as caught:
        SegmentClient(segment.url, write_key).send([b"{}"])
    assert (type(caught.value), caught.value.code, caught.value.status) == (kind, code, status)


def test_retry_after_is_honoured(segment: Any, write_key: str) -> None:
    segment.answer(429, Retry_After="9")
    with pytest.raises(TransientError) as caught:
        SegmentClient(segment.url, write_key).send([b"{}"])
    assert caught.value.retry_after_seconds == 9.0


def test_nobody_listening_is_tried_again(refused_connection: str, write_key: str) -> None:
    with pytest.raises(TransientError) as caught:
        SegmentClient(refused_connection, write_key).send([b"{}"])
    assert caught.value.code == "NETWORK"


def test_the_write_key_is_in_no_error_and_no_repr(segment: Any, write_key: str) -> None:
    segment.answer(400)
    client = SegmentClient(segment.url, write_key)
    with pytest.raises(BatchRefused) as caught:
        client.send([b"{}"])
    assert json.loads(caught.value.response) == {"message": "the key was ***"}
    assert write_key not in f"{caught.value} {client!r}"


def test_requests_are_never_faster_than_fifty_a_second(segment: Any, write_key: str) -> None:
    clock = [100.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    client = SegmentClient(segment.url, write_key, clock=lambda: clock[0], sleep=sleep)
    for _ in range(101):
        client.send([b"{}"])
    assert clock[0] == pytest.approx(102.0)


def test_an_idle_client_does_not_save_up_speed(segment: Any, write_key: str) -> None:
    clock, slept = [100.0], []
    client = SegmentClient(segment.url, write_key, clock=lambda: clock[0], sleep=slept.append)
    client.send([b"{}"])
    clock[0] += 60
    client.send([b"{}"])
    client.send([b"{}"])
    assert slept == [pytest.approx(0.02)]
