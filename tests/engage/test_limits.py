"""What takes long, what is slow, what is old, and clocks that were wrong."""

import pytest

from jetbridge.delivery import ledger
from jetbridge.delivery.models import destination_consumer
from jetbridge.engage import consumer, evaluation, outbox, queries
from jetbridge.engage.models import Space

from .bench import DAY, HOUR, ORDERED, SECOND, START, EngageBench, moment

# ---- for everybody, in steps


def test_news_go_on_between_the_steps_of_a_new_definition(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "STEP_PROFILES", 2)
    for number in range(20):
        bench.order(f"u{number}")
    bench.define("live", {"event": "Viewed"})
    bench.run()
    bench.define("buyers", ORDERED)
    bench.engine.turn()
    bench.engine.turn()
    assert bench.state("buyers") == "computing"
    bench.send(user_id="u0", event="Viewed")
    bench.order("new")
    bench.engine.turn()
    assert bench.state("buyers") == "computing"
    assert bench.members("live") == {"u0"}, "news do not wait"
    assert bench.sent("buyers") == [], "nothing is sent before everybody is computed"
    bench.run()
    assert bench.members("buyers") == {*(f"u{number}" for number in range(20)), "new"}
    assert len(bench.sent("buyers")) == 21


def test_the_steps_go_on_where_a_crash_has_interrupted_them(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "STEP_PROFILES", 2)
    row = bench.define("buyers", ORDERED)
    for number in range(10):
        bench.order(f"u{number}")
    bench.run()
    bench.change(row, {**ORDERED, "within": "7d"})
    bench.engine.turn()
    bench.engine.turn()
    (place,) = bench.query("SELECT place FROM definition WHERE key LIKE 'buyers_%'")[0]
    assert place > 0
    bench.crash()
    bench.engine.turn()
    assert bench.query("SELECT place > ? FROM definition WHERE key LIKE 'buyers_%'", place) == [(1,)]
    assert len(bench.members("buyers")) == 10, "the former membership stays"
    bench.run()
    assert len(bench.members("buyers")) == 10
    assert len(bench.sent("buyers")) == 10


def test_a_slow_definition_fails_and_harms_no_other(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "STEP_SECONDS", 0.05)
    monkeypatch.setattr(evaluation, "ROUND_SECONDS", 0.05)
    monkeypatch.setattr(evaluation, "_INSTRUCTIONS", 100)
    for number in range(2_000):
        bench.send(user_id="busy", event="Viewed", properties={"tags": list(range(200))}, ago=number)
    bench.order("u1")
    bench.run()
    where = [["tags", "contains", f"no{number}"] for number in range(15)]
    slow = bench.define("slow", {"any": [{"event": "Viewed", "where": [each]} for each in where]})
    bench.define("buyers", ORDERED)
    bench.run()
    assert (bench.state("slow"), bench.state("buyers")) == ("failed", "live")
    assert bench.members("buyers") == {"u1"}
    ((error,),) = bench.query("SELECT error FROM definition WHERE key = 'slow'")
    assert "takes longer than 0.05 s" in error

    bench.change(slow, ORDERED)
    bench.run()
    assert (bench.state("slow"), bench.members("slow")) == ("live", {"u1"})


# ---- first syncs


def test_a_first_sync_waits_while_its_destination_is_behind_and_live_changes_go_first(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "WALK_PROFILES", 10)
    monkeypatch.setattr(outbox, "MOST_BEHIND", 150)
    monkeypatch.setattr(outbox, "BEHIND_SECONDS", 0.0)
    for number in range(100):
        bench.order(f"u{number}")
    bench.run()
    reader = destination_consumer(bench.destination.id)
    ledger.begin(reader, bench.log.counts())
    bench.define("buyers", ORDERED)
    bench.run()
    begun = len(bench.sent("buyers"))
    assert 0 < begun < 100, "it waits for the destination"
    bench.order("live")
    bench.run()
    assert bench.sent("buyers")[begun:] == [("live", True)], "a live change does not wait"

    for _ in range(20):
        ledger.move(reader, bench.log.counts().end)
        bench.run()
    assert sorted(bench.sent("buyers")) == sorted(
        [*((f"u{number}", True) for number in range(100)), ("live", True)]
    )


def test_who_leaves_before_the_first_call_is_sent_nothing(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "WALK_PROFILES", 10)
    monkeypatch.setattr(outbox, "MOST_BEHIND", 30)
    monkeypatch.setattr(outbox, "BEHIND_SECONDS", 0.0)
    for number in range(50):
        bench.order(f"u{number:02}")
    bench.run()
    ledger.begin(destination_consumer(bench.destination.id), bench.log.counts())
    bench.define("buyers", ORDERED)
    bench.run()
    begun = {user for user, _ in bench.sent("buyers")}
    bench.now += 30 * DAY
    bench.run()
    ledger.move(destination_consumer(bench.destination.id), bench.log.counts().end)
    bench.run()
    sent = bench.sent("buyers")
    assert {user for user, _ in sent} == begun
    assert sorted(sent) == sorted((user, value) for user in begun for value in (True, False))


def test_other_options_send_every_member_once_more(bench: EngageBench) -> None:
    row = bench.define("buyers", ORDERED, sends=False)
    activation = bench.activate(row)
    bench.order("u1")
    bench.order("u2", ago=29 * DAY)
    bench.run()
    bench.now += 2 * DAY
    bench.run()
    activation.adds_members = True
    activation.save()
    bench.run()
    assert bench.sent("buyers")[2:] == [("u2", False), ("u1", True)]
    assert [call.engage and call.engage.adds_members for call in bench.calls()] == [False, False, False, True]


# ---- old events


def test_events_go_when_no_window_reaches_them_and_nobody_notices(bench: EngageBench) -> None:
    bench.define("buyers", {"event": "Order Completed", "within": "100d"})
    bench.order("u1")
    bench.send(user_id="u1", event="Viewed")
    bench.run()
    bench.now += 99 * DAY
    bench.run()
    assert len(bench.query("SELECT * FROM event")) == len(bench.query("SELECT * FROM message")) == 2
    assert bench.members("buyers") == {"u1"}
    bench.now += 2 * DAY
    bench.run()
    assert bench.query("SELECT * FROM event") == bench.query("SELECT * FROM message") == []
    assert bench.sent("buyers") == [("u1", True), ("u1", False)]


def test_without_a_window_a_condition_means_the_retention(bench: EngageBench) -> None:
    Space.objects.filter(id=bench.space.id).update(retention_days=200)
    row = bench.define("ever", {"event": "Order Completed"})
    bench.order("u1")
    bench.run()
    bench.now += 200 * DAY - 1
    bench.run()
    assert bench.members("ever") == {"u1"}
    bench.now += 1
    bench.run()
    assert bench.sent("ever") == [("u1", True), ("u1", False)]
    bench.now += DAY
    bench.run()
    assert bench.query("SELECT * FROM event") == []

    bench.order("u1")
    bench.run()
    bench.now += 150 * DAY
    bench.run()
    Space.objects.filter(id=bench.space.id).update(retention_days=100)
    row.version += 1
    row.save()
    bench.run()
    assert bench.members("ever") == set(), "a shorter retention is a changed definition"


def test_an_event_that_is_too_old_is_not_kept(bench: EngageBench) -> None:
    bench.order("u1", ago=91 * DAY)
    bench.order("u1", ago=89 * DAY)
    bench.run()
    assert bench.query("SELECT ts FROM event") == [(START - 89 * DAY,)]


def test_the_former_definition_goes_on_until_the_new_one_is_computed(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is shown or sent what neither of them gives at that moment."""
    monkeypatch.setattr(evaluation, "STEP_PROFILES", 2)
    row = bench.define("buyers", ORDERED)
    for number in range(20):
        bench.order(f"u{number}")
    bench.order("u8", ago=29 * DAY)
    bench.order("u9", ago=30 * DAY - HOUR)
    bench.send("identify", user_id="late")
    bench.order("early", ago=30 * DAY - HOUR)
    bench.run()
    assert "early" in bench.members("buyers")
    bench.change(row, {**ORDERED, "within": "25d"})
    bench.engine.turn()
    bench.now += HOUR
    bench.order("late")
    bench.send("identify", user_id="early", traits={"email": "early@example.com"})
    bench.engine.turn()
    assert bench.query("SELECT state FROM definition WHERE key > 'buyers'") == [("computing",)]
    assert "early" not in bench.members("buyers"), "30 days are over, and 25 days are"
    assert "late" in bench.members("buyers")
    bench.run()
    assert bench.members("buyers") == {"late", *(f"u{number}" for number in range(20))}
    assert [value for user, value in bench.sent("buyers") if user == "early"] == [True, False]
    assert [value for user, value in bench.sent("buyers") if user == "late"] == [True]
    assert len(bench.sent("buyers")) == 23
    assert bench.query("SELECT size FROM definition") == [(21,)]


def test_a_definition_that_is_computed_anew_goes_on_meanwhile(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "STEP_PROFILES", 2)
    bench.define("buyers", ORDERED)
    for number in range(20):
        bench.order(f"u{number}", ago=number * DAY)
    bench.run()
    bench.engine._evaluator.recompute_all()
    bench.now += 11 * DAY
    bench.order("new")
    bench.engine.turn()
    assert bench.query("SELECT count(*) FROM definition") == [(2,)]
    assert bench.members("buyers") == {"new", *(f"u{number}" for number in range(19))}
    bench.run()
    assert bench.members("buyers") == {"new", *(f"u{number}" for number in range(19))}
    assert bench.sent("buyers")[-2:] == [("u19", False), ("new", True)]


def test_who_is_behind_in_the_log_evaluates_as_of_then(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a standstill: what somebody has not done in time may stand in what is not read yet."""
    monkeypatch.setattr(consumer, "BATCH_RECORDS", 1)
    bench.define(
        "left",
        {
            "funnel": {
                "first": {"event": "Added"},
                "then": {"event": "Order Completed"},
                "within": "1h",
                "did": False,
            }
        },
    )
    bench.define("idle", {"all": [{"event": "Added"}, {"not": {"event": "Order Completed", "within": "2h"}}]})
    bench.order("u1")
    bench.run()
    for user in ("u1", "u2"):
        bench.send(user_id=user, event="Added")
    bench.now += HOUR // 2
    bench.order("u1")
    bench.now += HOUR
    bench.send(user_id="u1", event="Viewed")
    bench.now += HOUR // 4
    bench.run()
    assert bench.sent("left") == [("u2", True)], "u1 has ordered in time, and never was in it"
    assert bench.sent("idle") == [("u2", True)]
    bench.now = START + 150 * (HOUR // 60)
    bench.run()
    assert bench.sent("idle") == [("u2", True), ("u1", True)]


# ---- history


def test_history_is_read_once_it_is_asked_for_and_differences_are_sent(bench: EngageBench) -> None:
    ledger.move(f"engage {bench.space.workspace_id}", 0)
    for number in range(1_500):
        bench.order(f"u{number % 700}")
    bench.send("identify", user_id="u1", anonymous_id="a1")
    bench.send(anonymous_id="a1", event="Viewed")
    ledger.move(f"engage {bench.space.workspace_id}", bench.log.counts().end, bench.log.counts().place)
    bench.define("buyers", ORDERED)
    bench.define("idle", {"not": {"event": "Viewed"}})
    bench.order("new")
    bench.identify("u1")
    bench.run()
    assert bench.sent("buyers") == [("new", True)]
    assert bench.members("idle") == {"new", "u1"}

    bench.space.history_requested_at = moment(bench.now)
    bench.space.save()
    bench.run()
    assert bench.members("buyers") == {"new", *(f"u{number}" for number in range(700))}
    assert len(bench.sent("buyers")) == 701, "each once"
    assert "u1" not in bench.members("idle")
    assert ("u1", False) in bench.sent("idle")
    assert len(bench.query("SELECT * FROM event")) == 1_502


def test_nobody_is_evaluated_on_a_part_of_the_history(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by a live event nor by time: who has not done something may have, in what is not loaded yet."""
    monkeypatch.setattr("jetbridge.engage.ingestion.HISTORY_RECORDS", 1)
    reader = f"engage {bench.space.workspace_id}"
    bench.order("u1", ago=2 * HOUR)
    bench.send(user_id="u1", event="Viewed", ago=HOUR)
    bench.order("u2", ago=HOUR)
    ledger.move(reader, bench.log.counts().end, bench.log.counts().place)
    bench.define("idle", {"all": [ORDERED, {"not": {"event": "Viewed"}}]})
    bench.define(
        "left", {"funnel": {"first": ORDERED, "then": {"event": "Viewed"}, "within": "1h", "did": False}}
    )
    bench.run()

    bench.space.history_requested_at = moment(bench.now)
    bench.space.save()
    bench.engine.turn()  # one of the three is loaded
    bench.send(user_id="u1", event="Opened")
    bench.order("u2")
    bench.now += SECOND
    bench.engine.turn()
    assert bench.members("idle") == bench.members("left") == set()
    assert queries.history(bench.space).state == "loading"
    assert [queries.computation(row).state for row in bench.space.computations.all()] == ["computing"] * 2

    bench.run()
    assert bench.members("idle") == {"u2"}
    assert bench.sent("idle") == [("u2", True)], "and nobody else ever was"
    assert bench.sent("left") == [("u2", True)]
    assert {row.state for row in queries.computations(bench.space)} == {"live"}


# ---- clocks


def test_the_moment_never_goes_back_a_little(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    bench.now = START + 30 * DAY
    bench.run()
    bench.now -= 30_000
    bench.order("u2")
    bench.run()
    assert bench.sent("buyers") == [("u1", True), ("u1", False), ("u2", True)]
    assert bench.calls()[-1].timestamp == moment(START + 30 * DAY)


def test_a_clock_that_was_a_year_ahead_keeps_nobody_in_for_ever(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.now = START + 365 * DAY
    bench.order("u1")
    bench.run()
    assert bench.members("buyers") == {"u1"}

    bench.now = START  # it is corrected
    bench.order("u2")
    bench.run()
    assert bench.members("buyers") == {"u1", "u2"}
    bench.now = START + 30 * DAY
    bench.run()
    assert bench.members("buyers") == set()
    assert [value for user, value in bench.sent("buyers") if user == "u1"] == [True, False]
    times = [call.timestamp for call in bench.calls() if call.user_id == "u1"]
    assert times[1] > times[0], "an exit never loses against an older entry"
