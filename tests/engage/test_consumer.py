"""From messages in the log to memberships, values and calls, with a clock of the test's own."""

from pathlib import Path

import pytest

from jetbridge.control.models import Destination, SchemaBlock, Source, SourceKind, Workspace
from jetbridge.delivery import log_recovery
from jetbridge.engage import memberships
from jetbridge.errors import PauseError
from jetbridge.spec.message import EngageTarget

from .bench import DAY, ORDERED, START, EngageBench, moment


def test_an_order_makes_a_member_who_is_none_thirty_days_later(bench: EngageBench) -> None:
    bench.define("order_completed_last_30days", ORDERED)
    bench.identify("u1", "Ada@Example.com")
    bench.identify("u2", "bob@example.com")
    bench.order("u1")
    bench.run()
    assert bench.sent("order_completed_last_30days") == [("u1", True)]

    bench.now = START + 30 * DAY - 1
    bench.run()
    assert bench.sent("order_completed_last_30days") == [("u1", True)], "not one millisecond early"

    bench.now = START + 30 * DAY
    bench.run()
    assert bench.sent("order_completed_last_30days") == [("u1", True), ("u1", False)]
    assert bench.members("order_completed_last_30days") == set()


def test_the_call_is_one_of_segments_with_the_address_as_it_was_written(bench: EngageBench) -> None:
    row = bench.define("buyers", ORDERED)
    bench.identify("u1", "Ada@Example.com")
    bench.order("u1")
    bench.run()

    (call,) = bench.calls()
    personas = {
        "computation_class": "audience",
        "computation_id": row.computation_id,
        "computation_key": "buyers",
        "namespace": bench.space.space_id,
        "space_id": bench.space.space_id,
    }
    assert (call.user_id, call.anonymous_id) == ("u1", None)
    assert call.traits == {"buyers": True, "email": "Ada@Example.com"}
    assert call.context == {"personas": personas}
    assert call.integrations is None, "only a destination with contacts is named"
    assert call.engage == EngageTarget(destination=bench.destination.id)
    assert call.timestamp == moment(START)

    (track,) = bench.calls("track")
    assert track.event == "Audience Entered"
    assert track.properties == {"audience_key": "buyers", "buyers": True}
    assert track.context == {"personas": personas, "traits": {"email": "Ada@Example.com"}}
    assert track.engage == call.engage


def test_a_second_run_sends_nothing(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    for number in range(5):
        bench.order(f"u{number}")
    bench.run()
    assert len(bench.calls()) == 5

    bench.crash()
    bench.run()
    assert len(bench.calls()) == 5
    assert bench.query("SELECT count(*) FROM outbox") == [(0,)]


def test_a_thousand_events_that_change_no_membership_make_no_call(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    for number in range(1_000):
        bench.order("u1")
        bench.send(user_id="u2", event="Product Viewed", properties={"number": number})
    bench.run()
    assert bench.sent("buyers") == [("u1", True)]


def test_a_message_counts_once_per_source(bench: EngageBench) -> None:
    bench.define("twice", {"event": "Order Completed", "count": [">=", 2]})
    other = Source.objects.create(workspace=bench.space.workspace, name="Other", kind=SourceKind.HTTP)
    for _ in range(3):
        bench.send(user_id="u1", event="Order Completed", message_id="same")
    bench.run()
    assert bench.members("twice") == set()
    bench.send(user_id="u1", event="Order Completed", message_id="same", source=other)
    bench.run()
    assert bench.members("twice") == {"u1"}


def test_pages_and_screens_are_events(bench: EngageBench) -> None:
    bench.define(
        "readers", {"event": "Page Viewed", "where": [["page_name", "=", "Prices"], ["path", "=", "/prices"]]}
    )
    bench.define("tappers", {"event": "Screen Viewed", "where": [["screen_name", "=", "Home"]]})
    bench.send("page", user_id="u1", name="Prices", properties={"path": "/prices"})
    bench.send("screen", user_id="u2", name="Home")
    bench.send("page", user_id="u3")
    bench.run()
    assert (bench.members("readers"), bench.members("tappers")) == ({"u1"}, {"u2"})


def test_an_event_from_the_future_counts_as_of_its_receipt(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.order("u1", ago=-400 * DAY)
    bench.run()
    assert bench.members("buyers") == {"u1"}
    bench.now += 30 * DAY
    bench.run()
    assert bench.members("buyers") == set()


def test_traits_decide_and_are_sent_once(bench: EngageBench) -> None:
    bench.define("pro", {"trait": "plan.name", "op": "=", "value": "pro"})
    bench.identify("u1", plan={"name": "pro"})
    bench.run()
    bench.identify("u1", plan={"name": "free"})
    bench.identify("u1", plan={"name": "pro"}, city="Bern")
    bench.run()
    assert bench.sent("pro") == [("u1", True)]
    bench.identify("u1", plan=None)
    bench.run()
    assert bench.sent("pro") == [("u1", True), ("u1", False)]


def test_a_person_without_any_event_fulfils_did_not(bench: EngageBench) -> None:
    bench.define("idle", {"not": ORDERED})
    bench.identify("u1")
    bench.run()
    assert bench.members("idle") == {"u1"}
    bench.order("u1")
    bench.run()
    assert bench.sent("idle") == [("u1", True), ("u1", False)]


def test_anonymous_people_are_members_only_where_they_are_included(bench: EngageBench) -> None:
    bench.define("known", {"event": "Viewed"})
    bench.define("everybody", {"event": "Viewed"}, include_anonymous=True)
    bench.send(anonymous_id="a1", event="Viewed")
    bench.run()
    assert (bench.members("known"), bench.members("everybody")) == (set(), {"a1"})
    assert [(call.user_id, call.anonymous_id) for call in bench.calls()] == [(None, "a1")]

    bench.send("identify", anonymous_id="a1", user_id="u1", traits={"email": "ada@example.com"})
    bench.run()
    assert bench.members("known") == {"u1"}
    assert bench.sent("known") == [("u1", True)]
    addressed = [call.traits for call in bench.calls() if "everybody" in (call.traits or {})]
    assert addressed == [{"everybody": True}, {"everybody": True, "email": "ada@example.com"}]


def test_every_address_of_a_person_is_sent_what_is_true(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.identify("u1", "ada@example.com")
    bench.order("u1")
    bench.run()
    bench.identify("u1", "ada@work.example.com")
    bench.run()
    bench.now += 30 * DAY
    bench.run()
    sent = [((call.traits or {})["email"], (call.traits or {})["buyers"]) for call in bench.calls()]
    assert sent[:2] == [("ada@example.com", True), ("ada@work.example.com", True)]
    assert sorted(sent[2:]) == [("ada@example.com", False), ("ada@work.example.com", False)]


def test_what_anonymous_people_did_counts_after_their_login(bench: EngageBench) -> None:
    bench.define("twice", {"event": "Viewed", "count": [">=", 2]})
    bench.identify("u1", "ada@example.com")
    bench.send(user_id="u1", event="Viewed")
    bench.send(anonymous_id="a1", event="Viewed")
    bench.run()
    assert bench.members("twice") == set()
    bench.send("identify", user_id="u1", anonymous_id="a1")
    bench.run()
    assert bench.members("twice") == {"u1"}


def test_a_merge_of_two_members_sends_nothing_twice_and_its_exit_to_both(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.send(event="Order Completed", context={"traits": {"email": "ada@example.com"}}, anonymous_id="a1")
    bench.order("u1")
    bench.run()
    assert bench.query("SELECT size FROM definition") == [(2,)]

    bench.send("identify", user_id="u1", traits={"email": "ada@example.com"})
    bench.run()
    assert bench.members("buyers") == {"u1"}
    assert bench.query("SELECT size FROM definition") == [(1,)]
    assert len(bench.calls()) == 2

    bench.now += 30 * DAY
    bench.run()
    assert sorted(bench.sent("buyers"), key=str) == sorted(
        [(None, True), ("u1", True), ("u1", False), ("u1", False)], key=str
    )
    assert bench.query("SELECT size FROM definition") == [(0,)]


def test_an_audience_of_audiences_follows_in_the_same_round(bench: EngageBench) -> None:
    bench.define("engaged", {"all": [{"audience": "buyers"}, {"not": {"audience": "idle"}}]})
    bench.define("idle", {"not": {"event": "Viewed", "within": "7d"}})
    bench.define("buyers", ORDERED)
    bench.run()
    bench.order("u1")
    bench.send(user_id="u1", event="Viewed")
    bench.engine.turn()
    assert bench.members("engaged") == {"u1"}
    bench.run()

    bench.now += 7 * DAY
    bench.engine.turn()
    assert (bench.members("engaged"), bench.members("idle")) == (set(), {"u1"})
    bench.run()
    assert bench.sent("engaged") == [("u1", True), ("u1", False)]


def test_a_changed_definition_sends_differences_only(bench: EngageBench) -> None:
    row = bench.define("buyers", ORDERED)
    bench.order("u1", total=10)
    bench.order("u2", total=90)
    bench.identify("u3")
    bench.run()
    assert sorted(bench.sent("buyers")) == [("u1", True), ("u2", True)]

    bench.change(row, {"any": [{**ORDERED, "where": [["total", ">", 50]]}, {"not": ORDERED}]})
    bench.run()
    assert bench.members("buyers") == {"u2", "u3"}
    assert sorted(bench.sent("buyers")[2:]) == [("u1", False), ("u3", True)]
    assert bench.state("buyers") == "live"
    assert bench.query("SELECT key FROM definition") == [("buyers",)]
    assert bench.query("SELECT DISTINCT audience FROM membership") == [("buyers",)]


def test_people_from_before_an_audience_are_its_first_sync(bench: EngageBench) -> None:
    for number in range(30):
        bench.order(f"u{number}", ago=number * DAY)
    bench.order("late", ago=31 * DAY)
    bench.run()
    bench.define("buyers", ORDERED)
    bench.run()
    assert sorted(bench.sent("buyers")) == sorted((f"u{number}", True) for number in range(30))
    assert bench.query("SELECT people FROM first_sync") == [(30,)]
    assert bench.query("SELECT * FROM sync_run") == []


def test_without_history_only_later_events_count(bench: EngageBench) -> None:
    bench.order("u1", ago=DAY)
    bench.run()
    bench.define("buyers", ORDERED, include_history=False)
    bench.order("u2")
    bench.order("u3", ago=1)
    bench.run()
    assert bench.members("buyers") == {"u2"}


def test_a_destination_that_is_connected_later_has_a_first_sync_of_its_own(bench: EngageBench) -> None:
    row = bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    other = Destination.objects.create(workspace=bench.space.workspace, kind="webhook", name="Other")
    activation = bench.activate(row, other)
    bench.run()
    assert [call.engage and call.engage.destination for call in bench.calls()] == [
        bench.destination.id,
        other.id,
    ]

    activation.delete()
    bench.now += 30 * DAY
    bench.run()
    assert [call.engage and call.engage.destination for call in bench.calls()[2:]] == [bench.destination.id]
    assert bench.query("SELECT DISTINCT destination FROM sent") == [(bench.destination.id,)]


def test_a_change_is_sent_after_a_deactivation_has_taken_calls_back(bench: EngageBench) -> None:
    """The row of a later call is not taken for one that was appended."""
    row = bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    bench.order("u2")
    bench.engine.turn()  # appended, and not met
    row.activations.all().delete()
    bench.engine.turn()
    bench.activate(row)
    bench.run()
    assert {user for user, _ in bench.sent("buyers")} == {"u1", "u2"}
    bench.now += 30 * DAY
    bench.run()
    assert sorted(bench.sent("buyers")[-2:]) == [("u1", False), ("u2", False)]
    assert bench.query("SELECT * FROM outbox") == []


def test_disabled_it_sends_nothing_and_enabled_again_what_has_changed(bench: EngageBench) -> None:
    row = bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    row.enabled = False
    row.save()
    bench.run()
    bench.now += 30 * DAY
    bench.order("u2")
    bench.run()
    assert bench.sent("buyers") == [("u1", True)]
    row.enabled = True
    row.save()
    bench.run()
    assert sorted(bench.sent("buyers")[1:]) == [("u1", False), ("u2", True)]


@pytest.mark.parametrize("clears", [True, False])
def test_deleted_it_is_cleared_where_that_was_asked_for(bench: EngageBench, *, clears: bool) -> None:
    row = bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.identify("u2")
    bench.run()
    row.deleted_at, row.clears_members = moment(bench.now), clears
    row.save()
    bench.run()
    assert bench.sent("buyers")[1:] == [("u1", False)] * clears
    for table in (
        "definition",
        "membership",
        "sent",
        "outbox",
        "first_sync",
        "sync_run",
        "dropped",
        "dropped_sync",
    ):
        assert bench.query(f"SELECT * FROM {table}") == [], table


def test_computed_traits_are_sent_when_their_value_changes(bench: EngageBench) -> None:
    bench.define("orders", {"computed": "event_counter", "event": "Order Completed", "within": "30d"})
    bench.define("spent", {"computed": "sum", "event": "Order Completed", "property": "total"})
    bench.define("loyal", {"trait": "orders", "op": ">=", "value": 2})
    bench.identify("u1", "ada@example.com")
    bench.identify("u2", "bob@example.com")
    bench.run()
    assert bench.calls() == [], "nothing is sent before a first value"

    bench.order("u1", total=0.1)
    bench.run()
    bench.order("u1", total=0.2)
    bench.order("u1", total="much")
    bench.run()
    assert bench.sent("orders") == [("u1", 1), ("u1", 3)]
    assert bench.sent("spent") == [("u1", 0.1), ("u1", 0.3)]
    assert bench.members("loyal") == {"u1"}
    decimals = {
        key for call in bench.calls() for key in call.traits or {} if call.engage and call.engage.is_decimal
    }
    assert decimals == {"spent", "email"}
    (track, *_) = [call for call in bench.calls("track") if "orders" in (call.properties or {})]
    assert (track.event, track.properties) == ("Trait Computed", {"trait_key": "orders", "orders": 1})

    bench.now += 30 * DAY
    bench.run()
    assert bench.sent("orders")[2:] == [("u1", 0)]
    assert bench.sent("loyal") == [("u1", True), ("u1", False)]


def test_excluded_sources_and_other_workspaces_are_not_read(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    other = Workspace.objects.create(name="Other")
    theirs = Source.objects.create(workspace=other, name="Web", kind=SourceKind.HTTP)
    excluded = Source.objects.create(workspace=bench.space.workspace, name="Test", kind=SourceKind.HTTP)
    bench.space.excluded_sources.add(excluded)
    for source in (theirs, excluded):
        bench.send(source=source, user_id="u1", event="Order Completed")
    bench.run()
    assert bench.query("SELECT * FROM profile") == []


def test_an_email_event_of_mailjet_is_of_the_person_with_the_address(bench: EngageBench) -> None:
    bench.define("clickers", {"event": "Email Link Clicked", "within": "7d"})
    mailjet = Source.objects.create(workspace=bench.space.workspace, name="Mailjet", kind=SourceKind.MAILJET)
    bench.identify("u1", "ada@example.com")
    bench.send(
        source=mailjet,
        event="Email Link Clicked",
        anonymous_id="ada@example.com",
        context={"mailjet": {}, "traits": {"email": "ada@example.com"}},
    )
    bench.run()
    assert bench.members("clickers") == {"u1"}


def test_what_is_blocked_at_a_source_does_not_come_in(bench: EngageBench) -> None:
    bench.define("buyers", {"any": [ORDERED, {"event": "Viewed", "where": [["secret", "exists"]]}]})
    SchemaBlock.objects.create(source=bench.source, type="track", event="Order Completed")
    SchemaBlock.objects.create(source=bench.source, type="track", event="Viewed", name="secret")
    bench.order("u1")
    bench.send(user_id="u2", event="Viewed", properties={"secret": 1})
    bench.run()
    assert bench.members("buyers") == set()
    assert bench.query("SELECT name, props FROM event") == [("Viewed", "{}")]


def test_it_begins_where_the_log_ended_when_it_was_switched_on(home: Path, bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.order("u1")  # after the ledger's row, before there is an engine
    bench.run()
    assert bench.members("buyers") == {"u1"}


def test_a_log_that_was_replaced_holds_it(bench: EngageBench, home: Path) -> None:
    bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    bench.log.close()
    for file in home.glob("eventlog.db*"):
        file.unlink()
    with pytest.raises(PauseError, match="another one"):
        bench.run()
    bench.engine.pause()

    log_recovery.reset(bench.log, moment(0))
    bench.order("u2")
    bench.run()
    assert bench.members("buyers") == {"u1", "u2"}
    assert bench.sent("buyers") == [("u2", True)]


def test_since_when_somebody_is_in_it_is_kept(bench: EngageBench) -> None:
    """Through whatever changes nothing of it: later events, a changed definition, a merge."""

    def since(key: str = "buyers") -> dict[str, int]:
        rows = bench.query(
            "SELECT i.value, m.since FROM membership AS m JOIN identifier AS i ON i.profile = m.profile AND i.type = 'user_id' "
            "WHERE audience = ? AND member",
            key,
        )
        return {user: (at - START) // DAY for user, at in rows}

    row = bench.define("buyers", ORDERED, include_anonymous=True)
    bench.order("u1")
    bench.identify("u3")
    bench.run()
    bench.now += DAY
    bench.order("u2")
    bench.send(anonymous_id="a3", event="Order Completed")
    bench.run()
    bench.now += DAY
    bench.order("u1")
    bench.send("identify", user_id="u3", anonymous_id="a3")
    bench.run()
    assert since() == {"u1": 0, "u2": 1, "u3": 1}
    bench.change(row, {**ORDERED, "within": "20d"})
    bench.run()
    bench.now += DAY
    bench.define("late", {"audience": "buyers"})
    bench.run()
    assert since() == {"u1": 0, "u2": 1, "u3": 1}
    assert since("late") == dict.fromkeys(since(), 3)
    bench.now = START + 25 * DAY
    bench.run()
    bench.order("u1")
    bench.run()
    assert since() == {"u1": 25}
    assert memberships.page(row).items[0].since == moment(START + 25 * DAY)
