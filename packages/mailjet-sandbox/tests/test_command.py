"""The command as a process of its own."""

import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

pytestmark = pytest.mark.acceptance


@contextmanager
def started(*arguments: str) -> Any:
    command = [sys.executable, "-m", "mailjet_sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_keys_are_made_up_and_told(tmp_path: Path) -> None:
    with started() as (_, line):
        found = re.fullmatch(
            r"Mailjet sandbox at (\S+)/ with API key (\w{32}) and secret key (\w{32})\n", line
        )
        url, api_key, secret_key = found.groups()
        headers = urllib3.make_headers(basic_auth=f"{api_key}:{secret_key}")

        answer = urllib3.request("GET", f"{url}/v3/REST/apikey", headers=headers, retries=False, timeout=60)

    assert answer.json()["Data"][0]["APIKey"] == api_key


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_given_keys_are_not_repeated_and_signals_stop_it_cleanly(number: Any, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with started("--api-key", "mykey", "--secret-key", "hush", "--state", str(state)) as (process, line):
        assert re.fullmatch(r"Mailjet sandbox at http://127\.0\.0\.1:\d+/\n", line)

        process.send_signal(number)
        out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (0, "", "")
    assert state.exists()


def test_half_sent_request_does_not_hold_up_the_end(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with started("--api-key", "key", "--secret-key", "secret", "--state", str(state)) as (process, line):
        port = int(re.search(r":(\d+)/", line)[1])
        with socket.create_connection(("127.0.0.1", port)) as client:
            head = "POST /v3/REST/contact HTTP/1.1\r\nHost: x\r\nAuthorization: Basic a2V5OnNlY3JldA==\r\n"
            client.sendall(f"{head}Content-Length: 100\r\n\r\nabc".encode())
            time.sleep(0.2)

            process.terminate()
            assert process.wait(timeout=60) == 0

    assert state.exists()


def test_taken_port_is_a_sentence_and_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        command = [sys.executable, "-m", "mailjet_sandbox", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert port in done.stderr


def test_broken_state_file_is_a_sentence_and_a_failure(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("nonsense")
    command = [
        sys.executable,
        "-m",
        "mailjet_sandbox",
        "--port",
        "0",
        "--state",
        str(tmp_path / "state.json"),
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "is not a sandbox's state" in done.stderr


def test_scenario_and_fault_options_set_faults(tmp_path: Path) -> None:
    scenario = tmp_path / "bad-day.toml"
    scenario.write_text('[[faults]]\nkind = "status"\nstatus = 503\ntimes = 1\n')

    with started("--scenario", str(scenario), "--fault", "status,status=429,times=1") as (_, line):
        url = line.split()[3].rstrip("/")
        answers = [
            urllib3.request("GET", f"{url}/v3/REST/user", retries=False, timeout=60).status for _ in range(3)
        ]

    assert answers == [503, 429, 401]


def test_bad_fault_option_is_a_sentence_and_a_failure() -> None:
    with started("--fault", "frob") as (process, line):
        _, err = process.communicate(timeout=60)

    assert (process.returncode, line) == (1, "")
    assert err.startswith("Error: 'frob': kind 'frob' is not one of latency, hang")
