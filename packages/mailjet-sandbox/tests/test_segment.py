"""The recording Segment Tracking API, with Segment's own library and bare HTTP."""

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from segment.analytics import Client

if TYPE_CHECKING:
    from conftest import Box

TRACK = {"type": "track", "event": "Email Opened", "userId": "u-1", "messageId": "m-1"}


def send(
    box: "Box", path: str, body: Any, write_key: str = "key", **headers: str
) -> urllib3.BaseHTTPResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    basic = urllib3.make_headers(basic_auth=f"{write_key}:") if write_key else {}
    return box.http.request("POST", f"{box.url}{path}", body=data, headers={**basic, **headers})


def recorded(box: "Box", query: str = "") -> dict[str, Any]:
    response = box.call("GET", f"/sandbox/segment{query}")
    assert response.status == 200
    return dict(response.json())


def test_segments_own_library_sends_every_kind_of_call(box: "Box") -> None:
    client = Client("their-key", host=box.url, gzip=True)
    client.identify("u-1", {"plan": "pro"})
    client.track("u-1", "Order Completed", {"revenue": 12.5})
    client.page("u-1", "Shop", "Home")
    client.screen("u-1", "Shop", "Cart")
    client.group("u-1", "g-1")
    client.alias("a-1", "u-1")
    client.shutdown()

    received = recorded(box)

    types = ["identify", "track", "page", "screen", "group", "alias"]
    assert [row["call"]["type"] for row in received["calls"]] == types
    assert received["received"] == dict.fromkeys(types, 1)
    assert {row["write_key"] for row in received["calls"]} == {"their-key"}
    assert received["calls"][1]["call"]["properties"] == {"revenue": 12.5}


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b"])
def test_a_batch_shares_its_context(box: "Box", path: str) -> None:
    batch = {
        "batch": [TRACK, {**TRACK, "context": {"ip": "192.0.2.1"}}],
        "context": {"ip": "192.0.2.2", "a": 1},
    }

    response = send(box, path, batch)

    assert (response.status, response.json()) == (200, {"success": True})
    assert [row["call"]["context"] for row in recorded(box)["calls"]] == [
        {"ip": "192.0.2.2", "a": 1},
        {"ip": "192.0.2.1", "a": 1},
    ]


def test_a_write_key_may_be_in_the_body(box: "Box") -> None:
    assert send(box, "/v1/identify", {"userId": "u-1", "writeKey": "body-key"}, write_key="").status == 200

    (row,) = recorded(box)["calls"]
    assert (row["write_key"], row["call"]["type"]) == ("body-key", "identify")


def test_an_unknown_write_key_gets_a_200_and_is_dropped_as_at_segment(open_box: Any) -> None:
    with open_box(segment_write_key="right") as box:
        assert send(box, "/v1/batch", {"batch": [TRACK]}, write_key="wrong").status == 200
        assert send(box, "/v1/batch", {"batch": [TRACK]}, write_key="right").status == 200

        received = recorded(box)

    assert received["received"] == {"track": 1}
    assert received["dropped"] == {"unknown write key": 1}


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"{", {}, "Invalid json input"),
        (b'{"batch":' * 50_000, {}, "Invalid json input"),
        ({"batch": "no list"}, {}, "not a list"),
        ({"batch": [1]}, {}, "not a list"),
        ({"batch": [{**TRACK, "properties": {"a": "x" * 33_000}}]}, {}, "Exceed payload limit"),
        ({"batch": [{**TRACK, "properties": {"a": "x" * 20_000}}] * 30}, {}, "Exceed payload limit"),
        (b"no gzip", {"Content-Encoding": "gzip"}, "not gzip"),
        (gzip.compress(b" " * 10_000_000), {"Content-Encoding": "gzip"}, "Exceed payload limit"),
    ],
)
def test_what_segment_cannot_read_is_a_400(
    box: "Box", body: Any, headers: dict[str, str], message: str
) -> None:
    response = send(box, "/v1/batch", body, **headers)

    assert response.status == 400
    assert message in response.json()["message"]
    assert recorded(box)["received"] == {}


def test_a_call_without_a_write_key_is_a_400(box: "Box") -> None:
    response = send(box, "/v1/batch", {"batch": [TRACK]}, write_key="")
    assert response.status == 400
    assert "write key" in response.json()["message"]


def test_a_batch_of_too_many_calls_gets_a_200_and_is_dropped(box: "Box") -> None:
    assert send(box, "/v1/batch", {"batch": [{"type": "track"}] * 2_501}).status == 200
    assert recorded(box)["dropped"] == {"batch of too many calls": 2_501}


def test_calls_are_read_page_by_page(box: "Box") -> None:
    send(box, "/v1/batch", {"batch": [{**TRACK, "messageId": f"m-{number}"} for number in range(5)]})

    def ids(query: str) -> list[str]:
        return [row["call"]["messageId"] for row in recorded(box, query)["calls"]]

    assert ids("?after=0&limit=2") == ["m-0", "m-1"]
    assert ids("?after=2&limit=2") == ["m-2", "m-3"]
    assert ids("?after=5") == []
    assert ids("?limit=2") == ["m-3", "m-4"]


def test_a_reset_of_the_state_forgets_them_and_the_numbers_go_on(box: "Box") -> None:
    send(box, "/v1/batch", {"batch": [TRACK]})
    assert box.call("POST", "/sandbox/reset", {}).status == 200
    assert recorded(box)["received"] == {"track": 1}
    assert box.call("POST", "/sandbox/reset", {"state": True}).status == 200
    assert recorded(box) == {"received": {}, "dropped": {}, "calls": []}

    send(box, "/v1/batch", {"batch": [TRACK]})

    assert [row["number"] for row in recorded(box)["calls"]] == [2]


def test_faults_are_set_for_segment_by_its_own_endpoints(box: "Box") -> None:
    box.call("POST", "/sandbox/faults", {"kind": "status", "status": 503, "times": 1})
    box.call(
        "POST", "/sandbox/faults", {"kind": "status", "status": 429, "times": 1, "endpoint": "segment/*"}
    )

    statuses = [send(box, "/v1/batch", {"batch": [TRACK]}).status for _ in range(2)]

    assert statuses == [429, 200]
    assert box.call("GET", "/v3/REST/contact").status == 503


def test_they_are_no_calls_of_mailjets_api(box: "Box") -> None:
    send(box, "/v1/batch", {"batch": [TRACK]})
    assert box.call("GET", "/sandbox/calls").json() == {"calls": {}}


def test_the_page_shows_them_escaped_and_bounded(box: "Box") -> None:
    evil = "<script>alert(1)</script>"
    send(box, "/v1/batch", {"batch": [{**TRACK, "event": evil, "properties": {evil: evil}}] * 60})
    send(
        box,
        "/v1/batch",
        {"batch": [{"type": 7, "event": [1], "userId": {}, "properties": "text", "traits": 3}]},
    )

    response = box.call("GET", "/segment")

    assert recorded(box)["received"] == {"track": 60, "other": 1}
    text = response.data.decode()
    assert response.status == 200
    assert "<script" not in text
    assert "50 of 61" in text
    assert "&lt;script&gt;" in text
