"""The whole loop as real processes: `jetbridge serve`, and a sandbox that is Mailjet and Segment."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mailjet_rest import Client as MailjetClient

from jetbridge.cli import account, status

API_KEY, SECRET_KEY = "public", "private"


@dataclass(frozen=True)
class Segment:
    """The sandbox's Tracking API, which keeps the calls that it receives."""

    url: str

    @property
    def calls(self) -> list[dict[str, Any]]:
        """All of them, oldest first."""
        calls: list[dict[str, Any]] = []
        number = 0
        while True:
            with urllib.request.urlopen(f"{self.url}/sandbox/segment?after={number}&limit=1000") as response:
                rows = json.load(response)["calls"]
            if not rows:
                return calls
            number = rows[-1]["number"]
            calls += [row["call"] for row in rows]


METRICS_TOKEN = "metrics-of-a-test"


@dataclass
class Place:
    """A home that is set up, with the addresses of everything around it, and how to look at it."""

    url: str
    sandbox_url: str
    segment: Segment
    mailjet: MailjetClient = field(repr=False)
    setup: dict[str, Any] = field(default_factory=dict)

    def set_up(self) -> None:
        """Join the sandbox and the Segment, as a person would."""
        keys = ("--api-key", API_KEY, "--secret-key", SECRET_KEY)
        to_segment = ("--segment-url", self.segment.url, "--segment-write-key", "their-write-key")
        to_mailjet = ("--mailjet-url", self.sandbox_url, *keys, "--list", "Customers", "--create-list")
        self.setup = json.loads(self.jetbridge("setup", *to_mailjet, *to_segment, "--json"))

    @property
    def write_key(self) -> str:
        return str(self.setup["write_key"])

    @staticmethod
    def jetbridge(*arguments: str) -> str:
        """Run a command to its end; what it printed."""
        command = [sys.executable, "-m", "jetbridge", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @staticmethod
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever it is."""
        command = [sys.executable, "-m", "jetbridge", *arguments]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, env={**os.environ, "COLUMNS": "300"}
        )

    @staticmethod
    def status() -> dict[str, Any]:
        """As `jetbridge status --json` has it."""
        return status.as_object(account.read())

    def destination(self, kind: str) -> dict[str, Any]:
        found = [row for row in self.status()["destinations"] if row["kind"] == kind]
        assert len(found) == 1
        assert found[0]["balanced"], found
        return dict(found[0])

    def settle(self, *, seconds: float = 60.0) -> None:
        """Return once nothing is pending anywhere."""
        deadline = time.monotonic() + seconds
        while any(row["pending"] for row in self.status()["destinations"]):
            assert time.monotonic() < deadline, (self.status(), self.output())
            time.sleep(0.05)

    def output(self) -> str:
        """What Jetbridge has said, if somebody kept it."""
        return ""

    def calls_to_mailjet(self) -> dict[str, int]:
        """Calls of the deliveries since the last reset; the keeper of the callback URLs has its own pace."""
        calls: dict[str, int] = json.loads(self.sandbox("GET", "/sandbox/calls"))["calls"]
        return {name: total for name, total in calls.items() if "eventcallbackurl" not in name}

    def sandbox(self, method: str, path: str, body: Any = None) -> bytes:
        request = urllib.request.Request(
            self.sandbox_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            content: bytes = answer.read()
            return content

    def subscribers(self) -> set[str]:
        """Addresses on the list, read with Mailjet's own client."""
        found: set[str] = set()
        while True:
            filters = {"ContactsList": self.setup["list_id"], "Limit": 1000, "Offset": len(found)}
            page = self.mailjet.contact.get(filters=filters).json()["Data"]
            found |= {row["Email"] for row in page}
            if len(page) < 1000:
                return found


@dataclass
class Loop(Place):
    """The place, and a `jetbridge serve` that runs in it."""

    serve: Any = None

    def output(self) -> str:
        return str(self.serve.output())

    def child(self, name: str) -> int:
        """Process id of the child that runs now, as `serve` has told."""
        return int(re.findall(rf"^{name} runs as process (\d+)\.$", self.serve.output(), re.MULTILINE)[-1])

    def kill(self, name: str) -> None:
        os.kill(self.child(name), signal.SIGKILL)


@pytest.fixture
def addresses(free_port: Callable[[], int], monkeypatch: Any) -> tuple[str, str]:
    """Where Jetbridge and the sandbox are to listen; the environment tells Jetbridge."""
    port, sandbox_port = free_port(), free_port()
    url, sandbox_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sandbox_port}"
    monkeypatch.setenv("JETBRIDGE_PORT", str(port))
    monkeypatch.setenv("JETBRIDGE_PUBLIC_URL", url)
    monkeypatch.setenv("JETBRIDGE_METRICS_TOKEN", METRICS_TOKEN)
    return url, sandbox_url


@pytest.fixture
def place(home: Path, addresses: tuple[str, str], start_jetbridge: Any) -> Place:
    """A sandbox that runs. Nothing is set up yet."""
    url, sandbox_url = addresses
    port = sandbox_url.rpartition(":")[2]
    keys = ("--api-key", API_KEY, "--secret-key", SECRET_KEY)
    start_jetbridge("sandbox", *keys, "--port", port, "--event-retry", "0.5", health=f"{sandbox_url}/")
    mailjet = MailjetClient(auth=(API_KEY, SECRET_KEY), version="v3", api_url=sandbox_url)
    return Place(url, sandbox_url, Segment(sandbox_url), mailjet)


@pytest.fixture
def loop(place: Place, start_jetbridge: Any) -> Loop:
    serve = start_jetbridge("serve")
    place.set_up()  # while it starts
    serve.wait_for(f"{place.url}/healthz")
    return Loop(**vars(place), serve=serve)
