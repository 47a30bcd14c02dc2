"""The shop's customers: made from a seed, with traits of every kind that Segment knows."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

PLANS = ("Basic", "Plus", "Pro")
COUPON = "WELCOME10"

_FIRST = (
    "Ada",
    "Amélie",
    "Björn",
    "Chloé",
    "Dmitri",
    "Elif",
    "Fatima",
    "George",
    "Hanna",
    "Inès",
    "José",
    "Kenji",
    "Łukasz",
    "Mei",
    "Noah",
    "Olga",
    "Priya",
    "Rosa",
    "Søren",
    "Zoë",
)
_LAST = (
    "Almeida",
    "Becker",
    "Costa",
    "Dubois",
    "Eriksen",
    "Ferrari",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lefèvre",
    "Müller",
    "Novák",
    "O'Brien",
)
_PLACES = (
    ("Paris", "France", "75001"),
    ("Berlin", "Germany", "10115"),
    ("Lisbon", "Portugal", "1100-048"),
    ("Kraków", "Poland", "30-001"),
    ("Montréal", "Canada", "H2Y 1C6"),
)
_INTERESTS = ("coffee", "tea", "cups", "filters", "gifts")


@dataclass(frozen=True)
class Customer:
    """`traits` as the shop sends them to Segment, in Python's types."""

    user_id: str
    name: str
    traits: dict[str, Any]

    @property
    def email(self) -> str:
        """The address as Mailjet should know it."""
        return str(self.traits["email"]).strip().lower()


def customers(count: int, seed: int) -> list[Customer]:
    """The same for the same seed. Some traits are empty, zero or false: they are values, too."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return [_customer(number, chance) for number in range(1, count + 1)]


def _customer(number: int, chance: random.Random) -> Customer:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    city, country, code = chance.choice(_PLACES)
    orders = chance.randrange(6)
    traits: dict[str, Any] = {
        "email": _email(number, chance),
        "firstName": first,
        "lastName": last,
        "plan": chance.choice(PLANS),
        "orders": orders,
        "spent": round(orders * chance.uniform(8, 60), 2),
        "newsletter": chance.random() < 0.8,
        "nickname": chance.choice(("", "", first[:3])),
        "coupon": COUPON,
        "signedUpAt": datetime(2023, 1, 1, 8, tzinfo=UTC) + timedelta(minutes=chance.randrange(1_000_000)),
        "birthday": date(1950, 1, 1) + timedelta(days=chance.randrange(20_000)),
        "address": {"city": city, "country": country, "postalCode": code},
        "interests": chance.sample(_INTERESTS, 2),
    }
    return Customer(f"u-{number:04}", f"{first} {last}", traits)


def _email(number: int, chance: random.Random) -> str:
    """Some people type their address with capitals, or with a blank at its end."""
    host = chance.choice(("example.com", "example.org", "mail.example.net"))
    return chance.choice((f"u{number}@{host}", f"u{number}@{host}", f"U{number}@{host.title()} "))


def as_properties(traits: dict[str, Any]) -> dict[str, Any]:
    """The contact properties that these traits should become, as docs/destinations/mailjet.md has it.

    Written for the traits of this story and on its own, so that the demo does not ask Jetbridge what is right.
    """
    pairs = ((name, value) for name, value in _flat("", traits) if name != "email")
    return {name: value for name, value in pairs if value is not None}


def _flat(prefix: str, traits: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in traits.items():
        path = f"{prefix}{name.lower()}"
        if isinstance(value, dict):
            yield from _flat(f"{path}_", value)
        else:
            yield path, _as_mailjet_has_it(value)


def _as_mailjet_has_it(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    if isinstance(value, list):
        return "[" + ",".join(f'"{each}"' for each in value) + "]"
    return value
