"""What cannot be read costs itself only, is named, and is counted for the source that sent it."""

import base64
import json
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from tests.fuzz import WITH_IO, fuzz
from tests.spec import made_up

from jetbridge.eventlog.base import INVALID


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def test_a_nan_in_one_of_ten_identifies(server: Any) -> None:
    calls = [{"type": "identify", "userId": str(n), "traits": {"score": n}} for n in range(10)]
    calls[3]["traits"] = {"score": float("nan")}
    assert server.post("/v1/batch", {"batch": calls, "writeKey": server.write_key}).status == 200
    messages = server.messages()
    assert [message["userId"] for message in messages] == [str(n) for n in range(10)]
    assert [message.get("_dropped") for message in messages if "_dropped" in message] == [["traits.score"]]
    assert server.log.counts().incomplete == {server.site: 1}


@pytest.mark.parametrize("path", ["/v1/identify", "/segment"])
def test_a_single_call(server: Any, path: str) -> None:
    body = b'{"type":"identify","userId":"u","timestamp":"soon","traits":{"name":"Zo\xeb","plan":"pro"}}'
    key = server.write_key if path == "/v1/identify" else server.authentication_key
    assert server.post(path, body, authorization=basic(key)).status == 200
    [message] = server.messages()
    assert (message["traits"], message["_dropped"]) == ({"plan": "pro"}, ["timestamp", "traits.name"])


@pytest.mark.parametrize("path", ["/v1/identify", "/v1/batch", "/v1/import", "/v1/b"])
@pytest.mark.parametrize("is_in_header", [True, False])
def test_what_no_reading_can_save_is_counted(server: Any, path: str, *, is_in_header: bool) -> None:
    body = b'{"traits": {"plan" "pro"}, "userId": "u"'
    headers = {"authorization": basic(server.write_key)} if is_in_header else {}
    if not is_in_header:
        body += b', "writeKey": "' + server.write_key.encode() + b'"}'
    response = server.post(path, body, **headers)
    assert (response.status, response.json()["code"]) == (400, "bad_json")
    assert "byte" not in response.json()["message"]
    [record] = server.records()
    assert (record.source, record.type) == (server.site, INVALID)
    assert server.write_key.encode() not in record.body


@pytest.mark.parametrize(
    "query",
    [
        {"data": "%%%", "writeKey": "k" * 32},
        {"data": base64.b64encode(b'{"userId" "u"}').decode(), "writeKey": "k" * 32},
        {"data": base64.b64encode(b'{"userId" "u", "writeKey": "' + b"k" * 32 + b'"}').decode()},
        {"a": "1", "a.b": "2", "writeKey": "k" * 32},
        {"traits": "x", "writeKey": "k" * 32},
    ],
)
def test_and_so_it_is_at_the_pixel(server: Any, query: dict[str, str]) -> None:
    assert server.get(f"/v1/pixel/identify?{urlencode(query)}").status == 200
    [record] = server.records()
    assert (record.source, record.type) == (server.site, INVALID)
    assert server.write_key.encode() not in record.body


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1", b'{"type":"identify" "userId":1}', b"[{}" + b",{}" * 40_000 + b"]"]
)
def test_and_so_it_is_at_the_webhook(server: Any, body: bytes) -> None:
    assert server.post("/segment", body, authorization=basic(server.authentication_key)).status == 400
    assert {(record.source, record.type) for record in server.records()} == {(server.segment, INVALID)}


def test_settings_that_cannot_be_read_are_counted_and_not_guessed(server: Any) -> None:
    settings = base64.b64encode(b'{"listId": NaN}').decode()
    call = {"type": "identify", "userId": "u"}
    key = basic(server.authentication_key)
    response = server.post("/segment", call, x_segment_settings=settings, authorization=key)
    assert (response.status, response.json()["code"]) == (400, "bad_settings")
    assert [record.type for record in server.records()] == [INVALID]


@pytest.mark.parametrize("path", ["/v1/batch", "/segment", "/mailjet/events/events-token"])
def test_a_body_that_is_too_large_or_not_what_it_says_is_counted(server: Any, path: str) -> None:
    key = basic(server.authentication_key if path == "/segment" else server.write_key)
    size = 34_000_000 if path.startswith("/mailjet") else 9_000_000
    assert server.post(path, b"[" + b" " * size, authorization=key).status == 400
    assert server.post(path, b"{}", authorization=key, content_encoding="gzip").status == 400
    assert [error.partition(":")[0] for error in server.errors()] == ["payload_too_large", "bad_encoding"]
    assert {record.type for record in server.records()} == {INVALID}


def test_what_nobody_has_signed_is_not_counted(server: Any) -> None:
    for body in (b" " * 9_000_000, b'{"type" 1}', b"[", b"x" * 100_000):
        response = server.post(f"/segment/{server.segment}", body, x_signature="0" * 40)
        assert response.status in {400, 401}
    assert server.records() == []


@pytest.mark.parametrize("size", [200_000, 5_000_000])
def test_a_call_of_a_workspace_that_is_too_large_is_rejected_alone(server: Any, size: int) -> None:
    large = {"type": "identify", "userId": "u", "traits": {"a": "x" * size}}
    key = basic(server.authentication_key)
    assert (
        server.post("/segment", [large, {"type": "identify", "userId": "v"}], authorization=key).status == 200
    )
    assert [record.type for record in server.records()] == ["identify", INVALID]
    response = server.post("/segment", large, authorization=key)
    assert (response.status, response.json()["code"]) == (400, "payload_too_large")
    assert all(len(record.body) <= 500 * 1024 for record in server.records())


class Request(NamedTuple):
    path: str
    body: bytes
    users: list[str]
    #: Where the values are that cannot be read.
    lost: list[str]
    is_whole: bool


def request(random: Random) -> Request:
    """Calls with values that are none, to any endpoint; some lose a byte, or have another one in its place."""
    path = random.choice(["/v1/batch", "/v1/identify", "/segment", "/mailjet/events/events-token"])
    users = [f"u{n}" for n in range(1 if path == "/v1/identify" else random.randrange(1, 4))]
    calls = [
        {"type": "identify", "event": "open", "userId": user, "traits": made_up.an_object(random)}
        for user in users
    ]
    lost: list[str] = []
    body = b",".join(made_up.with_holes(random, call, "", lost)[0] for call in calls)
    if path != "/v1/identify":
        body = b"[" + body + b"]"
    if path == "/v1/batch":
        body = b'{"batch":' + body + b"}"
    is_whole = random.random() < 0.6
    if not is_whole:
        at = random.randrange(len(body))
        instead = random.choice([b"", b'"', b"{", b"}", b"]", b",", b"\\", b"\xff"])
        body = body[:at] + instead + body[at + 1 :]
    return Request(path, body, users, sorted(path[1:] for path in lost), is_whole)


@fuzz(WITH_IO, request=request)
def test_each_call_of_a_body_is_accepted_or_rejected_over_http(server: Any, request: Request) -> None:
    key = server.authentication_key if request.path == "/segment" else server.write_key
    before = server.log.counts().end
    response = server.post(request.path, request.body, authorization=basic(key))
    records = server.log.read(before)
    assert response.status in ({200} if request.is_whole else {200, 400, 501}), response.data
    assert records
    if request.is_whole:
        assert [json.loads(record.body)["userId"] for record in records] == request.users
        named = [path for record in records for path in json.loads(record.body).get("_dropped", [])]
        assert sorted(named) == request.lost
    assert server.get("/healthz").status == 200
