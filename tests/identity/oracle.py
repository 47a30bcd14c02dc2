"""What the identity room is measured by: who is who, found by looking at every profile for every call.

It follows the algorithm of Segment's identity resolution as published (blocked values, limits, priorities), written down before
the room itself and sharing nothing with it. It keeps sets and dictionaries, no tables, caches or batches.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Any
#: Type and value, as ("user_id", "u1").
Id = tuple[str, str]


@dataclass
class Profile:
    number: int
    ids: set[Id] = field(default_factory=set)
    #: By name: when it was set or removed (ms), and the value; None is removed.
    traits: dict[str, tuple[int, Json]] = field(default_factory=dict)
    merges: int = 0

    @property
    def has_user_id(self) -> bool:
        return any(kind == "user_id" for kind, _ in self.ids)


@dataclass(frozen=True)
class Call:
    """One call. `at`: when it happened, in ms, never after its receipt."""

    type: str
    at: int
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    traits: Mapping[str, Json] = field(default_factory=dict)
    #: `context.traits.email`
    context_email: str | None = None
    #: `context.externalIds`, as type and id.
    external_ids: Sequence[Id] = ()
    is_from_engage: bool = False


@dataclass(frozen=True)
class Outcome:
    profile: int | None
    given_up: Sequence[Id] = ()


@dataclass
class People:
    per_kind: int = 5
    most_merges: int = 100
    most_ids: int = 1_000
    profiles: dict[int, Profile] = field(default_factory=dict)
    _next: int = 1

    def take(self, call: Call) -> Outcome:
        ids = self._ids_of(call)
        if call.is_from_engage:
            owners = [profile.number for id_ in ids for profile in self._owners([id_])]
            return Outcome(owners[0] if owners else None)
        if not ids:
            return Outcome(None)
        given_up: list[Id] = []
        while len(ids) > 1 and not self._is_within_limits(ids):
            given_up.append(ids.pop())
        profile = self._merged(self._owners(ids))
        profile.ids |= set(ids)
        if call.type == "identify":
            for name, value in _traits_of(call).items():
                if name not in profile.traits or call.at >= profile.traits[name][0]:
                    profile.traits[name] = (call.at, value)
        return Outcome(profile.number, given_up)

    def partition(self) -> dict[int, tuple[frozenset[Id], dict[str, Json], int]]:
        """Of each profile its ids, the traits that it has, and how many merges made it."""
        return {
            number: (
                frozenset(profile.ids),
                {name: value for name, (_, value) in profile.traits.items() if value is not None},
                profile.merges,
            )
            for number, profile in self.profiles.items()
        }

    def _ids_of(self, call: Call) -> list[Id]:
        """Highest priority first: user_id, email, the others by name."""
        ids: list[Id] = []
        if call.user_id:
            ids.append(("user_id", call.user_id))
        emails = [call.traits.get("email")] if call.type == "identify" else []
        ids += [("email", email.lower()) for email in (*emails, call.context_email) if email]
        if call.type == "alias" and call.previous_id and not self._is_user(call):
            ids.append(("anonymous_id", call.previous_id))
        if call.anonymous_id:
            ids.append(("anonymous_id", call.anonymous_id))
        ids += call.external_ids
        ids = list(dict.fromkeys(id_ for id_ in ids if not _is_blocked(id_[1])))
        return sorted(ids, key=lambda id_: {"user_id": "1", "email": "2"}.get(id_[0], "3" + id_[0]))

    def _is_user(self, call: Call) -> bool:
        """An alias of two user ids is no merge."""
        known = any(("user_id", call.previous_id) in profile.ids for profile in self.profiles.values())
        return known or call.previous_id == call.user_id

    def _owners(self, ids: Sequence[Id]) -> list[Profile]:
        return [profile for profile in self.profiles.values() if profile.ids & set(ids)]

    def _is_within_limits(self, ids: Sequence[Id]) -> bool:
        owners = self._owners(ids)
        union = set(ids).union(*(profile.ids for profile in owners))
        kinds = Counter(kind for kind, _ in union)
        merges = sum(profile.merges for profile in owners) + max(len(owners) - 1, 0)
        return (
            all(count <= (1 if kind == "user_id" else self.per_kind) for kind, count in kinds.items())
            and merges <= self.most_merges
            and len(union) <= self.most_ids
        )

    def _merged(self, owners: list[Profile]) -> Profile:
        if not owners:
            profile = self.profiles[self._next] = Profile(self._next)
            self._next += 1
            return profile
        survivor = next((profile for profile in owners if profile.has_user_id), owners[0])
        for loser in owners:
            if loser is survivor:
                continue
            survivor.ids |= loser.ids
            survivor.merges += loser.merges + 1
            for name, (at, value) in loser.traits.items():
                if name not in survivor.traits or at > survivor.traits[name][0]:
                    survivor.traits[name] = (at, value)
            del self.profiles[loser.number]
        return survivor


def _traits_of(call: Call) -> Mapping[str, Json]:
    """An identify without traits has those of its context: RudderStack's libraries put them there."""
    return call.traits or ({"email": call.context_email} if call.context_email else {})


def _is_blocked(value: str) -> bool:
    return bool(re.fullmatch("[0-]*", value)) or value in {"-1", "null", "anonymous"}
