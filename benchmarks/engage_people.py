"""The people, events and audiences of row 16, from a seed, written straight into the store of Engage as its worker would."""

import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from jetbridge.engage import store
from jetbridge.identity.identifiers import EMAIL, USER_ID

SEED = 20_261_130
DAY_MS = 86_400_000
#: Events lie in so many days, in sessions of some minutes. Three people of ten have none, the others 15 on average.
DAYS, HAVE_EVENTS, EVENTS_EACH = 90, 0.7, 15
#: People of one step.
STEP = 10_000

#: Names of events, and how often each happens.
EVENTS = {
    "Page Viewed": 30, "Product Viewed": 25, "Product Added": 12, "Cart Viewed": 8, "Checkout Started": 7,
    "Order Completed": 5, "Coupon Applied": 4, "Product Shared": 4, "Email Opened": 5,
}  # fmt: skip
PLANS, COUNTRIES = ("free", "basic", "premium"), ("DE", "AT", "CH", "FR", "NL", "PL")
CATEGORIES = ("tea", "coffee", "cups", "filters", "gifts")

#: The audience of the seed's documentation; one of everybody; and others of all kinds of conditions.
SEEDS, EVERYBODY = "order_completed_last_30days", "everybody"
MAIN: dict[str, Any] = {
    SEEDS: {"event": "Order Completed", "within": "30d"},
    EVERYBODY: {"trait": "plan", "op": "exists"},
    "viewed_not_bought": {
        "all": [
            {"event": "Product Viewed", "within": "7d", "count": [">=", 3]},
            {"event": "Order Completed", "within": "7d", "count": ["=", 0]},
        ]
    },
    "premium_nearby": {
        "all": [
            {"trait": "plan", "op": "=", "value": "premium"},
            {"trait": "country", "op": "in", "value": ["DE", "AT", "CH"]},
        ]
    },
    "bought_within_the_hour": {
        "funnel": {
            "first": {"event": "Product Added", "within": "30d"},
            "then": {"event": "Order Completed"}, "within": "1h", "did": True,
        }
    },
    "abandoned_cart": {
        "funnel": {
            "first": {"event": "Product Added", "within": "7d"},
            "then": {"event": "Order Completed"}, "within": "1h", "did": False,
        }
    },
    "big_spenders": {"event": "Order Completed", "where": [["total", ">=", 100]], "within": "30d", "count": [">=", 2]},
}  # fmt: skip
#: Computed traits that are previewed: of frequent events, and of kinds that are computed in Python.
TRAITS: dict[str, Any] = {
    "lifetime_value": {"computed": "sum", "event": "Order Completed", "property": "total"},
    "favourite_category": {"computed": "most_frequent", "event": "Product Viewed", "property": "category"},
    "categories": {"computed": "unique_list", "event": "Page Viewed", "property": "category"},
    "last_visit": {"computed": "last_seen", "event": "Page Viewed"},
}


def audiences(count: int) -> dict[str, Any]:
    """Definitions by key; those of MAIN first."""
    rest = {f"audience_{number}": _definition(number) for number in range(count - len(MAIN))}
    return MAIN | rest


def _definition(number: int) -> Any:
    names = list(EVENTS)
    name, other = names[number % len(names)], names[(number * 4 + 1) % len(names)]
    days = (1, 3, 7, 14, 30, 60, 90)[number % 7]
    match number % 5:
        case 0:
            return {"event": name, "within": f"{days}d", "count": [">=", 1 + number % 4]}
        case 1:
            return {
                "all": [
                    {"event": name, "within": f"{days}d"},
                    {"not": {"event": other, "within": f"{days}d"}},
                ]
            }
        case 2:
            where = [["category", "=", CATEGORIES[number % len(CATEGORIES)]]]
            return {"event": name, "where": where, "within": f"{days}d"}
        case 3:
            plan = {"trait": "plan", "op": "=", "value": PLANS[number % len(PLANS)]}
            return {"all": [plan, {"event": name, "within": f"{days}d"}]}
        case _:
            return {"all": [{"audience": SEEDS}, {"event": other, "within": f"{days}d"}]}


class Person(NamedTuple):
    user_id: str
    email: str


def person(number: int) -> Person:
    return Person(f"u{number:08}", f"person.{number:08}@example.com")


def fill(home: Path, workspace: int, source: int, people: int, now: int) -> int:
    """How many events there are then. Profiles have the ids from 1 on. Blocks for seconds per million events."""
    connection = store.open_for_writing(store.path(home, workspace))
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    chance, seq = random.Random(SEED), 0
    for first in range(1, people + 1, STEP):
        numbers = range(first, min(first + STEP, people + 1))
        with store.transaction(connection):
            _insert(connection, "profile", [_profile(number, chance, now) for number in numbers])
            events = [event for number in numbers for event in _events(number, chance, now)]
            _insert(
                connection, "event", [(*event[:3], seq + at, event[3]) for at, event in enumerate(events)]
            )
        seq += len(events)
    for type_, field in ((EMAIL, 1), (USER_ID, 0)):
        rows = ((type_, person(number)[field], number, now, source) for number in range(1, people + 1))
        with store.transaction(connection):
            _insert(connection, "identifier", rows)
    _messages(connection, source, seq, now)
    connection.close()
    return seq


def _insert(connection: sqlite3.Connection, table: str, rows: Any) -> None:
    columns = {"profile": 6, "event": 5, "identifier": 5, "message": 3}[table]
    connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})", rows)


def _profile(number: int, chance: random.Random, now: int) -> tuple[Any, ...]:
    traits = {
        "email": person(number).email,
        "firstName": f"First{number % 97}",
        "lastName": f"Last{number % 891}",
        "plan": chance.choice(PLANS),
        "country": chance.choice(COUNTRIES),
        "age": chance.randrange(18, 90),
        "newsletter": chance.random() < 0.7,
        "visits": chance.randrange(100),
        "vip": chance.random() < 0.02,
    }
    at = now - DAYS * DAY_MS
    times = dict.fromkeys(traits, at)
    return number, f"use_{number:022}", json.dumps(traits), json.dumps(times), at, 0


_NAMES, _WEIGHTS = list(EVENTS), list(accumulate(EVENTS.values()))
_PROPERTIES = [
    json.dumps({"category": CATEGORIES[number % 5], "total": number * 1.5, "sku": f"sku-{number}"})
    for number in range(150)
]


def _events(number: int, chance: random.Random, now: int) -> list[tuple[int, str, int, str]]:
    """Name, time and properties in the order of the table, each with the profile; `seq` comes between the last two."""
    if chance.random() >= HAVE_EVENTS:
        return []
    count = 1 + int(chance.expovariate(1 / (EVENTS_EACH - 1)))
    session, events = 0.0, []
    for at, name in enumerate(chance.choices(_NAMES, cum_weights=_WEIGHTS, k=count)):
        if at % 5 == 0:
            session = now - chance.random() * DAYS * DAY_MS
        session = min(session + chance.random() * 300_000, now - 1)
        events.append((number, name, int(session), _PROPERTIES[int(chance.random() * 150)]))
    events.sort()
    return events


def _messages(connection: sqlite3.Connection, source: int, total: int, now: int) -> None:
    """The ids of all messages: digests, so that those of new ones lie anywhere between them."""
    connection.execute("DROP INDEX message_by_time")
    with store.transaction(connection):
        step = (1 << 128) // total
        rows: Iterator[tuple[int, bytes, int]] = (
            (source, (number * step).to_bytes(16, "big"), now - number * 7_919 % (DAYS * DAY_MS))
            for number in range(total)
        )
        _insert(connection, "message", rows)
    connection.execute("CREATE INDEX message_by_time ON message (ts)")


def track(number: int, chance: random.Random) -> dict[str, Any]:
    """A call of Segment's for the batch endpoint: a person does something now."""
    (name,) = chance.choices(_NAMES, cum_weights=_WEIGHTS)
    properties = json.loads(_PROPERTIES[chance.randrange(150)])
    return {"type": "track", "userId": person(number).user_id, "event": name, "properties": properties}


def spread(people: int, count: int) -> Sequence[int]:
    """Numbers of so many people, evenly among all."""
    return range(1, people + 1, max(1, people // count))[:count]
