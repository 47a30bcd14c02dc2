"""Activations that come and go while others work: each destination knows in the end what is true, and is sent no value twice."""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from tests.fuzz import Effort, fuzz

from jetbridge.control.models import Destination
from jetbridge.engage import outbox
from jetbridge.engage.erasure import EngageErasure
from jetbridge.engage.models import Activation, Computation
from jetbridge.eventlog.base import Entry
from jetbridge.spec.person import Identity

from .bench import DAY, ORDERED, EngageBench, moment

USERS = [f"u{number}" for number in range(40)]


def test_an_activation_right_after_its_end_forgets_no_member(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "WALK_PROFILES", 1)
    row = bench.define("buyers", ORDERED)
    for user in USERS:
        bench.order(user)
    bench.run()
    assert len(bench.calls()) == len(USERS)

    Activation.objects.all().delete()
    bench.engine.turn()
    bench.activate(row)
    bench.run()
    assert len(bench.calls()) == 2 * len(USERS), "a first sync of its own"
    bench.now += 30 * DAY
    bench.run()
    assert len(bench.calls()) == 3 * len(USERS), "all of them leave"


def test_an_activation_that_nobody_saw_end_is_another_one(bench: EngageBench) -> None:
    """Ended and begun again between two looks at the configuration."""
    row = bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    Activation.objects.all().delete()
    bench.activate(row)
    bench.run()
    assert [call.user_id for call in bench.calls()] == ["u1", "u1"], "a first sync of its own"
    bench.now += 30 * DAY
    bench.run()
    assert bench.sent("buyers")[2:] == [("u1", False)]


def test_a_deleted_audience_ends_where_its_destination_was_removed(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = bench.define("buyers", ORDERED)
    for user in USERS:
        bench.order(user)
    bench.run()
    monkeypatch.setattr(bench.engine._outbox, "append", lambda *_: False)  # what waits is not in the log yet
    Computation.objects.filter(id=row.id).update(deleted_at=moment(bench.now), clears_members=True)
    for _ in range(3):
        bench.engine.turn()
    assert len(bench.query("SELECT * FROM outbox")) == len(USERS)
    bench.destination.delete()
    bench.run()
    assert bench.query("SELECT * FROM outbox") == bench.query("SELECT * FROM definition") == []


@pytest.fixture
def crashed(bench: EngageBench, monkeypatch: pytest.MonkeyPatch) -> EngageBench:
    """The worker has died after a call was appended to the log and before its row was deleted."""

    class Death(BaseException):
        pass

    append = bench.log.append

    def die(entries: Iterable[Entry]) -> None:
        append(entries)
        raise Death

    bench.define("buyers", ORDERED)
    bench.order("u1")
    monkeypatch.setattr(bench.log, "append", die)
    with pytest.raises(Death):
        bench.run()
    monkeypatch.undo()
    bench.crash()
    assert len(bench.query("SELECT * FROM outbox")) == len(bench.calls()) == 1
    return bench


def test_a_call_that_was_appended_before_a_crash_is_not_appended_again(crashed: EngageBench) -> None:
    crashed.order("u2")
    crashed.run()
    assert crashed.sent("buyers") == [("u1", True), ("u2", True)]


def test_a_call_is_sent_after_one_in_flight_was_forgotten(crashed: EngageBench) -> None:
    """SQLite gives a new row the id of a deleted one that was the last."""
    assert crashed.engine, "it knows which row may be in the log"
    EngageErasure(crashed.space.workspace_id).erased(Identity.of_name("u1"))
    crashed.order("u2")
    crashed.run()
    assert crashed.sent("buyers")[1:] == [("u2", True)]


class Trial:
    """People order, time passes, and somebody changes where audiences are sent."""

    def __init__(self, bench: EngageBench, random: Random) -> None:
        self.bench, self.random = bench, random
        second = Destination.objects.create(workspace=bench.space.workspace, kind="webhook", name="Other")
        self.destinations = [bench.destination, second]
        self.rows = [
            bench.define(key, {"event": "Order Completed", "within": f"{days}d"}, sends=False)
            for key, days in (("a", 3), ("b", 9))
        ]
        #: Where in the list of calls each activation began.
        self.since: dict[tuple[str, int], int] = {}

    def run(self) -> None:
        for _ in range(12):
            self.random.choice(
                (self.order, self.order, self.switch, self.switch, self.toggle, self.wait, self.die)
            )()
            self.bench.now += 1
            for _ in range(self.random.choice((0, 1, 2, 5))):
                self.bench.engine.turn()
        for row in self.rows:
            Computation.objects.filter(id=row.id).update(enabled=True)
        self.bench.run()
        self.check()

    def order(self) -> None:
        for user in self.random.sample(USERS[:25], self.random.choice((1, 5, 15))):
            self.bench.order(user)

    def switch(self) -> None:
        row, destination = self.random.choice(self.rows), self.random.choice(self.destinations)
        is_active = bool(row.activations.filter(destination=destination).delete()[0])
        if is_active and self.random.random() < 0.5:
            self.bench.engine.turn()  # sees it
            return
        self.bench.activate(row, destination)
        self.since[row.key, destination.id] = len(self.bench.calls())

    def toggle(self) -> None:
        row = self.random.choice(self.rows)
        row.refresh_from_db()
        Computation.objects.filter(id=row.id).update(enabled=not row.enabled)

    def wait(self) -> None:
        self.bench.now += self.random.choice((1, DAY, 3 * DAY))

    def die(self) -> None:
        self.bench.crash()

    def check(self) -> None:
        calls: defaultdict[tuple[str, int], defaultdict[str, list[Any]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for number, call in enumerate(self.bench.calls()):
            destination = call.engage.destination if call.engage else 0
            ((key, value),) = (call.traits or {}).items()
            if number >= self.since[key, destination]:
                calls[key, destination][call.user_id or ""].append(value)
        for activation in Activation.objects.filter(computation__in=self.rows).select_related("computation"):
            key = activation.computation.key
            members, sent = self.bench.members(key), calls[key, activation.destination_id]
            for user in USERS:
                values = sent[user]
                shown = f"{key} of {user}: {values}"
                assert all(one != other for one, other in itertools.pairwise(values)), shown
                assert (values[-1:] == [True]) == (user in members), shown


@fuzz(Effort(30, 2_000), random=lambda random: Random(random.random()))
def test_each_destination_knows_what_is_true_whatever_was_switched(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch, random: Random
) -> None:
    monkeypatch.setattr(outbox, "WALK_PROFILES", 2)
    bench.begin_anew()
    Trial(bench, random).run()
