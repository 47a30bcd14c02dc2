"""Row 14: a campaign of a hundred thousand messages, its events with repetitions and out of order, into four destinations.

What `tests/acceptance/test_campaign.py` does with few messages, at full size: whether DuckDB, PostgreSQL, a Tracking API and a webhook hold
exactly the expected events, and how long that takes.
"""

import os
import time

from tests.acceptance.campaign import Campaign, Where, places

from benchmarks.figures import line, title
from benchmarks.options import Options
from benchmarks.outside import children, megabytes, processor_seconds
from benchmarks.place import KEYS, place

PEOPLE, QUICK = 100_000, 5_000


def run(options: Options) -> None:
    people = QUICK if options.quick else PEOPLE
    title(f"14. A campaign to {people:,} people, events repeated and reordered, into four destinations")
    began = time.perf_counter()

    def say(what: str) -> None:
        line(f"after {time.perf_counter() - began:,.0f} s, load {os.getloadavg()[0]:.0f}", what)

    with places() as around, place("serve", around.urls["between"]) as here:
        processes = here.processes
        where = Where(here.jetbridge, here.mailjet, processes.home, here.told, processes.env, KEYS)
        campaign = Campaign(where, around, people, say, seconds=3_600)
        campaign.prepare()
        say("everybody is on the list")
        campaign.send()
        pids = children(here)
        for name in ("web", "worker"):
            line(f"{name}, resident, at its highest", megabytes(pids[name], field="VmHWM"))
            line(f"{name}, processor time", f"{processor_seconds(pids[name]):,.0f} s")
        between = around.between
        line("events, distinct", f"{len(between.events):,}")
        line("events taken, repetitions included", f"{between.taken:,}")
        line("grouped calls whose response was lost", f"{between.lost:,}")
        line("events that came after later ones", f"{between.overtaken:,}")
        line("calls received: Segment, webhook", f"{around.segment.received:,}, {around.webhook.received:,}")
        problems = campaign.problems()
        line("differences from what has to be there", f"{len(problems)}")
        for problem in problems:
            print(f"    {problem}")
        if problems:
            raise SystemExit(1)
