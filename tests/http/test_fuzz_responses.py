"""A thousand responses that nobody should send: each call ends in time, in a response or an error that says what next."""

import gzip
import socket
import time
import zlib
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

from tests import makers as mk
from tests.fuzz import WITH_IO, fuzz

from jetbridge.errors import DeliveryError, TransientError
from jetbridge.http.client import BODY_BYTES, HTTPResponse, Service
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.segment.client import SegmentClient

from .conftest import RawServer

#: The deadline of a call here; this machine may be busy with other things for as long again, and longer.
SECONDS, SLACK = 0.2, 10.0
#: A 429 or a Retry-After slows all calls of a key.
KEYS = count(1)

TAKEN = b'{"success": true}'
BODIES = mk.one_of(
    mk.binary(300),
    mk.sampled_from([
        b"", TAKEN, TAKEN, TAKEN, TAKEN, b'{"success":false}', b'{"success":"true"}', b'{"success":1}', b"OK", b'"OK"', b"null", b"[]", b"{}", b"true",
        b"<!DOCTYPE html><html>Welcome</html>", b'{"Count":0,"Data":[],"Total":0}', b'{"Count":1,"Data":[{}],"Total":1}',
        b'{"Count":1,"Data":[{"JobID":7}],"Total":1}', b'{"Count":1,"Data":[{"ID":7}],"Total":1}', b"[" * 5_000,
        b'{"ErrorInfo":"","ErrorMessage":"no","StatusCode":400}', b"x" * 70_000, b"\xff\xfe\x00", b'{"Count":1e400}',
    ]),
)  # fmt: skip
STATUSES = mk.one_of(
    mk.integers(100, 999),
    mk.sampled_from([200, 200, 200, 201, 204, 302, 304, 400, 401, 404, 429, 500, 503]),
)
HEADERS = mk.lists(
    mk.one_of(
        mk.sampled_from([
            b"Content-Type: application/json", b"Content-Type: text/html", b"Content-Type: text/plain", b"Retry-After: 3",
            b"Retry-After: " + b"9" * 400, b"Location: http://127.0.0.1:9/", b"Content-Length: 5", b"Content-Length: -1",
            b"Content-Length: 2, 3", b"Content-Length: 99999999999999999999", b"Content-Length: x", b"no colon", b": empty",
            b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: gzip",
            b"Content-Encoding: deflate", b"Content-Encoding: gzip, gzip, gzip", b"Content-Encoding: br", b"Content-Encoding: x",
            b"X: " + b"y" * 70_000, b"Connection: close", b"Connection: keep-alive", b"Set-Cookie: a=b",
            b" folded: line", b"X-Nul: \x00", b"X-Latin: \xe9",
        ]),
        mk.builds(lambda value: b"X-A: " + value.translate(None, b"\r\n"), mk.binary(40)),
    ),
)  # fmt: skip
BOMB = gzip.compress(bytes(BODY_BYTES + 1))
CODED: list[tuple[Callable[[bytes], bytes], bytes]] = [
    (bytes, b""), (bytes, b""), (bytes, b""),
    *((coding, b"Content-Encoding: gzip\r\n") for coding in (
        gzip.compress, lambda body: gzip.compress(body)[:-3], lambda body: gzip.compress(body) + b"rest",
        lambda body: gzip.compress(body) * 2, lambda _: BOMB,
    )),
    (zlib.compress, b"Content-Encoding: deflate\r\n"),
    *((coding, b"Transfer-Encoding: chunked\r\n") for coding in (
        lambda body: b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), lambda body: b"%x\r\n%b" % (len(body) + 9, body),
        lambda body: b"-5\r\n" + body, lambda body: b"zz\r\n" + body,
    )),
]  # fmt: skip
HEADS = mk.sampled_from([
    b"HTTP/1.1 %d OK\r\n", b"HTTP/1.1 %d OK\r\n", b"HTTP/1.1 %d OK\r\n", b"HTTP/1.0 %d \r\n", b"HTTP/2 %d\r\n", b"HTTP/1.1  %d\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 %d OK\r\n", b"\r\nHTTP/1.1 %d OK\r\n", b"HTTP/1.1 %dx\r\n", b"%d\r\n", b"",
])  # fmt: skip
#: How it ends: at once, reset, cut off in the middle; silent for ever or a byte at a time, which take their time.
ENDS = mk.sampled_from(
    ["close"] * 100 + ["length"] * 75 + ["reset"] * 5 + ["cut"] * 10 + ["silence", "trickle"]
)


def responses(random: Random) -> tuple[bytes, str]:
    """A response and how it ends. Little is wrong with most of them."""
    coding, headers = random.choice(CODED)
    body, head, end = coding(BODIES(random)), b"HTTP/1.1 %d OK\r\n", ENDS(random)
    if random.random() < 0.3:
        head = HEADS(random)
    if random.random() < 0.2:
        headers = b""
    if random.random() < 0.5:
        headers += b"".join(header + b"\r\n" for header in HEADERS(random))
    if end == "length":
        headers += b"Content-Length: %d\r\n" % len(body)
    return (head % STATUSES(random) if b"%d" in head else head) + headers + b"\r\n" + body, end


def play(raw: RawServer, content: bytes, end: str) -> None:
    def answer(connection: socket.socket) -> None:
        if end == "trickle":
            for byte in content:
                if raw.over.wait(0.05):
                    return
                connection.sendall(bytes([byte]))
            return
        connection.sendall(content[: len(content) // 2] if end == "cut" else content)
        if end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        elif end == "silence":
            raw.over.wait(3 * SECONDS)

    raw.answer = answer


def outcome(call: Callable[[], Any]) -> Any:
    """What it returns, or the error that it raises; any other is none of ours."""
    try:
        return call()
    except DeliveryError as error:
        return error


def again(raw: RawServer) -> HTTPResponse | None:
    """The response as it arrives; None if this machine was too busy this time."""
    service = Service("Mailjet", raw.url, timeout_seconds=SECONDS)
    found = outcome(lambda: service.call("POST", "/x", headers={}, body=b"{}"))
    return found if isinstance(found, HTTPResponse) else None


@fuzz(WITH_IO, response=responses)
def test_a_call_ends_in_time_in_a_response_or_an_error(raw: RawServer, response: tuple[bytes, str]) -> None:
    play(raw, *response)
    service = Service("Mailjet", raw.url, timeout_seconds=SECONDS)
    began = time.monotonic()
    found = outcome(lambda: service.call("GET", "/x", headers={}))
    assert time.monotonic() - began < SECONDS + SLACK
    if isinstance(found, HTTPResponse):
        assert len(found.body) <= BODY_BYTES
        return
    assert isinstance(found, TransientError)
    assert found.code in {"TIMEOUT", "NETWORK", "RESPONSE_TOO_LARGE"}
    assert str(found).isprintable()
    assert len(str(found)) < 500


@fuzz(WITH_IO, response=responses)
def test_segment_has_taken_calls_only_if_it_says_so(raw: RawServer, response: tuple[bytes, str]) -> None:
    play(raw, *response)
    client = SegmentClient(raw.url, "key", timeout_seconds=SECONDS, sleep=lambda _: None)
    error = outcome(lambda: client.send([b"{}"]))
    if error is not None:
        assert str(error).isprintable()
    elif found := again(raw):
        assert (found.status, found.body.strip()) in {(200, TAKEN), (200, b"OK")}


@fuzz(WITH_IO, response=responses, number=mk.integers(0, 7))
def test_mailjet_has_done_only_what_it_says(raw: RawServer, response: tuple[bytes, str], number: int) -> None:
    play(raw, *response)
    client = MailjetClient(raw.url, f"key {next(KEYS)}", "secret", timeout_seconds=SECONDS)
    #: Each call, and what its response has if it was done.
    writes: list[tuple[Callable[[], Any], bytes]] = [
        (lambda: client.managecontact(1, {}), b'"Data":[{'),
        (lambda: client.managemanycontacts(1, {}), b'"JobID":7'),
        (lambda: client.delete_contact(1), b""),
        (lambda: client.update_eventcallbackurl(1, url="https://a.example"), b" 304"),
        (lambda: client.delete_eventcallbackurl(1), b" 204"),
        (lambda: client.managecontactslists("a@b.c", {1: "unsub"}), b"never"),
        (lambda: client.job(1), b"never"),
        (lambda: client.create_contactslist("a"), b"never"),
    ]
    write, mark = writes[number]
    error = outcome(write)
    if isinstance(error, DeliveryError):
        assert str(error).isprintable()
    elif found := again(raw):
        assert mark in response[0] or mark in found.body
        assert mark or not found.body.strip()
