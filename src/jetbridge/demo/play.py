"""Plays the day, act by act: each ends when all that it caused has come to rest."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jetbridge.demo import evidence
from jetbridge.demo.claims import Claim, claims
from jetbridge.demo.evidence import UNSUBSCRIBE_CHECK, Evidence
from jetbridge.demo.opening import STEPS, Opened, compute, open_shop
from jetbridge.demo.processes import Processes
from jetbridge.demo.shop import Shop
from jetbridge.demo.stage import Act, Stage, State
from jetbridge.demo.story import AUDIENCE, Call, Story
from jetbridge.demo.watch import Watch

#: The longest that anything may take before the demo gives up.
PATIENCE_SECONDS = 60.0
#: How long an act of the story takes to play where somebody watches; the campaign's events, too.
ACT_SECONDS = 2.5
#: No call for so long means none is coming: longer than Jetbridge waits for company.
SILENCE_SECONDS = 0.6
#: Shares of the campaign's recipients.
RATES = {"open": 0.55, "click": 0.2, "bounce": 0.03, "spam": 0.007, "unsub": 0.014}

#: An order is sent so long before it leaves its window, or as many times as long as orders have taken to Mailjet:
#: its customer is to be seen entering.
LEFT_SECONDS, LEFT_TIMES = 5.0, 4
#: The definition of the computed trait.
PAID = {"computed": "sum", "event": "Order Completed", "property": "revenue"}

ACTS = (
    ("Opening", "the sandbox, jetbridge setup, a warehouse, an audience, jetbridge serve"),
    ("Morning", "people sign up in the shop"),
    ("Noon", "plans change, one moves, one unsubscribes"),
    ("Night", "everybody is sent again, nothing is new"),
    ("Campaign", "Mailjet sends, its events come back, some who click buy"),
    ("Audience", "who buys enters, and leaves 30 days later; what they paid becomes a trait"),
    ("Check", "is all as it should be?"),
)


@dataclass(frozen=True)
class Ending:
    opened: Opened
    claims: list[Claim]
    seconds: float
    calls_to_mailjet: int

    @property
    def well(self) -> bool:
        return all(claim.holds for claim in self.claims)


def stage() -> Stage:
    return Stage([Act(name, what) for name, what in ACTS])


class Play:
    """`told` hears of each act that is over. With `watched` the story is played at a speed for people."""

    def __init__(
        self,
        story: Story,
        on: Stage,
        processes: Processes,
        *,
        told: Callable[[Act], None],
        watched: bool,
    ) -> None:
        self._story = story
        self._stage = on
        self._processes = processes
        self._told = told
        self._act_seconds = ACT_SECONDS if watched else 0.0

    def run(self) -> Ending:
        """Blocks until all acts are over. Raises DemoStopped if one cannot end."""
        opening, morning, noon, night, campaign, audience, check = self._stage.acts
        with self._on(opening, STEPS):
            self._opened = open_shop(self._processes, lambda says: self._step(opening, says))
            opening.result = f"Jetbridge on port {_port(self._opened.jetbridge_url)}, "
            opening.result += f"the sandbox on port {_port(self._opened.sandbox.url)}"
        self._stage.tracks = self._opened.segment.calls
        self._found = Evidence(tracks=self._opened.segment.calls)
        self._shop = Shop(self._opened.write_key, self._opened.jetbridge_url)
        self._watch = Watch(self._stage, self._opened)
        with self._watch:
            self._tell(morning, self._story.morning())
            self._tell(noon, self._story.noon())
            self._tell_again(night)
            self._campaign(campaign)
            self._audience(audience)
            calls = self._watch.look().calls.total()
        return Ending(self._opened, self._check(check), self._stage.seconds, calls)

    def _tell(self, act: Act, calls: Sequence[Call]) -> None:
        before = self._opened.sandbox.calls()
        with self._on(act, len(calls)):
            self._play(act, calls)
            made = (self._opened.sandbox.calls() - before).total()
            contacts = self._watch.look().contacts
            act.result = f"{len(calls)} calls in, {made} calls to Mailjet, {contacts} subscribed"

    def _tell_again(self, act: Act) -> None:
        before = self._opened.sandbox.calls()
        calls = self._story.again()
        with self._on(act, len(calls)):
            self._play(act, calls)
            time.sleep(SILENCE_SECONDS)
            calls_made = self._opened.sandbox.calls() - before
            # The regular look for unsubscribes in Mailjet may fall into this act; no identify asks for these lists.
            self._found.calls_for_repetition = Counter(
                {call: total for call, total in calls_made.items() if call not in UNSUBSCRIBE_CHECK}
            )
            made = self._found.calls_for_repetition.total()
            act.result = f"{len(calls)} calls in, {made} calls to Mailjet"

    def _campaign(self, act: Act) -> None:
        with self._on(act, 1):
            self._stage.caption = 'Mailjet sends the campaign "Summer sale" to the list'
            sent = self._opened.sandbox.send_campaign(
                list_id=self._opened.list_id,
                subject="Summer sale",
                seed=2,
                duration_seconds=self._act_seconds,
                **RATES,
            )
            act.total = sum(sent["events"].values())
            self._wait(lambda: self._arrived(act), f"{act.total} email events come back as track calls")
            self._late_order()
            self._orders()
            act.result = f"{sent['messages']} mails, {act.total} events, {act.done} track calls at Segment"

    def _arrived(self, act: Act) -> bool:
        figures = self._watch.look()
        act.done = len({track["messageId"] for track in tuple(self._opened.segment.calls)})
        return act.done >= act.total and figures.to_segment >= act.total

    def _late_order(self) -> None:
        gone = [
            row["event"]["email"] for row in self._opened.sandbox.events() if row["event"]["event"] == "unsub"
        ]
        if gone:
            self._found.left_by_campaign = gone[0]
            for call in self._story.late_order(gone[0]):
                self._stage.caption = call.says
                self._shop.play(call)
            self._settle()

    def _orders(self) -> None:
        """Some of those who clicked buy, and enter the audience."""
        rows = (row["event"] for row in self._opened.sandbox.events())
        for call in self._story.orders(list({row["email"] for row in rows if row["event"] == "click"})):
            self._stage.caption = call.says
            self._shop.play(call)
        sent_at = time.monotonic()
        self._shop.flush()
        self._settle()
        self._order_seconds = time.monotonic() - sent_at

    def _audience(self, act: Act) -> None:
        with self._on(act, 3):
            left = max(LEFT_SECONDS, LEFT_TIMES * self._order_seconds)
            call = self._story.nearly_too_old(timedelta(seconds=left))
            expected = self._story.expected
            self._shop.play(call)
            self._shop.flush()
            self._step(act, f"{call.says}, and is in the audience")
            self._found.entered_at = self._first_seen(expected.leaver, is_member=True)
            self._step(act, "A computed trait is added: what each customer has paid")
            compute(self._processes, "traits", "Lifetime value", PAID, destination=self._opened.mailjet)
            expected.has_trait = True
            self._step(act, "The order gets 30 days old")
            self._found.left_at = self._first_seen(expected.leaver, is_member=False)
            self._settle()
            self._stage.caption = "The warehouse loads the rest, every five seconds"
            self._wait(lambda: not self._watch.look().to_load, "the warehouse has loaded everything")
            members = sum(expected.is_recent.values())
            act.result = (
                f"{members + 1} people entered, 1 left; {len(expected.revenue)} have a lifetime value"
            )

    def _first_seen(self, email: str, *, is_member: bool) -> datetime:
        """When Mailjet first has that somebody is in the audience, or is not."""
        sandbox = self._opened.sandbox
        self._wait(
            lambda: sandbox.property(email, AUDIENCE) is is_member,
            f"{email} {'enters' if is_member else 'leaves'} the audience",
        )
        return datetime.now(UTC)

    def _check(self, act: Act) -> list[Claim]:
        with self._on(act, 1):
            self._stage.caption = "Reading everything back from Mailjet, from Segment and from the warehouse"
            evidence.of_mailjet(self._found, self._opened.sandbox, self._opened.list_id)
            self._found.account = self._processes.run("status", "--json")
            self._found.answers = evidence.answers(
                self._processes.run("warehouse", "queries", "--run", "--json")
            )
            made = claims(self._story.expected, self._found)
            act.total, act.done = len(made), sum(claim.holds for claim in made)
            act.result = f"{act.done} of {act.total} claims are true"
            if act.done < act.total:
                act.state = State.FAILED
        return made

    def _play(self, act: Act, calls: Sequence[Call]) -> None:
        for call in calls:
            self._shop.play(call)
            self._step(act, call.says)
            time.sleep(self._act_seconds / len(calls))
        self._shop.flush()
        self._settle()

    def _settle(self) -> None:
        self._wait(self._is_settled, "Jetbridge has delivered everything it received")

    def _is_settled(self) -> bool:
        figures = self._watch.look()
        return figures.received >= self._story.expected.received and not figures.pending

    def _wait(self, claim: Callable[[], bool], what: str) -> None:
        self._processes.wait_until(claim, what, PATIENCE_SECONDS)

    def _step(self, act: Act, says: str) -> None:
        act.done += 1
        self._stage.caption = says

    @contextmanager
    def _on(self, act: Act, total: int) -> Iterator[None]:
        started = time.monotonic()
        act.total, act.state = total, State.RUNNING
        yield
        if act.state is State.RUNNING:
            act.state = State.DONE
        act.seconds = time.monotonic() - started
        self._told(act)


def _port(url: str) -> str:
    return url.rpartition(":")[2]
