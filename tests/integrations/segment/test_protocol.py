"""What answers at Segment's address and is not Segment takes nothing: events wait, are tried again, and say why."""

from typing import Any

import pytest

from jetbridge.errors import TransientError
from jetbridge.integrations.segment.client import SegmentClient

NOT_SEGMENT = [
    (200, "application/json", b""),
    (200, "text/html", b"<!DOCTYPE html><html>Welcome! Log in to use the Wi-Fi.</html>"),
    (200, "application/json", b'{"success": false}'),
    (200, "application/json", b'{"success": "true"}'),
    (200, "application/json", b'{"success": 1}'),
    (200, "application/json", b"{}"),
    (200, "application/json", b"null"),
    (200, "application/json", b'{"success": tr'),
    (200, "application/json", b"[" * 1_500),
    (200, "application/json", b'{"a":' + b"[" * 975 + b"]" * 975 + b',"success":true}'),
    (200, "text/html", b"OK"),
    (200, "text/plain", b"OK, welcome"),
    (201, "application/json", b'{"success": true}'),
    (202, "application/json", b'{"success": true}'),
    (204, "application/json", b""),
]


@pytest.mark.parametrize(("status", "content_type", "body"), NOT_SEGMENT)
def test_calls_are_taken_only_by_the_documented_body(
    segment: Any, status: int, content_type: str, body: bytes
) -> None:
    segment.raw = (status, content_type, body)
    with pytest.raises(TransientError, match="is not Segment's Tracking API") as raised:
        SegmentClient(segment.url, "key").send([b"{}"])
    assert raised.value.code == "INVALID_RESPONSE"
    assert raised.value.response == body.decode()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"success": true}'),
        ("application/json; charset=utf-8", b' {"success":true,"message":"ok"}\n'),
        ("text/plain; charset=utf-8", b"OK"),  # RudderStack
    ],
)
def test_the_documented_bodies_are(segment: Any, content_type: str, body: bytes) -> None:
    segment.raw = (200, content_type, body)
    SegmentClient(segment.url, "key").send([b"{}"])
