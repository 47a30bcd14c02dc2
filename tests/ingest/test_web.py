"""`jetbridge web` as a process: the server, the tables and the log that people get."""

import json
import re
import signal
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import urllib3

from jetbridge.control.models import Source, SourceKind, Workspace
from jetbridge.eventlog.sqlite import SqliteEventLog

pytestmark = pytest.mark.acceptance


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture
def web(home: Path, port: int, start_jetbridge: Any) -> Any:
    url = f"http://127.0.0.1:{port}"
    return start_jetbridge("web", env={"JETBRIDGE_PORT": str(port)}, health=f"{url}/healthz")


def new_source() -> Source:
    workspace = Workspace.objects.create(name="shop")
    return Source.objects.create(workspace=workspace, name="site", kind=SourceKind.HTTP)


def identify(port: int, write_key: str, user: str) -> int:
    response = urllib3.request(
        "POST",
        f"http://127.0.0.1:{port}/v1/identify",
        json={"userId": user, "writeKey": write_key},
        retries=False,
        timeout=60,  # by itself urllib3 waits for three seconds
    )
    return response.status


def test_it_says_where_it_listens_and_where_to_make_the_first_account(web: Any, port: int) -> None:
    assert web.stop() == 0
    listens, first_run = web.output().splitlines()
    url = f"http://127.0.0.1:{port}"
    assert listens == f"Jetbridge listens at {url}"
    assert re.fullmatch(
        rf"Nobody has an account yet. Create yours here: {url}/first-run/[0-9a-f]{{40}}", first_run
    )


def test_a_source_made_a_moment_ago_works_at_its_first_call(web: Any, port: int, home: Path) -> None:
    assert identify(port, "unknown", "u") == 401
    site = new_source()
    assert identify(port, site.current_key, "u") == 200
    log = SqliteEventLog(home / "eventlog.db")
    assert [(record.source, record.type) for record in log.read(0)] == [(site.id, "identify")]
    log.close()


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_stop_lets_a_request_end_and_takes_no_other(
    web: Any, port: int, home: Path, eventually: Any
) -> None:
    body = json.dumps({"userId": "slow", "writeKey": new_source().current_key}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        head = f"POST /v1/identify HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        slow.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 100 Continue")  # it is being read
        slow.sendall(body[:10])
        web.popen.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(port), "nobody else gets in")
        slow.sendall(body[10:])
        assert slow.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert web.popen.wait(60) == 0
    log = SqliteEventLog(home / "eventlog.db")
    assert [json.loads(record.body)["userId"] for record in log.read(0)] == ["slow"]
    log.close()


def test_a_port_that_is_taken_stops_the_start(web: Any, port: int, start_jetbridge: Any) -> None:
    second = start_jetbridge("web", env={"JETBRIDGE_PORT": str(port)})
    assert second.popen.wait(60) == 1
    assert second.output() == (
        f"Error: JETBRIDGE_HOST, JETBRIDGE_PORT: 127.0.0.1:{port} cannot be listened on "
        "(Address already in use). --host and --port choose another.\n"
    )


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost"])
def test_options_choose_where_it_listens(
    home: Path, start_jetbridge: Any, free_port: Callable[[], int], host: str
) -> None:
    port = free_port()
    env = {"JETBRIDGE_HOST": "127.0.0.3", "JETBRIDGE_PORT": "1"}
    url = f"http://{host}:{port}"
    web = start_jetbridge("web", "--host", host, "--port", str(port), env=env, health=f"{url}/healthz")
    # Loopback is a whole network; pages answer under the public URL, which follows the options.
    assert urllib3.request("GET", f"{url}/login", retries=False, timeout=60).status == 200
    assert web.stop() == 0
    assert web.output().startswith(f"Jetbridge listens at {url}\n")


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_a_usage_error(home: Path, start_jetbridge: Any, port: str) -> None:
    web = start_jetbridge("web", "--port", port)
    assert web.popen.wait(60) == 2
    assert "Invalid value for '--port'" in web.output()


def test_a_silent_refusal_of_the_disk_is_in_the_log(
    home: Path, port: int, start_jetbridge: Any, eventually: Any
) -> None:
    """Senders learn that it is not their fault, and no path; the operator learns which file."""
    web = start_jetbridge("web", env={"JETBRIDGE_PORT": str(port)}, health=f"http://127.0.0.1:{port}/healthz")
    body = json.dumps({"userId": "u", "writeKey": new_source().current_key}).encode()
    url = f"http://127.0.0.1:{port}/v1/identify"
    with closing(sqlite3.connect(home / "eventlog.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        responses = [urllib3.request("POST", url, body=body, retries=False, timeout=60) for _ in range(2)]
    for response in responses:
        assert (response.status, response.json()["code"]) == (503, "unavailable")
        assert (
            response.json()["message"]
            == "The event log takes no records now. Send this again in a few seconds."
        )
    ready = urllib3.request("GET", f"http://127.0.0.1:{port}/readyz", retries=False, timeout=60)
    assert (ready.status, str(home) in ready.data.decode()) == (503, False)
    refusals = [line for line in web.output().splitlines() if "Messages are rejected" in line]
    assert len(refusals) == 1
    assert f"{home}/eventlog.db" in refusals[0]
