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

from jetbridge.demo.claims import EVENT_NAMES
from jetbridge.demo.evidence import OFF, ON, Evidence
from jetbridge.demo.story import Expected, Story


@dataclass(frozen=True)
class Day:
    expected: Expected
    found: Evidence


@pytest.fixture
def day() -> Day:
    """What would be found if everything were as the story has it."""
    story = Story(count=40)
    story.morning(), story.noon(), story.again()
    expected = story.expected
    mailed = [email for email in expected.traits if email != expected.unsubscribed]
    left, clicked = mailed[:2]
    story.late_order(left)
    story.orders([clicked])
    story.nearly_too_old(timedelta(seconds=5))
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
        Evidence(
            properties=expected.properties,
            names={email: _name(traits) for email, traits in expected.traits.items()},
            members={
                email: OFF if email in {left, expected.unsubscribed} else ON for email in expected.traits
            },
            events=[{"event": event} for event in events],
            tracks=[_track(event, expected, number) for number, event in enumerate(events)],
            account={
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
            answers={
                "open_rate": [{"delivered": len(mailed), "opened": 0}],
                "clicked": [{"email": clicked}],
                "revenue": [{"revenue": f"{expected.revenue[expected.user_ids[clicked]]:.2f}"}],
            },
            left_by_campaign=left,
            entered_at=expected.leaves_at - timedelta(seconds=1),
            left_at=expected.leaves_at,
        ),
    )


def _name(traits: dict[str, object]) -> str:
    return " ".join(str(traits[part]) for part in ("firstName", "lastName") if part in traits)


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
class Performance:
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


StartDemo = Callable[..., Performance]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    """`start_demo("--once")`; `first` is Python that runs in the process before the command."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, first: str = "", stdout: int | None = None) -> Performance:
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
        return Performance(popen, log, folder)

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
