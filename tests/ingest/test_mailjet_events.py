"""Mailjet's events: kept byte for byte, and answered exactly 200 once they are durable."""

import json
from typing import Any

import pytest

from jetbridge.eventlog.base import EMAIL_EVENT, INVALID
from jetbridge.spec import limits

OPEN = b'{"event":"open","time":1700000000,"MessageID":1152921509597813712,"email":"a@example.com"}'
CLICK = b'{ "event" : "click", "url":"https:\\/\\/x", "n": 1.50 }'


def test_version_1_sends_one_object(server: Any) -> None:
    response = server.post(f"/mailjet/events/{server.events_token}", OPEN)
    assert response.status == 200
    [record] = server.records()
    assert (record.source, record.type, record.body) == (server.mailjet, EMAIL_EVENT, OPEN)


def test_version_2_sends_an_array_and_each_event_keeps_its_bytes(server: Any) -> None:
    body = b"[ " + OPEN + b" ,\n" + CLICK + b"]"
    assert server.post(f"/mailjet/events/{server.events_token}", body).status == 200
    assert [(record.type, record.body) for record in server.records()] == [
        (EMAIL_EVENT, OPEN),
        (EMAIL_EVENT, CLICK),
    ]


def test_what_is_no_event_is_kept_and_not_sent_again(server: Any) -> None:
    assert server.post(f"/mailjet/events/{server.events_token}", b"[5, " + OPEN + b"]").status == 200
    assert [(record.type, record.body) for record in server.records()] == [
        (INVALID, b"5"),
        (EMAIL_EVENT, OPEN),
    ]
    assert server.errors() == ["bad_request: The event must be an email event: a JSON object."]


def test_no_events_are_nothing(server: Any) -> None:
    assert server.post(f"/mailjet/events/{server.events_token}", b"[]").status == 200
    assert server.records() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b'"text"',
        b'{"event":"open"',
        b'[{"event":"op"]',
        b'[{"event":"open"},',
        b"[" + OPEN + b"]" + OPEN,
    ],
)
def test_what_is_not_json_or_not_whole_is_400_and_counted(server: Any, body: bytes) -> None:
    assert server.post(f"/mailjet/events/{server.events_token}", body).status == 400
    assert [record.type for record in server.records()] == [INVALID]


def test_a_value_that_cannot_be_read_costs_itself_only(server: Any) -> None:
    latin = b'{"event":"bounce","MessageID":1152921509597813712,"comment":"bo\xeete pleine","time":NaN}'
    body = b"[" + latin + b"," + CLICK + b',{"event" "open"}]'
    assert server.post(f"/mailjet/events/{server.events_token}", body).status == 200
    first, second, third = server.records()
    assert json.loads(first.body) == {
        "event": "bounce",
        "MessageID": 1152921509597813712,
        "_dropped": ["comment", "time"],
    }
    assert (first.type, second.body, third.type) == (EMAIL_EVENT, CLICK, INVALID)


@pytest.mark.parametrize("token", ["nope", "k" * 32, "authentication-key"])
def test_another_address_is_401(server: Any, token: str) -> None:
    response = server.post(f"/mailjet/events/{token}", OPEN)
    assert (response.status, response.json()["code"]) == (401, "unknown_token")
    assert token not in response.data.decode()
    assert server.records() == []


def test_the_events_of_a_second_of_a_large_campaign_are_taken_as_one(server: Any) -> None:
    """12 MB and 45,000 events."""
    event = OPEN[:-1] + b',"agent":"' + b"x" * 180 + b'"}'
    assert (
        server.post(
            f"/mailjet/events/{server.events_token}", b"[" + b",".join([event] * 45_000) + b"]"
        ).status
        == 200
    )
    assert server.log.counts().end == 45_000


def test_more_is_refused_and_counted(server: Any) -> None:
    body = b"[" + b",".join([b"{}"] * (limits.EMAIL_EVENTS + 1)) + b"]"
    assert server.post(f"/mailjet/events/{server.events_token}", body).status == 400
    (error,) = server.errors()
    assert str(limits.EMAIL_EVENTS) in error
