"""Who is who in the cases that Segment documents, at the limits, and around aliases and Engage's own calls."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.identity.oracle import Call
from tests.identity.streams import SOURCE, dump, message, new_store, resolve

from jetbridge.identity.identifiers import Identifier
from jetbridge.identity.resolve import DEFAULT_LIMITS, Limits, Resolution, Resolver, SourcedMessage
from jetbridge.spec.times import EPOCH


@pytest.fixture
def store() -> Iterator[sqlite3.Connection]:
    connection = new_store()
    yield connection
    connection.close()


def identify(user: str | None = None, at: int = 1, **fields: Any) -> Call:
    return Call("identify", at, user, **fields)


def track(user: str | None = None, at: int = 1, **fields: Any) -> Call:
    return Call("track", at, user, **fields)


def take(store: sqlite3.Connection, *calls: Call, limits: Limits = DEFAULT_LIMITS) -> list[Resolution]:
    return resolve(store, calls, limits=limits)


def owner(store: sqlite3.Connection, type_: str, value: str) -> int | None:
    row = store.execute(
        "SELECT profile FROM identifier WHERE type = ? AND value = ?", (type_, value)
    ).fetchone()
    return row and row[0]


def ids(kind: str, *values: str) -> tuple[Identifier, ...]:
    return tuple(Identifier(kind, value) for value in values)


def test_segments_example_of_priorities(store: sqlite3.Connection) -> None:
    """ "Identity Resolution Settings", Priority: a new user_id with an address that another one has."""
    first, second = take(
        store,
        identify("abc123", traits={"email": "jane@example1.com"}),
        identify("abc456", traits={"email": "jane@example1.com"}),
    )
    assert second.created
    assert second.given_up == ids("email", "jane@example1.com")
    assert second.added == ids("user_id", "abc456")
    assert owner(store, "email", "jane@example1.com") == first.profile != second.profile


def test_segments_example_of_a_shared_ipad(store: sqlite3.Connection) -> None:
    """ "Identity Resolution Settings", Flat matching logic: customers who register on one device in a store."""
    ipad = [("ios.id", "ipad-1")]
    customers = take(
        store, *(identify(f"user-{n}", traits={"email": f"{n}@x.io"}, external_ids=ipad) for n in range(4))
    )
    assert len({customer.profile for customer in customers}) == 4
    assert [customer.given_up for customer in customers] == [(), *[ids("ios.id", "ipad-1")] * 3]
    assert [owner(store, "email", f"{n}@x.io") for n in range(4)] == [
        resolution.profile for resolution in customers
    ]


def test_a_family_shares_a_tablet_and_an_address(store: sqlite3.Connection) -> None:
    visit, mother, visit_after, son, newsletter, daughter, phone = take(
        store,
        track(anonymous_id="tablet"),
        identify("mother", anonymous_id="tablet", traits={"email": "family@x.io"}),
        track(anonymous_id="tablet"),
        identify("son", anonymous_id="tablet", traits={"email": "family@x.io"}),
        track(context_email="Family@x.io"),
        identify("daughter", anonymous_id="her-phone", traits={"email": "family@x.io"}),
        track(anonymous_id="her-phone"),
    )
    assert mother.profile == visit.profile == visit_after.profile == newsletter.profile
    assert son.given_up == (*ids("anonymous_id", "tablet"), *ids("email", "family@x.io"))
    # Her own phone is given up before the address is, although it is over no limit: so Segment has it.
    assert daughter.given_up == (*ids("anonymous_id", "her-phone"), *ids("email", "family@x.io"))
    assert phone.created
    assert len({mother.profile, son.profile, daughter.profile, phone.profile}) == 4


def test_what_somebody_did_before_logging_in_is_theirs(store: sqlite3.Connection) -> None:
    browsed, known, logged_in = take(
        store,
        identify(anonymous_id="a1", at=5, traits={"plan": "free", "city": "Rome"}),
        identify("u1", at=3, traits={"plan": "pro", "score": 1}),
        track("u1", anonymous_id="a1"),
    )
    assert (logged_in.profile, logged_in.merged) == (known.profile, (browsed.profile,))
    assert logged_in.added == ()
    row = store.execute("SELECT id, traits, merges, created_at FROM profile").fetchall()
    assert row == [(known.profile, '{"plan":"free","score":1,"city":"Rome"}', 1, 3)]


def test_the_survivor_has_a_user_id_or_is_older(store: sqlite3.Connection) -> None:
    a, b, both, user, all_ = take(
        store,
        track(anonymous_id="a"),
        track(anonymous_id="b", context_email="x@x.io"),
        track(anonymous_id="a", context_email="x@x.io"),
        track("u"),
        track("u", anonymous_id="b"),
    )
    assert (both.profile, both.merged) == (a.profile, (b.profile,))
    assert (all_.profile, all_.merged) == (user.profile, (a.profile,))


def test_the_names_of_merged_profiles_lead_to_the_survivor(store: sqlite3.Connection) -> None:
    take(store, track(anonymous_id="a"), track(anonymous_id="b"), track("u"))
    names = {segment_id: id_ for id_, segment_id in store.execute("SELECT id, segment_id FROM profile")}
    take(store, track(anonymous_id="a", external_ids=[("anonymous_id", "b")]))
    take(store, track("u", anonymous_id="b"))
    ((survivor, name),) = store.execute("SELECT id, segment_id FROM profile").fetchall()
    assert names.pop(name) == survivor
    assert dict(store.execute("SELECT segment_id, profile FROM merged")) == dict.fromkeys(names, survivor)


def test_three_profiles_are_two_merges(store: sqlite3.Connection) -> None:
    take(store, track(anonymous_id="a"), track(context_email="a@x.io"), track("u"))
    (together,) = take(store, track("u", anonymous_id="a", context_email="a@x.io"))
    assert len(together.merged) == 2
    assert store.execute("SELECT merges FROM profile").fetchall() == [(2,)]


def test_a_profile_counts_the_merges_of_all_that_it_is_made_of(store: sqlite3.Connection) -> None:
    take(store, *(track(anonymous_id=name, at=9 - n) for n, name in enumerate("abcd")))
    take(store, track(anonymous_id="a", external_ids=[("anonymous_id", "b")], at=20))
    take(store, track(anonymous_id="c", external_ids=[("anonymous_id", "d")], at=20))
    take(store, track(anonymous_id="a", external_ids=[("anonymous_id", "c")], at=20))
    assert store.execute("SELECT merges, created_at FROM profile").fetchall() == [(3, 6)]


def test_five_of_a_kind_is_the_limit(store: sqlite3.Connection) -> None:
    *fitting, sixth = take(store, *(track("u", anonymous_id=f"a{n}") for n in range(6)))
    assert [resolution.added[-1].value for resolution in fitting] == [f"a{n}" for n in range(5)]
    assert (sixth.profile, sixth.added, sixth.given_up) == (fitting[0].profile, (), ids("anonymous_id", "a5"))
    assert owner(store, "anonymous_id", "a5") is None


def test_a_profile_at_its_limits_still_gets_its_events(store: sqlite3.Connection) -> None:
    first, merged, beyond, more, still = take(
        store,
        track("u"),
        track("u", anonymous_id="a"),
        track(anonymous_id="b"),
        track("u", anonymous_id="b", context_email="u@x.io"),
        track("u"),
        limits=Limits(merges=0, identifiers=2),
    )
    assert merged.added == ids("anonymous_id", "a")
    assert more.given_up == (*ids("anonymous_id", "b"), *ids("email", "u@x.io"))
    assert first.profile == more.profile == still.profile != beyond.profile


def test_a_hundred_merges_and_no_more(store: sqlite3.Connection) -> None:
    """By identifiers of types of their own, of which resolution may have five."""
    strangers = [track(external_ids=[(f"type-{n}", "x")]) for n in range(101)]
    meetings = [track("u", external_ids=[(f"type-{n}", "x")]) for n in range(101)]
    take(store, track("u"), *strangers)
    *merges, last = take(store, *meetings)
    assert all(len(resolution.merged) == 1 for resolution in merges)
    assert (last.merged, last.given_up) == ((), ids("type-100", "x"))


def test_a_thousand_identifiers_and_no_more(store: sqlite3.Connection) -> None:
    resolutions = take(store, *(track("u", external_ids=[(f"type-{n // 5}", f"x{n}")]) for n in range(1_001)))
    assert sum(len(resolution.added) for resolution in resolutions) == 1_000
    assert resolutions[-1].given_up == ids("type-200", "x1000")
    assert len({resolution.profile for resolution in resolutions}) == 1


def test_all_values_blocked_is_nobody(store: sqlite3.Connection) -> None:
    before = dump(store)
    (resolution,) = take(store, identify("0000-00", anonymous_id="anonymous", traits={"plan": "pro"}))
    assert resolution == Resolution(
        None, blocked=(*ids("user_id", "0000-00"), *ids("anonymous_id", "anonymous"))
    )
    assert dump(store) == before


def test_an_alias_makes_its_previous_id_an_anonymous_id(store: sqlite3.Connection) -> None:
    visit, alias, later = take(
        store, track(anonymous_id="a"), Call("alias", 1, "u", previous_id="a"), track(anonymous_id="a")
    )
    assert (alias.profile, alias.added) == (visit.profile, ids("user_id", "u"))
    assert later.profile == visit.profile


def test_an_alias_of_two_user_ids_is_no_merge(store: sqlite3.Connection) -> None:
    one, two, alias = take(store, track("one"), track("two"), Call("alias", 1, "two", previous_id="one"))
    assert one.profile != two.profile
    assert alias == Resolution(two.profile, is_alias_of_users=True)


def test_calls_of_engage_change_nothing(store: sqlite3.Connection) -> None:
    (person,) = take(store, identify("u", traits={"plan": "pro"}))
    before = dump(store)
    own, of_nobody = take(
        store,
        identify("u", at=9, anonymous_id="new", traits={"plan": True}, is_from_engage=True),
        identify("nobody", is_from_engage=True),
    )
    assert (own, of_nobody) == (Resolution(person.profile), Resolution(None))
    assert dump(store) == before


def test_a_time_in_the_future_counts_as_of_receipt(store: sqlite3.Connection) -> None:
    wrong_clock, later = (
        message(identify("u", traits={"plan": "old"})),
        message(identify("u", traits={"plan": "new"})),
    )
    wrong_clock = msgspec.structs.replace(wrong_clock, timestamp=EPOCH + timedelta(days=60_000))
    later = msgspec.structs.replace(
        later, timestamp=wrong_clock.received_at, received_at=wrong_clock.received_at + timedelta(seconds=1)
    )
    Resolver(store).resolve_batch([SourcedMessage(wrong_clock, SOURCE), SourcedMessage(later, SOURCE)])
    assert store.execute("SELECT traits FROM profile").fetchall() == [('{"plan":"new"}',)]


def test_an_identifier_has_its_time_and_its_source(store: sqlite3.Connection) -> None:
    take(store, track("u", at=5), track("u", at=3))
    assert store.execute("SELECT * FROM identifier").fetchall() == [("user_id", "u", 1, 5, SOURCE)]


def test_names_of_profiles_are_random(store: sqlite3.Connection) -> None:
    Resolver(store).resolve_batch([SourcedMessage(message(track(f"u{n}")), SOURCE) for n in range(100)])
    names = [name for (name,) in store.execute("SELECT segment_id FROM profile")]
    assert len(set(names)) == 100
    assert all(name.startswith("use_") and len(name) == 26 for name in names)


def test_ids_of_profiles_never_come_back(store: sqlite3.Connection) -> None:
    *_, last = take(store, track(anonymous_id="a"), track("u"), track("u", anonymous_id="a"), track("v"))
    store.execute("DELETE FROM identifier")
    store.execute("DELETE FROM profile")
    (new,) = take(store, track("v"))
    assert new.profile is not None
    assert last.profile is not None
    assert new.profile > last.profile


def test_the_caller_owns_the_transaction(store: sqlite3.Connection) -> None:
    before = dump(store)
    take(store, track("u"), identify("v", traits={"plan": "pro"}))
    assert store.in_transaction
    store.rollback()
    assert dump(store) == before


@pytest.mark.parametrize(
    "value", ["123", "1e3", "true", 'a"b', "a\\u0000b", "é\U0001f600", "\x7f\n\t", "{}", "'; --", " u "]
)
def test_odd_values_are_found_again(store: sqlite3.Connection, value: str) -> None:
    calls = [track(value), track(anonymous_id=value), track(external_ids=[("phone", value)])]
    first = [take(store, call)[0] for call in calls]
    again = [take(store, call)[0] for call in calls]
    assert all(resolution.created for resolution in first)
    assert [resolution.profile for resolution in again] == [resolution.profile for resolution in first]
    assert not any(resolution.created for resolution in again)
