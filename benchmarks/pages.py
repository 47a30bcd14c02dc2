"""Row 11: how long every page takes, with ten million messages in the log and a million contacts.

MESSAGES and CONTACTS say how many there are. The pages are all that the URL patterns name, and a few more views
of the long ones; each is asked for over HTTP, by one browser at a time, after a first time that is not counted.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import urllib3
from django.conf import settings
from django.test import Client
from screenshots.browser import Page

from benchmarks.figures import line, title
from benchmarks.full import fill
from benchmarks.home import Bench, bench
from benchmarks.options import Options
from jetbridge.control.people import Membership, Role, User
from jetbridge.demo.processes import Processes, port

TARGET_MS = 100
TIMES = 7


def run(options: Options) -> None:
    messages = int(os.environ.get("MESSAGES", options.size(10_000_000)))
    contacts = int(os.environ.get("CONTACTS", options.size(1_000_000)))
    title(f"11. Pages with {messages:,} messages in the log and {contacts:,} contacts")
    with _running(messages, contacts) as (place, url):
        from screenshots.pages import pages  # noqa: PLC0415 - it starts Django, too: not before `home` has

        pool = urllib3.PoolManager(headers={"Cookie": _cookie(place)})
        times = {
            page.name: found
            for page in [*pages(), *_more(place, messages)]
            if (found := _time(pool, url + page.path))
        }
    slowest = sorted(times, key=lambda name: -median(times[name]))
    for name in slowest[:12]:
        line(name, f"{median(times[name]):,.0f} ms ({min(times[name]):,.0f} to {max(times[name]):,.0f})")
    line(
        f"pages of {len(times)} that answer within {TARGET_MS} ms",
        sum(median(each) <= TARGET_MS for each in times.values()),
    )


@contextmanager
def _running(messages: int, contacts: int) -> Iterator[tuple[Bench, str]]:
    with Processes() as processes:
        own, sandbox = port(0), port(0)
        url, mailjet = f"http://127.0.0.1:{own}", f"http://127.0.0.1:{sandbox}"
        processes.env |= {
            "JETBRIDGE_HOME": os.environ["JETBRIDGE_HOME"],
            "JETBRIDGE_PORT": str(own),
            "JETBRIDGE_PUBLIC_URL": url,
        }
        keys = ("--api-key", "benchmark", "--secret-key", "benchmark")
        processes.start("sandbox", "--port", str(sandbox), *keys, ready_at=f"{mailjet}/sandbox/calls")
        place = bench(mailjet)
        fill(place, messages, contacts)
        processes.start("web", ready_at=f"{url}/healthz")
        yield place, url


def _cookie(place: Bench) -> str:
    owner = User.objects.create(email="owner@example.com", name="Owner")
    Membership.objects.create(user=owner, workspace_id=place.workspace, role=Role.OWNER)
    client = Client()
    client.force_login(owner)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def _more(place: Bench, messages: int) -> list[Page]:
    """Views of long tables that one address does not show."""
    source = f"/w/{place.workspace}/sources/{place.source}"
    destination = f"/w/{place.workspace}/destinations/{place.destination}"
    return [
        Page("debugger: the middle", f"{source}/debugger?before={messages // 2}"),
        Page("debugger: a rare text", f"{source}/debugger?q=message-{messages // 2}"),
        Page("debugger: failed", f"{source}/debugger?outcome=failed"),
        Page("debugger: a message", f"{source}/debugger/{messages // 2}"),
        Page("contacts: an address", f"{destination}/contacts/?q=user-77777@example.com"),
        Page("contacts: a userId", f"{destination}/contacts/?q=user-77777"),
        Page("overview: two weeks", f"{destination}/?period=2w"),
    ]


def _time(pool: urllib3.PoolManager, address: str) -> list[float]:
    """Milliseconds; empty if it is no page."""
    answer = pool.request("GET", address, redirect=False, preload_content=False)
    is_page = answer.status == 200 and answer.headers.get("Content-Type", "").startswith("text/html")
    answer.close()
    if not is_page:
        return []
    times = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        assert pool.request("GET", address).status == 200
        times.append((time.perf_counter() - begun) * 1000)
    return times
