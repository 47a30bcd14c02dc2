"""The demo from the first process to the exit status: each step ends when all that it caused has come to rest."""

import json
import logging
import os
import re
import secrets
import shlex
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Any
from urllib.parse import urlencode

from rich.console import Group
from rich.live import Live
from rich.text import Text

from jetbridge.demo.checks import Check, Observed, checks
from jetbridge.demo.processes import DemoStopped, Processes, port
from jetbridge.demo.progress import Figures, Progress, Step, page
from jetbridge.demo.scenario import AUDIENCE, Call, Scenario
from jetbridge.demo.services import Sandbox, read_metrics, request
from jetbridge.terminal import Terminal
from jetbridge.text import echo

try:
    from segment.analytics import Client
except ImportError:
    Client = None

#: The longest that anything may take before the demo gives up (s).
LONGEST_WAIT = 60.0
#: How long a step's calls and the campaign's events take where somebody watches (s).
WATCHED_SECONDS = 2.5
#: No call to Mailjet for so long means none is coming: longer than Jetbridge waits for company (s).
SILENCE_SECONDS = 0.6
#: Shares of the campaign's recipients.
RATES = {"open": 0.55, "click": 0.2, "bounce": 0.03, "spam": 0.007, "unsub": 0.014}
#: An order is sent so long before it leaves its window (s), or as many times as long as orders have taken to Mailjet:
#: its customer is to be seen entering.
LEFT_SECONDS, LEFT_TIMES = 5.0, 4
#: What the Mailjet destination reads every 15 minutes, and first 10 s after its start.
UNSUBSCRIBE_CHECK = frozenset({"GET listrecipient", "GET contact"})
INTERRUPTED = 130
STEPS = {
    "Opening": "the sandbox, jetbridge setup, a warehouse, an audience, jetbridge serve",
    "Morning": "people sign up in the shop",
    "Noon": "plans change, one moves, one unsubscribes",
    "Night": "everybody is sent again, nothing is new",
    "Campaign": "Mailjet sends, its events come back, some who click buy",
    "Audience": "who buys enters, and leaves 30 days later; what they paid becomes a trait",
    "Check": "is all as it should be?",
}


def run(*, once: bool, as_json: bool = False) -> int:
    """Returns the exit status: 0 if every promise is kept, 1 if not, 130 if it was interrupted before it was over.

    Raises DemoStopped if it cannot even begin.
    """
    if Client is None:
        raise DemoStopped("The demo sends through Segment's library: run `pip install 'jetbridge[demo]'`.")

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _set_signals(signal.SIG_IGN)  # a second signal, in the middle of cleaning up, must not interrupt
        raise KeyboardInterrupt

    _set_signals(interrupt)
    console = Terminal(highlight=False, stderr=as_json)
    with Processes() as processes:
        try:
            demo = Demo(
                processes,
                Scenario(),
                watched=console.is_terminal and not console.is_dumb_terminal,
                as_json=as_json,
            )
            show: Any = nullcontext()
            if demo.watched:
                show = Live(
                    console=console,
                    get_renderable=lambda: page(demo.progress, console.height),
                    screen=True,
                    refresh_per_second=8,
                )
            with show:
                made = demo.run()
            kept = not any(check.differences for check in made)
            processes.keep_home = not kept
            if as_json:
                rows = [{"promise": check.promise, "differences": check.differences} for check in made]
                echo(json.dumps({"kept": kept, "checks": rows}))
            else:
                console.print(_summary(demo, made), soft_wrap=True)
            if not once:
                demo.stay_open(console)
        except DemoStopped as error:
            processes.keep_home = True
            console.print(Text(f"The demo stopped. {error}", "bold red"), soft_wrap=True)
            console.print(Text(f"The logs are in {processes.home}"), soft_wrap=True)
            return 1
        except KeyboardInterrupt:
            console.print("Interrupted: stopping everything ...")
            return INTERRUPTED
        finally:
            _set_signals(signal.SIG_IGN)
    return 0 if kept else 1


def _set_signals(handler: "signal._HANDLER") -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


class Demo:
    """`watched`: the steps run at a speed for people, on a page; else a line is printed for each."""

    def __init__(
        self, processes: Processes, scenario: Scenario, *, watched: bool, as_json: bool = False
    ) -> None:
        self.processes, self.scenario = processes, scenario
        self.watched, self.as_json = watched, as_json
        self.progress = Progress([Step(name, what) for name, what in STEPS.items()])
        self.observed = Observed()

    def run(self) -> list[Check]:
        """Blocks until all steps are over. Raises DemoStopped if one cannot end."""
        opening, morning, noon, night, campaign, audience, check = self.progress.steps
        with self._running(opening, 5):
            self._open(opening)
        ended = Event()

        def watch() -> None:
            while not ended.wait(0.2):  # figures and tracks for the page
                with suppress(DemoStopped):  # whoever waits for the service raises it
                    self._look()

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        try:
            self._send_step(morning, self.scenario.morning())
            self._send_step(noon, self.scenario.noon())
            before = self.sandbox.calls()
            self._send_step(night, self.scenario.night(), silence=SILENCE_SECONDS)
            # The regular check for unsubscribes in Mailjet may fall into this step; no identify makes these calls.
            calls = self.sandbox.calls() - before
            self.observed.calls_for_repetition = Counter(
                {call: total for call, total in calls.items() if call not in UNSUBSCRIBE_CHECK}
            )
            self._campaign(campaign)
            self._audience(audience)
        finally:
            ended.set()
            watcher.join(5.0)
        with self._running(check, 1):
            self.progress.caption = (
                "Reading everything back from Mailjet, from Segment and from the warehouse"
            )
            self.sandbox.observe(self.observed, self.list_id)
            self.observed.status = self.processes.run("status", "--json")
            queries = self.processes.run("warehouse", "queries", "--run", "--json")["queries"]
            self.observed.query_rows = {query["name"]: query.get("rows", []) for query in queries}
            made = checks(self.scenario.expected, self.observed)
            check.total, check.done = len(made), sum(not row.differences for row in made)
            check.result = f"{check.done} of {check.total} promises are kept"
            if check.done < check.total:
                check.state = "failed"
        return made

    def _open(self, step: Step) -> None:
        """As a person would: the sandbox, `jetbridge setup`, a warehouse, an audience, then `jetbridge serve`."""
        processes = self.processes
        api_key, secret_key, segment_key, self.metrics_token = (secrets.token_hex(16) for _ in range(4))
        preferred = (8081, 8080) if processes.is_first else (0, 0)
        sandbox_url, self.url = (f"http://127.0.0.1:{port(number)}" for number in preferred)
        # Keys by the environment: arguments can be read by everybody on the machine.
        processes.env |= {
            "JETBRIDGE_PUBLIC_URL": self.url,
            "JETBRIDGE_PORT": self.url.rpartition(":")[2],
            "JETBRIDGE_METRICS_TOKEN": self.metrics_token,
            "MAILJET_SANDBOX_API_KEY": api_key,
            "MAILJET_SANDBOX_SECRET_KEY": secret_key,
            "MAILJET_SANDBOX_SEGMENT_WRITE_KEY": segment_key,
            "JETBRIDGE_SETUP_API_KEY": api_key,
            "JETBRIDGE_SETUP_SECRET_KEY": secret_key,
            "JETBRIDGE_SETUP_SEGMENT_WRITE_KEY": segment_key,
        }
        self._advance(step, f"The Mailjet sandbox starts at {sandbox_url}")
        processes.start(
            "sandbox", "--port", sandbox_url.rpartition(":")[2], ready_at=f"{sandbox_url}/sandbox/calls"
        )
        self.sandbox = Sandbox(sandbox_url, api_key, secret_key)
        self._advance(step, "jetbridge setup connects Segment and Mailjet")
        mailjet = ("--mailjet-url", sandbox_url, "--list", "Customers", "--create-list")
        created = processes.run("setup", *mailjet, "--segment-url", sandbox_url, "--json")
        self.write_key, self.list_id = created["write_key"], created["list_id"]
        self.mailjet = next(row["id"] for row in created["destinations"] if row["kind"] == "mailjet")
        self._advance(step, "A warehouse is added: a DuckDB file")
        processes.run("destinations", "add", "warehouse", "--source", "all", "--json")
        self._advance(step, "An audience is added: who has ordered within 30 days")
        self._compute("audiences", "Recent buyers", {"event": "Order Completed", "within": "30d"})
        self._advance(step, f"jetbridge serve starts at {self.url}")
        processes.start("serve", ready_at=f"{self.url}/readyz")
        step.result = f"Jetbridge at {self.url}, the sandbox at {sandbox_url}"
        self.shop = Shop(self.write_key, self.url)

    def _compute(self, command: str, name: str, definition: dict[str, Any]) -> None:
        file = self.processes.home / f"{command}.json"
        file.write_text(json.dumps(definition))
        to = ("--definition", str(file), "--destination", str(self.mailjet))
        self.processes.run(command, "add", name, *to, "--json")

    def _send_step(self, step: Step, calls: Sequence[Call], silence: float = 0.0) -> None:
        before = self.sandbox.calls()
        with self._running(step, len(calls)):
            for call in calls:
                self.shop.send(call)
                self._advance(step, call.description)
                time.sleep(WATCHED_SECONDS / len(calls) if self.watched else 0)
            self._wait_until_delivered()
            time.sleep(silence)
            made = (self.sandbox.calls() - before).total()
            step.result = (
                f"{len(calls)} calls in, {made} calls to Mailjet, {self._look().contacts} subscribed"
            )

    def _campaign(self, step: Step) -> None:
        with self._running(step, 1):
            self.progress.caption = 'Mailjet sends the campaign "Summer sale" to the list'
            duration = WATCHED_SECONDS if self.watched else 0.0
            sent = self.sandbox.send_campaign(
                list_id=self.list_id, subject="Summer sale", seed=2, duration_seconds=duration, **RATES
            )
            step.total = sum(sent["events"].values())

            def arrived() -> bool:
                step.done = len({track["messageId"] for track in self.progress.tracks})
                return step.done >= step.total and self._look().to_segment >= step.total

            self._wait(arrived, f"{step.total} email events come back as track calls")
            events = self.sandbox.events()
            unsubscribed = next(event["email"] for event in events if event["event"] == "unsub")
            clicked = list({event["email"] for event in events if event["event"] == "click"})
            self.shop.send(self.scenario.late_order(unsubscribed))
            self._wait_until_delivered()
            began = time.monotonic()
            for call in self.scenario.orders(clicked):
                self.progress.caption = call.description
                self.shop.send(call)
            self._wait_until_delivered()
            self._order_seconds = time.monotonic() - began
            step.result = f"{sent['messages']} mails, {step.total} events, {step.done} track calls at Segment"

    def _audience(self, step: Step) -> None:
        expected, observed = self.scenario.expected, self.observed
        with self._running(step, 3):
            left = timedelta(seconds=max(LEFT_SECONDS, LEFT_TIMES * self._order_seconds))
            call = self.scenario.nearly_too_old(left)
            self.shop.send(call)
            self.shop.flush()
            self._advance(step, f"{call.description}, and is in the audience")
            observed.entered_at = self._first_seen(expected.leaver, is_member=True)
            self._advance(step, "A computed trait is added: what each customer has paid")
            paid = {"computed": "sum", "event": "Order Completed", "property": "revenue"}
            self._compute("traits", "Lifetime value", paid)
            expected.has_trait = True
            self._advance(step, "The order gets 30 days old")
            observed.left_at = self._first_seen(expected.leaver, is_member=False)
            self._wait_until_delivered()
            self.progress.caption = "The warehouse loads the rest, every five seconds"
            self._wait(lambda: not self._look().to_load, "the warehouse has loaded everything")
            members, valued = sum(expected.is_recent.values()), len(expected.revenue)
            step.result = f"{members + 1} people entered, 1 left; {valued} have a lifetime value"

    def _first_seen(self, email: str, *, is_member: bool) -> datetime:
        """When Mailjet first has that somebody is in the audience, or is not."""
        what = f"{email} {'enters' if is_member else 'leaves'} the audience"
        self._wait(lambda: self.sandbox.property(email, AUDIENCE) is is_member, what)
        return datetime.now(UTC)

    def stay_open(self, console: Terminal) -> None:
        """Until Ctrl-C: the console for people to look around in, and a customer every two seconds who keeps it alive."""
        email, password = self.create_owner()
        console.print(_farewell(self, email, password), soft_wrap=True)
        traffic = self.scenario.live_traffic()
        try:
            while True:
                self.shop.send(next(traffic))
                self.processes.watch(seconds=2.0)
        except KeyboardInterrupt:
            console.print("\nStopping ...")

    def create_owner(self) -> tuple[str, str]:
        """Email address and password of an account made through the link that `serve` prints, as a person would."""
        link = re.search(r"https?://\S+/first-run/\w+", self.processes.output("serve"))
        if link is None:
            raise DemoStopped("`jetbridge serve` has printed no link for the first account.")
        email, password = "owner@example.com", "-".join(secrets.token_hex(2) for _ in range(4))
        form = request("GET", link.group())
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.data.decode())
        values = {"name": "Olivia Owner", "email": email, "password": password}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": form.headers["Set-Cookie"].partition(";")[0],
        }
        body = urlencode(values | {"csrfmiddlewaretoken": token.group(1) if token else ""}).encode()
        request("POST", link.group(), headers=headers, body=body)
        return email, password

    def _look(self) -> Figures:
        """Raises DemoStopped if a service does not respond."""
        metrics = read_metrics(self.url, self.metrics_token)
        outcomes = metrics.get("jetbridge_destination_outcomes", {})

        def of(metric: str, kind: str) -> int:
            return metrics.get(metric, {}).get((kind, "", ""), 0)

        self.progress.tracks = self.sandbox.tracks()
        self.progress.figures = Figures(
            received=of("jetbridge_destination_received", "mailjet"),
            delivered=outcomes.get(("mailjet", "delivered", ""), 0),
            pending=of("jetbridge_destination_pending", "mailjet"),
            filtered={key[2]: n for key, n in outcomes.items() if key[:2] == ("mailjet", "filtered")},
            failed={
                key[2]: n
                for key, n in metrics.get("jetbridge_destination_failed", {}).items()
                if key[0] == "mailjet"
            },
            contacts=self.sandbox.read("contactslist", self.list_id)[0]["SubscriberCount"],
            calls=self.sandbox.calls(),
            to_segment=outcomes.get(("segment", "delivered", ""), 0),
            to_load=of("jetbridge_destination_pending", "warehouse"),
        )
        return self.progress.figures

    def _wait_until_delivered(self) -> None:
        def delivered() -> bool:
            figures = self._look()
            return figures.received >= self.scenario.expected.received and not figures.pending

        self.shop.flush()
        self._wait(delivered, "Jetbridge has delivered everything it received")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        self.processes.wait_until(condition, what, LONGEST_WAIT)

    def _advance(self, step: Step, caption: str) -> None:
        step.done += 1
        self.progress.caption = caption

    @contextmanager
    def _running(self, step: Step, total: int) -> Iterator[None]:
        began = time.monotonic()
        step.total, step.state = total, "running"
        yield
        step.seconds = time.monotonic() - began
        if step.state == "running":
            step.state = "done"
        if not self.watched:
            echo(f"{step.name:<10}{step.result}  ({step.seconds:.1f} s)", err=self.as_json)


class Shop:
    """Segment's own Python library, as any program uses it: calls are queued, and sent in batches from a thread of its own."""

    def __init__(self, write_key: str, url: str) -> None:
        # Jetbridge is on this machine, whatever proxy the environment names; and the terminal belongs to the page.
        for name in ("NO_PROXY", "no_proxy"):
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))
        logging.getLogger("segment").addHandler(logging.NullHandler())
        self._errors: list[Exception] = []
        self._client = Client(
            write_key, host=url, max_retries=3, on_error=lambda error, _: self._errors.append(error)
        )

    def send(self, call: Call) -> None:
        getattr(self._client, call.method)(**call.arguments)

    def flush(self) -> None:
        """Return when Jetbridge has acknowledged everything. Raises DemoStopped if it did not."""
        self._client.flush()
        if self._errors:
            raise DemoStopped(f"Segment's library could not send: {self._errors[0]}")


def _summary(demo: Demo, made: Sequence[Check]) -> Group:
    """Every promise with its figures; those that are broken say why, and where the logs are."""
    lines = [Text()]
    for check in made:
        mark = ("✗ ", "bold red") if check.differences else ("✓ ", "green")
        lines += [
            Text.assemble(mark, check.promise),
            *(Text(f"    {difference}", "red") for difference in check.differences),
        ]
    broken = sum(bool(check.differences) for check in made)
    figures = f"in {demo.progress.seconds:.0f} s and {demo.progress.figures.calls.total()} calls to Mailjet."
    kept_in = f"Logs and databases are kept in {demo.processes.home}"
    end = (
        Text(f"{broken} of {len(made)} promises are broken. {kept_in}", "bold red")
        if broken
        else Text(f"All arrived as it should, {figures}", "bold green")
    )
    return Group(*lines, Text(), end)


def _farewell(demo: Demo, email: str, password: str) -> Group:
    """The account to log in with, the addresses, and something to try; a line to be copied is broken by the terminal alone."""
    command = Path("jetbridge")
    if not shutil.which("jetbridge"):
        command, here = Path(sys.executable).with_name("jetbridge"), Path.cwd()
        command = command.relative_to(here) if command.is_relative_to(here) else command
    with_home = f"JETBRIDGE_HOME={shlex.quote(str(demo.processes.home))} {shlex.quote(str(command))}"
    traits = '{"userId": "me", "traits": {"email": "me@example.com", "plan": "Pro"}}'
    rows = {
        "Console": f"{demo.url}/login",
        "Log in as": f"{email}  with the password  {password}",
        "Mailjet sandbox": f"{demo.sandbox.url}  (its lists, contacts, jobs and calls)",
        "Segment calls": f"{demo.sandbox.url}/segment  (what Segment gets)",
        "Write key": f"{demo.write_key}  (for any Segment library)",
        "Metrics": f"{demo.url}/metrics  with the Bearer token  {demo.metrics_token}",
        "Figures": f"{with_home} status",
        "Audience": f"{with_home} audiences show {AUDIENCE}",
    }
    lines = [
        "",
        "The shop stays open: look around in its console.",
        *(f"{label:<17}{value}" for label, value in rows.items()),
        "",
        "Ask the warehouse: open rate by campaign, who clicked, revenue within seven days of a click:",
        f"{with_home} warehouse queries --run",
        "",
        "Become a contact yourself:",
        f"curl -u {demo.write_key}: {demo.url}/v1/identify -d '{traits}'",
        "",
        "Everything keeps running. Ctrl-C stops it and leaves nothing behind.",
    ]
    return Group(*(Text(line, no_wrap=True, overflow="ignore") for line in lines))
