"""Segment's Tracking API as any HTTP client meets it."""

import base64
import gzip
import json
from typing import Any

import pytest

from jetbridge.eventlog.base import INVALID

SUCCESS = {"success": True}

PATHS = {
    "/v1/identify": {"type": "identify", "userId": "u"},
    "/v1/i": {"type": "identify", "userId": "u"},
    "/v1/track": {"type": "track", "userId": "u", "event": "E"},
    "/v1/t": {"type": "track", "userId": "u", "event": "E"},
    "/v1/page": {"type": "page", "userId": "u"},
    "/v1/p": {"type": "page", "userId": "u"},
    "/v1/screen": {"type": "screen", "userId": "u"},
    "/v1/s": {"type": "screen", "userId": "u"},
    "/v1/group": {"type": "group", "userId": "u", "groupId": "g"},
    "/v1/g": {"type": "group", "userId": "u", "groupId": "g"},
    "/v1/alias": {"type": "alias", "userId": "u", "previousId": "p"},
    "/v1/a": {"type": "alias", "userId": "u", "previousId": "p"},
}


def basic(user: str, *, colon: bool = True) -> str:
    return "Basic " + base64.b64encode(f"{user}{':' if colon else ''}".encode()).decode()


def test_every_single_path_takes_its_call(server: Any) -> None:
    for path, call in PATHS.items():
        assert server.post(path, {**call, "writeKey": server.write_key}).json() == SUCCESS
    assert [record.type for record in server.records()] == [call["type"] for call in PATHS.values()]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b"])
def test_every_batch_path_takes_a_batch(server: Any, path: str) -> None:
    batch = [{"type": "identify", "userId": "1"}, {"action": "track", "userId": "1", "event": "E"}]
    response = server.post(path, {"batch": batch, "writeKey": server.write_key})
    assert (response.status, response.json()) == (200, SUCCESS)
    assert [record.type for record in server.records()] == ["identify", "track"]


def test_the_answer_is_exactly_what_the_strictest_library_wants(server: Any) -> None:
    response = server.post("/v1/identify", {"userId": "u", "writeKey": server.write_key})
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert response.data == b'{"success": true}'


class TestWhoCalls:
    def test_by_the_body(self, server: Any) -> None:
        assert server.post("/v1/identify", {"userId": "u", "writeKey": server.write_key}).status == 200

    def test_by_basic_with_or_without_the_colon(self, server: Any) -> None:
        for authorization in (basic(server.write_key), basic(server.write_key, colon=False)):
            assert server.post("/v1/identify", {"userId": "u"}, authorization=authorization).status == 200

    def test_by_the_body_beside_a_bearer_token(self, server: Any) -> None:
        call = {"userId": "u", "writeKey": server.write_key}
        assert server.post("/v1/identify", call, authorization="Bearer abc").status == 200

    def test_by_the_items_of_a_batch(self, server: Any) -> None:
        batch = [{"type": "identify", "userId": "u", "writeKey": server.write_key}]
        assert server.post("/v1/b", {"batch": batch}).status == 200

    def test_the_write_key_is_not_kept(self, server: Any) -> None:
        server.post("/v1/identify", {"userId": "u", "writeKey": server.write_key})
        server.post("/v1/identify", {"writeKey": server.write_key})
        assert all(server.write_key.encode() not in record.body for record in server.records())

    @pytest.mark.parametrize(
        "authorization", [basic("unknown"), "Basic %%%", "Basic", "Bearer x", "Digest y", basic("")]
    )
    def test_nobody_known_is_told_so(self, server: Any, authorization: str) -> None:
        response = server.post("/v1/identify", {"userId": "u"}, authorization=authorization)
        assert response.status == 401
        assert response.json()["code"] in {"unknown_write_key", "no_write_key"}
        assert server.records() == []

    def test_an_unknown_key_in_the_body_is_told_so(self, server: Any) -> None:
        response = server.post(
            "/v1/batch", {"batch": [{"type": "identify", "userId": "u"}], "writeKey": "nope"}
        )
        assert (response.status, response.json()["code"]) == (401, "unknown_write_key")


class TestBodies:
    @pytest.mark.parametrize(
        "kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
    )
    def test_of_any_content_type(self, server: Any, kind: str) -> None:
        call = {"userId": "u", "writeKey": server.write_key}
        assert server.post("/v1/identify", call, content_type=kind).status == 200

    def test_gzipped(self, server: Any) -> None:
        body = gzip.compress(json.dumps({"userId": "u", "writeKey": server.write_key}).encode())
        assert server.post("/v1/identify", body, content_encoding="gzip").status == 200

    def test_gzipped_in_several_members(self, server: Any) -> None:
        text = json.dumps({"userId": "u", "writeKey": server.write_key}).encode()
        body = gzip.compress(text[:9]) + gzip.compress(text[9:])
        assert server.post("/v1/identify", body, content_encoding="gzip").status == 200

    def test_gzipped_and_chunked_as_kotlin_sends(self, server: Any) -> None:
        batch = [{"type": "identify", "userId": "u"}]
        body = gzip.compress(json.dumps({"batch": batch, "writeKey": server.write_key}).encode())
        chunks = (body[start : start + 10] for start in range(0, len(body), 10))
        response = server.http.request(
            "POST", "/v1/b", body=chunks, chunked=True, headers={"Content-Encoding": "gzip"}
        )
        assert (response.status, response.json()) == (200, SUCCESS)


class TestRejectedCalls:
    def test_a_single_one_is_refused_and_kept_with_its_reason(self, server: Any) -> None:
        response = server.post("/v1/track", {"userId": "u", "writeKey": server.write_key})
        sentence = "A track call needs the name of its event."
        assert response.status == 400
        assert response.json() == {
            "success": False,
            "code": "event_not_defined",
            "message": sentence,
            "error": sentence,
        }
        [record] = server.records()
        assert (record.type, record.source) == (INVALID, server.site)
        assert (record.body, record.error) == (b'{"userId":"u"}', f"event_not_defined: {sentence}")

    def test_one_in_a_batch_is_kept_and_the_others_are_taken(self, server: Any) -> None:
        batch = [{"type": "identify"}, {"type": "identify", "userId": "good"}, "x", {"type": "shout"}]
        response = server.post("/v1/batch", {"batch": batch, "writeKey": server.write_key})
        assert (response.status, response.json()) == (200, SUCCESS)
        assert [message["userId"] for message in server.messages()] == ["good"]
        assert [error.partition(":")[0] for error in server.errors()] == [
            "no_user_anon_id",
            "bad_request",
            "bad_request",
        ]

    def test_a_batch_without_any_good_call_is_refused(self, server: Any) -> None:
        response = server.post("/v1/batch", {"batch": [{"type": "identify"}], "writeKey": server.write_key})
        assert (response.status, response.json()["code"]) == (400, "no_user_anon_id")
        assert len(server.errors()) == 1

    def test_bytes_that_are_not_json_are_kept_when_their_sender_is_known(self, server: Any) -> None:
        response = server.post("/v1/identify", b"{not json", authorization=basic(server.write_key))
        assert (response.status, response.json()["code"]) == (400, "bad_json")
        assert [record.body for record in server.records()] == [b"{not json"]

    def test_and_not_when_nobody_knows_whose_they_are(self, server: Any) -> None:
        assert server.post("/v1/identify", b"{not json").status == 400
        assert server.records() == []

    def test_deleting_people_is_not_for_holders_of_a_write_key(self, server: Any) -> None:
        batch = [{"type": "delete", "userId": "u"}]
        assert server.post("/v1/batch", {"batch": batch, "writeKey": server.write_key}).status == 400


class TestBrowsers:
    def test_a_preflight_is_answered_for_long_and_for_any_header(self, server: Any) -> None:
        response = server.http.request(
            "OPTIONS",
            "/v1/t",
            headers={
                "Origin": "https://shop.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, x-own",
            },
        )
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Access-Control-Allow-Headers"] == "authorization, x-own"
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert int(response.headers["Access-Control-Max-Age"]) >= 7200

    @pytest.mark.parametrize(("key", "status"), [("k" * 32, 200), ("nope", 401)])
    def test_every_answer_may_be_read_by_the_page(self, server: Any, key: str, status: int) -> None:
        response = server.post("/v1/i", {"userId": "u", "writeKey": key}, origin="https://shop.example")
        assert response.status == status
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]

    def test_the_librarys_own_metrics_are_taken_and_dropped(self, server: Any) -> None:
        response = server.post("/v1/m", {"series": [{"type": "Counter"}]}, content_type="text/plain")
        assert (response.status, server.records()) == (200, [])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/identify", 405, "method_not_allowed"),
        ("PUT", "/v1/batch", 405, "method_not_allowed"),
        ("POST", "/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/v1/projects/x/settings", 405, "method_not_allowed"),
    ],
)
def test_other_paths_and_methods_are_refused_in_json(
    server: Any, method: str, path: str, status: int, code: str
) -> None:
    response = server.http.request(method, path)
    assert (response.status, response.json()["code"]) == (status, code)
    assert ("allow" in response.headers) == (status == 405)
