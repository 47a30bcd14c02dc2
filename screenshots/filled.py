"""A workspace with a day behind it: failures, unsubscribes, a campaign, a warehouse on a schedule, and a destination that is paused."""

import time
from dataclasses import dataclass

from jetbridge.demo.demo import Demo
from jetbridge.demo.processes import Processes
from jetbridge.demo.scenario import Scenario

#: How many calls come after the day; they are what the paused destination waits with.
LATER = 30


@dataclass(frozen=True)
class Filled:
    url: str
    email: str
    password: str


def filled(processes: Processes) -> Filled:
    processes.env["JETBRIDGE_SMTP_URL"] = "smtp://127.0.0.1:9"  # its forms are shown; nothing is sent
    demo = Demo(processes, Scenario(), watched=False)
    demo.run()
    email, password = demo.create_owner()
    _pause(demo)
    rows = processes.run("destinations", "list", "--json")["destinations"]
    (warehouse,) = (row for row in rows if row["kind"] == "warehouse")
    processes.run("destinations", "set", str(warehouse["id"]), "schedule=1h", "--json")
    evening = demo.scenario.live_traffic()
    for _ in range(LATER):
        demo.shop.send(next(evening))
    demo.shop.flush()
    processes.wait_until(lambda: _is_paused(processes), "a destination is paused", 30)
    processes.run("destinations", "sync", str(warehouse["id"]), "--wait", "--json")
    demo.shop.send(next(evening))
    demo.shop.flush()
    time.sleep(2)
    return Filled(demo.url, email, password)


def _pause(demo: Demo) -> None:
    """A second list, which is not there any more."""
    sandbox = ("--mailjet-url", demo.sandbox.url, "--segment-url", demo.sandbox.url)
    created = demo.processes.run("setup", *sandbox, "--list", "Newsletter", "--create-list", "--json")
    rows = demo.processes.run("destinations", "list", "--json")["destinations"]
    newest = max(row["id"] for row in rows if row["kind"] == "mailjet")
    missing = f"listId={created['list_id'] + 1_000}"
    demo.processes.run("destinations", "set", str(newest), missing, "--anyway", "--json")


def _is_paused(processes: Processes) -> bool:
    return any(row["state"] == "paused" for row in processes.run("status", "--json")["destinations"])
