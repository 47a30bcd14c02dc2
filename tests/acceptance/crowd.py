"""People who never stop telling things, and what Mailjet should hold of each of them in the end."""

import random
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

#: Calls that wait to be sent, in no order: older ones come after newer ones.
MIXED = 60

SUBSCRIBED, UNSUBSCRIBED = "subscribed", "unsubscribed"


@dataclass
class Contact:
    """What Mailjet holds of one address. `subscription` None: it is not on the list."""

    name: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    subscription: str | None = SUBSCRIBED


@dataclass(frozen=True)
class OptOuts:
    """Addresses of which Mailjet's events say that they want no mail, or do not exist."""

    unwilling: Collection[str]
    bounced: Collection[str]


class Person:
    """One person in ten moves, another one unsubscribes, and half of these come back."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self._number = number
        self._chance = chance
        self.addresses = [f"p{number}@example.com"]
        self._contact = Contact()
        self._calls = 0
        self._moves_at = chance.randint(3, 20) if number % 10 == 3 else 0
        self._leaves_at = chance.randint(3, 12) if number % 10 == 6 else 0
        self._comes_back_at = self._leaves_at + 6 if number % 20 == 6 else 0

    @property
    def has_spoken(self) -> bool:
        return self._calls > 0

    def next_call(self, at: datetime) -> dict[str, Any]:
        """The next Identify, said at `at`, later than those before."""
        self._calls += 1
        if self._calls == self._moves_at:
            self.addresses.append(f"moved.{self._number}@example.com")
        traits = {"email": self._spelled(self.addresses[-1]), **self._traits()}
        call = {
            "type": "identify",
            "messageId": f"{self._number}-{self._calls}",
            "timestamp": at.isoformat(),
            "userId": f"user-{self._number}",
            "traits": traits,
        }
        if self._calls == self._leaves_at:
            traits["unsubscribed"] = True
            self._contact.subscription = UNSUBSCRIBED
        if self._calls == self._comes_back_at:
            call["integrations"] = {"Mailjet": {"action": "addforce"}}
            self._contact.subscription = SUBSCRIBED
        self._pause(traits)
        return call

    def contact(self, opt_outs: OptOuts) -> Contact:
        """What the present address should hold, after all calls and after the events, which came later."""
        unwilling = any(address in opt_outs.unwilling for address in self.addresses)
        if unwilling or self.addresses[-1] in opt_outs.bounced:
            return Contact(self._contact.name, self._contact.properties, UNSUBSCRIBED)
        return self._contact

    def _traits(self) -> dict[str, Any]:
        chance = self._chance
        known: dict[str, Any] = {
            "name": f"Person {chance.randrange(1000)}",
            "plan": chance.choice(["free", "pro", "business"]),
            "score": chance.randrange(1000) + 0.5,
            "vip": chance.random() < 0.5,
            "joined": f"2024-05-{chance.randint(1, 28):02d}T07:08:09Z",
            "note": chance.choice([None, "a note", "another one"]),
            "address": {"city": chance.choice(["Paris", "Lyon", "Gent"])},
        }
        return {"calls": self._calls, **{name: known[name] for name in chance.sample(list(known), 3)}}

    def _pause(self, traits: dict[str, Any]) -> None:
        flat = {name: value for name, value in traits.items() if name not in {"email", "address"}}
        if "address" in traits:
            flat["address_city"] = traits["address"]["city"]
        held = self._contact.properties | flat
        self._contact.properties = {name: value for name, value in held.items() if value is not None}
        self._contact.name = str(held.get("name", ""))

    def _spelled(self, address: str) -> str:
        return self._chance.choice([address, address, address.title(), f" {address}"])


class Crowd:
    """Gives calls without end, to any thread; and the rest in the end, so that everything was said."""

    def __init__(self, people: int, chance: random.Random) -> None:
        self._chance = chance
        self.people = [Person(number, chance) for number in range(people)]
        # So long ago that whatever Mailjet's events say comes after all of it.
        self._said_at = datetime.now(UTC) - timedelta(hours=20)
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []

    def take(self, most: int) -> list[dict[str, Any]]:
        with self._lock:
            return [self._next() for _ in range(self._chance.randint(1, most))]

    def rest(self) -> list[dict[str, Any]]:
        with self._lock:
            rest, self._waiting = self._waiting, []
            return rest

    def _next(self) -> dict[str, Any]:
        while len(self._waiting) < MIXED:
            self._said_at += timedelta(milliseconds=1)
            self._waiting.append(self._chance.choice(self.people).next_call(self._said_at))
        return self._waiting.pop(self._chance.randrange(MIXED))
