"""Any bytes on a connection: an answer that blames the sender, or a closed connection, and the next one is served."""

import re
import socket
from random import Random
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from tests import makers as mk
from tests.fuzz import WITH_IO, fuzz

from jetbridge.console.body_limits import BodyLimits
from jetbridge.eventlog.sqlite import SqliteEventLog

from ..processes import free_port  # noqa: TID252
from .conftest import AUTHENTICATION_KEY, ENDPOINTS, EVENTS_TOKEN, WRITE_KEY, serving
from .test_bounds import basic

#: Responses that are the sender's doing, or good ones.
EXPECTED = {b"200", b"400", b"401", b"404", b"405", b"408", b"413", b"414", b"431", b"501"}

NOISE = mk.binary(60)
#: What may stand in the value of a header.
TEXT = mk.builds(str.encode, mk.text("".join(map(chr, range(32, 127))) + "\xa0\xff\u20ac", most=40))
METHODS = mk.sampled_from(
    [b"GET", b"POST", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"PRI"]
)
PATHS = mk.sampled_from(
    [
        b"/v1/identify",
        b"/v1/batch",
        b"/v1/m",
        b"/v1/pixel/identify?data=e30",
        b"/v1/projects/x/settings",
        b"/segment",
        b"/segment/2",
        b"/segment/99999999999999999999",
        f"/mailjet/events/{EVENTS_TOKEN}".encode(),
        b"/healthz",
        b"/metrics",
        b"/login",
        b"/w/1/%ff%00/",
        b"*",
        b"http://evil.example/v1/identify",
    ]
)


def header(values: mk.Maker[bytes], *names: bytes) -> mk.Maker[bytes]:
    return mk.builds(lambda name, value: name + b": " + value, mk.sampled_from(names), values)


LENGTHS = [b"0", b"1", b"10", b"99", b"-1", b"+5", b"0x10", b"9" * 30, b"5, 5", b""]
CODINGS = [b"chunked", b"Chunked", b"gzip, chunked", b"identity", b"chunked, chunked"]
KEYS = [basic(WRITE_KEY).encode(), basic(AUTHENTICATION_KEY).encode(), b"Bearer x"]
HEADERS = mk.one_of(
    header(mk.sampled_from([b"gzip", b"br", b"identity", b"gzip, gzip"]), b"Content-Encoding"),
    header(mk.sampled_from([b"100-continue", b"200-ok"]), b"Expect"),
    header(mk.one_of(mk.sampled_from(KEYS), TEXT), b"Authorization"),
    header(TEXT, b"X-Forwarded-For", b"X-Forwarded-Proto", b"Cookie", b"Origin"),
    header(TEXT, b"X-Segment-Settings", b"X-Signature", b"Connection", b"Upgrade"),
)
#: What says where a request ends, and what is no header.
FRAMING = mk.one_of(
    header(mk.one_of(mk.sampled_from(LENGTHS), NOISE), b"Content-Length"),
    header(mk.one_of(mk.sampled_from(CODINGS), NOISE), b"Transfer-Encoding"),
    header(TEXT, b"Host"),
    mk.builds(lambda name, value: name + b": " + value, NOISE, NOISE),
)
CHUNKS = mk.lists(
    mk.builds(
        lambda size, data: size + b"\r\n" + data + b"\r\n",
        mk.sampled_from([b"5", b"0", b"ffffffff", b"-1", b"zz"]),
        NOISE,
    )
)
BODIES = mk.one_of(
    mk.binary(300),
    mk.builds(b"".join, CHUNKS),
    mk.sampled_from(
        [
            b'{"userId": "u", "writeKey": "' + WRITE_KEY.encode() + b'"}',
            b'{"batch": [{"type": "track"}, NaN]}',
            b"[" * 500,
            b'[{"event": "open"}]',
            b'{"userId": "\xff"}',
        ]
    ),
)


def request(random: Random) -> bytes:
    """Something like an HTTP request, of which little or nothing is wrong."""
    is_wrong = [random.random() < 0.1 for _ in range(6)]
    method = NOISE(random) if is_wrong[0] else METHODS(random)
    path = TEXT(random) if is_wrong[1] else PATHS(random)
    version = random.choice([b"HTTP/1.0", b"HTTP/2", b""]) if is_wrong[2] else b"HTTP/1.1"
    body = BODIES(random)
    lines = [HEADERS(random) for _ in range(random.randrange(5))]
    lines += [] if is_wrong[3] else [b"Host: jetbridge.example.com", b"Content-Length: %d" % len(body)]
    lines += [FRAMING(random)] if is_wrong[4] else []
    random.shuffle(lines)
    end = b"\n" if is_wrong[5] else b"\r\n"
    return end.join([b" ".join([method, path, version]), *lines]) + end + end + body


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads as Django does."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"page"})


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    log = SqliteEventLog(tmp_path_factory.mktemp("log") / "eventlog.db")
    options = {"console": BodyLimits(page, seconds=1.0), "body_seconds": 1.0, "metrics_token": "t" * 16}
    with serving(log, free_port(), ENDPOINTS, **options) as server:
        yield server
    log.close()


@fuzz(WITH_IO, pieces=mk.lists(mk.one_of(*[request] * 9, mk.binary(200)), least=1, most=3))
def test_any_bytes_are_answered_or_hung_up_on(shared_server: Any, pieces: list[bytes]) -> None:
    """Several of them are a pipeline, or the body of the one before."""
    with socket.create_connection(("127.0.0.1", shared_server.port), timeout=15) as connection:
        connection.sendall(b"".join(pieces))
        connection.shutdown(socket.SHUT_WR)
        response = b""
        try:
            while more := connection.recv(65536):
                response += more
        except ConnectionResetError:
            pass
    statuses = set(re.findall(rb"^HTTP/1\.[01] (\d\d\d)", response, re.MULTILINE)) - {b"100"}
    assert statuses <= EXPECTED
    assert shared_server.get("/healthz").status == 200
