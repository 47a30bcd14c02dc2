"""What Mailjet has: every contact with its properties and its subscriptions to lists, in flat memory.

Reads are slow and patient, so that they do not disturb Mailjet's responses to the deliveries. `contact` and `contactdata`
both come by rising contact ID and are read side by side. `listrecipient` has an
ID of its own, so the subscriptions are read before and kept as sorted numbers.
"""

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jetbridge.delivery.retry import Backoff
from jetbridge.errors import PermanentError, TransientError
from jetbridge.integrations.mailjet.api import resources as rows
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import (
    ADDNOFORCE,
    CONTACT,
    CONTACTDATA,
    LISTRECIPIENT,
    UNSUB,
    Listing,
)
from jetbridge.spec.emails import written
from jetbridge.spec.times import parse_time

T = TypeVar("T")
R = TypeVar("R", rows.Contact, rows.ContactData, rows.ListRecipient)

#: Reads per second by default.
PER_SECOND = 5.0
#: The share that reads take of Mailjet's rate limit, once there is one: the rest is for the deliveries.
SHARE = 0.25
#: How often a read is tried before the whole is given up.
TRIES = 8


class Reads:
    """Reads of one account. Every method blocks and raises DeliveryError; `sleep` takes seconds.

    `on_rows` is called with the number of rows of each page.
    """

    def __init__(
        self,
        client: MailjetClient,
        *,
        per_second: float = PER_SECOND,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        on_rows: Callable[[int], object] = int,
        tries: int = TRIES,
    ) -> None:
        self.client = client
        self._pause = 1 / per_second
        self._sleep = sleep
        self._clock = clock
        self._on_rows = on_rows
        self._next = clock()
        self._tries = tries

    def read(self, call: Callable[[], T]) -> T:
        """The result of one call to Mailjet, as soon as the rate allows it; transient failures are retried."""
        backoff = Backoff()
        while True:
            now = self._clock()
            if now < self._next:
                self._sleep(self._next - now)
            limit = self.client.calls_per_second
            pause = max(self._pause, 1 / (SHARE * limit)) if limit else self._pause
            self._next = max(now, self._next) + pause
            try:
                return call()
            except TransientError as error:
                if backoff.tries + 1 >= self._tries:
                    raise
                self._sleep(backoff.next_wait(error))

    def count(self, listing: Listing[Any], **filters: object) -> int:
        return self.read(lambda: self.client.count(listing, **filters))

    def contacts(self, **filters: Any) -> Iterator[list[rows.Contact]]:
        return self._pages(CONTACT, filters)

    def contactdata(self) -> Iterator[list[rows.ContactData]]:
        # Nothing documents whether Mailjet counts contacts without properties, too.
        return self._pages(CONTACTDATA, {}, counted=False)

    def listrecipients(self, list_id: int, **filters: Any) -> Iterator[list[rows.ListRecipient]]:
        return self._pages(LISTRECIPIENT, {"ContactsList": list_id, **filters})

    def recipients_of(self, email: str) -> list[rows.ListRecipient]:
        """The subscriptions of one contact."""
        pages = self.client.pages(LISTRECIPIENT, call=self.read, ContactEmail=email)
        return [row for page in pages for row in page]

    def _pages(
        self, listing: Listing[R], filters: dict[str, Any], *, counted: bool = True
    ) -> Iterator[list[R]]:
        """Pages by rising ID. A contact that leaves meanwhile moves a row across a page's border: that row is missed."""
        last = 0
        for page in self.client.pages(listing, call=self.read, counted=counted, **filters):
            for row in page:
                if row.id <= last:
                    raise PermanentError(
                        "UNSORTED_RESPONSE",
                        f"Mailjet does not list {listing.resource} by ID, so it cannot be compared.",
                    )
                last = row.id
            self._on_rows(len(page))
            yield page


@dataclass(frozen=True)
class RemoteSubscription:
    """A subscription of a contact to a list: ADDNOFORCE (subscribed) or UNSUB, that since `at` (ms) if it is known."""

    action: str
    at: int | None = None


SUBSCRIBED = RemoteSubscription(ADDNOFORCE)


@dataclass
class RemoteContact:
    """One contact. `excluded` from campaigns, or by a complaint about spam, since `excluded_at` (ms), if Mailjet says when."""

    email: str
    name: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    subscriptions: dict[int, RemoteSubscription] = field(default_factory=dict)
    excluded: bool = False
    excluded_at: int | None = None


class Members:
    """The contacts of a list, in sixteen bytes each."""

    def __init__(self, recipients: Iterable[rows.ListRecipient]) -> None:
        self._ids, self._since = array("q"), array("q")
        for row in recipients:
            if subscription := subscription_of(row):
                self._ids.append(row.contact_id)
                self._since.append(_IS_SUBSCRIBED if subscription == SUBSCRIBED else subscription.at or 0)
        order = sorted(range(len(self._ids)), key=self._ids.__getitem__)
        self._ids = array("q", (self._ids[index] for index in order))
        self._since = array("q", (self._since[index] for index in order))

    def subscription(self, contact_id: int) -> RemoteSubscription | None:
        index = bisect_left(self._ids, contact_id)
        if index == len(self._ids) or self._ids[index] != contact_id:
            return None
        since = self._since[index]
        return SUBSCRIBED if since == _IS_SUBSCRIBED else RemoteSubscription(UNSUB, since or None)


#: In place of the time of an unsubscribe.
_IS_SUBSCRIBED = -1


def moment(text: str) -> int | None:
    """A time of Mailjet in ms, at the end of its second: what happened in that second happened before."""
    at = parse_time(text)
    return int(at.timestamp()) * 1000 + 999 if at else None


def remote_contacts(reads: Reads, members: dict[int, Members]) -> Iterator[list[RemoteContact]]:
    """Every contact of the account, a page at a time."""
    data = MergeCursor(row for page in reads.contactdata() for row in page)
    for page in reads.contacts():
        values = data.upto(page[-1].id) if page else {}
        remote = []
        for row in page:
            subscriptions = {
                list_id: subscription
                for list_id, recipients in members.items()
                if (subscription := recipients.subscription(row.id))
            }
            remote.append(_remote_contact(row, values.get(row.id), subscriptions))
        yield remote


def fetch_remote_contact(reads: Reads, email: str) -> RemoteContact | None:
    """One contact as it is now; None if Mailjet has none."""
    row = reads.read(lambda: reads.client.contact(email))
    if row is None:
        return None
    values = reads.read(lambda: reads.client.contactdata(row.id))
    subscriptions = {
        recipient.list_id: subscription
        for recipient in reads.recipients_of(email)
        if (subscription := subscription_of(recipient))
    }
    data = [{"Name": name, "Value": value} for name, value in values.items()]
    return _remote_contact(row, data, subscriptions)


def subscription_of(row: rows.ListRecipient) -> RemoteSubscription | None:
    if row.is_unsubscribed:
        return RemoteSubscription(UNSUB, moment(row.unsubscribed_at))
    return SUBSCRIBED if row.is_active else None


class MergeCursor:
    """Rows of contactdata, taken as the contacts advance."""

    def __init__(self, rows: Iterator[rows.ContactData]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def upto(self, contact_id: int) -> dict[int, list[dict[str, Any]]]:
        data_by_contact = {}
        while self._next and self._next.id <= contact_id:
            data_by_contact[self._next.id] = self._next.data
            self._next = next(self._rows, None)
        return data_by_contact


def _remote_contact(
    row: rows.Contact, data: list[dict[str, Any]] | None, subscriptions: dict[int, RemoteSubscription]
) -> RemoteContact:
    return RemoteContact(
        email=written(row.email),
        name=row.name,
        values={str(pair["Name"]).lower(): pair["Value"] for pair in data or ()},
        subscriptions=subscriptions,
        excluded=row.is_opted_out,
        excluded_at=moment(row.exclusion_from_campaigns_updated_at),
    )


def unsubscribes_of(client: MailjetClient, email: str) -> list[rows.ListRecipient]:
    """The lists from which an address has unsubscribed. Few have, and only listrecipient says when. Raises DeliveryError."""
    if not any(row.is_unsub for row in client.getcontactslists(email)):
        return []
    pages = client.pages(LISTRECIPIENT, ContactEmail=email)
    return [row for page in pages for row in page if row.is_unsubscribed]
