"""Bodies: the whole call, or a map of fields."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.integrations.testing import ref_of
from jetbridge.integrations.webhook import payload
from jetbridge.integrations.webhook.definition import WEBHOOK
from jetbridge.integrations.webhook.payload import InvalidMap
from jetbridge.spec.message import Message

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
MESSAGE = Message(
    type="identify",
    message_id="m1",
    timestamp=AT,
    received_at=AT,
    user_id="ada",
    traits={
        "email": "ada@example.com",
        "age": 36,
        "tags": ["a", "b"],
        "address": {"city": "Paris"},
        "x.y": 1,
        "gone": None,
    },
    settings={"listId": "5"},
    dropped=["traits.score"],
)


def body(fields: dict[str, Any]) -> Any:
    return json.loads(payload.encode(payload.by_map(fields)(MESSAGE)))


def test_the_whole_call_leaves_out_what_was_addressed_to_us() -> None:
    call = json.loads(payload.encode(payload.whole(MESSAGE)))
    assert call["messageId"] == "m1"
    assert call["receivedAt"] == "2026-11-23T09:30:00Z"
    assert call["traits"]["address"] == {"city": "Paris"}
    assert not [name for name in call if name.startswith("_")]


def test_values_go_in_as_json() -> None:
    fields = {
        "who.mail": "traits.email",
        "who.age": "traits.age",
        "tags": "traits.tags",
        "where": "traits.address",
    }
    assert body(fields) == {
        "who": {"mail": "ada@example.com", "age": 36},
        "tags": ["a", "b"],
        "where": {"city": "Paris"},
    }


def test_constants_and_times_and_names_with_dots() -> None:
    fields = {"kind": {"constant": {"a": [1, None]}}, "at": "timestamp", "dotted": r"traits.x\.y"}
    assert body(fields) == {"kind": {"a": [1, None]}, "at": "2026-11-23T09:30:00Z", "dotted": 1}


def test_what_is_not_there_is_left_out() -> None:
    assert body({"a.b": "traits.nothing", "c": "traits.gone", "d": "properties.x", "e": "userId"}) == {
        "e": "ada"
    }


def test_a_value_cannot_break_out_of_its_place() -> None:
    message = Message(
        type="track", message_id="m", timestamp=AT, received_at=AT, event='","admin":true,"x":"'
    )
    made = payload.encode(payload.by_map({"event": "event"})(message))
    assert json.loads(made) == {"event": message.event}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a": "password"}, "a: password is no field of a message"),
        ({"a": 5}, 'give a path such as "traits.email"'),
        ({"a": {"value": 1}}, "give a path"),
        ({"a..b": "type"}, "a name is missing at a dot"),
        ({"a": "type", "a.b": "event"}, "a: it cannot be a value and an object at once"),
        ({str(number): "type" for number in range(201)}, "at most 200 fields"),
    ],
)
def test_a_map_that_says_nothing_is_refused_with_its_field(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidMap, match=words):
        payload.by_map(fields)
    problem = WEBHOOK.problems({"url": "https://192.0.2.1", "map": fields})["map"]
    assert words in problem


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"X-Signature": "x"},
        {"a b": "x"},
        {"A": "x\r\nB: y"},
        {"A": 5},
        {"A": "é"},
        {f"H{n}": "" for n in range(31)},
    ],
)
def test_headers_that_are_none_or_ours_are_refused(headers: dict[str, Any]) -> None:
    assert WEBHOOK.problems({"url": "https://192.0.2.1", "headers": headers})["headers"].endswith(".")


@pytest.mark.usefixtures("home")
def test_a_preview_shows_the_request_without_its_secrets() -> None:
    values = {
        "url": "https://192.0.2.1/secret-path?token=t",
        "headers": {"Authorization": "Bearer secret-0001"},
        "sharedSecret": "secret-0002",
        "batchSize": 5,
        "map": {"mail": "traits.email"},
    }
    shown = WEBHOOK.preview(ref_of(WEBHOOK, values), MESSAGE).request
    assert shown.startswith("POST 192.0.2.1\n")
    assert "Authorization: ••••••••" in shown
    assert "X-Signature: ••••••••" in shown
    assert '"mail": "ada@example.com"' in shown
    assert "secret" not in shown
