"""What pages, API and commands read of Engage: audiences and computed traits, the history, the storage, values for conditions.

What people define stands in state.db, what the worker computes of it in the workspace's store. Each function reads one
snapshot of the store and writes nothing. Whatever could take long with a million people is bounded in time.
"""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec
from django.conf import settings

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Workspace
from jetbridge.delivery import report
from jetbridge.engage import store
from jetbridge.engage.definition import DAY_MS, Definition, longest_window_ms, parse
from jetbridge.engage.models import Activation, Computation, ComputationClass, DefinitionVersion, Space
from jetbridge.engage.store import QueryTimeoutError, time_limit
from jetbridge.engage.wording import definition_text
from jetbridge.integrations import registry

State = Literal["computing", "live", "failed", "disabled"]
#: Days of changes in a list.
WEEK = 7
#: How long, and from how many places, people are counted for an estimate; so many in a row.
_ESTIMATE_SECONDS, _PLACES, _NEIGHBOURS = 1.0, 50, 200
#: How long events are kept, in days: at least so long, and at most so long as a retention may be.
LEAST_DAYS_KEPT, MAX_RETENTION_DAYS = 90, 3_650


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
    rows = space.present_computations()
    definitions = parsed(rows, retention_days=space.retention_days)
    retention_ms = space.retention_days * DAY_MS
    windows = [(row, longest_window_ms(definitions[row.key], retention_ms)) for row in rows]
    used = [(row, -(-window_ms // DAY_MS)) for row, window_ms in windows if window_ms]
    return sorted(used, key=lambda window: -window[1])


def days_kept(space: Space) -> int:
    """How long events are kept: the longest window of any definition, at least 90 days, at most the retention."""
    longest = next((days for _, days in windows_in_use(space)), 0)
    return min(space.retention_days, max(LEAST_DAYS_KEPT, longest))


def history(space: Space) -> History:
    """How far the messages are read that the event log has from before the switch."""
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id) as connection:
        return _history(space, connection)


def _history(space: Space, connection: sqlite3.Connection | None) -> History:
    if space.history_requested_at is None:
        return History("not loaded")
    if connection is None:
        return History("loading")
    meta = store.Meta(connection)
    if meta.number("history_done") >= int(space.history_requested_at.timestamp() * 1_000):
        return History("loaded", 1.0)
    began = meta.number("began")
    return History("loading", min(1.0, meta.number("history_place") / began) if began else 0.0)


def storage(space: Space, *, seconds: float = 1.0) -> Storage:
    """`seconds`: how long it may count."""
    path = store.path(settings.CONFIG.home, space.workspace_id)
    files = (path.with_name(path.name + suffix) for suffix in ("", "-wal"))
    size = sum(file.stat().st_size for file in files if file.exists())
    kept = days_kept(space)
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id) as connection:
        if connection is None:
            return Storage(size, kept)
        try:
            with time_limit(connection, seconds):
                people = store.number(connection, "SELECT count(*) FROM profile")
                events = store.number(connection, "SELECT count(*) FROM event")
                oldest = store.number(connection, "SELECT min(ts) FROM event")
        except QueryTimeoutError:
            return _estimated(connection, Storage(size, kept, is_estimate=True))
    return Storage(size, kept, people, events, store.moment(oldest))


def _estimated(connection: sqlite3.Connection, of: Storage) -> Storage:
    """By some people from all over, as many as time allows, of the first _PLACES at least one."""
    last = store.number(connection, "SELECT max(id) FROM profile")
    oldest = store.number(connection, "SELECT min(ts) FROM message")
    looked = people = events = 0
    end = time.monotonic() + _ESTIMATE_SECONDS
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
    return replace(of, people=round(people * share), events=round(events * share), since=store.moment(oldest))


# ---- audiences and computed traits


def computations(
    space: Space | None, computation_class: ComputationClass | None = None
) -> list[ComputationItem]:
    """Those that are not deleted, newest first; of one class, or of both."""
    if space is None:
        return []
    rows = list(reversed(space.present_computations()))
    chosen = [row for row in rows if computation_class in {None, row.computation_class}]
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id) as connection:
        return _items(space, chosen, {row.key: row.name for row in rows}, connection)


def computation(row: Computation) -> ComputationItem:
    """One, with the same."""
    space = Space.objects.get(id=row.space_id)
    names = {other.key: other.name for other in space.present_computations()}
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id) as connection:
        return _items(space, [row], names, connection)[0]


def days(row: Computation, number: int) -> list[Day]:
    """Entries and exits of the last days, the oldest first, today included."""
    with store.open_for_reading(settings.CONFIG.home, row.space.workspace_id) as connection:
        return _days(connection, [row.key], number)[row.key]


def versions(row: Computation, *, before: int | None = None, limit: int = 50) -> list[Version]:
    """The definitions that it has had, newest first; before that version."""
    space = Space.objects.get(id=row.space_id)
    names = {other.key: other.name for other in space.present_computations()}
    rows = row.versions.order_by("-version")
    if before is not None:
        rows = rows.filter(version__lt=before)
    # An earlier definition may have a window that is longer than the retention now.
    return [
        Version(
            version,
            definition_text(
                parse(row.computation_class, version.definition, retention_days=MAX_RETENTION_DAYS),
                names,
            ),
        )
        for version in rows[:limit]
    ]


def _items(
    space: Space, rows: Sequence[Computation], names: Mapping[str, str], connection: sqlite3.Connection | None
) -> list[ComputationItem]:
    keys = [row.key for row in rows]
    rows_made = (
        connection.execute("SELECT key, version, state, place, size, error, computed_at FROM definition")
        if connection
        else ()
    )
    made = {key: _Made(*values) for key, *values in rows_made}
    weeks = _days(connection, keys, WEEK)
    destinations = _destinations(rows, _first_syncs(connection))
    last = store.number(connection, "SELECT max(id) FROM profile") if connection else 0
    loading = _history(space, connection)
    items = []
    for row in rows:
        now, changed = made.get(row.key), made.get(f"{row.key}\x1f{row.version}")
        latest = changed or (now if now and now.version == row.version else None)
        definition = parse(row.computation_class, row.definition, retention_days=space.retention_days)
        state: State = "computing"
        if not (space.enabled and row.enabled):
            state = "disabled"
        elif latest and latest.state in {store.LIVE, store.FAILED}:
            state = "live" if latest.state == store.LIVE else "failed"
        awaits_history = loading.state == "loading" and state in {"computing", "live"}
        items.append(
            ComputationItem(
                row=row,
                state="computing" if awaits_history else state,
                error=latest.error if latest else "",
                size=now.size if now else 0,
                progress=loading.progress if awaits_history else latest.progress(last) if latest else 0.0,
                computed_at=store.moment(now.computed_at) if now else None,
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

    def progress(self, last: int) -> float:
        """People are computed in the order of their ids, of which `last` is the highest."""
        if self.state == store.LIVE:
            return 1.0
        return min(1.0, self.place / last) if last and self.state != store.FAILED else 0.0


def _days(connection: sqlite3.Connection | None, keys: Sequence[str], number: int) -> dict[str, list[Day]]:
    """A day without a change has the size of the day before."""
    today = time.time_ns() // 1_000_000 // DAY_MS
    changes: dict[str, dict[int, tuple[int, int, int]]] = {key: {} for key in keys}
    sizes = dict.fromkeys(keys, 0)
    if connection is not None:
        first, listed = today - number + 1, store.json_list(keys)
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


# ---- values for conditions

#: Path -> values, the most frequent first.
Samples = Mapping[str, list[Any]]
#: People, or events of a name, that are looked at; for how long at most; and values of a path that are kept.
_LOOKED_AT, _SECONDS, _VALUES = 300, 0.2, 20
#: Levels of nested objects, paths of one object, characters of a value.
_LEVELS, _PATHS, _CHARACTERS = 3, 200, 100
_EVENTS: Final = "SELECT props FROM event WHERE name = ? ORDER BY profile DESC LIMIT ?"
_TRAITS: Final = "SELECT traits FROM profile ORDER BY id DESC LIMIT ?"


def event_samples(space: Space, names: Collection[str]) -> dict[str, Samples]:
    """By event. One that is rare among very many events may have none."""
    seconds = _SECONDS / max(1, len(names))
    return {name: _samples(_rows(space, seconds, _EVENTS, name, _LOOKED_AT)) for name in names}


def trait_samples(space: Space) -> Samples:
    return _samples(_rows(space, _SECONDS, _TRAITS, _LOOKED_AT))


def _rows(space: Space, seconds: float, statement: str, *parameters: object) -> list[Any]:
    try:
        with store.open_for_reading(settings.CONFIG.home, space.workspace_id) as connection:
            if connection is None:
                return []
            with time_limit(connection, seconds):
                return [msgspec.json.decode(text) for (text,) in connection.execute(statement, parameters)]
    except (QueryTimeoutError, sqlite3.OperationalError):
        return []


def _samples(rows: Iterable[Any]) -> Samples:
    counts: dict[str, Counter[tuple[type, Any]]] = {}
    for row in rows:
        for path, value in _leaves(row, ""):
            if len(counts) < _PATHS or path in counts:
                counts.setdefault(path, Counter())[type(value), value] += 1
    return {
        path: [value for (_, value), _ in counter.most_common(_VALUES)] for path, counter in counts.items()
    }


def _leaves(value: Any, path: str, level: int = 0) -> Iterator[tuple[str, Any]]:
    """Scalars, also those of lists, with their paths."""
    if isinstance(value, dict):
        if level < _LEVELS:
            for name, inner in value.items():
                yield from _leaves(inner, f"{path}.{name}" if path else name, level + 1)
    elif isinstance(value, list):
        for inner in value[:_VALUES]:
            if not isinstance(inner, dict | list):
                yield from _leaves(inner, path, level)
    elif value is not None and not (isinstance(value, str) and len(value) > _CHARACTERS):
        yield path, value


def parsed(rows: Iterable[Computation], *, retention_days: int) -> dict[str, Definition]:
    """By key, the definitions of computations, which were checked when they were stored."""
    return {
        row.key: parse(row.computation_class, row.definition, retention_days=retention_days) for row in rows
    }
