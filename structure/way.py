"""Which files and functions of the product one message passes: real processes, one identify, one email event.

Counted is what runs for the message and does not run while the installation is idle; looking for work and heartbeats are left out.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import urllib3
from benchmarks import fixtures
from benchmarks.outside import delivered, email_events, wait_until
from benchmarks.place import Place, place

from jetbridge.demo.processes import Processes

TRACER = Path(__file__).parent / "tracer"
#: Longer than the slowest thing that an idle process does again and again within a minute, as far as one minute shows it.
IDLE_SECONDS = 65.0


@dataclass(frozen=True)
class Passed:
    """Functions as (file, qualified name)."""

    functions: frozenset[tuple[str, str]]

    @property
    def files(self) -> set[str]:
        return {file for file, _ in self.functions}


def passed() -> dict[str, Passed]:
    """By message: `an identify` whose contact is new to Mailjet, and `an email event` that becomes a track call."""
    with place("serve", prepare=_trace) as here:
        pool = urllib3.PoolManager()
        event = {
            "event": "open",
            "time": int(time.time()),
            "MessageID": 1,
            "email": "somebody@example.com",
            "mj_campaign_id": 0,
        }

        def identify(number: int) -> None:
            before = delivered(here)
            body = fixtures.call(number) | {"writeKey": here.write_key}
            pool.request("POST", f"{here.jetbridge}/v1/identify", body=json.dumps(body))
            wait_until(lambda: delivered(here) > before)

        def email_event(number: int) -> None:
            before = email_events(here, "message")
            body = json.dumps([event | {"MessageID": number}])
            pool.request("POST", here.told["mailjet_events_url"], body=body)
            wait_until(lambda: email_events(here, "message") > before)

        # The first of a kind loads what the later ones find loaded.
        identify(1)
        email_event(1)
        idle = _ran(here, lambda: _idle(here))
        return {
            "an identify": Passed(_ran(here, lambda: identify(2)) - idle),
            "an email event": Passed(_ran(here, lambda: email_event(2)) - idle),
        }


def _trace(processes: Processes) -> None:
    processes.env |= {
        "PYTHONPATH": str(TRACER),
        "STRUCTURE_WHILE": str(processes.home / "trace"),
    }


def _idle(here: Place) -> None:
    """The metrics are looked at as while a message passes: what they cost is not the message's."""
    until = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < until:
        delivered(here), email_events(here, "message")
        time.sleep(1.0)


def _ran(here: Place, act: Callable[[], object]) -> frozenset[tuple[str, str]]:
    """The functions that ran in all traced processes during `act`, and for a second after it."""
    flag, results = here.processes.home / "trace", here.processes.home / "ran"
    for result in results.parent.glob("ran.*"):
        result.unlink()
    flag.write_text(str(results))
    time.sleep(0.2)
    act()
    time.sleep(1.0)
    flag.unlink()
    time.sleep(1.0)
    lines = (
        line for result in results.parent.glob("ran.*") for line in result.read_text().splitlines() if line
    )
    return frozenset((file, function) for file, _, function in (line.partition("\t") for line in lines))
