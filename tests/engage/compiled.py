"""Made-up people, and what the compiler's statements say of them: computed by SQLite in memory, without a worker."""

import sqlite3
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from jetbridge.engage import dialect
from jetbridge.engage.compiler import compile_computed, compile_definition
from jetbridge.engage.definition import DEFAULT_RETENTION_MS, Computed, Node, Scalar
from jetbridge.engage.dialect import NEVER
from jetbridge.engage.store import COMPUTED_TABLES


@dataclass(frozen=True, slots=True)
class Membership:
    member: bool
    #: The earliest moment, later than the evaluation, at which time alone may change `member`; NEVER if it cannot.
    flip_at: int


@dataclass(frozen=True, slots=True)
class ComputedValue:
    #: JSON; null if there is none.
    value: str
    #: The earliest moment, later than the evaluation, at which time alone may change `value`; NEVER if it cannot.
    flip_at: int


@dataclass(frozen=True, slots=True)
class WorldEvent:
    profile: int
    name: str
    ts: int
    props: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """Made-up people: traits by profile, events in the order of the log, members by audience key, and by key of a
    computed trait the values (decoded JSON) by profile.
    """

    traits: Mapping[int, Mapping[str, object]]
    events: Sequence[WorldEvent] = ()
    members: Mapping[str, Iterable[int]] = field(default_factory=dict)
    computed: Mapping[str, Mapping[int, object]] = field(default_factory=dict)


def evaluate(
    world: World,
    definition: Node,
    now: int,
    *,
    since: int = 0,
    retention_ms: int = DEFAULT_RETENTION_MS,
    profiles: Iterable[int] | None = None,
) -> dict[int, Membership]:
    """The membership of everybody (or of `profiles`) at `now`, computed by SQLite in memory, without a server."""
    compiled = compile_definition(definition, retention_ms=retention_ms, computed=world.computed)
    rows = _run(world, compiled.statement(profiles), compiled.parameters(now, since=since, profiles=profiles))
    return {profile: Membership(bool(member), flip_at) for profile, member, flip_at in rows}


def evaluate_computed(
    world: World,
    computed: Computed,
    now: int,
    *,
    since: int = 0,
    retention_ms: int = DEFAULT_RETENTION_MS,
    profiles: Iterable[int] | None = None,
) -> dict[int, ComputedValue]:
    """The computed trait of everybody (or of `profiles`) at `now`, as `evaluate`."""
    compiled = compile_computed(computed, retention_ms=retention_ms)
    rows = _run(world, compiled.statement(profiles), compiled.parameters(now, since=since, profiles=profiles))
    return {profile: ComputedValue(value, flip_at) for profile, value, flip_at in rows}


def have_value(
    world: World, computed: Computed, now: int, *, since: int = 0, retention_ms: int = DEFAULT_RETENTION_MS
) -> set[int]:
    """Those of everybody who have a value of the computed trait at `now`, as `evaluate`."""
    compiled = compile_computed(computed, retention_ms=retention_ms)
    everybody = {"after": min(world.traits) - 1, "upto": max(world.traits)}
    rows = _run(world, compiled.matching, compiled.parameters(now, since=since) | everybody)
    return {profile for (profile,) in rows}


def _run(world: World, statement: str, parameters: Mapping[str, Scalar]) -> list[tuple[typing.Any, ...]]:
    connection = sqlite3.connect(":memory:")
    try:
        dialect.prepare(connection)
        connection.executescript(TABLES)
        load_world(connection, world)
        return connection.execute(statement, parameters).fetchall()
    finally:
        connection.close()


def load_world(connection: sqlite3.Connection, world: World) -> None:
    def text(value: object) -> str:
        return msgspec.json.encode(value).decode()

    connection.executemany(
        "INSERT INTO profile VALUES (?, ?)", ((i, text(traits)) for i, traits in world.traits.items())
    )
    connection.executemany(
        "INSERT INTO event (profile, name, ts, props, seq) VALUES (?, ?, ?, ?, ?)",
        ((e.profile, e.name, e.ts, text(e.props), seq) for seq, e in enumerate(world.events)),
    )
    connection.executemany(
        "INSERT INTO membership (audience, profile, member, flip_at) VALUES (?, ?, 1, ?)",
        ((key, profile, NEVER) for key, people in world.members.items() for profile in people),
    )
    connection.executemany(
        "INSERT INTO computed (trait, profile, value, flip_at) VALUES (?, ?, ?, ?)",
        (
            (key, i, text(value), NEVER)
            for key, values in world.computed.items()
            for i, value in values.items()
        ),
    )


#: With as much of `profile` as a statement reads; the store has that of the room `identity`.
TABLES = f"CREATE TABLE profile (id INTEGER PRIMARY KEY, traits TEXT NOT NULL);{COMPUTED_TABLES}"
