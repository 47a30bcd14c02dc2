"""The whole demo as a person runs it."""

import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from jetbridge.demo.services import read_metrics

StartDemo = Callable[..., Any]
Alive = Callable[[set[int]], set[int]]
Eventually = Callable[..., None]

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

#: The environment of somebody who has just opened a terminal.
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("JETBRIDGE_")} | {
    "COLUMNS": "200"
}
#: As long as a busy machine may take for a day, or to stop (s).
RETRY_DEADLINE = 150.0


def test_once_ends_with_0_when_all_arrived_and_prints_the_figures_and_two_do_not_disturb_each_other(
    start_demo: StartDemo,
) -> None:
    for demo in [start_demo("--once"), start_demo("--once")]:
        assert demo.popen.wait(RETRY_DEADLINE) == 0, demo.output()
        lines = demo.output().splitlines()
        assert [line.split(" ")[0] for line in lines[:7]] == [
            "Opening",
            "Morning",
            "Noon",
            "Night",
            "Campaign",
            "Audience",
            "Check",
        ]
        assert [line for line in lines if line.startswith("✗")] == []
        assert any(
            line.startswith("✓ 301 contacts in Mailjet equal what Segment knows of them") for line in lines
        )
        assert "✓ 524 email events are back as track calls, each with its userId" in lines
        assert "✓ 773 calls = 704 delivered + 68 filtered + 1 failed + 0 pending" in lines
        assert any(line.startswith("✓ u2@mail.example.net entered") for line in lines)
        assert demo.homes() == []


def test_a_false_expectation_is_named_and_ends_with_1(start_demo: StartDemo) -> None:
    """Were the night's calls to change something, Mailjet would be called."""
    demo = start_demo(
        "--once",
        first="""
from jetbridge.demo import demo, scenario
class Restless(scenario.Scenario):
    def night(self):
        self.expected.traits["vera@example.com"]["firstName"] = "Veronica"
        return super().night()
demo.Scenario = Restless
""",
    )
    assert demo.popen.wait(RETRY_DEADLINE) == 1, demo.output()
    lines = demo.output().splitlines()
    at = lines.index("✗ Everybody sent again, nothing new: no call to Mailjet")
    assert lines[at + 1].strip() == "POST contactslist/managecontact is 1, not None"
    assert sum(line.startswith("✗") for line in lines) == 1
    (home,) = demo.homes()
    assert f"1 of 8 promises are broken. Logs and databases are kept in {home}" in lines


def test_without_segments_library_it_says_what_to_install(start_demo: StartDemo) -> None:
    demo = start_demo("--once", first="import sys; sys.modules['segment'] = None")
    assert demo.popen.wait(RETRY_DEADLINE) == 1
    assert demo.output() == (
        "Error: The demo sends through Segment's library: run `pip install 'jetbridge[demo]'`.\n"
    )


def test_it_opens_onto_the_console_and_the_shop_stays_open_until_interrupted_and_nothing_is_left(
    start_demo: StartDemo, alive: Alive, eventually: Eventually
) -> None:
    demo = start_demo()
    eventually(lambda: "Ctrl-C stops it" in demo.output(), "the day is over", seconds=RETRY_DEADLINE)
    command = printed_query(demo.output())
    assert "JETBRIDGE_HOME=" in command
    queries = subprocess.run(command, check=False, shell=True, capture_output=True, text=True, env=PLAIN)
    assert queries.returncode == 0, queries.stderr
    for part in (
        "Open rate by campaign",
        "Summer sale",
        "Who clicked",
        "Revenue within seven days of a click",
    ):
        assert part in queries.stdout
    promised = re.search(r"(\d+) of (\d+) mails opened, \d+ people clicked, ([\d.]+) EUR", demo.output())
    assert promised
    assert [number for number in promised.groups() if number not in queries.stdout] == []
    rows = dict(re.findall(r"^(Console|Log in as|Metrics) +(.+)$", demo.output(), re.MULTILINE))
    email, password = rows["Log in as"].split("  with the password  ")
    page, status = logged_in(rows["Console"], email, password)
    assert status == 200
    assert "owner@example.com" in page
    jetbridge = rows["Console"].removesuffix("/login")
    token = rows["Metrics"].rpartition(" ")[2]
    before = messages(jetbridge, token)
    eventually(lambda: messages(jetbridge, token) > before, "another customer comes")

    family = demo.family()
    assert len(alive(family)) == 4  # sandbox, serve, web, worker
    demo.popen.send_signal(signal.SIGINT)
    assert demo.popen.wait(RETRY_DEADLINE) == 0, demo.output()
    assert alive(family) == set()
    assert demo.homes() == []


def printed_query(output: str) -> str:
    """The line after the one that says what it is for."""
    lines = output.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("Ask the warehouse"))
    return str(lines[at + 1])


def logged_in(address: str, email: str, password: str) -> tuple[str, int]:
    """The page that the login leads to."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(address) as form:
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form.read().decode())
    values = {"email": email, "password": password, "csrfmiddlewaretoken": token}
    with opener.open(address, urlencode(values).encode()) as response:
        return response.read().decode(), response.status


def messages(jetbridge: str, token: str) -> int:
    """How many were taken so far."""
    return sum(read_metrics(jetbridge, token)["jetbridge_source_records"].values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_midway_leaves_nothing(
    start_demo: StartDemo, alive: Alive, eventually: Eventually, number: signal.Signals
) -> None:
    demo = start_demo("--once")
    eventually(lambda: "Opening" in demo.output(), "the first step is over", seconds=RETRY_DEADLINE)
    family = demo.family()
    demo.popen.send_signal(number)
    assert demo.popen.wait(RETRY_DEADLINE) == 130, demo.output()
    assert demo.output().splitlines()[-1] == "Interrupted: stopping everything ..."
    assert alive(family) == set()
    assert demo.homes() == []


def test_an_interrupt_while_it_starts_leaves_nothing(
    start_demo: StartDemo, alive: Alive, eventually: Eventually
) -> None:
    demo = start_demo("--once")
    eventually(demo.family, "its first process runs", seconds=RETRY_DEADLINE)
    family = demo.family()
    demo.popen.send_signal(signal.SIGINT)
    assert demo.popen.wait(RETRY_DEADLINE) == 130, demo.output()
    assert alive(family) == set()
    assert demo.homes() == []


def test_what_it_started_ends_even_if_it_is_killed(
    start_demo: StartDemo, alive: Alive, eventually: Eventually
) -> None:
    demo = start_demo("--once")
    eventually(lambda: "Opening" in demo.output(), "the first step is over", seconds=RETRY_DEADLINE)
    family = demo.family()
    demo.popen.kill()
    eventually(lambda: not alive(family), "all processes have ended", seconds=RETRY_DEADLINE)


def test_a_service_that_ends_stops_the_demo_with_a_message(
    start_demo: StartDemo, eventually: Eventually
) -> None:
    demo = start_demo()
    eventually(lambda: "Ctrl-C stops it" in demo.output(), "the day is over", seconds=RETRY_DEADLINE)
    os.kill(demo.pid_of("sandbox"), signal.SIGKILL)
    assert demo.popen.wait(RETRY_DEADLINE) == 1
    (home,) = demo.homes()
    last = (home / "sandbox.log").read_text().splitlines()[-1]
    assert demo.output().splitlines()[-2:] == [
        f"The demo stopped. `jetbridge sandbox` ended with status -9. Its last line: {last}",
        f"The logs are in {home}",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_in_a_terminal_an_interrupt_gives_the_terminal_back(start_demo: StartDemo) -> None:
    ours, theirs = pty.openpty()
    demo = start_demo("--once", stdout=theirs)
    os.close(theirs)
    seen = b""
    while b"signs up" not in seen:
        seen += os.read(ours, 65_536)
    demo.popen.send_signal(signal.SIGINT)
    seen += _rest(ours)
    assert demo.popen.wait(RETRY_DEADLINE) == 130
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1  # the alternate screen, left again
    assert seen.endswith(b"Interrupted: stopping everything ...\r\n")


def _rest(terminal: int) -> bytes:
    seen = b""
    try:
        while more := os.read(terminal, 65_536):
            seen += more
    except OSError:  # Linux says EIO where the other side is closed
        pass
    os.close(terminal)
    return seen
