"""What messages bring into the store of Engage: who they are of, their traits, and events.

- A track is an event by its name; a page or screen is `Page Viewed` or `Screen Viewed` with `page_name`, `screen_name`.
- An event from the future counts as of its receipt. One that is older than events are kept is none.
- A messageId counts once per source as long as its event is kept.
- What is blocked at a source, and who is suppressed, does not come in. Calls that Engage made are no events.

All of it happens in the transaction of the caller.

`History` reads what the event log held before Engage was switched on, once that is asked for. Nobody is evaluated meanwhile: a part of
the past would make members of people who never were ("did not"). `Pruning` deletes events that no window reaches any more.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple

import msgspec

from jetbridge.engage.configuration import Configuration
from jetbridge.engage.definition import DAY_MS
from jetbridge.engage.store import Changes, Meta
from jetbridge.eventlog.base import NO_MESSAGES, EventLog, Record
from jetbridge.identity.identifiers import is_from_engage
from jetbridge.identity.resolve import Resolution, Resolver, SourcedMessage
from jetbridge.identity.traits import storable
from jetbridge.routing.route import Suppressed
from jetbridge.spec.message import Message, decode
from jetbridge.spec.times import EPOCH

_MS: Final = timedelta(milliseconds=1)
#: How JSON writes U+0000, at which SQLite's JSON ends a text.
_NUL: Final = b"\\u0000"
_NAMES: Final = {"page": ("Page Viewed", "page_name"), "screen": ("Screen Viewed", "screen_name")}
#: Records of one step of the history.
HISTORY_RECORDS = 1_000
#: Profiles whose events are looked at together, and messageIds that are deleted together.
PRUNED_PROFILES, PRUNED_MESSAGES = 2_000, 10_000


class StoredEvent(NamedTuple):
    name: str
    ts: int
    props: str


@dataclass
class Taken:
    """What became of a batch. `merged` has pairs (loser, survivor) in the order in which they became one."""

    changes: Changes = field(default_factory=Changes)
    #: Profiles that have other identifiers than before.
    identified: set[int] = field(default_factory=set)
    merged: list[tuple[int, int]] = field(default_factory=list)
    #: Messages that identify nobody.
    nobody: int = 0
    #: The bodies of Engage's own calls.
    own: list[bytes] = field(default_factory=list)

    def add(self, profile: int, resolution: Resolution) -> None:
        if resolution.created or resolution.added or resolution.merged:
            self.changes.all.add(profile)
            self.identified.add(profile)
        for name in resolution.traits.changed:
            self.changes.traits[name].add(profile)
        self.merged += [(loser, profile) for loser in resolution.merged]

    def follow_merges(self) -> None:
        """Profiles that are no more lead to those that they became part of."""
        into = dict(self.merged)

        def current(profiles: set[int]) -> set[int]:
            moved = set()
            for profile in profiles:
                while profile in into:
                    profile = into[profile]  # noqa: PLW2901 - its way
                moved.add(profile)
            return moved

        changes = self.changes
        changes.all, self.identified = current(changes.all), current(self.identified)
        for by_name in (changes.events, changes.traits):
            for name, profiles in by_name.items():
                by_name[name] = current(profiles)


class ProfileIngestion:
    """For one store, used by one thread."""

    def __init__(self, connection: sqlite3.Connection, suppressed: Suppressed) -> None:
        self._connection = connection
        self._suppressed = suppressed
        self._resolver = Resolver(connection)

    def take(self, records: Sequence[Record], configuration: Configuration, now: int) -> Taken:
        """Raises whatever a record makes it raise."""
        self._suppressed.refresh()  # within the transaction: an erasure comes before it as a whole, or after
        own = configuration.own_source
        taken = Taken(own=[record.body for record in records if record.source == own and record.body])
        messages = self._messages(records, configuration)
        resolutions = self._resolver.resolve_batch(
            [SourcedMessage(message, record.source) for record, message in messages]
        )
        events = []
        oldest = now - configuration.kept_ms
        for (record, message), resolution in zip(messages, resolutions, strict=True):
            profile = resolution.profile
            if profile is None:
                taken.nobody += 1
                continue
            taken.add(profile, resolution)
            event = event_of(message, min(record.received_at, now))
            if event is None or event.ts <= oldest:
                continue
            id_ = hashlib.blake2b(
                message.message_id.encode("utf-8", "surrogatepass"), digest_size=16
            ).digest()
            stored = self._connection.execute(
                "INSERT OR IGNORE INTO message VALUES (?, ?, ?)", [record.source, id_, event.ts]
            )
            if stored.rowcount:
                events.append((profile, *event, record.position))
                taken.changes.events[event.name].add(profile)
        self._connection.executemany(
            "INSERT OR IGNORE INTO event (profile, name, ts, props, seq) VALUES (?, ?, ?, ?, ?)", events
        )
        for loser, survivor in taken.merged:
            self._connection.execute(
                "UPDATE OR IGNORE event SET profile = ? WHERE profile = ?", [survivor, loser]
            )
        if taken.merged:
            taken.follow_merges()
        return taken

    def _messages(
        self, records: Sequence[Record], configuration: Configuration
    ) -> list[tuple[Record, Message]]:
        """Those that come in, without what is blocked of them."""
        messages = []
        for record in records:
            if record.source not in configuration.sources or record.type in NO_MESSAGES or not record.body:
                continue
            message = decode(record.body)
            if message.type == "delete" or self._suppressed.covers(message):
                continue
            blocks = configuration.blocks.get(record.source)
            if blocks is None:
                messages.append((record, message))
            elif not blocks.blocks(message):
                messages.append((record, blocks.apply(message)))
        return messages


def event_of(message: Message, received_at: int) -> StoredEvent | None:
    """The event that a call is, if it is one. `received_at` in ms."""
    if is_from_engage(message):
        return None
    properties: dict[str, Any] = message.properties or {}
    if message.type == "track" and message.event:
        name = message.event
    elif message.type in _NAMES:
        name, property_ = _NAMES[message.type]
        if message.name:
            properties = {**properties, property_: message.name}
    else:
        return None
    ts = min((message.timestamp - EPOCH) // _MS, received_at)
    try:
        text = msgspec.json.encode(properties)
    except UnicodeEncodeError:  # half of a surrogate pair
        text = _NUL
    if _NUL in text:
        text = msgspec.json.encode(storable(properties))
    return StoredEvent(storable(name), ts, text.decode())


@dataclass(frozen=True)
class HistoryStep:
    is_over: bool = False
    #: As `Taken.merged`.
    merged: Sequence[tuple[int, int]] = ()


class History:
    """For one store, used by one thread. `history_place` in `meta` is the position up to which it has read."""

    def __init__(
        self, connection: sqlite3.Connection, event_log: EventLog, ingestion: ProfileIngestion
    ) -> None:
        self._meta = Meta(connection)
        self._log = event_log
        self._ingestion = ingestion

    def is_loading(self, configuration: Configuration) -> bool:
        """Whether it was asked for and is not read to its end."""
        return self._meta.number("history_done") < configuration.history_requested_at

    def step(self, configuration: Configuration, now: int) -> HistoryStep:
        """While it is loading, in the caller's transaction."""
        requested_at = configuration.history_requested_at
        upto = self._meta.number("began")
        records = self._log.read(self._meta.number("history_place"), limit=HISTORY_RECORDS)
        before = [record for record in records if record.position <= upto]
        if not before:
            self._meta.set(history_done=requested_at, history_place=0)
            return HistoryStep(is_over=True)
        taken = self._ingestion.take(before, configuration, now)
        self._meta.set(history_place=before[-1].position)
        return HistoryStep(merged=taken.merged)


class Pruning:
    """For one store, used by one thread. `pruned_place` in `meta` is the last profile that was looked at."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._meta = Meta(connection)

    def step(self, configuration: Configuration, now: int) -> bool:
        """In the caller's transaction. False if there is nothing to do now."""
        if now - self._meta.number("pruned_at") < DAY_MS:
            return False
        oldest, place = now - configuration.kept_ms, self._meta.number("pruned_place")
        (upto,) = self._connection.execute(
            "SELECT max(id) FROM (SELECT id FROM profile WHERE id > ? ORDER BY id LIMIT ?)",
            [place, PRUNED_PROFILES],
        ).fetchone()
        if upto is not None:
            self._connection.execute(
                "DELETE FROM event WHERE profile > ? AND profile <= ? AND ts <= ?", [place, upto, oldest]
            )
            self._meta.set(pruned_place=upto)
            return True
        # A DELETE that selects these itself looks at each message of a source.
        messages = self._connection.execute(
            "SELECT source, id FROM message WHERE ts <= ? ORDER BY ts LIMIT ?", [oldest, PRUNED_MESSAGES]
        ).fetchall()
        self._connection.executemany("DELETE FROM message WHERE source = ? AND id = ?", messages)
        if len(messages) < PRUNED_MESSAGES:  # some get too old all the time
            self._meta.set(pruned_at=now, pruned_place=0)
        return True
