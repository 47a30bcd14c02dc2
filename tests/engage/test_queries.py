"""What is read of a store: lists, members, previews with reasons, people."""

import itertools
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import pytest

from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.engage import explaining, memberships, queries, store
from jetbridge.engage.definition import KINDS_WITHOUT_PROPERTY, ComputedKind, DefinitionError
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.engage.people import profile
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import computations, new_destinations

from .bench import EngageBench
from .stored import Store

AUDIENCE, TRAIT = ComputationClass.AUDIENCE, ComputationClass.TRAIT
VIEWED = {"event": "Product Viewed", "count": [">=", 3], "within": "7d"}
ORDERED = {"event": "Order Completed", "within": "7d"}
UNDECIDED = {"all": [VIEWED, {"not": ORDERED}]}
SPENT = {"computed": "sum", "event": "Order Completed", "property": "total"}


def audience(actor: Actor, name: str = "Undecided", definition: Any = None, **options: Any) -> Computation:
    return computations.create(actor, AUDIENCE, name, definition or UNDECIDED, **options).row


def space() -> Space:
    return Space.objects.get()


def undecided(stored: Store) -> dict[str, int]:
    """Ada and Bob viewed three times; Bob has ordered, too. Eve is known by her device alone, Zoe by nothing but an event."""
    people = {
        "ada": stored.person("user_id:u-ada", "email:ada@example.com", traits={"plan": "premium", "n": 1}),
        "bob": stored.person("user_id:u-bob", traits={"plan": "free", "n": True}),
        "eve": stored.person("anonymous_id:a-eve"),
        "zoe": stored.person("email:zoe@example.com"),
    }
    for name in ("ada", "bob", "eve"):
        stored.happened(people[name], "Product Viewed", 1, 2, 3, 8)
    stored.happened(people["bob"], "Order Completed", 1, total=20)
    stored.happened(people["zoe"], "Order Completed", 400, total=5)
    return people


# ---- lists


def test_nothing_was_computed_yet(actor: Actor) -> None:
    row = audience(actor)
    item = queries.computation(row)
    assert (item.state, item.size, item.error, item.progress, item.destinations) == (
        "computing",
        0,
        "",
        0.0,
        [],
    )
    assert item.text.startswith("Product Viewed at least 3 times within 7 days and not (")
    assert [day.size for day in item.week] == [0] * 7
    assert memberships.page(row).items == ()
    assert list(memberships.export(row)) == []
    assert queries.computations(None) == []
    assert explaining.preview(None, AUDIENCE, ORDERED).count == 0


def test_states_sizes_and_changes(actor: Actor, stored: Store) -> None:
    for number in range(10):
        stored.person(f"user_id:u{number}")
    live, first, _, changed, off = (
        audience(actor, name) for name in ("Live", "First", "Failed", "Changed", "Off")
    )
    computations.change(actor, changed, definition=ORDERED)
    computations.change(actor, off, enabled=False)
    stored.computed("live", size=4)
    stored.computed("first", state=store.COMPUTING, place=5)
    stored.computed("failed", state=store.FAILED, error="It took too long.")
    stored.computed("changed", size=7)
    stored.computed("changed\x1f2", version=2, state=store.COMPUTING, place=2)
    stored.computed("off", size=3)
    stored.changed("live", 9, 1, 0, 2)
    stored.changed("live", 2, 3, 1, 5)
    stored.changed("live", 0, 0, 1, 4)
    items = {item.row.key: item for item in queries.computations(space())}
    assert list(items) == ["off", "changed", "failed", "first", "live"]
    assert {key: (item.state, item.size, item.progress) for key, item in items.items()} == {
        "live": ("live", 4, 1.0),
        "first": ("computing", 0, 0.5),
        "failed": ("failed", 0, 0.0),
        "changed": ("computing", 7, 0.2),
        "off": ("disabled", 3, 1.0),
    }
    assert items["failed"].error == "It took too long."
    week = items["live"].week
    assert [(day.entered, day.exited, day.size) for day in week] == [
        (0, 0, 2), (0, 0, 2), (0, 0, 2), (0, 0, 2), (3, 1, 5), (0, 0, 5), (0, 1, 4),
    ]  # fmt: skip
    assert items["live"].today.exited == 1
    assert len(queries.days(live, 30)) == 30
    assert queries.computation(first).progress == 0.5


def test_one_class_alone(actor: Actor) -> None:
    audience(actor)
    computations.create(actor, TRAIT, "Spent", SPENT)
    computations.delete(actor, audience(actor, "Gone"))
    assert [item.row.key for item in queries.computations(space(), TRAIT)] == ["spent"]
    assert [item.row.key for item in queries.computations(space())] == ["spent", "undecided"]


def test_first_syncs(actor: Actor, stored: Store, event_log: SqliteEventLog) -> None:
    there = new_destinations.add(
        event_log, actor.workspace, "segment", "There", {"writeKey": "k"}, sources=[]
    )
    row = audience(actor, destinations=[there])
    assert queries.computation(row).destinations[0].first_sync is None
    stored.connection.execute("INSERT INTO first_sync VALUES ('undecided', ?, 1000, 3, '')", (there.id,))
    for id_, person_id in enumerate((1, 1, 2)):
        stored.connection.execute(
            "INSERT INTO outbox VALUES (?, 'undecided', ?, ?, ?, 'true', 1, 1)",
            (id_, there.id, person_id, f"email:{id_}"),
        )
    activated = queries.computation(row).destinations[0]
    assert (activated.name, activated.property, activated.adds_members) == ("There", "undecided", False)
    assert activated.first_sync
    assert (activated.first_sync.people, activated.first_sync.left) == (3, 2)


# ---- members


def test_members_by_page(actor: Actor, stored: Store) -> None:
    row = audience(actor)
    everybody = [
        stored.person(f"user_id:u{number:02}", f"email:u{number:02}@example.com") for number in range(25)
    ]
    stored.members("undecided", *everybody)
    stored.connection.execute("UPDATE membership SET member = 0 WHERE profile = ?", (everybody[3],))
    members = [member for index, member in enumerate(everybody) if index != 3]
    pages, after = [], 0
    while True:
        page = memberships.page(row, after=after, limit=10)
        pages.append([item.id for item in page.items])
        if page.next is None:
            break
        after = page.next
    assert [len(page) for page in pages] == [10, 10, 4]
    assert [id_ for page in pages for id_ in page] == members
    first = memberships.page(row, limit=1).items[0]
    assert first.segment_id == "use_user_id:u00"
    assert first.identifiers == [("user_id", "u00"), ("email", "u00@example.com")]
    assert [member.id for member in memberships.export(row)] == members


@pytest.mark.parametrize(
    ("search", "count"), [("u1", 10), ("u11", 1), ("u11@example.com", 1), ("x", 0), ("%", 0), ("u03", 0)]
)
def test_members_are_searched_by_the_beginning_of_an_identifier(
    actor: Actor, stored: Store, search: str, count: int
) -> None:
    row = audience(actor)
    people = [stored.person(f"user_id:u{n:02}", f"email:u{n:02}@example.com") for n in range(25)]
    stored.members("undecided", *(person for n, person in enumerate(people) if n != 3))
    assert len(memberships.page(row, search=search).items) == count


def test_people_with_a_value(actor: Actor, stored: Store) -> None:
    row = computations.create(actor, TRAIT, "Spent", SPENT).row
    people = [stored.person(f"user_id:u{n}") for n in range(3)]
    for person, value in zip(people, (5, None, 0), strict=True):
        stored.value("spent", person, value)
    assert [(member.id, member.value) for member in memberships.page(row).items] == [
        (people[0], 5),
        (people[2], 0),
    ]


# ---- previews


def test_a_preview_counts_and_says_why(actor: Actor, stored: Store) -> None:
    computations.switch(actor, enabled=True)
    undecided(stored)
    seen = explaining.preview(space(), AUDIENCE, UNDECIDED)
    assert (seen.count, seen.without_address, seen.too_slow) == (1, 0, False)
    (ada,) = seen.sample
    assert ada.identifiers == [("user_id", "u-ada"), ("email", "ada@example.com")]
    assert ada.why == (
        "Product Viewed at least 3 times within 7 days: yes, 3 times",
        "Order Completed at least once within 7 days: no, 0 times",
    )
    with_anonymous = explaining.preview(space(), AUDIENCE, UNDECIDED, include_anonymous=True)
    assert (with_anonymous.count, with_anonymous.without_address) == (2, 1)
    assert explaining.preview(space(), AUDIENCE, ORDERED, include_history=False).count == 0


def test_a_definition_of_an_audience_that_is_not_there_has_no_preview(actor: Actor, stored: Store) -> None:
    audience(actor, "Known")
    stored.person("user_id:u1")
    gone = {"not": {"any": [{"audience": "known"}, {"audience": "gone"}]}}
    with pytest.raises(
        DefinitionError, match=r"^not.any\[1\].audience: there is no audience with the key gone"
    ):
        explaining.preview(space(), AUDIENCE, gone)
    with pytest.raises(
        DefinitionError, match=r"^not.any\[1\].audience: there is no audience with the key gone"
    ):
        explaining.explain(space(), "u1", definition=gone)


def test_a_preview_shows_ten_people(actor: Actor, stored: Store) -> None:
    computations.switch(actor, enabled=True)
    for number in range(30):
        stored.person(f"user_id:u{number}")
    seen = explaining.preview(space(), AUDIENCE, {"not": ORDERED})
    assert (seen.count, seen.without_address, len(seen.sample)) == (30, 30, 10)
    assert len({person.segment_id for person in seen.sample}) == 10


def test_a_preview_of_a_computed_trait(actor: Actor, stored: Store) -> None:
    row = computations.create(actor, TRAIT, "Spent", SPENT).row
    people = undecided(stored)
    stored.value("spent", people["bob"], 19)
    seen = explaining.preview(space(), TRAIT, SPENT, of=row)
    assert (seen.count, seen.without_address) == (2, 1)
    assert [(person.value, person.before, person.why) for person in seen.sample] == [
        (20, 19, ["Order Completed once"]),
        (5, None, ["Order Completed once"]),
    ]


@pytest.mark.parametrize("kind", get_args(ComputedKind))
def test_preview_size_and_members_of_a_computed_trait_are_one_number(bench: EngageBench, kind: str) -> None:
    bench.now = time.time_ns() // 1_000_000
    bench.identify("nothing happened")
    bench.order("once", total=0)
    for total in (5, 5, 0):
        bench.order("often", total=total)
    bench.order("without", other="5")
    definition = {"computed": kind, "event": "Order Completed", "within": "30d"}
    if kind not in KINDS_WITHOUT_PROPERTY:
        definition["property"] = "total"
    row = bench.define("value", definition)
    bench.run()
    people = {
        value
        for member in memberships.page(row).items
        for type_, value in member.identifiers
        if type_ == "user_id"
    }
    assert (
        len(people)
        == queries.computation(row).size
        == explaining.preview(bench.space, TRAIT, definition).count
    )
    for user in ("nothing happened", "once", "often", "without"):
        explained = explaining.explain(bench.space, user, of=row)
        assert explained
        assert explained.member == (user in people), user
    assert people == {user for user, _ in bench.sent("value")}, "nothing is sent before a first value"


def test_a_preview_that_takes_too_long_says_so(
    actor: Actor, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    computations.switch(actor, enabled=True)
    for number in range(2_000):
        stored.person(f"user_id:u{number}")
    everybody = explaining.preview(space(), AUDIENCE, {"not": ORDERED})
    assert (everybody.looked_at, everybody.too_slow, everybody.count) == (1.0, False, 2_000)
    monkeypatch.setattr(explaining, "PREVIEW_SECONDS", -1.0)
    nobody = explaining.preview(space(), AUDIENCE, {"not": ORDERED})
    assert (nobody.looked_at, nobody.too_slow, nobody.count, nobody.sample) == (0.0, True, 0, [])


def test_an_estimate_is_by_those_who_were_looked_at(
    actor: Actor, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    computations.switch(actor, enabled=True)
    for number in range(2_000):
        stored.person(f"user_id:u{number}")
    spans, time_limit = itertools.count(), store.time_limit

    @contextmanager
    def until_the_fifth(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
        with time_limit(connection, -1.0 if next(spans) == 5 else seconds):
            yield

    monkeypatch.setattr(explaining, "_SPAN", 100)
    monkeypatch.setattr(store, "_INSTRUCTIONS", 100)
    monkeypatch.setattr(explaining, "time_limit", until_the_fifth)
    seen = explaining.preview(space(), AUDIENCE, {"not": ORDERED})
    assert (seen.looked_at, seen.count, seen.without_address, len(seen.sample)) == (0.25, 2_000, 2_000, 10)


def test_a_wrong_definition_is_refused(actor: Actor) -> None:
    for call in (explaining.preview, None):
        with pytest.raises(DefinitionError):
            if call:
                call(None, AUDIENCE, {"event": 1})
            else:
                explaining.preview(computations.switch(actor, enabled=True), TRAIT, ORDERED)


# ---- why


def test_conditions_of_one_person(actor: Actor, stored: Store) -> None:
    rich = audience(actor, "The Rich", {"trait": "plan", "op": "=", "value": "premium"})
    spent = computations.create(actor, TRAIT, "Spent", SPENT).row
    people = undecided(stored)
    stored.members("the_rich", people["ada"])
    stored.value("spent", people["ada"], 12.5)
    definition = {
        "all": [
            {"any": [{"audience": "the_rich"}, ORDERED]},
            {"trait": "spent", "op": ">", "value": 10},
            {"trait": "n", "op": "=", "value": 1},
            {"not": {"trait": "n", "op": "=", "value": True}},
            {"not": {"trait": "address.city", "op": "exists"}},
            {
                "funnel": {
                    "first": {"event": "Product Viewed", "within": "9d"},
                    "then": {"event": "Product Viewed"},
                    "within": "2d",
                    "did": True,
                }
            },
        ]
    }
    ada = explaining.explain(space(), "email:Ada@example.com", definition=definition)
    assert ada
    assert ada.member
    assert ada.why == (
        "is in the audience The Rich: yes",
        "spent is more than 10: yes, 12.5",
        "n is 1: yes, 1",
        "n is true: no, 1",
        "address.city exists: no, missing",
        "Product Viewed within 9 days, then Product Viewed within 2 days: yes, Product Viewed 4 times",
    )
    assert ada.explanation
    assert [part.is_met for part in ada.explanation.parts] == [True] * 6
    assert ada.until
    bob = explaining.explain(space(), "u-bob", definition=definition)
    assert bob
    assert not bob.member
    assert bob.why == (
        "spent is more than 10: no, missing",
        "n is 1: no, true",
        "n is true: yes, true",
    )
    assert explaining.explain(space(), "nobody", definition=definition) is None
    assert explaining.explain(space(), "use_user_id:u-bob", of=rich)
    value = explaining.explain(space(), "u-bob", of=spent)
    assert value
    assert (value.value, value.member, value.why) == (20, True, ["Order Completed once"])


def test_somebody_without_a_name_is_left_out(actor: Actor, stored: Store) -> None:
    row, everybody = audience(actor), audience(actor, "Everybody", include_anonymous=True)
    undecided(stored)
    left_out, included = (explaining.explain(space(), "a-eve", of=of) for of in (row, everybody))
    assert left_out
    assert (left_out.member, left_out.excluded[:20]) == (False, "Known by neither a u")
    assert included
    assert (included.member, included.excluded) == (True, "")


# ---- people


def test_a_profile(actor: Actor, stored: Store) -> None:
    rich = audience(actor, "The Rich", {"trait": "plan", "op": "=", "value": "premium"})
    gone = audience(actor, "Gone")
    computations.create(actor, TRAIT, "Spent", SPENT)
    people = undecided(stored)
    stored.members("the_rich", people["bob"], flip_at=stored.now + 1_000)
    stored.members("gone", people["bob"])
    stored.value("spent", people["bob"], 20)
    computations.delete(actor, gone)
    stored.connection.execute("INSERT INTO merged VALUES ('use_old', ?)", (people["bob"],))
    for name in ("user_id:u-bob", "u-bob", "segment_id:use_user_id:u-bob", "use_old"):
        bob = profile(space(), name)
        assert bob
        assert bob.segment_id == "use_user_id:u-bob"
    assert bob.traits == {"plan": "free", "n": True}
    assert [(item.computation, item.value) for item in bob.audiences] == [(rich, True)]
    assert bob.audiences[0].until
    assert [(item.computation.key, item.value, item.until) for item in bob.computed] == [("spent", 20, None)]
    assert [event.name for event in bob.events][:2] in (
        ["Order Completed", "Product Viewed"],
        ["Product Viewed", "Order Completed"],
    )
    assert len(bob.events) == 5
    assert bob.merged == ["use_old"]
    newest = profile(space(), "u-bob", events=1)
    assert newest
    assert len(newest.events) == 1
    assert profile(space(), "user_id:nobody") is None
    assert profile(None, "u-bob") is None


def test_nobody_of_another_workspace_is_seen(actor: Actor, stored: Store) -> None:
    computations.switch(actor, enabled=True)
    undecided(stored)
    elsewhere = Actor(Workspace.objects.create(name="Elsewhere"), None, "a test")
    theirs = computations.switch(elsewhere, enabled=True)
    assert profile(theirs, "u-bob") is None
    assert explaining.preview(theirs, AUDIENCE, UNDECIDED).count == 0


# ---- the store


def test_what_is_stored(actor: Actor, stored: Store) -> None:
    computations.switch(actor, enabled=True)
    undecided(stored)
    kept = queries.storage(space())
    assert (kept.people, kept.events, kept.days_kept) == (4, 14, 90)
    assert kept.bytes > 10_000
    assert kept.since
    assert abs(kept.since.timestamp() * 1_000 - (stored.now - 400 * 86_400_000)) < 1_000


def test_what_takes_too_long_to_count_is_estimated(actor: Actor, stored: Store) -> None:
    computations.switch(actor, enabled=True)
    people = [stored.person(f"user_id:u{number}") for number in range(3_000)]
    for person in people:
        stored.happened(person, "Viewed", *range(1, person % 3 + 2))
    stored.connection.execute("DELETE FROM profile WHERE id % 4 = 0")
    kept, estimated = queries.storage(space()), queries.storage(space(), seconds=-1.0)
    assert (kept.is_estimate, estimated.is_estimate) == (False, True)
    assert estimated.people == pytest.approx(kept.people, rel=0.1)
    assert estimated.events == pytest.approx(kept.events, rel=0.1)
    assert (estimated.bytes, estimated.days_kept) == (kept.bytes, kept.days_kept)


def test_a_reader_sees_one_moment_and_writes_nothing(actor: Actor, stored: Store) -> None:
    row = audience(actor)
    people = [stored.person(f"user_id:u{n}") for n in range(3)]
    stored.members("undecided", *people)
    members = memberships.export(row)
    next(members)
    stored.connection.execute("DELETE FROM membership")
    assert len(list(members)) == 2
    with store.open_for_reading(store_home(), actor.workspace.id) as connection:
        assert connection
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM profile")


def test_an_export_ends_although_nobody_takes_it(
    actor: Actor, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = audience(actor)
    stored.members("undecided", *(stored.person(f"user_id:u{n}") for n in range(3)))
    monkeypatch.setattr(memberships, "_CHUNK", 1)
    monkeypatch.setattr(memberships, "EXPORT_SECONDS", 60.0)
    members = memberships.export(row)
    next(members)
    monkeypatch.setattr(time, "monotonic", lambda: float("inf"))
    with pytest.raises(store.QueryTimeoutError, match="longer than 60 s"):
        list(members)


def store_home() -> Any:
    from django.conf import settings  # noqa: PLC0415

    return settings.CONFIG.home


def test_time_limits_end_a_statement() -> None:
    connection = sqlite3.connect(":memory:")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    began = time.monotonic()
    with pytest.raises(store.QueryTimeoutError), store.time_limit(connection, 0.1):
        connection.execute(endless).fetchone()
    assert time.monotonic() - began < 60
    connection.close()
