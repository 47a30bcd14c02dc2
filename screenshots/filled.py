"""A workspace with a day behind it: failures, unsubscribes, a campaign, a warehouse on a schedule, and a destination that is held."""

import time
from dataclasses import dataclass

from jetbridge.demo import play
from jetbridge.demo.evening import Evening
from jetbridge.demo.opening import Opened
from jetbridge.demo.owner import Owner, link_in, make_owner
from jetbridge.demo.play import Play
from jetbridge.demo.processes import Processes
from jetbridge.demo.shop import Shop
from jetbridge.demo.story import Story

#: How many calls come after the day; they are what the held destination waits with.
LATER = 30


@dataclass(frozen=True)
class Filled:
    url: str
    owner: Owner


def filled(processes: Processes) -> Filled:
    processes.env["JETBRIDGE_SMTP_URL"] = "smtp://127.0.0.1:9"  # its forms are shown; nothing is sent
    story = Story()
    stage = play.stage()
    play_of_the_day = Play(
        story, stage, processes, told=lambda act: print(f"  {act.name}: {act.result}"), watched=False
    )
    opened = play_of_the_day.run().opened
    owner = make_owner(link_in(processes.said("serve")) or "")
    _hold(processes, opened)
    rows = processes.run("destinations", "list", "--json")["destinations"]
    (warehouse,) = (row for row in rows if row["kind"] == "warehouse")
    processes.run("destinations", "set", str(warehouse["id"]), "schedule=1h", "--json")
    shop = Shop(opened.write_key, opened.jetbridge_url)
    evening = Evening(story.evening(), shop, clock=iter(range(0, 1_000, 2)).__next__)
    for _ in range(LATER):
        evening.pass_by()
    shop.flush()
    processes.wait_until(lambda: _is_held(processes), "a destination is held", 30)
    processes.run("destinations", "sync", str(warehouse["id"]), "--wait", "--json")
    evening.pass_by()
    shop.flush()
    time.sleep(2)
    return Filled(opened.jetbridge_url, owner)


def _hold(processes: Processes, opened: Opened) -> None:
    """A second list, which is not there any more."""
    joined = processes.run(
        "setup",
        "--mailjet-url",
        opened.sandbox.url,
        "--list",
        "Newsletter",
        "--create-list",
        "--segment-url",
        opened.sandbox.url,
        "--json",
    )
    newest = max(
        row["id"]
        for row in processes.run("destinations", "list", "--json")["destinations"]
        if row["kind"] == "mailjet"
    )
    processes.run(
        "destinations", "set", str(newest), f"listId={joined['list_id'] + 1_000}", "--anyway", "--json"
    )


def _is_held(processes: Processes) -> bool:
    return any(row["state"] == "held" for row in processes.run("status", "--json")["destinations"])
