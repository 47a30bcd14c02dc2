"""The day, as calls to Segment's library, and what should be so when it is over.

A call is added together with what it should bring about: the story knows nothing of how Jetbridge does it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from jetbridge.demo.people import PLANS, Customer, as_properties, customers

CUSTOMERS = 300
SEED = 2
BAD_EMAIL = "bruno@@example"
#: Between two calls on the shop's clock.
TICK = timedelta(seconds=20)
#: The properties of the audience and of the computed trait that the shop has.
AUDIENCE, TRAIT = "recent_buyers", "lifetime_value"
#: Who has ordered within it is in the audience.
WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class Call:
    """One call of Segment's library: the method's name, its arguments, and what it means in the shop."""

    method: str
    arguments: dict[str, Any]
    says: str


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
    #: What was paid, by userId.
    revenue: dict[str, float] = field(default_factory=dict)
    #: Whether a buyer is in the audience in the end, by userId.
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
    def engage_calls(self) -> int:
        """Each buyer enters the audience and gets a value of the trait once, however often they buy; and one leaves."""
        return len(self.revenue) * (1 + self.has_trait) + bool(self.leaver)

    @property
    def received(self) -> int:
        """By the Mailjet destination."""
        return self.calls + self.engage_calls


class Story:
    """Each method returns the calls of one act and must be called once, in this order."""

    def __init__(self, count: int = CUSTOMERS, seed: int = SEED) -> None:
        self.customers = customers(count, seed)
        self.expected = Expected()
        self._clock = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=1)

    def morning(self) -> list[Call]:
        """Everybody signs up, some after a look around; one visitor leaves no address yet."""
        calls = []
        for number, customer in enumerate(self.customers):
            if number % 10 == 0:
                calls.append(self._looks_around(customer))
            calls.append(self._knows(customer, customer.traits, f"{customer.name} signs up"))
        visitor = {"firstName": "Vera", "source": "billboard"}
        self.expected.filtered["NO_EMAIL"] += 1
        return [*calls, self._identify("u-visitor", visitor, "Vera looks around and leaves no address yet")]

    def noon(self) -> list[Call]:
        """Plans change, a coupon is used up, and one of everything that goes another way."""
        self._wait_until(hour=12)
        some = iter(self.customers)
        return [
            *(self._changes_plan(next(some)) for _ in range(24)),
            *(self._uses_coupon(next(some)) for _ in range(6)),
            self._moves(next(some)),
            self._unsubscribes(next(some)),
            self._keeps_to_himself(),
            self._mistypes(),
            self._leaves_address(),
        ]

    def again(self) -> list[Call]:
        """The shop's nightly job sends everybody once more. Nothing has changed."""
        self._wait_until(hour=22)
        return [
            self._identify(self.expected.user_ids[email], traits, f"{email}, as before")
            for email, traits in self.expected.traits.items()
        ]

    def late_order(self, email: str) -> list[Call]:
        """Somebody who has just unsubscribed from the campaign still buys something."""
        traits = self.expected.traits[email] | {"orders": 99}
        self.expected.traits[email] = traits
        return [self._identify(self.expected.user_ids[email], traits, f"{email} orders after unsubscribing")]

    def orders(self, clicked: Sequence[str]) -> list[Call]:
        """After the campaign: every second of those who clicked (by their addresses) buys something, one of them twice, and so do
        some others.
        """
        # Who has moved has two addresses, and Engage a call for each.
        stayed = sorted(set(clicked) - {self.expected.new_email})
        buyers = [self.expected.user_ids[email] for email in stayed[::2]]
        others = [customer.user_id for customer in self.customers[::60]]
        return [
            self._orders(user_id, number) for number, user_id in enumerate([*buyers, *buyers[:1], *others])
        ]

    def nearly_too_old(self, left: timedelta) -> Call:
        """The shop sends an order late: its customer enters the audience, and leaves it when what is left of its window is over."""
        expected = self.expected
        others = expected.revenue.keys() | {expected.user_ids[expected.new_email]}
        customer = next(customer for customer in self.customers if customer.user_id not in others)
        expected.leaver, expected.leaves_at = customer.email, datetime.now(UTC) + left
        call = self._orders(customer.user_id, len(expected.revenue), expected.leaves_at - WINDOW)
        expected.is_recent[customer.user_id] = False
        return call

    def evening(self) -> Iterator[Call]:
        """Without end, when all that was expected has been looked at: orders, looks, now and then a mistake."""
        for number in count(1):
            customer = self.customers[number * 7 % len(self.customers)]
            if number % 13 == 0:
                yield self._mistypes()
            elif number % 4 == 0:
                yield self._looks_around(customer)
            elif number % 5 == 0:
                yield self._orders(customer.user_id, number)
            else:
                orders = customer.traits["orders"] + number
                yield self._identify(customer.user_id, {"orders": orders}, f"{customer.name} orders")

    def _wait_until(self, *, hour: int) -> None:
        self._clock = max(self._clock, self._clock.replace(hour=hour, minute=0, second=0))

    def _looks_around(self, customer: Customer) -> Call:
        self.expected.filtered["UNSUPPORTED_EVENT_TYPE"] += 1
        if int(customer.user_id[2:]) % 20 == 1:
            return self._call(
                "page", f"{customer.name} looks at the shop", user_id=customer.user_id, name="Shop"
            )
        says = f"{customer.name} looks at a product"
        return self._call("track", says, user_id=customer.user_id, event="Product Viewed")

    def _orders(self, user_id: str, number: int, at: datetime | None = None) -> Call:
        """Now, because the campaign was clicked now, not when the story plays; or when it is said."""
        price = 19.5 + number
        self.expected.filtered["UNSUPPORTED_EVENT_TYPE"] += 1
        self.expected.revenue[user_id] = self.expected.revenue.get(user_id, 0.0) + price
        self.expected.is_recent[user_id] = True
        order = {"order_id": f"order-{number}", "revenue": price, "currency": "EUR"}
        call = self._call(
            "track", f"{user_id} orders", user_id=user_id, event="Order Completed", properties=order
        )
        return Call(call.method, call.arguments | {"timestamp": at or datetime.now(UTC)}, call.says)

    def _changes_plan(self, customer: Customer) -> Call:
        plan = PLANS[(PLANS.index(customer.traits["plan"]) + 1) % len(PLANS)]
        self.expected.traits[customer.email]["plan"] = plan
        return self._identify(customer.user_id, {"plan": plan}, f"{customer.name} changes to plan {plan}")

    def _uses_coupon(self, customer: Customer) -> Call:
        self.expected.traits[customer.email]["coupon"] = None
        return self._identify(customer.user_id, {"coupon": None}, f"{customer.name} uses the coupon up")

    def _moves(self, customer: Customer) -> Call:
        old, new = customer.email, f"{customer.user_id}@new.example.com"
        traits = self.expected.traits.pop(old) | {"email": new}
        del self.expected.user_ids[old]
        self.expected.old_email, self.expected.new_email = old, new
        return self._knows(
            Customer(customer.user_id, customer.name, traits),
            {"email": new},
            f"{customer.name} has another address now",
        )

    def _unsubscribes(self, customer: Customer) -> Call:
        self.expected.unsubscribed = customer.email
        return self._identify(
            customer.user_id, {}, f"{customer.name} unsubscribes", {"Mailjet": {"action": "unsub"}}
        )

    def _keeps_to_himself(self) -> Call:
        self.expected.filtered["FILTERED_BY_INTEGRATIONS_OBJECT"] += 1
        traits = {"email": "otto@example.com", "firstName": "Otto"}
        return self._identify("u-otto", traits, "Otto wants his data to stay in the shop", {"All": False})

    def _mistypes(self) -> Call:
        self.expected.failed["INVALID_EMAIL"] += 1
        return self._identify("u-bruno", {"email": BAD_EMAIL}, "Bruno mistypes his address")

    def _leaves_address(self) -> Call:
        known = {"firstName": "Vera", "source": "billboard", "email": "vera@example.com"}
        vera = Customer("u-visitor", "Vera", known)
        return self._knows(vera, {"email": vera.email}, "Vera leaves her address")

    def _knows(self, customer: Customer, sent: dict[str, Any], says: str) -> Call:
        """Send some traits; all of `customer.traits` should then be known under the customer's address."""
        self.expected.traits[customer.email] = dict(customer.traits)
        self.expected.user_ids[customer.email] = customer.user_id
        return self._identify(customer.user_id, sent, says)

    def _identify(
        self, user_id: str, traits: dict[str, Any], says: str, integrations: dict[str, Any] | None = None
    ) -> Call:
        return self._call("identify", says, user_id=user_id, traits=dict(traits), integrations=integrations)

    def _call(self, method: str, says: str, **arguments: Any) -> Call:
        self.expected.calls += 1
        self._clock += TICK
        return Call(method, {**arguments, "timestamp": self._clock}, f"{self._clock:%H:%M} {says}")
