"""What pages, API and commands read of Engage: audiences and computed traits, their members, previews, people.

What people define stands in state.db, what the worker computes of it in the workspace's store. Each function reads one
snapshot of the store and writes nothing. Whatever could take long with a million people is bounded in time.
"""

import random
import sqlite3
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec
from django.conf import settings

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Workspace
from jetbridge.delivery import report
from jetbridge.engage import explaining, parsing, store
from jetbridge.engage.compiler import NEVER, compile_computed, compile_definition
from jetbridge.engage.definition import DAY_MS, DEFAULT_RETENTION_MS, Computed, empty_value
from jetbridge.engage.explaining import Explanation, Moment
from jetbridge.engage.models import Activation, Computation, ComputationClass, DefinitionVersion, Space
from jetbridge.engage.wording import definition_text
from jetbridge.errors import JetbridgeError
from jetbridge.identity.identifiers import ANONYMOUS_ID, EMAIL, USER_ID
from jetbridge.integrations import registry
from jetbridge.spec.emails import normalise

State = Literal["computing", "live", "failed", "disabled"]

#: A preview looks at people for so long, and then at those of its sample.
PREVIEW_SECONDS, _SAMPLE_SECONDS = 4.5, 1.0
#: How many people it looks at together.
_SPAN = 20_000
#: Longest time for one person, or a page of members.
PERSON_SECONDS = 5.0
#: People that a preview shows.
SAMPLE = 10
#: Days of changes in a list.
WEEK = 7
#: Most members of one page, and most events of a person that are shown.
MAX_PAGE, MAX_EVENTS = 200, 100
#: An export that takes longer is broken off.
EXPORT_SECONDS = 900.0
#: Places from which a sample of members is taken; of people to be counted, so many in a row.
_PLACES, _NEIGHBOURS = 50, 200
#: Steps of SQLite's virtual machine after which the time is looked at.
_INSTRUCTIONS = 10_000
#: How many people an export reads at once.
_CHUNK = 1_000
#: How long events are kept, in days: at least so long, and at most so long as a retention may be.
LEAST_DAYS_KEPT, MAX_RETENTION_DAYS = 90, 3_650


DEFAULT_RETENTION_DAYS = DEFAULT_RETENTION_MS // DAY_MS


class QueryTimeoutError(JetbridgeError):
    """The answer would take longer than a person waits."""


class Identifier(NamedTuple):
    """`type` is user_id, email, anonymous_id or another one of Segment's."""

    type: str
    value: str


class Day(NamedTuple):
    """`day` is that of UTC; `size` the members at its end (of a computed trait: people who have a value)."""

    day: datetime
    entered: int
    exited: int
    size: int


class FirstSync(NamedTuple):
    """`left` of `people` are not yet in the event log."""

    people: int
    left: int
    began_at: datetime

    @property
    def sent(self) -> int:
        """Who left meanwhile is no longer to be sent, and who entered comes on top."""
        return max(0, self.people - self.left)


@dataclass(frozen=True)
class ActivatedDestination:
    """`property` is what the key is called there. `first_sync` is None before it has begun. `error`: why what is sent there waits, and
    what to do; "" if it does not.
    """

    id: int
    name: str
    kind: str
    enabled: bool
    property: str
    adds_members: bool
    list_id: int | None
    first_sync: FirstSync | None
    error: str


@dataclass(frozen=True)
class ComputationItem:
    """An audience or a computed trait. `size` is the number of members, or of people with a value.

    `progress` goes from 0 to 1 while it is `computing`, the first time or after a change (then `size` is that of the former
    definition); while it `awaits_history`, it is that of the history. `error` says why it has `failed`. `week`: the last seven days, the oldest first, today included.
    """

    row: Computation
    state: State
    error: str
    size: int
    progress: float
    computed_at: datetime | None
    week: Sequence[Day]
    destinations: Sequence[ActivatedDestination]
    #: The definition in words.
    text: str
    #: Nobody is evaluated before the history is loaded.
    awaits_history: bool = False

    @property
    def today(self) -> Day:
        return self.week[-1]


class Version(NamedTuple):
    """A former or the present definition, in words; `row` says who wrote it, and when."""

    row: DefinitionVersion
    text: str


class Member(NamedTuple):
    """`id` is that of the store, for the next page; `segment_id` names the profile. `value`: of a computed trait, else None.
    `since`: the second at which it was found to be so; None: not known.
    """

    id: int
    segment_id: str
    identifiers: Sequence[Identifier]
    value: Any = None
    since: datetime | None = None


class MemberPage(NamedTuple):
    """`next` is None on the last page."""

    items: Sequence[Member]
    next: int | None


class PreviewedPerson(NamedTuple):
    """`why`: the conditions that hold, with their figures. `value`: of a computed trait; `before`: what it is now."""

    segment_id: str
    identifiers: Sequence[Identifier]
    why: Sequence[str]
    value: Any = None
    before: Any = None


@dataclass(frozen=True)
class Preview:
    """What an audience or computed trait would be now: how many people, how many of them without an address, and some of
    them.

    `looked_at`: the share of all people that PREVIEW_SECONDS were enough for. Below 1.0 the figures are estimates by it.
    """

    text: str
    count: int = 0
    without_address: int = 0
    sample: Sequence[PreviewedPerson] = ()
    seconds: float = 0.0
    looked_at: float = 1.0

    @property
    def too_slow(self) -> bool:
        """Not everybody was looked at."""
        return self.looked_at < 1.0


@dataclass(frozen=True)
class PersonExplained:
    """Whether a person is a member now, and why. `until`: when time alone may change that, at the earliest.

    A computed trait has a `value` instead of conditions; `excluded` says why somebody who fulfils a definition is left out.
    """

    segment_id: str
    identifiers: Sequence[Identifier]
    member: bool
    explanation: Explanation | None
    until: datetime | None
    value: Any = None
    why: Sequence[str] = ()
    excluded: str = ""


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


@dataclass(frozen=True)
class Storage:
    """What Engage keeps of a workspace. `days_kept`: how long events are kept with the definitions that there are.

    `people` and `events` are estimates by a sample where counting takes too long (`is_estimate`); `since`: the oldest event.
    """

    bytes: int
    days_kept: int
    people: int = 0
    events: int = 0
    since: datetime | None = None
    is_estimate: bool = False


class History(NamedTuple):
    """Of the messages from before Engage was switched on. `progress` goes from 0 to 1."""

    state: Literal["not loaded", "loading", "loaded"]
    progress: float = 0.0


# ---- one workspace


def space_of(workspace: Workspace) -> Space | None:
    """None: Engage was never switched on."""
    return Space.objects.select_related("source", "workspace").filter(workspace=workspace).first()


def windows_in_use(space: Space) -> list[tuple[Computation, int]]:
    """How many days each definition looks back, the longest first; those that look at no event are left out."""
    rows = parsing.present(space)
    definitions = parsing.parsed(rows, retention_days=space.retention_days)
    retention_ms = space.retention_days * DAY_MS
    windows = [(row, parsing.longest_window_ms(definitions[row.key], retention_ms)) for row in rows]
    used = [(row, -(-window_ms // DAY_MS)) for row, window_ms in windows if window_ms]
    return sorted(used, key=lambda window: -window[1])


def days_kept(space: Space) -> int:
    """How long events are kept: the longest window of any definition, at least 90 days, at most the retention."""
    longest = next((days for _, days in windows_in_use(space)), 0)
    return min(space.retention_days, max(LEAST_DAYS_KEPT, longest))


def history(space: Space) -> History:
    """How far the messages are read that the event log has from before the switch."""
    with _reading(space) as connection:
        return _history(space, connection)


def _history(space: Space, connection: sqlite3.Connection | None) -> History:
    if space.history_asked_at is None:
        return History("not loaded")
    if connection is None:
        return History("loading")
    meta = store.Meta(connection)
    if meta.number("history_done") >= int(space.history_asked_at.timestamp() * 1_000):
        return History("loaded", 1.0)
    began = meta.number("began")
    return History("loading", min(1.0, meta.number("history_place") / began) if began else 0.0)


def storage(space: Space, *, seconds: float = 1.0) -> Storage:
    """`seconds`: how long it may count."""
    path = store.path(settings.CONFIG.home, space.workspace_id)
    files = (path.with_name(path.name + suffix) for suffix in ("", "-wal"))
    size = sum(file.stat().st_size for file in files if file.exists())
    kept = days_kept(space)
    with _reading(space) as connection:
        if connection is None:
            return Storage(size, kept)
        try:
            with time_limit(connection, seconds):
                people = _number(connection, "SELECT count(*) FROM profile")
                events = _number(connection, "SELECT count(*) FROM event")
                oldest = _number(connection, "SELECT min(ts) FROM event")
        except QueryTimeoutError:
            return _estimated(connection, Storage(size, kept, is_estimate=True))
    return Storage(size, kept, people, events, _moment(oldest))


def _estimated(connection: sqlite3.Connection, of: Storage) -> Storage:
    """By some people from all over, as many as time allows, of the first _PLACES at least one."""
    last = _number(connection, "SELECT max(id) FROM profile")
    oldest = _number(connection, "SELECT min(ts) FROM message")
    looked = people = events = 0
    end = time.monotonic() + _SAMPLE_SECONDS
    places = list(range(0, last, _NEIGHBOURS))
    random.Random(last).shuffle(places)  # noqa: S311
    for place in places[:_PLACES]:
        upto = min(place + _NEIGHBOURS, last)
        (in_place,) = connection.execute(
            "SELECT count(*) FROM profile WHERE id > ? AND id <= ?", [place, upto]
        ).fetchone()
        (of_them,) = connection.execute(
            "SELECT count(*) FROM event WHERE profile > ? AND profile <= ?", [place, upto]
        ).fetchone()
        looked, people, events = looked + upto - place, people + in_place, events + of_them
        if time.monotonic() > end:
            break
    share = last / looked if looked else 0.0
    return replace(of, people=round(people * share), events=round(events * share), since=_moment(oldest))


# ---- audiences and computed traits


def computations(
    space: Space | None, computation_class: ComputationClass | None = None
) -> list[ComputationItem]:
    """Those that are not deleted, newest first; of one class, or of both."""
    if space is None:
        return []
    rows = list(reversed(parsing.present(space)))
    chosen = [row for row in rows if computation_class in {None, row.computation_class}]
    with _reading(space) as connection:
        return _items(space, chosen, {row.key: row.name for row in rows}, connection)


def computation(row: Computation) -> ComputationItem:
    """One, with the same."""
    space = Space.objects.get(id=row.space_id)
    names = {other.key: other.name for other in parsing.present(space)}
    with _reading(space) as connection:
        return _items(space, [row], names, connection)[0]


def days(row: Computation, number: int) -> list[Day]:
    """Entries and exits of the last days, the oldest first, today included."""
    with _reading(row.space) as connection:
        return _days(connection, [row.key], number)[row.key]


def versions(row: Computation, *, before: int | None = None, limit: int = 50) -> list[Version]:
    """The definitions that it has had, newest first; before that version."""
    space = Space.objects.get(id=row.space_id)
    names = {other.key: other.name for other in parsing.present(space)}
    rows = row.versions.order_by("-version")
    if before is not None:
        rows = rows.filter(version__lt=before)
    # An earlier definition may have a window that is longer than the retention now.
    return [
        Version(
            version,
            definition_text(
                parsing.parse(row.computation_class, version.definition, retention_days=MAX_RETENTION_DAYS),
                names,
            ),
        )
        for version in rows[:limit]
    ]


def _items(
    space: Space, rows: Sequence[Computation], names: Mapping[str, str], connection: sqlite3.Connection | None
) -> list[ComputationItem]:
    keys = [row.key for row in rows]
    made = _made(connection)
    weeks = _days(connection, keys, WEEK)
    destinations = _destinations(rows, _first_syncs(connection))
    last = _number(connection, "SELECT max(id) FROM profile") if connection else 0
    loading = _history(space, connection)
    items = []
    for row in rows:
        now, changed = made.get(row.key), made.get(f"{row.key}\x1f{row.version}")
        latest = changed or (now if now and now.version == row.version else None)
        definition = parsing.parse(row.computation_class, row.definition, retention_days=space.retention_days)
        state = _state(space, row, latest)
        awaits_history = loading.state == "loading" and state in {"computing", "live"}
        items.append(
            ComputationItem(
                row=row,
                state="computing" if awaits_history else state,
                error=latest.error if latest else "",
                size=now.size if now else 0,
                progress=loading.progress if awaits_history else _progress(latest, last),
                computed_at=_moment(now.computed_at) if now else None,
                week=weeks[row.key],
                destinations=destinations.get(row.id, []),
                text=definition_text(definition, names),
                awaits_history=awaits_history,
            )
        )
    return items


class _Made(NamedTuple):
    """A row of `definition`: what the worker has made of a computation."""

    version: int
    state: str
    place: int
    size: int
    error: str
    computed_at: int


def _made(connection: sqlite3.Connection | None) -> dict[str, _Made]:
    if connection is None:
        return {}
    rows = connection.execute("SELECT key, version, state, place, size, error, computed_at FROM definition")
    return {key: _Made(*values) for key, *values in rows}


def _state(space: Space, row: Computation, made: _Made | None) -> State:
    if not (space.enabled and row.enabled):
        return "disabled"
    if made is None:
        return "computing"
    return {store.LIVE: "live", store.FAILED: "failed"}.get(made.state, "computing")  # type: ignore[return-value]


def _progress(made: _Made | None, last: int) -> float:
    """People are computed in the order of their ids."""
    if made is None or made.state == store.FAILED:
        return 0.0
    return 1.0 if made.state == store.LIVE else min(1.0, made.place / last) if last else 0.0


def _days(connection: sqlite3.Connection | None, keys: Sequence[str], number: int) -> dict[str, list[Day]]:
    """A day without a change has the size of the day before."""
    today = _now() // DAY_MS
    changes: dict[str, dict[int, tuple[int, int, int]]] = {key: {} for key in keys}
    sizes = dict.fromkeys(keys, 0)
    if connection is not None:
        first, listed = today - number + 1, _json(keys)
        for key, size in connection.execute(
            "SELECT key, size FROM daily_change WHERE (key, day) IN (SELECT key, max(day) FROM daily_change"
            " WHERE key IN (SELECT value FROM json_each(?)) AND day < ? GROUP BY key)",
            (listed, first),
        ):
            sizes[key] = size
        for key, day, *change in connection.execute(
            "SELECT key, day, entered, exited, size FROM daily_change"
            " WHERE key IN (SELECT value FROM json_each(?)) AND day BETWEEN ? AND ?",
            (listed, first, today),
        ):
            changes[key][day] = (change[0], change[1], change[2])
    made: dict[str, list[Day]] = {}
    for key in keys:
        size, made[key] = sizes[key], []
        for day in range(today - number + 1, today + 1):
            entered, exited, size = changes[key].get(day, (0, 0, size))
            made[key].append(Day(datetime.fromtimestamp(day * 86_400, UTC), entered, exited, size))
    return made


def _first_syncs(connection: sqlite3.Connection | None) -> dict[tuple[str, int], FirstSync]:
    if connection is None:
        return {}
    left = {
        (key, destination): people
        for key, destination, people in connection.execute(
            "SELECT key, destination, count(DISTINCT profile) FROM outbox WHERE is_first_sync = 1 GROUP BY 1, 2"
        )
    }
    for key, destination, people in connection.execute(
        "SELECT key, destination, (SELECT count(*) FROM membership AS m WHERE m.audience = s.key AND m.profile > s.place AND m.member)"
        " + (SELECT count(*) FROM computed AS c WHERE c.trait = s.key AND c.profile > s.place AND c.value <> "
        "coalesce((SELECT empty FROM definition AS d WHERE d.key = s.key), 'null'))"
        " FROM sync_run AS s"
    ):
        left[key, destination] = left.get((key, destination), 0) + people
    rows = connection.execute("SELECT key, destination, people, began_at FROM first_sync")
    return {
        (key, destination): FirstSync(
            people, left.get((key, destination), 0), datetime.fromtimestamp(began_at / 1_000, UTC)
        )
        for key, destination, people, began_at in rows
    }


def _destinations(
    rows: Sequence[Computation], first_syncs: Mapping[tuple[str, int], FirstSync]
) -> dict[int, list[ActivatedDestination]]:
    keys = {row.id: row.key for row in rows}
    activations = list(
        Activation.objects.filter(computation__in=keys).select_related("destination").order_by("id")
    )
    refs = (
        {ref.id: ref for ref in directory.destinations_of(rows[0].space.workspace_id)} if activations else {}
    )
    errors = report.errors({activation.destination_id for activation in activations})
    made: dict[int, list[ActivatedDestination]] = {}
    for activation in activations:
        row, key = activation.destination, keys[activation.computation_id]
        made.setdefault(activation.computation_id, []).append(
            ActivatedDestination(
                id=row.id,
                name=row.name,
                kind=row.kind,
                enabled=row.enabled,
                property=property_of(refs[row.id], key),
                adds_members=activation.adds_members,
                list_id=activation.list_id,
                first_sync=first_syncs.get((key, row.id)),
                error=errors.get(row.id, ""),
            )
        )
    return made


def property_of(ref: DestinationRef, key: str) -> str:
    """What a key is called at a destination."""
    integration = registry.destinations().get(ref.kind)
    return (integration and integration.engage_property(ref, key)) or key


# ---- members


def members(row: Computation, *, after: int = 0, limit: int = 50, search: str = "") -> MemberPage:
    """A page of the members (of a computed trait: of the people who have a value), by key.

    `after`: `next` of the page before. `search`: the beginning of an identifier.
    """
    limit = min(limit, MAX_PAGE)
    with _reading(row.space) as connection:
        if connection is None:
            return MemberPage((), None)
        with time_limit(connection, PERSON_SECONDS):
            profiles = _member_ids(connection, row, after, limit + 1, search)
            items = _members(connection, row, profiles[:limit])
    return MemberPage(items, profiles[limit - 1] if len(profiles) > limit else None)


def sample(row: Computation, number: int) -> list[Member]:
    """All members if they are at most so many, else some from all over."""
    with _reading(row.space) as connection:
        if connection is None:
            return []
        with time_limit(connection, PERSON_SECONDS):
            profiles = _member_ids(connection, row, 0, number + 1, "")
            if len(profiles) > number:
                last = _number(connection, "SELECT max(id) FROM profile")
                places = random.Random(last).sample(range(last), _PLACES)  # noqa: S311
                share = number // _PLACES
                profiles = [id_ for place in places for id_ in _member_ids(connection, row, place, share, "")]
            return _members(connection, row, list(dict.fromkeys(profiles)))


def export(row: Computation) -> Iterator[Member]:
    """All members of one moment, in the order of their ids. Memory does not grow with their number.

    Raises QueryTimeoutError where they are not taken in time: as long as somebody reads, the store's log cannot shrink.
    """
    end = time.monotonic() + EXPORT_SECONDS
    with _reading(row.space) as connection:
        after = 0
        while connection is not None:
            if time.monotonic() > end:
                raise QueryTimeoutError(f"The export took longer than {EXPORT_SECONDS:g} s.")
            profiles = _member_ids(connection, row, after, _CHUNK, "")
            yield from _members(connection, row, profiles)
            if len(profiles) < _CHUNK:
                return
            after = profiles[-1]


def _member_ids(
    connection: sqlite3.Connection, row: Computation, after: int, limit: int, search: str
) -> list[int]:
    table = (
        "SELECT profile FROM membership WHERE audience = :key AND member = 1"
        if row.computation_class == ComputationClass.AUDIENCE
        else "SELECT profile FROM computed WHERE trait = :key AND value <> "
        "coalesce((SELECT empty FROM definition WHERE key = :key), 'null')"
    )
    begins = (
        " AND profile IN (SELECT profile FROM identifier WHERE type IN ('user_id', 'email', 'anonymous_id')"
        " AND value >= :search AND value < :end)"
        if search
        else ""
    )
    statement = f"{table} AND profile > :after{begins} ORDER BY profile LIMIT :limit"
    parameters = {
        "key": row.key,
        "after": after,
        "limit": limit,
        "search": search,
        "end": f"{search}\U0010ffff",
    }
    return [profile for (profile,) in connection.execute(statement, parameters)]


def _members(connection: sqlite3.Connection, row: Computation, profiles: Sequence[int]) -> list[Member]:
    names, identifiers = _names(connection, profiles), identifiers_of(connection, profiles)
    stored: dict[int, Any] = {}
    table = "membership WHERE audience"
    if row.computation_class == ComputationClass.TRAIT:
        stored = _stored_values(connection, row.key, profiles)
        table = "computed WHERE trait"
    since = dict(
        connection.execute(
            f"SELECT profile, since FROM {table} = ? AND profile IN (SELECT value FROM json_each(?))",
            (row.key, _json(profiles)),
        ).fetchall()
    )
    return [
        Member(
            profile,
            names.get(profile, ""),
            identifiers.get(profile, ()),
            stored.get(profile),
            _second(since.get(profile)),
        )
        for profile in profiles
    ]


# ---- previews and explanations


def preview(
    space: Space | None,
    computation_class: ComputationClass,
    definition: object,
    *,
    include_history: bool = True,
    include_anonymous: bool = False,
    of: Computation | None = None,
) -> Preview:
    """What a definition (decoded JSON) would be now. Raises DefinitionError.

    `of`: the computation whose definition it would become; the sample then has the values before.
    """
    retention_days = space.retention_days if space else DEFAULT_RETENTION_DAYS
    parsed = parsing.parse(computation_class, definition, retention_days=retention_days)
    rows = parsing.present(space) if space else []
    _check_audiences(parsed, rows)
    text = definition_text(parsed, {row.key: row.name for row in rows})
    began = time.monotonic()
    with _reading(space) as connection:
        if connection is None or space is None:
            return Preview(text)
        since = _since(include_history=include_history, of=of)
        moment = _moment_of(space, rows, since)
        matching = _matching(
            connection, parsed, moment, include_anonymous=include_anonymous, seconds=PREVIEW_SECONDS
        )
        try:
            with time_limit(connection, _SAMPLE_SECONDS):
                sample = _sample(connection, parsed, matching.profiles, moment, of)
        except QueryTimeoutError:
            sample = []
    whole = matching.looked_at or 1.0
    return Preview(
        text,
        round(len(matching.profiles) / whole),
        round(matching.without_address / whole),
        sample,
        time.monotonic() - began,
        looked_at=matching.looked_at,
    )


def explain(
    space: Space | None,
    person: str,
    *,
    of: Computation | None = None,
    definition: object = None,
    computation_class: ComputationClass = ComputationClass.AUDIENCE,
    include_history: bool = True,
    include_anonymous: bool = False,
) -> PersonExplained | None:
    """Whether a person is in `of`, or would be with `definition` (decoded JSON), and why; None if nobody has this name.

    `person`: `type:value` or an identifier alone. It is computed now, whatever the worker has done so far. Raises
    DefinitionError, QueryTimeoutError.
    """
    with _reading(space) as connection:
        if connection is None or space is None:
            return None
        with time_limit(connection, PERSON_SECONDS):
            profile = find_profile(connection, person)
            if profile is None:
                return None
            if of is not None:
                computation_class = ComputationClass(of.computation_class)
                definition = of.definition if definition is None else definition
                include_history, include_anonymous = of.include_history, of.include_anonymous
            rows = parsing.present(space)
            parsed = parsing.parse(computation_class, definition, retention_days=space.retention_days)
            _check_audiences(parsed, rows)
            moment = _moment_of(space, rows, _since(include_history=include_history, of=of))
            return _explained(connection, parsed, profile, moment, include_anonymous=include_anonymous)


def _check_audiences(definition: parsing.Definition, rows: Iterable[Computation]) -> None:
    audiences = {row.key for row in rows if row.computation_class == ComputationClass.AUDIENCE}
    parsing.check_audiences(definition, audiences)


def _explained(
    connection: sqlite3.Connection,
    definition: parsing.Definition,
    profile: int,
    moment: Moment,
    *,
    include_anonymous: bool,
) -> PersonExplained:
    identifiers = identifiers_of(connection, [profile]).get(profile, ())
    excluded = ""
    if not include_anonymous and not any(type_ in {USER_ID, EMAIL} for type_, _ in identifiers):
        excluded = "Known by neither a userId nor an address, and anonymous people are not included."
    value, explanation, holds = None, None, False
    compiled = _compiled(definition, moment)
    parameters = compiled.parameters(moment.now, since=moment.since, profiles=[profile])
    _, result, flip_at = connection.execute(compiled.some, parameters).fetchone()
    if isinstance(definition, Computed):
        value = msgspec.json.decode(result)
        holds = result != empty_value(definition)
        why: Sequence[str] = [explaining.counted_events(connection, definition, [profile], moment)[profile]]
    else:
        explanation = explaining.explain(connection, definition, [profile], moment)[profile]
        holds, why = bool(result), explanation.why
    return PersonExplained(
        segment_id=_names(connection, [profile])[profile],
        identifiers=identifiers,
        member=holds and not excluded,
        explanation=explanation,
        until=_moment(flip_at if flip_at < NEVER else None),
        value=value,
        why=why,
        excluded=excluded,
    )


def _compiled(definition: parsing.Definition, moment: Moment) -> Any:
    if isinstance(definition, Computed):
        return compile_computed(definition, retention_ms=moment.retention_ms)
    return compile_definition(definition, retention_ms=moment.retention_ms, computed=moment.computed)


#: Whether a profile is one that is evaluated where anonymous people are not included; `{profile}` is its id.
KNOWN = f"EXISTS (SELECT 1 FROM identifier AS i WHERE i.profile = {{profile}} AND i.{store.KNOWN})"


class _Matching(NamedTuple):
    """The ids of the members (eight bytes each), how many of them have no address, and the share of all people whom that is
    found among: 1.0 if time allowed to look at everybody.
    """

    profiles: Sequence[int]
    without_address: int
    looked_at: float


def _matching(
    connection: sqlite3.Connection,
    definition: parsing.Definition,
    moment: Moment,
    *,
    include_anonymous: bool,
    seconds: float,
) -> _Matching:
    """In spans of people, in no order of theirs: what time does not allow to look at is like the rest."""
    compiled = _compiled(definition, moment)
    known = "" if include_anonymous else f" WHERE {KNOWN.format(profile='r.profile')}"
    address = "EXISTS (SELECT 1 FROM identifier AS i WHERE i.profile = r.profile AND i.type = 'email')"
    statement = f"SELECT r.profile, {address} FROM ({compiled.matching}) AS r{known}"
    parameters = compiled.parameters(moment.now, since=moment.since)
    spans = list(range(0, _number(connection, "SELECT max(id) FROM profile"), _SPAN))
    random.Random(len(spans)).shuffle(spans)  # noqa: S311
    profiles, with_address, end = array("q"), 0, time.monotonic() + seconds
    for number, after in enumerate(spans):
        try:
            with time_limit(connection, end - time.monotonic()):
                rows = connection.execute(
                    statement, {**parameters, "after": after, "upto": after + _SPAN}
                ).fetchall()
        except QueryTimeoutError:
            return _Matching(profiles, len(profiles) - with_address, number / len(spans))
        profiles.extend([id_ for id_, _ in rows])
        with_address += sum(has_address for _, has_address in rows)
    return _Matching(profiles, len(profiles) - with_address, 1.0)


def _sample(
    connection: sqlite3.Connection,
    definition: parsing.Definition,
    profiles: Sequence[int],
    moment: Moment,
    of: Computation | None,
) -> list[PreviewedPerson]:
    """Some of the people, the same each time for the same number of them."""
    places = random.Random(len(profiles)).sample(range(len(profiles)), min(SAMPLE, len(profiles)))  # noqa: S311
    chosen = sorted(profiles[place] for place in places)
    names, identifiers = _names(connection, chosen), identifiers_of(connection, chosen)
    before: Mapping[int, Any] = {}
    values: Mapping[int, Any] = {}
    why: Mapping[int, Sequence[str]]
    if isinstance(definition, Computed):
        values = explaining.values(connection, definition, chosen, moment)
        counted = explaining.counted_events(connection, definition, chosen, moment)
        why = {profile: [text] for profile, text in counted.items()}
        before = _stored_values(connection, of.key, chosen) if of else {}
    else:
        explained = explaining.explain(connection, definition, chosen, moment)
        why = {profile: explanation.why for profile, explanation in explained.items()}
        before = _stored_members(connection, of.key, chosen) if of else {}
    return [
        PreviewedPerson(
            names.get(profile, ""),
            identifiers.get(profile, ()),
            why.get(profile, ()),
            values.get(profile),
            before.get(profile),
        )
        for profile in chosen
    ]


def _since(*, include_history: bool, of: Computation | None) -> int:
    """Without history events count from the creation on: of something that is not made yet, from now on."""
    if include_history:
        return 0
    return int(of.created_at.timestamp() * 1_000) if of else _now()


def _moment_of(space: Space, rows: Iterable[Computation], since: int) -> Moment:
    return Moment(
        now=_now(),
        since=since,
        retention_ms=space.retention_days * DAY_MS,
        computed=frozenset(row.key for row in rows if row.computation_class == ComputationClass.TRAIT),
        names={row.key: row.name for row in rows},
    )


# ---- people


def find_profile(connection: sqlite3.Connection, person: str) -> int | None:
    """The id of the profile that `type:value` names, as in Segment's Profile API, or an identifier alone."""
    type_, colon, value = person.partition(":")
    if colon and type_ == "segment_id":
        return _by_segment_id(connection, value)
    if colon and (profile := _owner(connection, type_, value)):
        return profile
    for type_ in (USER_ID, EMAIL, ANONYMOUS_ID):
        if profile := _owner(connection, type_, person):
            return profile
    return _by_segment_id(connection, person)


def _owner(connection: sqlite3.Connection, type_: str, value: str) -> int | None:
    if type_ == EMAIL:
        value = normalise(value) or value
    row = connection.execute(
        "SELECT profile FROM identifier WHERE type = ? AND value = ?", (type_, value)
    ).fetchone()
    return row[0] if row else None


def _by_segment_id(connection: sqlite3.Connection, segment_id: str) -> int | None:
    """Also of a profile that was merged into another one."""
    row = connection.execute(
        "SELECT id FROM profile WHERE segment_id = :id UNION ALL SELECT profile FROM merged WHERE segment_id = :id",
        {"id": segment_id},
    ).fetchone()
    return row[0] if row else None


def profile(space: Space | None, person: str, *, events: int = 50) -> Profile | None:
    """Somebody, by `type:value` or an identifier alone; None if nobody has this name. Raises QueryTimeoutError."""
    with _reading(space) as connection:
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
    rows = {row.key: row for row in parsing.present(space)}
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
            _moment(flip_at if flip_at < NEVER else None),
            _second(since),
        )
        for key, value, flip_at, since in stored
        if key in rows
    ]


def identifiers_of(connection: sqlite3.Connection, profiles: Sequence[int]) -> dict[int, list[Identifier]]:
    """By profile: user_id first, then email, then the others by name."""
    rows = connection.execute(
        "SELECT profile, type, value FROM identifier WHERE profile IN (SELECT value FROM json_each(?))",
        (_json(profiles),),
    )
    by_profile: dict[int, list[Identifier]] = {}
    for id_, type_, value in rows:
        by_profile.setdefault(id_, []).append(Identifier(type_, value))
    first = {USER_ID: 0, EMAIL: 1}
    for identifiers in by_profile.values():
        identifiers.sort(key=lambda identifier: (first.get(identifier.type, 2), identifier))
    return by_profile


def _names(connection: sqlite3.Connection, profiles: Sequence[int]) -> dict[int, str]:
    rows = connection.execute(
        "SELECT id, segment_id FROM profile WHERE id IN (SELECT value FROM json_each(?))", (_json(profiles),)
    )
    return dict(rows.fetchall())


def _stored_values(connection: sqlite3.Connection, key: str, profiles: Sequence[int]) -> dict[int, Any]:
    rows = connection.execute(
        "SELECT profile, value FROM computed WHERE trait = ? AND profile IN (SELECT value FROM json_each(?))",
        (key, _json(profiles)),
    )
    return {id_: msgspec.json.decode(value) for id_, value in rows}


def _stored_members(connection: sqlite3.Connection, key: str, profiles: Sequence[int]) -> dict[int, bool]:
    rows = connection.execute(
        "SELECT profile, member FROM membership WHERE audience = ? AND profile IN (SELECT value FROM json_each(?))",
        (key, _json(profiles)),
    )
    stored = {id_: bool(member) for id_, member in rows}
    return {id_: stored.get(id_, False) for id_ in profiles}


# ---- reading the store


@contextmanager
def time_limit(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Statements that still run after `seconds` end with QueryTimeoutError."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _INSTRUCTIONS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise QueryTimeoutError(f"Reading the people took longer than {seconds:g} s.") from error
    finally:
        connection.set_progress_handler(None, 0)


@contextmanager
def _reading(space: Space | None) -> Iterator[sqlite3.Connection | None]:
    if space is None:
        yield None
        return
    with store.open_for_reading(store.path(settings.CONFIG.home, space.workspace_id)) as connection:
        yield connection


def _number(connection: sqlite3.Connection, statement: str) -> int:
    return connection.execute(statement).fetchone()[0] or 0


def _moment(ms: int | None) -> datetime | None:
    return datetime.fromtimestamp(ms / 1_000, UTC) if ms else None


def _second(ms: int | None) -> datetime | None:
    return datetime.fromtimestamp(ms // 1_000, UTC) if ms else None


def _now() -> int:
    return time.time_ns() // 1_000_000


def _json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()
