import gzip
import os
import resource
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.errors import Backpressure, TransientError
from jetbridge.http import client
from jetbridge.http.client import BODY_BYTES, CallLimit, Service, excerpt, retry_after_seconds
from jetbridge.text import one_line

from .conftest import RawServer, says

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def call(raw: RawServer, seconds: float = 5.0) -> client.HTTPResponse:
    return Service("Mailjet", raw.url, timeout_seconds=seconds).call("GET", "/v3/REST/user", headers={})


def error_of(raw: RawServer, seconds: float = 5.0) -> TransientError:
    began = time.monotonic()
    with pytest.raises(TransientError) as raised:
        call(raw, seconds)
    assert time.monotonic() - began < seconds + 5  # 5: this machine may be busy with other things
    return raised.value


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12.0),
        ("soon", None),
        ("-3", None),
        ("31536000", 3_600.0),
        ("9" * 400, 3_600.0),
        ("Thu, 23 Nov 2028 10:00:00 GMT", 3_600.0),
        ("9999999999999999999999 Nov 2026 10:00", None),
        ("Mon, 23 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, datetime(2026, 11, 23, 10, 0, tzinfo=UTC)) == seconds


def test_an_unreachable_host_is_reported_without_the_words_of_a_library() -> None:
    service = Service("Mailjet", "http://127.0.0.1:9", timeout_seconds=1.0)
    with pytest.raises(TransientError) as raised:
        service.call("GET", "/v3/REST/user?secret", headers={})
    told = str(raised.value)
    assert told.startswith(
        "Mailjet at 127.0.0.1:9 cannot be reached. (GET /v3/REST/user: Failed to establish"
    )
    assert "Connection(" not in told


def trickling(raw: RawServer, *first: bytes, piece: bytes = b"x") -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        for each in first:
            connection.sendall(each)
        while not raw.over.wait(0.05):
            connection.sendall(piece)

    return answer


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        ([], b""),  # silence
        ([], b"x"),  # a status line without an end
        ([HEAD], b"x"),  # a header
        ([HEAD], b"X: y\r\n"),  # headers
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], b"HTTP/1.1 100 Continue\r\n\r\n"),
        ([HEAD + b"Content-Length: 1000\r\n\r\n"], b"x"),
        ([HEAD + b"\r\n"], b"x"),  # a body up to the end of the connection
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], b"1\r\nx\r\n"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], b"0"),  # a chunk's size without an end
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"], b"T: x\r\n"),  # trailers
    ],
    ids=[
        "silence",
        "status",
        "header",
        "headers",
        "100",
        "length",
        "close",
        "chunks",
        "chunk size",
        "trailers",
    ],
)
def test_a_call_ends_at_its_deadline_however_slowly_the_response_comes(
    raw: RawServer, first: list[bytes], piece: bytes
) -> None:
    raw.answer = trickling(raw, *first, piece=piece)
    error = error_of(raw, seconds=0.6)
    assert error.code == "TIMEOUT"
    assert "did not respond in 0.6 s" in str(error)


def test_the_deadline_holds_for_sending_too(raw: RawServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        service = Service("Mailjet", f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_seconds=0.5)
        with pytest.raises(TransientError, match="did not respond in"):
            service.call("POST", "/x", headers={}, body=b"x" * 50_000_000)


def test_a_tls_handshake_that_trickles_ends_at_the_deadline(raw: RawServer, monkeypatch: Any) -> None:
    """The record says 16 KB, which come one by one."""
    raw.answer = trickling(raw, b"\x16\x03\x03\x40\x00")
    raw.url = raw.url.replace("http:", "https:")
    monkeypatch.setattr("tests.http.conftest._request", lambda _: b"")
    began = time.monotonic()
    with pytest.raises(TransientError, match="did not respond in"):
        call(raw, 0.6)
    assert time.monotonic() - began < 5


def bomb(size: int) -> bytes:
    return gzip.compress(bytes(size), 9)


def endless(raw: RawServer, head: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while not raw.over.is_set():
            connection.sendall(piece)

    return answer


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@pytest.mark.parametrize(
    ("head", "piece", "what"),
    [
        (b"Content-Length: 600000000\r\n\r\n", bytes(65536), "a response of more than 16 MB"),
        (b"\r\n", bytes(65536), "a response of more than 16 MB"),
        (b"Transfer-Encoding: chunked\r\n\r\n", _chunk(bytes(65536)), "a response of more than 16 MB"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1" * 65536, ""),
        (
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
            b"Trailer: of many\r\n" * 3000,
            "a response of more than",
        ),
        (b"", b"A: " + b"b" * 50_000 + b"\r\n", "endless headers"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000, ""),
    ],
    ids=["length", "close", "chunks", "chunk size", "trailers", "headers", "100"],
)
def test_a_response_without_an_end_is_not_read_on(
    raw: RawServer, head: bytes, piece: bytes, what: str
) -> None:
    raw.answer = endless(raw, HEAD + head, piece)
    error = error_of(raw, seconds=30.0)
    assert error.code in ({"RESPONSE_TOO_LARGE"} if what else {"RESPONSE_TOO_LARGE", "NETWORK"})
    assert what in str(error)


def test_endless_interim_responses_are_endless_headers(raw: RawServer) -> None:
    raw.answer = endless(raw, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000)
    assert error_of(raw, seconds=30.0).code == "RESPONSE_TOO_LARGE"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip"])
def test_a_decompression_bomb_takes_no_memory(raw: RawServer, encoding: str) -> None:
    """700 MB in some hundred KB; measured in a process of its own, whose memory cannot hold them."""
    body = zlib.compress(bytes(700_000_000), 9) if encoding == "deflate" else bomb(700_000_000)
    body = gzip.compress(body) if encoding == "gzip, gzip" else body
    raw.answer = says(
        HEAD + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding.encode(), len(body)), body
    )
    script = f"""
import resource
from jetbridge.errors import TransientError
from jetbridge.http.client import Service
from jetbridge.text import one_line
resource.setrlimit(resource.RLIMIT_AS, ({2**29}, {2**29}))
try:
    Service("Mailjet", {raw.url!r}, timeout_seconds=30.0).call("GET", "/x", headers={{}})
except TransientError as error:
    print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "RESPONSE_TOO_LARGE", done.stderr


def test_the_largest_body_is_read_whole_in_any_coding(raw: RawServer) -> None:
    content = os.urandom(BODY_BYTES // 2) * 2
    for head, body in [
        (b"Content-Length: %d\r\n" % len(content), content),
        (b"Transfer-Encoding: chunked\r\n", _chunk(content) + b"0\r\n\r\n"),
        (b"Content-Encoding: gzip\r\n", gzip.compress(content, 1)),
    ]:
        # Else the next call could go out on a connection that the server is about to close.
        raw.answer = says(HEAD + head + b"Connection: close\r\n\r\n", body)
        assert call(raw, 60.0).body == content


def test_a_body_of_one_byte_too_much_is_refused(raw: RawServer) -> None:
    body = gzip.compress(bytes(BODY_BYTES + 1))
    raw.answer = says(HEAD + b"Content-Encoding: gzip\r\n\r\n", body)
    assert error_of(raw, 30.0).code == "RESPONSE_TOO_LARGE"


def test_a_response_that_breaks_off_says_so(raw: RawServer) -> None:
    raw.answer = says(HEAD + b"Content-Length: 10\r\n\r\n{}")
    error = error_of(raw)
    assert (error.code, error.status) == ("NETWORK", 200)
    assert "Mailjet at 127.0.0.1" in str(error)
    assert "broke off its response" in str(error)


def test_no_redirect_is_followed(raw: RawServer) -> None:
    raw.answer = says(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")
    assert call(raw).status == 302
    assert len(raw.requests) == 1


def test_a_proxy_of_the_environment_is_not_asked(raw: RawServer, monkeypatch: Any) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert call(raw).body == b"ok"


def test_connections_are_used_again_and_left_after_trouble(raw: RawServer) -> None:
    connections = []

    def twice(connection: socket.socket) -> None:
        connections.append(connection)
        while True:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if not connection.recv(65_536):
                return

    raw.answer = twice
    assert [call(raw).body for _ in range(3)] == [b"ok"] * 3
    assert len(connections) == 1


def test_a_name_that_is_looked_up_for_ever_holds_no_call(monkeypatch: Any) -> None:
    """A name server that never answers cannot be had here; everything behind it is real."""
    never = threading.Event()
    monkeypatch.setattr("jetbridge.http.addresses._resolve", _hanging(never))
    service = Service("Mailjet", "https://api.mailjet.com", timeout_seconds=0.3)
    began = time.monotonic()
    with pytest.raises(TransientError, match="did not respond in"):
        service.call("GET", "/x", headers={})
    assert time.monotonic() - began < 5
    never.set()


def _hanging(never: threading.Event) -> Callable[..., list[Any]]:
    def resolve(host: str, port: int, flags: int = 0) -> list[Any]:
        if flags:
            raise OSError("a name")
        never.wait(10)
        return []

    return resolve


class TestCallLimit:
    def test_more_calls_than_allowed_are_turned_away_at_once(self, raw: RawServer) -> None:
        limit = CallLimit()
        limit.set(total=3, per_host=2)
        with limit.slot("a"), limit.slot("a"):
            with pytest.raises(Backpressure, match="waiting for a in 2 other requests"), limit.slot("a"):
                pass
            with limit.slot("b"), pytest.raises(Backpressure), limit.slot("c"):
                pass
            with limit.slot("b"):
                pass
        with limit.slot("a"), limit.slot("a"):
            pass


def test_text_from_outside_obeys_nobody() -> None:
    text = "a\x1b[31mred\x07\r\n b\u202ec\x00\x9b2Jd\u200b"
    assert one_line(text) == "a [31mred b c 2Jd"
    assert excerpt(text.encode()) == "a [31mred  \n b c  2Jd "
    assert excerpt(b"{\n\t1\n}") == "{\n\t1\n}"
    assert len(excerpt(b"x" * 9_000)) == 2_000
    assert excerpt(b"the key was s3cret", lambda text: text.replace("s3cret", "***")) == "the key was ***"


def test_memory_is_measured() -> None:
    """The bombs above would not show if the limit did not hold."""
    script = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({2**29}, {2**29})); bytes({2**30})"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode
    assert resource.RLIMIT_AS
