"""Which profile a message belongs to: Segment's identity resolution, over a batch of the log at once.

For each message: the profiles that own any of its identifiers. None: a new profile. One or several: they become one, which
gets the identifiers that nobody owns yet, if the result stays within the limits. If not, the message gives up its identifier
of the lowest priority, whichever one is over its limit, and the rest is looked at again; the last one decides alone. So two
user ids never share a profile, whatever device or address they share. Sources: Segment docs, "Identity Resolution Settings"
(limits, priorities, blocked values) and "Unify FAQs" (100 merges, 1,000 identifiers).

What Segment does not publish is ours: the profile that survives a merge is the one with a user_id, else the older; merges
count over all that became one (three profiles: two merges); an alias makes its previousId an anonymous_id of its userId by the
same limits, and an alias of two user ids is no merge.

The result depends on the order of the log, as Segment's does, and on nothing else: not on where batches are cut.
"""

import secrets
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple, cast

import msgspec

from jetbridge.identity.identifiers import (
    ANONYMOUS_ID,
    USER_ID,
    Identifier,
    Identifiers,
    identifiers_of,
    is_from_engage,
)
from jetbridge.identity.traits import NO_CHANGES, TraitChanges, Traits
from jetbridge.spec.message import Message
from jetbridge.spec.person import traits_of
from jetbridge.spec.times import EPOCH


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one profile. Of user_id there is one, always."""

    per_type: int = 5
    merges: int = 100
    identifiers: int = 1_000


DEFAULT_LIMITS: Final = Limits()


class SourcedMessage(NamedTuple):
    """A message of the log and the id of the source that sent it."""

    message: Message
    source: int


class Resolution(NamedTuple):
    """What became of one message. `profile` is None if nothing of it identifies anybody.

    `merged` are the profiles that this message made part of `profile`: they exist no more, and what the caller keeps of them
    (events, memberships, values) is this profile's now. Callers do that in the order of the messages.
    """

    profile: int | None
    created: bool = False
    merged: tuple[int, ...] = ()
    #: Identifiers that the profile did not have.
    added: tuple[Identifier, ...] = ()
    #: Identifiers that would have led beyond a limit, the first one given up first.
    given_up: tuple[Identifier, ...] = ()
    #: Values that identify nobody.
    blocked: tuple[Identifier, ...] = ()
    #: The alias names two user ids, and was no merge.
    is_alias_of_users: bool = False
    traits: TraitChanges = NO_CHANGES


class Resolver:
    """On a connection that has `tables.TABLES`. The caller owns the transaction, and rolls it back if a batch raises.

    `blocked`: further values that identify nobody.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        blocked: Collection[str] = frozenset(),
        limits: Limits = DEFAULT_LIMITS,
        new_segment_id: Callable[[], str] = lambda: f"use_{secrets.token_urlsafe(16)}",
    ) -> None:
        self._connection = connection
        self._blocked = frozenset(blocked)
        self._limits = limits
        self._new_segment_id = new_segment_id

    def resolve_batch(self, messages: Iterable[SourcedMessage]) -> list[Resolution]:
        """In the order of the log. Writes profiles, identifiers and traits."""
        inputs = [(message, source, identifiers_of(message, self._blocked)) for message, source in messages]
        batch = _Batch(self._connection, self._limits, self._new_segment_id)
        batch.load(inputs)
        resolutions = [batch.resolve(*item) for item in inputs]
        batch.save()
        return resolutions


_Input = tuple[Message, int, Identifiers]


class _Profile:
    """A row of the table, as the batch has made it so far."""

    __slots__ = ("created_at", "id", "merges", "segment_id", "traits")

    def __init__(self, id_: int, segment_id: str, traits: Traits, created_at: int, merges: int) -> None:
        self.id = id_
        self.segment_id = segment_id
        self.traits = traits
        self.created_at = created_at
        self.merges = merges


class _Batch:
    """What the messages of a batch need of the tables, read at once, changed here, and written at the end."""

    def __init__(
        self, connection: sqlite3.Connection, limits: Limits, new_segment_id: Callable[[], str]
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._new_segment_id = new_segment_id
        #: As they were stored, or made in this batch; `_current` leads on from one that was merged.
        self._owners: dict[Identifier, int] = {}
        self._merged_into: dict[int, int] = {}
        self._profiles: dict[int, _Profile] = {}
        #: How many identifiers of each type a profile has.
        self._counts: dict[int, Counter[str]] = {}
        self._created: list[_Profile] = []
        self._losers: list[_Profile] = []
        self._changed: dict[int, _Profile] = {}
        self._added: list[tuple[Identifier, int, int, int]] = []
        self._last_id = 0

    def load(self, inputs: Sequence[_Input]) -> None:
        """Read all that the messages will need, if none of them changes what the others need."""
        values: defaultdict[str, set[str]] = defaultdict(set)
        for message, _, identifiers in inputs:
            for type_, value in identifiers.usable:
                values[type_].add(value)
            if message.type == "alias" and (ANONYMOUS_ID, message.previous_id) in identifiers.usable:
                values[USER_ID].add(message.previous_id or "")
        rows = self._connection.execute(
            "SELECT identifier.type, identifier.value, identifier.profile FROM json_each(?) AS types"
            " CROSS JOIN json_each(types.value) AS items"
            " CROSS JOIN identifier ON identifier.type = types.key AND identifier.value = items.value",
            (_json({type_: list(items) for type_, items in values.items()}),),
        )
        self._owners = {Identifier(type_, value): profile for type_, value, profile in rows}
        profiles: set[int] = set()
        counts: set[int] = set()
        for message, _, identifiers in inputs:
            owners = {self._owners.get(identifier) for identifier in identifiers.usable}
            stored = cast("set[int]", owners - {None})
            if len(owners) > 1:
                counts |= stored
            if len(stored) > 1 or (message.type == "identify" and not is_from_engage(message)):
                profiles |= stored
        self._load_profiles(profiles)
        self._load_counts(counts)
        [(self._last_id,)] = self._connection.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'profile'"
        )

    def resolve(self, message: Message, source: int, identifiers: Identifiers) -> Resolution:
        usable, blocked = identifiers
        is_alias_of_users = message.type == "alias" and (
            message.previous_id == message.user_id
            or Identifier(USER_ID, message.previous_id or "") in self._owners
        )
        if is_alias_of_users and message.previous_id != message.anonymous_id:
            previous = Identifier(ANONYMOUS_ID, message.previous_id or "")
            usable = tuple([identifier for identifier in usable if identifier != previous])
        if is_from_engage(message):
            owner = next(
                (self._owners[identifier] for identifier in usable if identifier in self._owners), None
            )
            return Resolution(None if owner is None else self._current(owner), blocked=blocked)
        if not usable:
            return Resolution(None, blocked=blocked, is_alias_of_users=is_alias_of_users)
        at = happened_at(message)
        owners, kept, given_up = self._match(usable)
        created = not owners
        if created:
            self._last_id += 1
            new = _Profile(self._last_id, self._new_segment_id(), Traits(), at, 0)
            self._profiles[new.id] = new
            self._counts[new.id] = Counter()
            self._created.append(new)
            owners = [new.id]
        profile, merged = self._merge(owners)
        added = self._attach(profile, kept, at, source)
        traits = NO_CHANGES
        if message.type == "identify" and (sent := traits_of(message)):
            traits = self._change(profile).traits.apply(sent, at)
        return Resolution(profile, created, merged, added, given_up, blocked, is_alias_of_users, traits)

    def save(self) -> None:
        losers = {profile.id for profile in self._losers}
        execute = self._connection.executemany
        if self._created:
            execute("INSERT INTO profile VALUES (?, ?, ?, ?, ?, ?)", map(_row, self._created))
        if self._losers:
            led = [(self._current(profile.id), profile.id) for profile in self._losers]
            names = [(profile.segment_id, self._current(profile.id)) for profile in self._losers]
            execute("UPDATE merged SET profile = ? WHERE profile = ?", led)
            execute("INSERT INTO merged VALUES (?, ?)", names)
            execute("UPDATE identifier SET profile = ? WHERE profile = ?", led)
            execute("DELETE FROM profile WHERE id = ?", [(id_,) for id_ in losers])
        new = {profile.id for profile in self._created}
        if changed := [profile for id_, profile in self._changed.items() if id_ not in new | losers]:
            execute(
                "UPDATE profile SET traits = ?3, trait_times = ?4, created_at = ?5, merges = ?6 WHERE id = ?1",
                map(_row, changed),
            )
        if self._added:
            rows = [
                (*identifier, self._current(owner), at, source)
                for identifier, owner, at, source in self._added
            ]
            execute("INSERT INTO identifier VALUES (?, ?, ?, ?, ?)", rows)

    def _match(
        self, usable: tuple[Identifier, ...]
    ) -> tuple[list[int], tuple[Identifier, ...], tuple[Identifier, ...]]:
        """The profiles that become one, oldest first, the identifiers by which they do, and those given up for it."""
        limits = self._limits
        for left in range(len(usable), 1, -1):
            kept = usable[:left]
            owners = self._owners_of(kept)
            unowned = Counter(identifier.type for identifier in kept if identifier not in self._owners)
            if len(owners) == 1 and not unowned:
                return owners, kept, usable[: left - 1 : -1]
            counts = sum((self._counts_of(owner) for owner in owners), unowned)
            is_within_limits = (
                counts.total() <= limits.identifiers
                and counts[USER_ID] <= 1
                and all(count <= limits.per_type for type_, count in counts.items() if type_ != USER_ID)
                and (
                    len(owners) < 2
                    or sum(self._profile(owner).merges + 1 for owner in owners) - 1 <= limits.merges
                )
            )
            if is_within_limits:
                return owners, kept, usable[: left - 1 : -1]
        return self._owners_of(usable[:1]), usable[:1], usable[:0:-1]

    def _merge(self, owners: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """Make the profiles one: the one with a user_id survives, else the oldest. The survivor, and the others."""
        if len(owners) == 1:
            return owners[0], ()
        survivor = next((owner for owner in owners if self._counts_of(owner)[USER_ID]), owners[0])
        merged = tuple([owner for owner in owners if owner != survivor])
        for loser in merged:
            profile, former = self._change(survivor), self._profile(loser)
            profile.traits.merge(former.traits)
            profile.merges += former.merges + 1
            profile.created_at = min(profile.created_at, former.created_at)
            self._counts[survivor] = self._counts_of(survivor) + self._counts_of(loser)
            self._merged_into[loser] = survivor
            self._losers.append(former)
        return survivor, merged

    def _attach(
        self, profile: int, identifiers: Sequence[Identifier], at: int, source: int
    ) -> tuple[Identifier, ...]:
        """Give the profile those that nobody owns; these."""
        unowned = tuple([identifier for identifier in identifiers if identifier not in self._owners])
        if unowned:
            self._counts_of(profile).update([identifier.type for identifier in unowned])
        for identifier in unowned:
            self._owners[identifier] = profile
            self._added.append((identifier, profile, at, source))
        return unowned

    def _owners_of(self, identifiers: Sequence[Identifier]) -> list[int]:
        """Oldest first: ids rise in the order of the log."""
        owners = {
            self._current(self._owners[identifier])
            for identifier in identifiers
            if identifier in self._owners
        }
        return sorted(owners) if len(owners) > 1 else list(owners)

    def _current(self, profile: int) -> int:
        while profile in self._merged_into:
            profile = self._merged_into[profile]
        return profile

    def _change(self, id_: int) -> _Profile:
        profile = self._changed[id_] = self._profile(id_)
        return profile

    def _profile(self, id_: int) -> _Profile:
        if id_ not in self._profiles:
            self._load_profiles([id_])
        return self._profiles[id_]

    def _counts_of(self, id_: int) -> Counter[str]:
        if id_ not in self._counts:
            self._load_counts([id_])
        return self._counts[id_]

    def _load_profiles(self, ids: Collection[int]) -> None:
        rows = self._connection.execute(
            "SELECT id, segment_id, traits, trait_times, created_at, merges FROM profile"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (_json(list(ids)),),
        )
        for id_, segment_id, traits, times, created_at, merges in rows:
            self._profiles[id_] = _Profile(id_, segment_id, Traits.decode(traits, times), created_at, merges)

    def _load_counts(self, ids: Collection[int]) -> None:
        self._counts |= {id_: Counter() for id_ in ids}
        rows = self._connection.execute(
            "SELECT profile, type, count(*) FROM identifier"
            " WHERE profile IN (SELECT value FROM json_each(?)) GROUP BY profile, type",
            (_json(list(ids)),),
        )
        for id_, type_, count in rows:
            self._counts[id_][type_] = count


def happened_at(message: Message) -> int:
    """In ms. A time in the future is a wrong clock: it counts as of receipt."""
    return (min(message.timestamp, message.received_at) - EPOCH) // timedelta(milliseconds=1)


def _row(profile: _Profile) -> tuple[int, str, str, str, int, int]:
    return (profile.id, profile.segment_id, *profile.traits.encode(), profile.created_at, profile.merges)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
