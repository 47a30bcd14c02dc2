"""The demo as a real process; and a day without Jetbridge, in which all went well."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from jetbridge.demo.checks import EVENT_NAMES, Observed
from jetbridge.demo.scenario import Expected, Scenario


@dataclass(frozen=True)
class Day:
    expected: Expected
    observed: Observed


@pytest.fixture
def day() -> Day:
    """What would be observed if everything were as the scenario has it."""
    scenario = Scenario(customers=40)
    scenario.morning(), scenario.noon(), scenario.night()
    expected = scenario.expected
    mailed = [email for email in expected.traits if email != expected.unsubscribed]
    left, clicked = mailed[:2]
    scenario.late_order(left)
    scenario.orders([clicked])
    scenario.nearly_too_old(timedelta(seconds=5))
    expected.has_trait = True
    events = [
        *({"event": "sent", "email": email, "MessageID": number} for number, email in enumerate(mailed)),
        {"event": "click", "email": clicked, "MessageID": 1, "url": "https://www.example.com/"},
        {"event": "unsub", "email": left, "MessageID": 0},
    ]
    filtered, failed = dict(expected.filtered), dict(expected.failed)
    figures = {
        "received": expected.received,
        "delivered": expected.received - sum(filtered.values()) - sum(failed.values()),
        "filtered": sum(filtered.values()),
        "failed": sum(failed.values()),
        "pending": 0,
    }
    common = {"state": "running", "balanced": True, "pending": 0}
    return Day(
        expected,
        Observed(
            properties=expected.properties,
            subscribed={email: email not in {left, expected.unsubscribed} for email in expected.traits},
            events=events,
            tracks=[_track(event, expected, number) for number, event in enumerate(events)],
            status={
                "destinations": [
                    {
                        "kind": "mailjet",
                        "name": "Mailjet",
                        **common,
                        **figures,
                        "reasons": {"filtered": filtered, "failed": failed},
                    },
                    {"kind": "segment", "name": "Segment", **common, "delivered": len(events)},
                ]
            },
            query_rows={
                "open_rate": [{"delivered": len(mailed), "opened": 0}],
                "clicked": [{"email": clicked}],
                "revenue": [{"revenue": f"{expected.revenue[expected.user_ids[clicked]]:.2f}"}],
            },
            entered_at=expected.leaves_at - timedelta(seconds=1),
            left_at=expected.leaves_at,
        ),
    )


def _track(event: dict[str, object], expected: Expected, number: int) -> dict[str, object]:
    email = str(event["email"])
    url = {"link_url": event["url"]} if "url" in event else {}
    return {
        "event": EVENT_NAMES[str(event["event"])],
        "messageId": f"m{number}",
        "userId": expected.user_ids[email],
        "context": {"traits": {"email": email}},
        "properties": {"email_id": str(event["MessageID"]), **url},
    }


@dataclass(frozen=True)
class RunningDemo:
    """A demo that runs; its home is made in `folder`."""

    popen: subprocess.Popen[bytes]
    log: Path
    folder: Path

    def output(self) -> str:
        return self.log.read_text()

    def homes(self) -> list[Path]:
        return list(self.folder.glob("jetbridge-demo-*"))

    def family(self) -> set[int]:
        """Every process that descends from it, itself left out."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        parents = dict(map(int, line.split()) for line in listed.stdout.splitlines())  # type: ignore[misc]
        found = {self.popen.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.popen.pid}

    def pid_of(self, command: str) -> int:
        """The process of a `jetbridge` command that it has started."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,args="], capture_output=True, text=True, check=True)
        commands = dict(
            line.split(maxsplit=1) for line in listed.stdout.splitlines() if len(line.split()) > 1
        )
        (pid,) = [
            int(pid)
            for pid, args in commands.items()
            if int(pid) in self.family() and f" {command} " in f"{args} "
        ]
        return pid


StartDemo = Callable[..., RunningDemo]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    """`start_demo("--once")`; `first` is Python that runs in the process before the command."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, first: str = "", stdout: int | None = None) -> RunningDemo:
        folder = tmp_path / f"demo-{len(running)}"
        folder.mkdir()
        log = folder / "demo.log"
        program = f"{first}\nfrom jetbridge.cli import main\nmain()"
        with log.open("wb") as file:
            popen = subprocess.Popen(
                [sys.executable, "-c", program, "demo", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file if stdout is None else stdout,
                stderr=subprocess.STDOUT,
                env=os.environ | {"TMPDIR": str(folder), "TERM": "xterm-256color"},
            )
        running.append(popen)
        return RunningDemo(popen, log, folder)

    yield start
    for popen in running:
        if popen.poll() is None:
            popen.send_signal(signal.SIGTERM)
        popen.wait(60)


@pytest.fixture
def alive() -> Callable[[set[int]], set[int]]:
    """Which of these processes still run; one that has ended and waits for its parent does not."""

    def look(pids: set[int]) -> set[int]:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True)
        states = dict(line.split() for line in listed.stdout.splitlines())
        return {pid for pid in pids if not states.get(str(pid), "Z").startswith("Z")}

    return look
