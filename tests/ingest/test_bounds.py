"""Whatever is sent: a clear answer, bounded memory, and the next request is served as if nothing had been."""

import base64
import gzip
import json
import socket
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.http import request_body
from jetbridge.spec.limits import BATCH_BYTES, EMAIL_EVENTS_BYTES, PARTNER_BYTES

BOMB = gzip.compress(bytes(200_000_000), compresslevel=9)


@pytest.fixture
def still_serving(server: Any) -> Any:
    """A server that must take a good call after the test."""
    yield server
    assert server.post("/v1/identify", {"userId": "after", "writeKey": server.write_key}).status == 200
    assert server.messages()[-1]["userId"] == "after"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"5",
        b"NaN",
        b'{"userId": "\xff\xfe',
        b"[" * 400_000,
        b'{"a":' * 80_000,
        b"\x00" * 1000,
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("path", ["/v1/identify", "/v1/batch", "/segment", "/mailjet/events/events-token"])
def test_nonsense_is_refused(still_serving: Any, path: str, body: bytes) -> None:
    user = still_serving.authentication_key if path == "/segment" else still_serving.write_key
    response = still_serving.http.request("POST", path, body=body, headers={"Authorization": basic(user)})
    error = response.json()
    assert (response.status, error["success"]) == (400, False)
    assert error["code"]
    assert error["message"] == error["error"]


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


class TestSize:
    @pytest.mark.parametrize("path", ["/v1/batch", "/v1/t"])
    def test_a_declared_length_is_refused_before_the_body_is_read(
        self, still_serving: Any, path: str
    ) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {BATCH_BYTES + 1}\r\n\r\n"
        response = still_serving.raw(head.encode())
        assert b"400 Bad Request" in response
        assert b"Exceed payload limit" in response

    @pytest.mark.parametrize("path", ["/segment", "/segment/2", "/mailjet/events/nope"])
    def test_the_megabytes_of_strangers_are_not_read(self, still_serving: Any, path: str) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {PARTNER_BYTES}\r\n\r\n"
        assert b"401 Unauthorized" in still_serving.raw(head.encode())

    def test_an_undeclared_one_as_soon_as_it_is_too_long(self, still_serving: Any) -> None:
        head = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
        response = still_serving.raw(head + chunk * (BATCH_BYTES // 65536 + 1))
        assert b"Exceed payload limit" in response

    @pytest.mark.parametrize("path", ["/v1/batch", "/segment", "/mailjet/events/events-token"])
    def test_a_gzip_bomb_takes_no_memory(self, still_serving: Any, path: str) -> None:
        tracemalloc.start()
        try:
            key = basic(still_serving.authentication_key)
            response = still_serving.post(path, BOMB, content_encoding="gzip", authorization=key)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (response.status, response.json()["code"]) == (400, "payload_too_large")
        assert peak < (2 * EMAIL_EVENTS_BYTES if "mailjet" in path else 4 * PARTNER_BYTES)

    def test_half_a_gzip_and_no_gzip_at_all(self, still_serving: Any) -> None:
        whole = gzip.compress(b'{"userId":"u"}')
        for body in (whole[:-9], b"{}", b"\x1f\x8b", gzip.compress(b"") * 20_000):
            response = still_serving.post("/v1/identify", body, content_encoding="gzip")
            assert (response.status, response.json()["code"]) == (400, "bad_encoding")

    def test_an_encoding_that_we_do_not_know(self, still_serving: Any) -> None:
        response = still_serving.post("/v1/identify", b"{}", content_encoding="br")
        assert (response.status, response.json()["code"]) == (400, "bad_encoding")

    @pytest.mark.parametrize("items", [b"1," * 4_000_000, b"{}," * 150_000])
    def test_an_array_of_very_many_elements(self, still_serving: Any, items: bytes) -> None:
        body = b"[" + items + b"1]"
        for path in (f"/segment/{still_serving.segment}", "/mailjet/events/events-token"):
            response = still_serving.post(path, body, authorization=basic(still_serving.authentication_key))
            assert (response.status, response.json()["code"]) == (400, "bad_request")

    def test_the_largest_batch_that_is_allowed(self, still_serving: Any) -> None:
        item = {"type": "identify", "userId": "u", "traits": {"a": "x" * 30_000}}
        body = json.dumps({"batch": [item] * 16, "writeKey": still_serving.write_key}).encode()
        assert len(body) < BATCH_BYTES
        assert still_serving.post("/v1/batch", body + b" " * (BATCH_BYTES - len(body))).status == 200


class TestReadOn:
    """What is not taken is read on for a while: the sender has sent all, sees why, and no reset."""

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/v1/batch", 400),
            ("/v1/identify", 400),
            ("/segment", 401),
            ("/mailjet/events/nope", 401),
            ("/v1/nothing", 404),
            ("/healthz", 405),
            ("/nothing", 404),
        ],
    )
    @pytest.mark.parametrize("is_chunked", ["declared", "chunked"])
    def test_who_sends_all_before_reading_sees_the_response(
        self, still_serving: Any, path: str, status: int, is_chunked: str
    ) -> None:
        piece, times = bytes(2**20), 24
        with socket.create_connection(("127.0.0.1", still_serving.port), timeout=20) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\n"
            if is_chunked == "chunked":
                connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
                for _ in range(times):
                    connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                connection.sendall(b"0\r\n\r\n")
            else:
                connection.sendall(f"{head}Content-Length: {len(piece) * times}\r\n\r\n".encode())
                for _ in range(times):
                    connection.sendall(piece)
            assert connection.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())

    def test_but_not_for_ever(self, server: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr(request_body, "DRAIN_BYTES", 2**20)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
            with pytest.raises(OSError):
                for _ in range(2_000):
                    connection.sendall(bytes(2**20))

    def test_nor_for_long(self, server: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr(request_body, "DRAIN_SECONDS", 0.5)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx")
            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
            assert connection.recv(65536) == b""  # closed

    def test_nobody_waits_for_a_body_that_was_not_asked_for(self, server: Any) -> None:
        """Of `Expect: 100-continue`, as curl sends it for large bodies."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            head = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n"
            connection.sendall(head)
            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
            assert connection.recv(65536) == b""


class TestSlowness:
    def test_a_body_that_trickles_is_given_up(self, serve: Any) -> None:
        server = serve(body_seconds=0.4)
        head = b"POST /v1/identify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
        began = time.monotonic()
        response = server.raw(head)
        assert b"408 Request Timeout" in response
        assert b'"code":"timeout"' in response
        assert time.monotonic() - began > 0.3
        assert server.get("/healthz").status == 200

    def test_a_sender_that_goes_away_in_the_middle_disturbs_nobody(self, still_serving: Any) -> None:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", still_serving.port)) as connection:
                connection.sendall(b"POST /v1/identify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")

    def test_many_slow_senders_leave_room_for_others(self, still_serving: Any) -> None:
        head = b"POST /v1/identify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
        slow = [socket.create_connection(("127.0.0.1", still_serving.port)) for _ in range(200)]
        for connection in slow:
            connection.sendall(head)
        began = time.monotonic()
        assert still_serving.get("/healthz").status == 200
        assert time.monotonic() - began < 15  # they are given up after 20 s
        for connection in slow:
            connection.close()


class TestNoRoom:
    def test_too_much_in_reading_is_put_off(self, serve: Any) -> None:
        server = serve(max_body_bytes=1000)
        response = server.post("/v1/identify", b"x" * 2000)
        assert (response.status, response.json()["code"]) == (503, "busy")
        assert response.headers["Retry-After"].isdigit()
        assert server.post("/v1/identify", {"userId": "u", "writeKey": server.write_key}).status == 200

    def test_a_full_disk_puts_off_and_keeps_all_that_was_acknowledged(
        self, serve: Any, tmp_path: Path
    ) -> None:
        log = SqliteEventLog(tmp_path / "small.db", max_disk_bytes=1_000_000)
        server = serve(log=log)
        assert server.get("/readyz").status == 200
        acknowledged = []
        for number in range(100):
            call = {
                "userId": str(number),
                "traits": {"a": "x" * 30_000},
                "writeKey": server.write_key,
            }
            response = server.post("/v1/identify", call, origin="https://shop.example")
            if response.status != 200:
                break
            acknowledged.append(str(number))
        assert acknowledged
        assert (response.status, response.json()["code"]) == (503, "unavailable")
        assert response.headers["Retry-After"].isdigit()
        assert response.headers["X-RateLimit-Reset"] == response.headers["Retry-After"]
        assert [message["userId"] for message in server.messages()] == acknowledged
        assert server.get("/readyz").status == 503
        assert server.get("/healthz").status == 200
