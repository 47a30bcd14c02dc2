"""Calls of few people over few identifiers, as the oracle takes them and as the log has them, and what came of them."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count, pairwise
from typing import Any

from hypothesis import strategies as st
from tests.identity.oracle import Call, Id, Json

from jetbridge.identity.resolve import DEFAULT_LIMITS, Limits, Resolution, Resolver, SourcedMessage
from jetbridge.identity.tables import TABLES
from jetbridge.spec.message import Message
from jetbridge.spec.times import EPOCH

SOURCE = 7
#: Later than any time of a call.
RECEIVED = 1_700_000_000_000

_users = st.sampled_from(["u1", "u2", "u3", "u4", "0", "anonymous"])
_emails = st.sampled_from(["a@x.io", "A@x.io", "b@x.io", "c@x.io", "d@x.io"])
_devices = st.sampled_from(["d1", "d2", "d3", "d4", "u1", "null", "00-00"])
_values = st.sampled_from(["", "free", "pro", 1, 1.5, True, None, None, ["a"], {"b": None}])
_traits = st.dictionaries(st.sampled_from(["plan", "city", "score"]), _values, max_size=3)
_external_ids = st.lists(
    st.tuples(st.sampled_from(["phone", "android.id", "user_id"]), st.sampled_from(["x1", "x2", "u1", "u2"])),
    max_size=2,
)


def _call(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    return st.builds(
        Call,
        at=st.integers(0, 8),
        anonymous_id=st.none() | _devices,
        context_email=st.none() | st.none() | _emails,
        external_ids=st.just(()) | _external_ids,
        is_from_engage=st.sampled_from([False] * 9 + [True]),
        **fields,
    )


def _with_email(traits: dict[str, Json], email: str | None) -> dict[str, Json]:
    return traits if email is None else traits | {"email": email}


_someone = st.none() | _users
_identified = st.builds(_with_email, _traits, st.none() | _emails)
calls = st.lists(
    _call(type=st.just("identify"), user_id=_someone, traits=_identified)
    | _call(type=st.just("track"), user_id=_someone)
    | _call(type=st.just("alias"), user_id=_users, previous_id=_devices | _users),
    max_size=40,
)
small_limits = st.builds(
    Limits,
    per_type=st.sampled_from([1, 2, 5]),
    merges=st.sampled_from([0, 1, 2, 100]),
    identifiers=st.sampled_from([3, 6, 1_000]),
)


def message(call: Call) -> Message:
    context: dict[str, Any] = {}
    if call.context_email is not None:
        context["traits"] = {"email": call.context_email}
    if call.external_ids:
        context["externalIds"] = [
            {"id": value, "type": kind, "collection": "users", "encoding": "none"}
            for kind, value in call.external_ids
        ]
    if call.is_from_engage:
        context["personas"] = {"computation_key": "big_spender"}
    return Message(
        type=call.type,
        message_id="m",
        timestamp=EPOCH + timedelta(milliseconds=call.at),
        received_at=EPOCH + timedelta(milliseconds=RECEIVED),
        user_id=call.user_id,
        anonymous_id=call.anonymous_id,
        previous_id=call.previous_id,
        traits=dict(call.traits) or None,
        context=context or None,
    )


def new_store() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(TABLES)
    return connection


def numbered_segment_ids(connection: sqlite3.Connection) -> Callable[[], str]:
    """The same for the same profiles, so that stores can be compared."""
    numbers = count(connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence").fetchone()[0])
    return lambda: f"use_{next(numbers)}"


def resolve(
    connection: sqlite3.Connection,
    taken: Sequence[Call],
    *,
    cuts: Sequence[int] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> list[Resolution]:
    """In batches cut before these calls."""
    resolver = Resolver(connection, limits=limits, new_segment_id=numbered_segment_ids(connection))
    sourced = [SourcedMessage(message(call), SOURCE) for call in taken]
    places = sorted({0, len(taken), *cuts})
    return [
        resolution
        for start, end in pairwise(places)
        for resolution in resolver.resolve_batch(sourced[start:end])
    ]


def partition(connection: sqlite3.Connection) -> dict[int, tuple[frozenset[Id], dict[str, Json], int]]:
    """As `oracle.People.partition` has it."""
    ids: dict[int, set[Id]] = {}
    for kind, value, profile in connection.execute("SELECT type, value, profile FROM identifier"):
        ids.setdefault(profile, set()).add((kind, value))
    rows = connection.execute("SELECT id, traits, merges FROM profile")
    return {id_: (frozenset(ids.pop(id_)), json.loads(traits), merges) for id_, traits, merges in rows} | {
        orphan: (frozenset(left), {}, 0) for orphan, left in ids.items()
    }


def dump(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())
