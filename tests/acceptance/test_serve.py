"""`jetbridge serve` as a process among processes."""

import json
import os
import shutil
import signal
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .test_lights import send

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = pytest.mark.acceptance


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_its_children_cleanly(loop: "Loop", number: signal.Signals) -> None:
    children = [loop.child("web"), loop.child("worker")]
    loop.serve.popen.send_signal(number)
    assert loop.serve.popen.wait(60) == 0
    assert [child for child in children if lives(child)] == []
    lines = loop.serve.output().splitlines()
    assert lines[-1] == "Jetbridge has stopped."
    assert [line for line in lines if "killed" in line or "Traceback" in line] == []


def test_each_database_is_complete_in_its_file_after_a_clean_stop(
    loop: "Loop", home: Path, tmp_path: Path
) -> None:
    """Was: `eventlog.db` held no table, and `state.db` of no delivery: all was in the files beside them."""
    send(loop, 50)
    loop.settle()
    loop.serve.popen.send_signal(signal.SIGTERM)
    assert loop.serve.popen.wait(60) == 0
    for name in ("eventlog.db", "state.db"):
        shutil.copy(home / name, tmp_path)  # as people do, without the -wal
    with closing(sqlite3.connect(tmp_path / "eventlog.db")) as log:
        assert log.execute("SELECT count(*), max(position) FROM record").fetchone() == (50, 50)
    with closing(sqlite3.connect(tmp_path / "state.db")) as state:
        (position,) = state.execute(
            "SELECT position FROM delivery_consumeroffset WHERE consumer = 'destination:1'"
        ).fetchone()
        assert position == 50


def test_children_do_not_outlive_a_killed_parent_and_the_next_one_waits_for_them(
    loop: "Loop", start_jetbridge: Any, eventually: Any
) -> None:
    children = [loop.child("web"), loop.child("worker")]
    loop.serve.popen.kill()
    loop.serve.popen.wait()
    start_jetbridge("serve", health=f"{loop.url}/healthz")
    eventually(lambda: not any(lives(child) for child in children), "the orphans end")


def test_a_second_one_on_the_same_home_says_so(
    loop: "Loop", home: Path, start_jetbridge: Any, free_port: Callable[[], int]
) -> None:
    second = start_jetbridge("serve", env={"JETBRIDGE_PORT": str(free_port())})
    assert second.popen.wait(60) == 1
    assert second.output() == (
        f"Error: Another `jetbridge serve` (process {loop.serve.popen.pid}) works on {home}. "
        "Stop it first, or give this one a JETBRIDGE_HOME of its own.\n"
    )
    assert loop.serve.popen.poll() is None


def test_a_port_that_is_taken_stops_the_start_with_a_sentence(home: Path, start_jetbridge: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        serve = start_jetbridge("serve", env={"JETBRIDGE_PORT": str(port)})
        assert serve.popen.wait(60) == 1
    assert f"{port}" in serve.output()
    assert serve.output().splitlines()[-1] == (
        "Error: web could not start (exit status 1); see its message above."
    )
    assert "Traceback" not in serve.output()


def test_commands_beside_it_follow_its_port(
    home: Path, start_jetbridge: Any, sandbox: str, free_port: Callable[[], int]
) -> None:
    """What `setup` prints and registers at Mailjet, and where `send` sends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    start_jetbridge("serve", "--port", str(port), health=f"{url}/healthz")
    keys = ("--mailjet-url", sandbox, "--api-key", "public", "--secret-key", "private", "--list", "x")
    setup = start_jetbridge("setup", *keys, "--create-list", "--json")
    assert setup.popen.wait(60) == 0, setup.output()
    made = json.loads(setup.output())
    assert made["tracking_url"] == url
    assert made["mailjet_events_url"].startswith(f"{url}/")
    people = home / "people.csv"
    people.write_text("userId,email\nu,u@example.com\n")
    send = start_jetbridge("send", str(people), "--write-key", made["write_key"])
    assert (send.popen.wait(60), send.output().splitlines()[-1]) == (
        0,
        f"1 identify call was accepted by {url}.",
    )
    link = start_jetbridge("serve", "--port", "1")
    assert link.popen.wait(60) == 1
    assert "Another `jetbridge serve`" in link.output()


def test_options_choose_where_its_web_process_listens(
    home: Path, start_jetbridge: Any, free_port: Callable[[], int]
) -> None:
    url = f"http://127.0.0.2:{(port := free_port())}"
    options = ("--host", "127.0.0.2", "--port", str(port))
    serve = start_jetbridge("serve", *options, env={"JETBRIDGE_PORT": "1"}, health=f"{url}/healthz")
    assert serve.stop() == 0
    assert serve.output().startswith(f"Jetbridge at {url}, home {home}.")


def test_a_child_that_dies_is_started_again(loop: "Loop", eventually: Any) -> None:
    before = loop.child("worker")
    loop.kill("worker")
    eventually(lambda: loop.child("worker") != before, "another worker")
    eventually(lambda: loop.status()["worker_runs"], "it works")
