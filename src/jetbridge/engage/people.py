"""People as pages show them: found by an identifier, and one of them with the origin of all that is known."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from jetbridge.control.models import Source
from jetbridge.engage import store
from jetbridge.engage.dialect import NEVER
from jetbridge.engage.models import Computation, Space
from jetbridge.engage.store import PERSON_SECONDS, Identifier, find_profile, identifiers_of, time_limit
from jetbridge.identity.identifiers import ANONYMOUS_ID, EMAIL, USER_ID
from jetbridge.spec.person import Identity

#: People of a search.
SHOWN = 20
#: Longest text that is searched for.
MAX_CHARACTERS = 1_000
#: Most events of a person that are shown.
MAX_EVENTS = 100


class Membership(NamedTuple):
    """`computation` has the person as a member, or the `value` for it. `until`: as of PersonExplained; `since`: as of Member."""

    computation: Computation
    value: Any
    until: datetime | None
    since: datetime | None = None


class PersonEvent(NamedTuple):
    name: str
    at: datetime
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Profile:
    """A person: `merged` are the segment_ids of the profiles that became part of this one; `events` the newest first."""

    segment_id: str
    created_at: datetime
    identifiers: Sequence[Identifier]
    traits: Mapping[str, Any]
    audiences: Sequence[Membership]
    computed: Sequence[Membership]
    events: Sequence[PersonEvent]
    merged: Sequence[str]


class PersonItem(NamedTuple):
    """One of those that a search means. `is_exact`: by a whole identifier."""

    segment_id: str
    identifiers: Sequence[Identifier]
    created_at: datetime
    is_exact: bool


class KnownIdentifier(NamedTuple):
    """`source` is the name of the source whose message brought it."""

    type: str
    value: str
    since: datetime
    source: str


class KnownTrait(NamedTuple):
    """`at`: when the call happened that has set it last."""

    name: str
    value: Any
    at: datetime | None


class Sent(NamedTuple):
    """The last value that a destination was sent of one of the identifiers ("email:ada@example.com")."""

    computation: Computation
    destination: str
    identifier: str
    value: Any
    at: datetime


@dataclass(frozen=True)
class Person:
    profile: Profile
    identifiers: Sequence[KnownIdentifier]
    traits: Sequence[KnownTrait]
    sent: Sequence[Sent]

    @property
    def name(self) -> str:
        """The best of the identifiers."""
        return self.identifiers[0].value if self.identifiers else self.profile.segment_id

    @property
    def identity(self) -> Identity:
        """By what the person's messages are known, Engage's own included."""
        ids = [row.value for row in self.identifiers if row.type in {USER_ID, ANONYMOUS_ID}]
        own = [self.profile.segment_id, *self.profile.merged]
        return Identity.of([*ids, *own], [row.value for row in self.identifiers if row.type == EMAIL])


def profile(space: Space | None, person: str, *, events: int = 50) -> Profile | None:
    """Somebody, by `type:value` or an identifier alone; None if nobody has this name. Raises QueryTimeoutError."""
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id if space else None) as connection:
        if connection is None or space is None:
            return None
        with time_limit(connection, PERSON_SECONDS):
            id_ = find_profile(connection, person)
            return (
                None if id_ is None else read_profile(connection, space, id_, events=min(events, MAX_EVENTS))
            )


def read_profile(connection: sqlite3.Connection, space: Space, id_: int, *, events: int) -> Profile:
    """That of an id which exists."""
    segment_id, traits, created_at = connection.execute(
        "SELECT segment_id, traits, created_at FROM profile WHERE id = ?", (id_,)
    ).fetchone()
    rows = {row.key: row for row in space.present_computations()}
    audiences = connection.execute(
        "SELECT audience, 'true', flip_at, since FROM membership WHERE profile = ? AND member = 1", (id_,)
    )
    computed = connection.execute(
        "SELECT trait, value, flip_at, since FROM computed WHERE profile = ? AND value <> 'null'", (id_,)
    )
    newest = connection.execute(
        "SELECT name, ts, props FROM event WHERE profile = ? ORDER BY ts DESC, seq DESC LIMIT ?",
        (id_, events),
    )
    merged = connection.execute("SELECT segment_id FROM merged WHERE profile = ? ORDER BY 1", (id_,))
    return Profile(
        segment_id=segment_id,
        created_at=datetime.fromtimestamp(created_at / 1_000, UTC),
        identifiers=identifiers_of(connection, [id_]).get(id_, ()),
        traits=msgspec.json.decode(traits),
        audiences=_memberships(audiences, rows),
        computed=_memberships(computed, rows),
        events=[
            PersonEvent(name, datetime.fromtimestamp(ts / 1_000, UTC), msgspec.json.decode(props))
            for name, ts, props in newest
        ],
        merged=[name for (name,) in merged],
    )


def _memberships(
    stored: Iterable[tuple[str, str, int, int]], rows: Mapping[str, Computation]
) -> list[Membership]:
    return [
        Membership(
            rows[key],
            msgspec.json.decode(value),
            store.moment(flip_at if flip_at < NEVER else None),
            store.moment(since // 1_000 * 1_000),
        )
        for key, value, flip_at, since in stored
        if key in rows
    ]


def search(space: Space, text: str) -> list[PersonItem]:
    """Who has this userId, address, anonymousId or segment_id; else those of whom one begins like it. Without a text: the
    newest. At most SHOWN. Raises QueryTimeoutError.
    """
    text = text.strip()[:MAX_CHARACTERS]
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id) as connection:
        if connection is None:
            return []
        with time_limit(connection, PERSON_SECONDS):
            exact = find_profile(connection, text) if text else None
            if exact is not None:
                rows = [(exact,)]
            elif text:
                rows = connection.execute(
                    "SELECT DISTINCT profile FROM identifier WHERE type IN ('user_id', 'email', 'anonymous_id')"
                    " AND value >= :begin AND value < :end LIMIT :limit",
                    {"begin": text, "end": f"{text}\U0010ffff", "limit": SHOWN},
                ).fetchall()
            else:
                rows = connection.execute(
                    "SELECT id FROM profile ORDER BY id DESC LIMIT ?", [SHOWN]
                ).fetchall()
            ids = [id_ for (id_,) in rows]
            identifiers = identifiers_of(connection, ids)
            profiles = connection.execute(
                "SELECT id, segment_id, created_at FROM profile WHERE id IN (SELECT value FROM json_each(?))",
                [store.json_list(ids)],
            ).fetchall()
    by_id = {id_: (segment_id, created_at) for id_, segment_id, created_at in profiles}
    return [
        PersonItem(by_id[id_][0], identifiers.get(id_, ()), _moment(by_id[id_][1]), exact is not None)
        for id_ in ids
        if id_ in by_id
    ]


def person(space: Space, segment_id: str) -> Person | None:
    """Also by the segment_id of a profile that was merged into another. Raises QueryTimeoutError."""
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id) as connection:
        if connection is None:
            return None
        with time_limit(connection, PERSON_SECONDS):
            id_ = find_profile(connection, f"segment_id:{segment_id}")
            if id_ is None:
                return None
            profile = read_profile(connection, space, id_, events=0)
            origins = connection.execute(
                "SELECT type, value, since, source FROM identifier WHERE profile = ?", [id_]
            ).fetchall()
            (times,) = connection.execute("SELECT trait_times FROM profile WHERE id = ?", [id_]).fetchone()
            sent = connection.execute(
                "SELECT key, destination, identifier, value, at FROM sent WHERE profile = ? ORDER BY at DESC",
                [id_],
            ).fetchall()
    source_names = dict(Source.objects.filter(id__in={row[3] for row in origins}).values_list("id", "name"))
    origin = {Identifier(type_, value): (_moment(since), source) for type_, value, since, source in origins}
    set_at = msgspec.json.decode(times, type=dict[str, int])
    computations = {row.key: row for row in space.computations.all()}
    destination_names = dict(space.workspace.destinations.values_list("id", "name"))
    return Person(
        profile,
        [
            KnownIdentifier(*row, origin[row][0], source_names.get(origin[row][1], "a removed source"))
            for row in profile.identifiers
        ],
        [
            KnownTrait(name, value, _moment(set_at[name]) if name in set_at else None)
            for name, value in sorted(profile.traits.items())
        ],
        [
            Sent(
                computations[key],
                destination_names[destination],
                identifier,
                msgspec.json.decode(value),
                _moment(at),
            )
            for key, destination, identifier, value, at in sent
            if key in computations and destination in destination_names
        ],
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)
