"""`jetbridge serve` as a process among processes."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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


def test_a_child_that_dies_is_started_again(loop: "Loop", eventually: Any) -> None:
    before = loop.child("worker")
    loop.kill("worker")
    eventually(lambda: loop.child("worker") != before, "another worker")
    eventually(lambda: loop.status()["worker_runs"], "it works")
