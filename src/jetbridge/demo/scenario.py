"""The demo's small shop: its customers, the calls that it sends through Segment's library, and what these should lead to.

A call is added together with what it should bring about: nothing here knows how Jetbridge does it.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

CUSTOMERS, SEED = 300, 2
BAD_EMAIL = "bruno@@example"
#: The properties of the shop's audience and of its computed trait. Who has ordered within WINDOW is in the audience.
AUDIENCE, TRAIT, WINDOW = "recent_buyers", "lifetime_value", timedelta(days=30)
PLANS = ("Basic", "Plus", "Pro")

_FIRST = "Ada Amélie Björn Chloé Dmitri Elif Fatima George Hanna Inès José Kenji Łukasz Mei Noah Olga Priya Rosa Søren Zoë"
_LAST = "Almeida Becker Costa Dubois Eriksen Ferrari García Haddad Ito Jansen Kowalski Lefèvre Müller Novák O'Brien"
_PLACES = (
    ("Paris", "France", "75001"),
    ("Berlin", "Germany", "10115"),
    ("Lisbon", "Portugal", "1100-048"),
    ("Kraków", "Poland", "30-001"),
    ("Montréal", "Canada", "H2Y 1C6"),
)


@dataclass(frozen=True)
class Customer:
    """`traits` as the shop sends them to Segment, in Python's types. Some are empty, zero or false: these are values, too."""

    user_id: str
    name: str
    traits: dict[str, Any]

    @property
    def email(self) -> str:
        """The address as Mailjet should know it: some people type capitals, or a blank at its end."""
        return str(self.traits["email"]).strip().lower()


@dataclass(frozen=True)
class Call:
    """One call of Segment's library: the method's name, its arguments, and what it means in the shop."""

    method: str
    arguments: dict[str, Any]
    description: str


@dataclass
class Expected:
    """What should be so in the end. People are known by their address in lower case."""

    traits: dict[str, dict[str, Any]] = field(default_factory=dict)
    user_ids: dict[str, str] = field(default_factory=dict)
    unsubscribed: str = ""
    old_email: str = ""
    new_email: str = ""
    calls: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    #: What was paid, and whether the buyer is in the audience in the end, by userId.
    revenue: dict[str, float] = field(default_factory=dict)
    is_recent: dict[str, bool] = field(default_factory=dict)
    #: Whether the computed trait was added.
    has_trait: bool = False
    #: Who leaves the audience, and when.
    leaver: str = ""
    leaves_at: datetime = datetime(9999, 1, 1, tzinfo=UTC)

    @property
    def properties(self) -> dict[str, dict[str, Any]]:
        return {
            email: as_properties(traits) | self.computed(self.user_ids[email])
            for email, traits in self.traits.items()
        }

    def computed(self, user_id: str) -> dict[str, Any]:
        """What Engage makes of this person's orders."""
        if user_id not in self.revenue:
            return {}
        return {AUDIENCE: self.is_recent[user_id], TRAIT: self.revenue[user_id]}

    @property
    def received(self) -> int:
        """By the Mailjet destination. A buyer enters the audience and gets a value of the trait once, however often they buy."""
        return self.calls + len(self.revenue) * (1 + self.has_trait) + bool(self.leaver)


class Scenario:
    """Each method returns the calls of one step of the demo and must be called once, in this order."""

    def __init__(self, customers: int = CUSTOMERS, seed: int = SEED) -> None:
        self.customers = make_customers(customers, seed)
        self.expected = Expected()
        self._clock = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=1)

    def morning(self) -> list[Call]:
        """Everybody signs up, some after a look around; one visitor leaves no address yet."""
        calls = []
        for number, customer in enumerate(self.customers):
            if number % 10 == 0:
                calls.append(self._look_around(customer))
            calls.append(self._learn(customer, customer.traits, f"{customer.name} signs up"))
        self.expected.filtered["NO_EMAIL"] += 1
        visitor = {"firstName": "Vera", "source": "billboard"}
        return [*calls, self._identify("u-visitor", visitor, "Vera looks around and leaves no address yet")]

    def noon(self) -> list[Call]:
        """Plans change, a coupon is used up, and one of everything that goes another way."""
        expected, customers, calls = self.expected, iter(self.customers), []
        self._clock = max(self._clock, self._clock.replace(hour=12, minute=0, second=0))
        for customer in (next(customers) for _ in range(24)):
            plan = PLANS[(PLANS.index(customer.traits["plan"]) + 1) % len(PLANS)]
            expected.traits[customer.email]["plan"] = plan
            calls.append(
                self._identify(customer.user_id, {"plan": plan}, f"{customer.name} changes to plan {plan}")
            )
        for customer in (next(customers) for _ in range(6)):
            expected.traits[customer.email]["coupon"] = None
            calls.append(
                self._identify(customer.user_id, {"coupon": None}, f"{customer.name} uses the coupon up")
            )
        mover, leaver = next(customers), next(customers)
        expected.old_email, expected.new_email = mover.email, f"{mover.user_id}@new.example.com"
        moved = Customer(
            mover.user_id, mover.name, expected.traits.pop(mover.email) | {"email": expected.new_email}
        )
        del expected.user_ids[mover.email]
        calls.append(self._learn(moved, {"email": moved.email}, f"{mover.name} has another address now"))
        expected.unsubscribed = leaver.email
        unsubscribe = {"Mailjet": {"action": "unsub"}}
        calls.append(self._identify(leaver.user_id, {}, f"{leaver.name} unsubscribes", unsubscribe))
        expected.filtered["FILTERED_BY_INTEGRATIONS_OBJECT"] += 1
        otto = {"email": "otto@example.com", "firstName": "Otto"}
        calls.append(self._identify("u-otto", otto, "Otto's data stays in the shop", {"All": False}))
        calls.append(self._mistype())
        vera = Customer(
            "u-visitor", "Vera", {"firstName": "Vera", "source": "billboard", "email": "vera@example.com"}
        )
        return [*calls, self._learn(vera, {"email": vera.email}, "Vera leaves her address")]

    def night(self) -> list[Call]:
        """The shop's nightly job sends everybody once more. Nothing has changed."""
        self._clock = max(self._clock, self._clock.replace(hour=22, minute=0, second=0))
        return [
            self._identify(self.expected.user_ids[email], traits, f"{email}, as before")
            for email, traits in self.expected.traits.items()
        ]

    def late_order(self, email: str) -> Call:
        """Somebody who has just unsubscribed from the campaign still buys something."""
        traits = self.expected.traits[email] | {"orders": 99}
        self.expected.traits[email] = traits
        return self._identify(self.expected.user_ids[email], traits, f"{email} orders after unsubscribing")

    def orders(self, clicked: Sequence[str]) -> list[Call]:
        """After the campaign: every second of those who clicked (by their addresses) buys something, one of them twice, and so do
        some others.
        """
        # Who has moved has two addresses, and Engage a call for each.
        stayed = sorted(set(clicked) - {self.expected.new_email})
        buyers = [self.expected.user_ids[email] for email in stayed[::2]]
        others = [customer.user_id for customer in self.customers[::60]]
        return [
            self._order(user_id, number) for number, user_id in enumerate([*buyers, *buyers[:1], *others])
        ]

    def nearly_too_old(self, left: timedelta) -> Call:
        """The shop sends an order late: its customer enters the audience, and leaves it when what is left of its window is over."""
        expected = self.expected
        others = expected.revenue.keys() | {expected.user_ids[expected.new_email]}
        customer = next(customer for customer in self.customers if customer.user_id not in others)
        expected.leaver, expected.leaves_at = customer.email, datetime.now(UTC) + left
        call = self._order(customer.user_id, len(expected.revenue), expected.leaves_at - WINDOW)
        expected.is_recent[customer.user_id] = False
        return call

    def live_traffic(self) -> Iterator[Call]:
        """Without end, when all that was expected has been checked: orders, looks, now and then a mistake."""
        for number in count(1):
            customer = self.customers[number * 7 % len(self.customers)]
            if number % 13 == 0:
                yield self._mistype()
            elif number % 4 == 0:
                yield self._look_around(customer)
            elif number % 5 == 0:
                yield self._order(customer.user_id, number)
            else:
                orders = {"orders": customer.traits["orders"] + number}
                yield self._identify(customer.user_id, orders, f"{customer.name} orders")

    def _look_around(self, customer: Customer) -> Call:
        self.expected.filtered["UNSUPPORTED_EVENT_TYPE"] += 1
        if int(customer.user_id[2:]) % 20 == 1:
            return self._call(
                "page", f"{customer.name} opens the shop", user_id=customer.user_id, name="Shop"
            )
        description = f"{customer.name} looks at a product"
        return self._call("track", description, user_id=customer.user_id, event="Product Viewed")

    def _order(self, user_id: str, number: int, at: datetime | None = None) -> Call:
        """Now, because the campaign was clicked now and not on the shop's clock; or at the given time."""
        expected, price = self.expected, 19.5 + number
        expected.filtered["UNSUPPORTED_EVENT_TYPE"] += 1
        expected.revenue[user_id] = expected.revenue.get(user_id, 0.0) + price
        expected.is_recent[user_id] = True
        order = {"order_id": f"order-{number}", "revenue": price, "currency": "EUR"}
        call = self._call(
            "track", f"{user_id} orders", user_id=user_id, event="Order Completed", properties=order
        )
        return Call(call.method, call.arguments | {"timestamp": at or datetime.now(UTC)}, call.description)

    def _mistype(self) -> Call:
        self.expected.failed["INVALID_EMAIL"] += 1
        return self._identify("u-bruno", {"email": BAD_EMAIL}, "Bruno mistypes his address")

    def _learn(self, customer: Customer, sent: dict[str, Any], description: str) -> Call:
        """Send some traits; all of `customer.traits` should then be known under the customer's address."""
        self.expected.traits[customer.email] = dict(customer.traits)
        self.expected.user_ids[customer.email] = customer.user_id
        return self._identify(customer.user_id, sent, description)

    def _identify(
        self,
        user_id: str,
        traits: dict[str, Any],
        description: str,
        integrations: dict[str, Any] | None = None,
    ) -> Call:
        return self._call(
            "identify", description, user_id=user_id, traits=dict(traits), integrations=integrations
        )

    def _call(self, method: str, description: str, **arguments: Any) -> Call:
        self.expected.calls += 1
        self._clock += timedelta(seconds=20)
        return Call(method, {**arguments, "timestamp": self._clock}, f"{self._clock:%H:%M} {description}")


def make_customers(number: int, seed: int) -> list[Customer]:
    """The same for the same seed, with traits of every type that Segment knows."""
    chance, customers = random.Random(seed), []  # noqa: S311 - repeatable, not secret
    for n in range(1, number + 1):
        first, last = chance.choice(_FIRST.split()), chance.choice(_LAST.split())
        city, country, code = chance.choice(_PLACES)
        orders = chance.randrange(6)
        host = chance.choice(("example.com", "example.org", "mail.example.net"))
        traits: dict[str, Any] = {
            "email": chance.choice((f"u{n}@{host}", f"u{n}@{host}", f"U{n}@{host.title()} ")),
            "firstName": first,
            "lastName": last,
            "plan": chance.choice(PLANS),
            "orders": orders,
            "spent": round(orders * chance.uniform(8, 60), 2),
            "newsletter": chance.random() < 0.8,
            "nickname": chance.choice(("", "", first[:3])),
            "coupon": "WELCOME10",
            "signedUpAt": datetime(2023, 1, 1, 8, tzinfo=UTC)
            + timedelta(minutes=chance.randrange(1_000_000)),
            "birthday": date(1950, 1, 1) + timedelta(days=chance.randrange(20_000)),
            "address": {"city": city, "country": country, "postalCode": code},
            "interests": chance.sample(("coffee", "tea", "cups", "filters", "gifts"), 2),
        }
        customers.append(Customer(f"u-{n:04}", f"{first} {last}", traits))
    return customers


def as_properties(traits: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The contact properties that these traits should become, as docs/destinations/mailjet.md has it.

    Written for the traits of this shop and on its own, so that the demo does not ask Jetbridge what is right.
    """
    properties: dict[str, Any] = {}
    for name, value in traits.items():
        path = f"{prefix}{name.lower()}"
        match value:
            case dict():
                properties |= as_properties(value, f"{path}_")
            case datetime():
                properties[path] = value.strftime("%Y-%m-%dT%H:%M:%SZ")
            case date():
                properties[path] = f"{value.isoformat()}T00:00:00Z"
            case list():
                properties[path] = "[" + ",".join(f'"{item}"' for item in value) + "]"
            case _ if value is not None and path != "email":
                properties[path] = value
    return properties
