"""What destinations are sent of audiences and computed traits: differences, as calls in the event log.

The event log and the store do not commit together. So a difference is written into the table `outbox` with the change that it
comes of. After the commit it is appended to the log, and its row is deleted when the log's reader meets its messageId. After a
crash the log is read to its end first: what is still in the outbox then was not appended. Nothing is lost, and nothing is sent
twice.

`sent` is what each destination was sent last of each identifier, what is in the outbox included. A first sync is a walk through all
profiles that compares with it, as is the walk after a change of a definition. Walks are paced by their destination; what changes live
goes before them.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from jetbridge.delivery import ledger
from jetbridge.engage.configuration import Configuration, Definition, Target
from jetbridge.engage.evaluation import Evaluator, as_list
from jetbridge.engage.store import transaction
from jetbridge.eventlog.base import Entry, EventLog
from jetbridge.identity.identifiers import ANONYMOUS_ID, EMAIL, USER_ID
from jetbridge.spec.emails import normalise
from jetbridge.spec.message import EngageTarget, Message, decode, encode
from jetbridge.spec.person import address_in
from jetbridge.spec.times import EPOCH

#: Calls that are appended to the log at once.
CHUNK = 1_000
#: Calls that are appended and were not met yet: more wait in the outbox.
MOST_UNMET = 10_000
#: Profiles of one step of a walk.
WALK_PROFILES = 2_500
#: A destination with more messages before it, or in flight, gets no more of a walk: live messages would wait behind it.
MOST_BEHIND = 10_000

SEGMENT_ID = "segment_id"
#: `state` of a definition that was deleted, as long as destinations are sent that it is over.
ENDING = "ending"

_ITEMS = "SELECT value FROM json_each(?)"


class Call(NamedTuple):
    """A row of `outbox`."""

    id: int
    key: str
    destination: int
    profile: int
    identifier: str
    value: str
    at: int
    message_id: str
    is_first_sync: int


class Outbox:
    """For one store and the log, used by one thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        event_log: EventLog,
        evaluator: Evaluator,
        clock: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._log = event_log
        self._evaluator = evaluator
        self._clock = clock
        #: Rows of what was appended and not met yet, by messageId.
        self._unmet: dict[str, int] = {}
        #: Where the log must have been read to before anything is appended; None: to the end that it has then.
        self._read_first: int | None = None

    # ---- differences

    def write(
        self,
        configuration: Configuration,
        changed: Mapping[str, set[int]],
        identified: Collection[int],
        now: int,
    ) -> None:
        """What follows from values that have changed, and from profiles with other identifiers than before."""
        also = self._keys_of(identified)
        for definition in configuration.definitions:
            profiles = changed.get(definition.key, set()) | also.get(definition.key, set())
            if profiles and not definition.is_deleted and definition.is_enabled:
                for target in definition.targets:
                    if self._is_begun(definition.key, target.destination):
                        self._differences(definition, target, profiles, now)

    def merge(self, loser: int, survivor: int) -> None:
        execute = self._connection.execute
        execute("UPDATE OR REPLACE sent SET profile = ? WHERE profile = ?", [survivor, loser])
        execute("UPDATE outbox SET profile = ? WHERE profile = ?", [survivor, loser])

    def met(self, bodies: Iterable[bytes]) -> None:
        """These calls are in the log."""
        calls = [_decode_own(body) for body in bodies]
        if ids := [call.message_id for call in calls if call.type == "identify"]:
            statement = f"DELETE FROM outbox WHERE message_id IN ({_ITEMS})"
            self._connection.execute(statement, [msgspec.json.encode(ids).decode()])
            for id_ in ids:
                self._unmet.pop(id_, None)

    def recall(self, bodies: Iterable[bytes], configuration: Configuration) -> None:
        """Learn from calls in the log what was sent, for a store that was lost."""
        targets = {
            (definition.computation_id, target.destination): definition.key
            for definition in configuration.definitions
            for target in definition.targets
        }
        for body in bodies:
            message = decode(body)
            if message.type != "identify" or message.engage is None:
                continue
            personas = (message.context or {})["personas"]
            key = targets.get((personas["computation_id"], message.engage.destination))
            identifier = _identifier_of(message)
            row = self._connection.execute(
                "SELECT profile FROM identifier WHERE type = ? AND value = ?", identifier
            ).fetchone()
            if key and row:
                value = msgspec.json.encode((message.traits or {}).get(key)).decode()
                at = (message.timestamp - EPOCH) // timedelta(milliseconds=1)
                self._connection.execute(
                    "INSERT OR REPLACE INTO sent (key, destination, profile, identifier, value, at) VALUES (?, ?, ?, ?, ?, ?)",
                    [key, message.engage.destination, row[0], ":".join(identifier), value, at],
                )

    def _keys_of(self, profiles: Collection[int]) -> dict[str, set[int]]:
        """What profiles are members of, have a value of, or were sent."""
        keys: dict[str, set[int]] = {}
        if profiles:
            for table, key in (("membership", "audience"), ("computed", "trait"), ("sent", "key")):
                statement = f"SELECT {key}, profile FROM {table} WHERE profile IN ({_ITEMS})"
                for name, profile in self._connection.execute(statement, [as_list(profiles)]):
                    keys.setdefault(name, set()).add(profile)
        return keys

    def _is_begun(self, key: str, destination: int) -> bool:
        row = self._connection.execute(
            "SELECT 1 FROM first_sync WHERE key = ? AND destination = ?", [key, destination]
        )
        return row.fetchone() is not None

    def _differences(
        self,
        definition: Definition,
        target: Target,
        profiles: Collection[int],
        now: int,
        *,
        is_walk: bool = False,
        resends: bool = False,
        is_last: bool = False,
    ) -> None:
        """Write what differs between the values of profiles and what the target was sent of them."""
        key, destination = definition.key, target.destination
        nothing = "false" if definition.is_audience else "null"
        values = {} if is_last else self._evaluator.values(definition, profiles)
        identifiers = {} if is_last else self._identifiers(profiles, definition.include_anonymous)
        sent: dict[int, dict[str, tuple[str, int]]] = {}
        statement = f"SELECT profile, identifier, value, at FROM sent WHERE key = ? AND destination = ? AND profile IN ({_ITEMS})"
        for profile, identifier, value, at in self._connection.execute(
            statement, [key, destination, as_list(profiles)]
        ):
            sent.setdefault(profile, {})[identifier] = (value, at)

        calls: list[tuple[int, str, str, int]] = []
        for profile in sorted(profiles):
            value = nothing if is_last else values.get(profile, definition.empty)
            former = sent.get(profile, {})
            is_active = value not in {nothing, definition.empty}
            current = identifiers.get(profile, ())
            for identifier in current:
                before, at = former.get(identifier, (None, 0))
                # Nothing is sent before a first value.
                if is_active if before is None else (is_active and resends) or not is_same(before, value):
                    calls.append((profile, identifier, value, max(now, at + 1)))
            calls += [
                (profile, identifier, value, max(now, at + 1))
                for identifier, (before, at) in former.items()
                if identifier not in current and before != nothing and not is_same(before, value)
            ]
        self._write(definition, destination, calls, is_walk=is_walk)

    def _write(
        self,
        definition: Definition,
        destination: int,
        calls: Sequence[tuple[int, str, str, int]],
        *,
        is_walk: bool,
    ) -> None:
        key, many = definition.key, self._connection.executemany
        if not is_walk:  # what waits of a walk must not be overtaken
            many(
                "UPDATE outbox SET is_first_sync = 0 WHERE key = ? AND destination = ? AND profile = ? AND identifier = ?",
                [(key, destination, profile, identifier) for profile, identifier, _, _ in calls],
            )
        many(
            "INSERT INTO outbox (key, destination, profile, identifier, value, at, message_id, is_first_sync) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    key,
                    destination,
                    *call,
                    message_id_of(definition.computation_id, destination, call),
                    is_walk,
                )
                for call in calls
            ],
        )
        many(
            "INSERT OR REPLACE INTO sent (key, destination, profile, identifier, value, at) VALUES (?, ?, ?, ?, ?, ?)",
            [(key, destination, *call) for call in calls],
        )

    def _identifiers(self, profiles: Collection[int], include_anonymous: bool) -> dict[int, list[str]]:  # noqa: FBT001
        """As which each profile is sent: its addresses, else its userId; and its anonymousIds where they are included."""
        by_type: dict[int, dict[str, list[str]]] = {}
        statement = f"SELECT profile, type, value FROM identifier WHERE profile IN ({_ITEMS}) ORDER BY profile, type, value"
        for profile, type_, value in self._connection.execute(statement, [as_list(profiles)]):
            by_type.setdefault(profile, {}).setdefault(type_, []).append(f"{type_}:{value}")
        identifiers = {}
        for profile, values in by_type.items():
            own = values.get(EMAIL) or values.get(USER_ID, [])
            if include_anonymous:
                own = [*own, *values.get(ANONYMOUS_ID, [])] or [SEGMENT_ID]
            identifiers[profile] = own
        return identifiers

    # ---- walks

    def begin(self, configuration: Configuration, now: int, also: Collection[str] = ()) -> None:
        """Begin what is new: first syncs, those with other options, and the end of what was deleted or is sent no more.

        `also`: keys of definitions that have taken the place of former ones.
        """
        execute = self._connection.execute
        begun = {
            (key, destination): options
            for key, destination, options in execute("SELECT key, destination, options FROM first_sync")
        }
        forgetting = set(execute("SELECT key, destination FROM dropped_sync"))
        live = {definition.key for definition in self._evaluator.live()}
        for definition in configuration.definitions:
            if definition.is_deleted:
                self._end(definition)
                continue
            targets = {target.destination: target for target in definition.targets}
            for (key, destination), options in begun.items():
                target = targets.get(destination)
                if key == definition.key and not (target and target.is_of(options)):
                    self._forget(key, destination)
                    forgetting.add((key, destination))
            for destination, target in targets.items() if definition.key in live else ():
                if (definition.key, destination) in forgetting:
                    continue  # `clean` begins it
                options = begun.get((definition.key, destination))
                if options is None:
                    execute(
                        "INSERT INTO first_sync SELECT key, ?, ?, size, ? FROM definition WHERE key = ?",
                        [destination, now, target.options, definition.key],
                    )
                elif options != target.options:
                    execute(
                        "UPDATE first_sync SET options = ? WHERE key = ? AND destination = ?",
                        [target.options, definition.key, destination],
                    )
                elif definition.key not in also:
                    continue
                execute(
                    "INSERT OR REPLACE INTO sync_run VALUES (?, ?, 0, ?, 0)",
                    [definition.key, destination, options is not None and options != target.options],
                )

    def walk(self, configuration: Configuration, now: int) -> bool:
        """One step of a walk whose destination has room for it; False if there is none."""
        execute = self._connection.execute
        definitions = {definition.key: definition for definition in configuration.definitions}
        for (key,) in execute("SELECT key FROM definition WHERE state = ?", [ENDING]).fetchall():
            self._end(definitions[key])
        (waiting,) = execute("SELECT count(*) FROM outbox WHERE is_first_sync = 1").fetchone()
        if waiting > WALK_PROFILES:
            return False
        live = {definition.key for definition in self._evaluator.live()}
        for key, destination, place, resends, is_last in execute(
            "SELECT * FROM sync_run ORDER BY place"
        ).fetchall():
            definition = definitions.get(key)
            target = self._target(definition, destination) if definition else None
            if definition is None or target is None:
                self._forget(key, destination)
                continue
            if (key in live or is_last) and not self._is_behind(target, waiting):
                self._walk(definition, target, place, now, resends=bool(resends), is_last=bool(is_last))
                return True
        return False

    def clean(self, configuration: Configuration, now: int) -> bool:
        """Delete some of what was sent and is forgotten; False if there is nothing. Whoever was activated again meanwhile has
        a first sync after that.
        """
        execute = self._connection.execute
        row = execute("SELECT key, destination FROM dropped_sync LIMIT 1").fetchone()
        if row is None:
            return False
        deleted = execute(
            "DELETE FROM sent WHERE key = :key AND destination = :destination AND profile <= coalesce((SELECT profile FROM sent "
            f"WHERE key = :key AND destination = :destination ORDER BY profile LIMIT 1 OFFSET {WALK_PROFILES * 10}), 1 << 62)",
            {"key": row[0], "destination": row[1]},
        ).rowcount
        if not deleted:
            execute("DELETE FROM dropped_sync WHERE key = ? AND destination = ?", row)
            self.begin(configuration, now)
        return True

    def _walk(
        self, definition: Definition, target: Target, place: int, now: int, *, resends: bool, is_last: bool
    ) -> None:
        table, of = ("membership", "audience") if definition.is_audience else ("computed", "trait")
        names = {
            "key": definition.key,
            "destination": target.destination,
            "place": place,
            "limit": WALK_PROFILES,
        }
        rows = self._connection.execute(
            "SELECT profile FROM (SELECT profile FROM sent WHERE key = :key AND destination = :destination AND profile > :place "
            "GROUP BY profile ORDER BY profile LIMIT :limit) UNION SELECT profile FROM (SELECT profile "
            f"FROM {table} WHERE {of} = :key AND profile > :place ORDER BY profile LIMIT :limit) "
            "ORDER BY profile LIMIT :limit",
            names,
        )
        profiles = [profile for (profile,) in rows]
        self._differences(definition, target, profiles, now, is_walk=True, resends=resends, is_last=is_last)
        if len(profiles) == WALK_PROFILES:
            self._connection.execute(
                "UPDATE sync_run SET place = ? WHERE key = ? AND destination = ?",
                [profiles[-1], definition.key, target.destination],
            )
            return
        self._connection.execute(
            "DELETE FROM sync_run WHERE key = ? AND destination = ?", [definition.key, target.destination]
        )
        if is_last:
            self._end(definition)

    def _end(self, definition: Definition) -> None:
        """Of a deleted definition: first whoever was sent something is sent that it is over, if that was asked for."""
        key, execute = definition.key, self._connection.execute
        row = execute("SELECT state FROM definition WHERE key = ?", [key]).fetchone()
        if row is None:
            return
        destinations = []
        for (destination,) in execute("SELECT destination FROM first_sync WHERE key = ?", [key]).fetchall():
            if self._target(definition, destination) is None:  # it was removed meanwhile
                self._forget(key, destination)
            else:
                destinations.append(destination)
        if row != (ENDING,) and definition.clears_members:
            execute("UPDATE definition SET state = ? WHERE key = ?", [ENDING, key])
            for destination in destinations:
                execute("INSERT OR REPLACE INTO sync_run VALUES (?, ?, 0, 0, 1)", [key, destination])
        if execute("SELECT 1 FROM sync_run WHERE key = ? AND is_last", [key]).fetchone():
            return
        waiting = "SELECT 1 FROM outbox WHERE key = ?"
        if definition.clears_members and execute(waiting, [key]).fetchone():
            return
        for destination in destinations:
            self._forget(key, destination)
        self._evaluator.drop(key)

    def _forget(self, key: str, destination: int) -> None:
        for table in ("first_sync", "sync_run", "outbox"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE key = ? AND destination = ?", [key, destination]
            )
        self._connection.execute("INSERT OR IGNORE INTO dropped_sync VALUES (?, ?)", [key, destination])

    def ended(self, configuration: Configuration) -> list[Definition]:
        """Deleted ones of which nothing is left to be sent, and which still have targets."""
        deleted = [row for row in configuration.definitions if row.is_deleted and row.targets]
        if not deleted:
            return []
        left = {key for (key,) in self._connection.execute("SELECT key FROM definition")}
        return [row for row in deleted if row.key not in left]

    def _is_behind(self, target: Target, waiting: int) -> bool:
        if target.is_scheduled:
            return False
        position = ledger.positions().get(ledger.destination_reader(target.destination))
        if position is None:
            return False
        behind = self._log.counts().end - position + ledger.in_flight(target.destination)
        return behind + waiting > MOST_BEHIND

    def _target(self, definition: Definition, destination: int) -> Target | None:
        return next((target for target in definition.targets if target.destination == destination), None)

    # ---- the log

    def restart(self) -> None:
        """What became of the last calls is not known: read the log to its end before more are appended."""
        self._unmet.clear()
        self._read_first = None

    def append(self, configuration: Configuration, position: int) -> bool:
        """Append what waits, once the log was read up to where that is possible; False if nothing was.

        Raises LogUnavailable.
        """
        if self._read_first is None:
            self._read_first = self._log.counts().end
        if position < self._read_first:
            return False
        if len(self._unmet) >= MOST_UNMET:  # some may be of people who were erased since
            self._unmet = dict(
                self._connection.execute(
                    f"SELECT message_id, id FROM outbox WHERE id IN ({_ITEMS})",
                    [as_list(self._unmet.values())],
                ).fetchall()
            )
            if len(self._unmet) >= MOST_UNMET:
                return False
        # An erasure waits for the transaction, or comes before it: it leaves no row, and empties what is in the log.
        with transaction(self._connection):
            calls = self._unappended()
            if not calls:
                return False
            try:
                self._log.append(self._entries(configuration, calls))
            except BaseException:
                self.restart()
                raise
        self._unmet.update((call.message_id, call.id) for call in calls)
        return True

    def _unappended(self) -> list[Call]:
        ids = self._connection.execute(
            "SELECT id FROM outbox ORDER BY is_first_sync, id LIMIT ?", [len(self._unmet) + CHUNK]
        )
        appended = set(self._unmet.values())
        waiting = [id_ for (id_,) in ids if id_ not in appended][:CHUNK]
        statement = f"SELECT * FROM outbox WHERE id IN ({_ITEMS}) ORDER BY is_first_sync, id"
        return [Call._make(row) for row in self._connection.execute(statement, [as_list(waiting)])]

    def _entries(self, configuration: Configuration, calls: Sequence[Call]) -> list[Entry]:
        people = _people(self._connection, {call.profile for call in calls})
        makers = {
            (definition.key, target.destination): _Maker(configuration, definition, target)
            for definition in configuration.definitions
            for target in definition.targets
        }
        entries: list[Entry] = []
        now = self._clock()
        for call in calls:
            maker, person = makers.get((call.key, call.destination)), people.get(call.profile)
            if maker and person:  # else forgotten since; `begin` deletes the row
                entries += maker.entries(call, person, max(now, call.at))
        return entries


class _Person(NamedTuple):
    """What calls say of whom they are about. `traits` are JSON."""

    segment_id: str
    user_id: str | None
    traits: str


def _people(connection: sqlite3.Connection, profiles: Collection[int]) -> dict[int, _Person]:
    statement = (
        "SELECT id, segment_id, (SELECT value FROM identifier WHERE profile = profile.id AND type = ?), traits FROM profile "
        f"WHERE id IN ({_ITEMS})"
    )
    rows = connection.execute(statement, [USER_ID, as_list(profiles)])
    return {id_: _Person(segment_id, user_id, traits) for id_, segment_id, user_id, traits in rows}


class _Maker:
    """Makes the calls of one definition and one target."""

    def __init__(self, configuration: Configuration, definition: Definition, target: Target) -> None:
        self._own_source = configuration.own_source
        self._definition = definition
        self._takes_track = target.takes_track
        self._class = "audience" if definition.is_audience else "trait"
        self._personas = {
            "computation_class": self._class,
            "computation_id": definition.computation_id,
            "computation_key": definition.key,
            "namespace": configuration.space_id,
            "space_id": configuration.space_id,
        }
        self._integrations = {"All": False, target.name: True} if target.name else None
        self._engage = EngageTarget(
            destination=target.destination,
            adds_members=target.adds_members,
            list_id=target.list_id,
            is_decimal=definition.is_decimal,
        )

    def entries(self, call: Call, person: _Person, received_at: int) -> Iterator[Entry]:
        """`received_at` in ms."""
        for message in self._messages(call, person, received_at):
            yield Entry(self._own_source, message.type, received_at, encode(message))

    def _messages(self, call: Call, person: _Person, received_at: int) -> Iterator[Message]:
        key, value = self._definition.key, msgspec.json.decode(call.value)
        type_, _, name = call.identifier.partition(":")
        email = {"email": _as_written(person.traits, name)} if type_ == EMAIL else {}
        message = Message(
            type="identify",
            message_id=call.message_id,
            timestamp=_moment(call.at),
            received_at=_moment(received_at),
            user_id=person.user_id,
            anonymous_id=name if type_ == ANONYMOUS_ID else None if person.user_id else person.segment_id,
            traits={key: value, **email},
            context={"personas": self._personas},
            integrations=self._integrations,
            engage=self._engage,
        )
        yield message
        if self._takes_track:
            entered = "Audience Entered" if value else "Audience Exited"
            yield msgspec.structs.replace(
                message,
                type="track",
                message_id=f"{call.message_id}-track",
                event=entered if self._definition.is_audience else "Trait Computed",
                properties={f"{self._class}_key": key, key: value},
                traits=None,
                context={"personas": self._personas, **({"traits": email} if email else {})},
            )


class _OwnCall(msgspec.Struct, rename="camel"):
    """The part of a call by which it is known."""

    type: str
    message_id: str


_decode_own = msgspec.json.Decoder(_OwnCall).decode


def _identifier_of(call: Message) -> tuple[str, str]:
    if email := normalise(str((call.traits or {}).get("email", ""))):
        return EMAIL, email
    return (USER_ID, call.user_id) if call.user_id else (ANONYMOUS_ID, call.anonymous_id or "")


def is_same(one: str, other: str) -> bool:
    """Whether two JSON values are one: 1 is 1.0, and true is not 1."""
    return one == other or _comparable(msgspec.json.decode(one)) == _comparable(msgspec.json.decode(other))


def _comparable(value: object) -> object:
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return (isinstance(value, bool), value)


class _Address(msgspec.Struct):
    """The one trait that has nearly every address."""

    email: Any = None


_address_of = msgspec.json.Decoder(_Address).decode


def _as_written(traits: str, email: str) -> str:
    """The address as its person's traits (JSON) have it; else in its one spelling."""
    if _address_of(traits).email == email:
        return email
    written = address_in(msgspec.json.decode(traits))
    if written and isinstance(written[1], str) and normalise(written[1]) == email:
        return written[1]
    return email


def message_id_of(computation_id: str, destination: int, call: tuple[int, str, str, int]) -> str:
    """The same for the same identifier, value and moment, which rises with each call to an identifier.

    Not of the profile: a merge gives another one what was sent. Only who has no other name is told apart by it.
    """
    profile, identifier, value, at = call
    parts = [
        computation_id,
        destination,
        profile if identifier == SEGMENT_ID else None,
        identifier,
        value,
        at,
    ]
    return f"engage-{hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()}"


@lru_cache(16)  # the calls of a walk have one time
def _moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)
