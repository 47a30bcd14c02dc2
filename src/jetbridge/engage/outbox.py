"""What destinations are sent of audiences and computed traits: differences, as calls in the event log.

The event log and the store do not commit together. So a difference is written into the table `outbox` with the change that it
comes of. After the commit it is appended to the log, in the transaction that deletes its row. A crash between the two leaves rows
of calls that the log holds: the log is read to its end before more is appended, and those rows are deleted. Nothing is lost, and
nothing is sent twice.

`sent` is what each destination was sent last of each identifier, what is in the outbox included. A first sync is a walk through all
profiles that compares with it, as is the walk after a change of a definition. Walks are paced by their destination; what changes live
goes before them.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from jetbridge.delivery import ledger
from jetbridge.delivery.models import destination_consumer
from jetbridge.engage import store
from jetbridge.engage.configuration import Configuration, Definition, Target
from jetbridge.engage.store import json_list, transaction
from jetbridge.eventlog.base import Entry, EventLog
from jetbridge.identity.identifiers import ANONYMOUS_ID, EMAIL, USER_ID
from jetbridge.spec.emails import normalise
from jetbridge.spec.message import EngageTarget, Message, decode, encode
from jetbridge.spec.person import address_in
from jetbridge.spec.times import EPOCH

#: Calls that are appended to the log at once.
CHUNK = 1_000
#: Rows that are looked for in the log after a crash. One append has CHUNK; an older copy of the store may lack several.
UNCERTAIN = 10 * CHUNK
#: Profiles of one step of a walk.
WALK_PROFILES = 2_500
#: A destination with more messages before it, or in flight, gets no more of a walk: live messages would wait behind it.
MOST_BEHIND = 10_000
#: How long all walks rest if none has room: a look costs as much as some tens of calls.
BEHIND_SECONDS = 0.2

SEGMENT_ID = "segment_id"
#: `state` of a definition that was deleted, as long as destinations are sent that it is over.
ENDING = "ending"

_ITEMS = "SELECT value FROM json_each(?)"


class Call(NamedTuple):
    """A row of `outbox`, with what its call says of the person. `traits` are JSON."""

    key: str
    destination: int
    profile: int
    identifier: str
    value: str
    at: int
    segment_id: str | None
    user_id: str | None
    traits: str


#: What differs between values and what a destination was sent of `:profiles`. {value} is the value of a row of the table {table}.
_DIFFERENCES = f"""
WITH person AS MATERIALIZED (
    SELECT item.value AS profile, iif(:is_last, :nothing, coalesce({{value}}, :empty)) AS value
    FROM json_each(:profiles) AS item LEFT JOIN {{table}} AS t ON t.{{of}} = :key AND t.profile = item.value
),
-- As which each is sent: its addresses, else its userId; and its anonymousIds where they are included.
named AS MATERIALIZED (
    SELECT i.profile, i.type || ':' || i.value AS identifier, person.value
    FROM person CROSS JOIN identifier AS i ON i.profile = person.profile
    WHERE NOT :is_last AND (i.type = '{EMAIL}' OR (i.type = '{USER_ID}' AND NOT EXISTS (
        SELECT 1 FROM identifier AS e WHERE e.profile = i.profile AND e.type = '{EMAIL}'))
        OR (:include_anonymous AND i.type = '{ANONYMOUS_ID}'))
    UNION ALL
    SELECT profile, '{SEGMENT_ID}', value FROM person
    WHERE NOT :is_last AND :include_anonymous AND EXISTS (SELECT 1 FROM identifier AS i WHERE i.profile = person.profile)
        AND NOT EXISTS (SELECT 1 FROM identifier AS i WHERE i.profile = person.profile
            AND i.type IN ('{EMAIL}', '{USER_ID}', '{ANONYMOUS_ID}'))
)
INSERT INTO outbox (key, destination, profile, identifier, value, at, is_first_sync)
SELECT :key, :destination, profile, identifier, value, at, :is_walk FROM (
    -- Nothing is sent before a first value.
    SELECT named.*, max(:now, coalesce(sent.at + 1, 0)) AS at
    FROM named LEFT JOIN sent ON sent.key = :key AND sent.destination = :destination
        AND sent.profile = named.profile AND sent.identifier = named.identifier
    WHERE CASE WHEN sent.value IS NULL OR :resends AND named.value NOT IN (:nothing, :empty)
        THEN named.value NOT IN (:nothing, :empty)
        ELSE sent.value <> named.value AND NOT is_same(sent.value, named.value) END
    UNION ALL
    SELECT sent.profile, sent.identifier, person.value, max(:now, sent.at + 1)
    FROM person CROSS JOIN sent ON sent.key = :key AND sent.destination = :destination AND sent.profile = person.profile
    WHERE sent.value NOT IN (:nothing, person.value) AND NOT is_same(sent.value, person.value)
        AND (sent.profile, sent.identifier) NOT IN (SELECT profile, identifier FROM named)
) ORDER BY profile
"""
_AUDIENCE_DIFFERENCES = _DIFFERENCES.format(
    table="membership", of="audience", value="iif(t.member, 'true', 'false')"
)
_TRAIT_DIFFERENCES = _DIFFERENCES.format(table="computed", of="trait", value="t.value")


class Outbox:
    """For one store and the log, used by one thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        event_log: EventLog,
        live: Callable[[], Collection[str]],
        *,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
        space_id: str,
    ) -> None:
        self._connection = connection
        self._log = event_log
        #: The keys of the definitions that are computed for everybody.
        self._live = live
        self._clock = clock
        self._monotonic = monotonic
        self._walk_at = float("-inf")
        self._space_id = space_id
        connection.create_function("is_same", 2, is_same, deterministic=True)
        self.restart()

    # ---- differences

    def write(
        self,
        configuration: Configuration,
        changed: Mapping[str, set[int]],
        identified: Collection[int],
        now: int,
    ) -> None:
        """What follows from values that have changed, and from profiles with other identifiers than before."""
        # Whatever they are members of, have a value of, or were sent.
        also: dict[str, set[int]] = {}
        for table, key in (("membership", "audience"), ("computed", "trait"), ("sent", "key")):
            statement = f"SELECT {key}, profile FROM {table} WHERE profile IN ({_ITEMS})"
            rows = self._connection.execute(statement, [json_list(identified)]) if identified else ()
            for name, profile in rows:
                also.setdefault(name, set()).add(profile)
        begun = set(self._connection.execute("SELECT key, destination FROM first_sync"))
        for definition in configuration.definitions:
            profiles = changed.get(definition.key, set()) | also.get(definition.key, set())
            if not profiles or definition.is_deleted or not definition.is_enabled:
                continue
            for target in definition.targets:
                if (definition.key, target.destination) in begun:
                    self._write_differences(definition, target, json_list(profiles), now)

    def merge(self, loser: int, survivor: int) -> None:
        execute = self._connection.execute
        execute("UPDATE OR REPLACE sent SET profile = ? WHERE profile = ?", [survivor, loser])
        execute("UPDATE outbox SET profile = ? WHERE profile = ?", [survivor, loser])

    def remove_appended(self, bodies: Iterable[bytes]) -> None:
        """These calls are in the log. Only after a crash one of them has a row yet."""
        if not self._uncertain:
            return
        ids = [self._uncertain.pop(_decode_own(body).message_id, None) for body in bodies]
        self._connection.executemany("DELETE FROM outbox WHERE id = ?", [(id_,) for id_ in ids if id_])

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
            email = normalise(str((message.traits or {}).get("email", "")))
            identifier = (
                (EMAIL, email)
                if email
                else (USER_ID, message.user_id)
                if message.user_id
                else (ANONYMOUS_ID, message.anonymous_id or "")
            )
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

    def _write_differences(
        self,
        definition: Definition,
        target: Target,
        profiles: str,
        now: int,
        *,
        is_walk: bool = False,
        resends: bool = False,
        is_last: bool = False,
    ) -> None:
        """Write what differs between the values of profiles (a JSON list) and what the target was sent of them."""
        execute = self._connection.execute
        (before,) = execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()
        parameters = {
            "key": definition.key,
            "destination": target.destination,
            "profiles": profiles,
            "now": now,
            "nothing": "false" if definition.is_audience else "null",
            "empty": definition.empty,
            "include_anonymous": definition.include_anonymous,
            "is_walk": is_walk,
            "resends": resends,
            "is_last": is_last,
        }
        execute(_AUDIENCE_DIFFERENCES if definition.is_audience else _TRAIT_DIFFERENCES, parameters)
        if not is_walk:  # what waits of a walk must not be overtaken
            execute(
                "UPDATE outbox SET is_first_sync = 0 WHERE is_first_sync = 1 AND id <= :before AND key = :key "
                "AND destination = :destination AND (profile, identifier) IN "
                "(SELECT profile, identifier FROM outbox WHERE id > :before)",
                {"before": before, "key": definition.key, "destination": target.destination},
            )
        execute(
            "INSERT OR REPLACE INTO sent (key, destination, profile, identifier, value, at) "
            "SELECT key, destination, profile, identifier, value, at FROM outbox WHERE id > ?",
            [before],
        )

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
        live = self._live()
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
        if self._monotonic() < self._walk_at:
            return False
        execute = self._connection.execute
        definitions = {definition.key: definition for definition in configuration.definitions}
        for (key,) in execute("SELECT key FROM definition WHERE state = ?", [ENDING]).fetchall():
            self._end(definitions[key])
        (waiting,) = execute("SELECT count(*) FROM outbox WHERE is_first_sync = 1").fetchone()
        if waiting > WALK_PROFILES:
            return False
        live = self._live()
        for key, destination, place, resends, is_last in execute(
            "SELECT * FROM sync_run ORDER BY place"
        ).fetchall():
            definition = definitions.get(key)
            target = self._target(definition, destination) if definition else None
            if definition is None or target is None:
                self._forget(key, destination)
                continue
            if not (key in live or is_last):
                continue
            if not self._is_behind(target, waiting):
                self._walk(definition, target, place, now, resends=bool(resends), is_last=bool(is_last))
                self._walk_at = float("-inf")
                return True
            self._walk_at = self._monotonic() + BEHIND_SECONDS
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
        profiles, number, last = self._connection.execute(
            "SELECT json_group_array(profile), count(*), max(profile) FROM (SELECT profile FROM (SELECT profile FROM sent "
            "WHERE key = :key AND destination = :destination AND profile > :place GROUP BY profile ORDER BY profile LIMIT :limit) "
            f"UNION SELECT profile FROM (SELECT profile FROM {table} WHERE {of} = :key AND profile > :place ORDER BY profile "
            "LIMIT :limit) ORDER BY profile LIMIT :limit)",
            names,
        ).fetchone()
        self._write_differences(
            definition, target, profiles, now, is_walk=True, resends=resends, is_last=is_last
        )
        if number == WALK_PROFILES:
            self._connection.execute(
                "UPDATE sync_run SET place = ? WHERE key = ? AND destination = ?",
                [last, definition.key, target.destination],
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
        store.drop_definition(self._connection, key)

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
        position = ledger.positions().get(destination_consumer(target.destination))
        if position is None:
            return False
        behind = self._log.counts().end - position + ledger.in_flight(target.destination)
        return behind + waiting > MOST_BEHIND

    def _target(self, definition: Definition, destination: int) -> Target | None:
        return next((target for target in definition.targets if target.destination == destination), None)

    # ---- the log

    def restart(self) -> None:
        """What became of the last calls is not known: read the log to its end before more are appended."""
        #: Where the log must have been read to before anything is appended; None: to the end that it has then.
        self._read_first: int | None = None
        #: Rows whose calls the log may hold already, by messageId.
        self._uncertain = {
            message_id_of(self._space_id, key, destination, call): id_
            for id_, key, destination, *call in self._connection.execute(
                "SELECT id, key, destination, profile, identifier, value, at FROM outbox ORDER BY is_first_sync, id LIMIT ?",
                [UNCERTAIN],
            )
        }

    def append(self, configuration: Configuration, position: int) -> bool:
        """Append what waits, once the log was read up to where that is possible; False if nothing was.

        Raises LogUnavailable. After any exception `restart` comes first.
        """
        if self._read_first is None:
            self._read_first = self._log.counts().end
        if position < self._read_first:
            return False
        self._uncertain.clear()
        # An erasure waits for the transaction, or comes before it: it leaves no row, and empties what is in the log.
        with transaction(self._connection):
            calls = self._connection.execute(_WAITING, [CHUNK]).fetchall()
            if not calls:
                return False
            makers = {
                (definition.key, target.destination): _Maker(configuration, definition, target)
                for definition in configuration.definitions
                for target in definition.targets
            }
            entries: list[Entry] = []
            now = self._clock()
            for call in map(Call._make, calls):
                maker = makers.get((call.key, call.destination))
                if maker and call.segment_id:  # else forgotten since
                    entries += maker.entries(call, max(now, call.at))
            self._log.append(entries)
            self._connection.execute(_DELETE_WAITING, [len(calls)])
        return True


#: In the order in which they are appended. Whoever is erased or merged meanwhile has no row, or another one's.
_WAITING = f"""
SELECT o.key, o.destination, o.profile, o.identifier, o.value, o.at, p.segment_id,
    (SELECT value FROM identifier AS i WHERE i.profile = o.profile AND i.type = '{USER_ID}'), p.traits
FROM outbox AS o LEFT JOIN profile AS p ON p.id = o.profile ORDER BY o.is_first_sync, o.id LIMIT ?
"""
_DELETE_WAITING = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY is_first_sync, id LIMIT ?)"


class _Maker:
    """Makes the calls of one definition and one target."""

    def __init__(self, configuration: Configuration, definition: Definition, target: Target) -> None:
        self._configuration = configuration
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

    def entries(self, call: Call, received_at: int) -> list[Entry]:
        """`received_at` in ms."""
        key, value = self._definition.key, msgspec.json.decode(call.value)
        type_, _, name = call.identifier.partition(":")
        email = {"email": _as_written(call.traits, name)} if type_ == EMAIL else {}
        message = Message(
            type="identify",
            message_id=message_id_of(self._configuration.space_id, key, call.destination, call[2:6]),
            timestamp=_moment(call.at),
            received_at=_moment(received_at),
            user_id=call.user_id,
            anonymous_id=name if type_ == ANONYMOUS_ID else None if call.user_id else call.segment_id,
            traits={key: value, **email},
            context={"personas": self._personas},
            integrations=self._integrations,
            engage=self._engage,
        )
        source = self._configuration.own_source
        entries = [Entry(source, "identify", received_at, encode(message))]
        if self._takes_track:
            entered = "Audience Entered" if value else "Audience Exited"
            track = msgspec.structs.replace(
                message,
                type="track",
                message_id=f"{message.message_id}-track",
                event=entered if self._definition.is_audience else "Trait Computed",
                properties={f"{self._class}_key": key, key: value},
                traits=None,
                context={"personas": self._personas, **({"traits": email} if email else {})},
            )
            entries.append(Entry(source, "track", received_at, encode(track)))
        return entries


class _OwnCall(msgspec.Struct, rename="camel"):
    """The part of a call by which it is known."""

    message_id: str


_decode_own = msgspec.json.Decoder(_OwnCall).decode


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


def message_id_of(space_id: str, key: str, destination: int, call: Sequence[Any]) -> str:
    """The same for the same identifier, value and moment, which rises with each call to an identifier. `call` has profile,
    identifier, value and moment.

    Not of the profile: a merge gives another one what was sent. Only who has no other name is told apart by it.
    """
    profile, identifier, value, at = call
    of = profile if identifier == SEGMENT_ID else None
    parts = [space_id, key, destination, of, identifier, value, at]
    return f"engage-{hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()}"


@lru_cache(16)  # the calls of a walk have one time
def _moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)
