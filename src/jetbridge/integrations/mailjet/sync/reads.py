"""Reading much from Mailjet without disturbing its answers to the deliveries: at a pace, and patiently."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from jetbridge.delivery.retry import Backoff
from jetbridge.errors import PermanentError, TransientError
from jetbridge.integrations.mailjet.api import resources as rows
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import CONTACT, CONTACTDATA, LISTRECIPIENT, Listing

T = TypeVar("T")
R = TypeVar("R", rows.Contact, rows.ContactData, rows.ListRecipient)

#: Reads per second unless told otherwise.
PER_SECOND = 5.0
#: Of what Mailjet allows, once it has asked for fewer calls, reads take no more: the rest is for the deliveries.
SHARE = 0.25
#: How often a read is tried before the whole is given up.
TRIES = 8


class Reads:
    """Reads of one account. Every method blocks and raises DeliveryError; `sleep` takes seconds.

    `on_rows` is told how many rows each page brought.
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
        """The result of one call to Mailjet, when its turn has come."""
        backoff = Backoff()
        while True:
            self._take_turn()
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
        # Whether Mailjet counts contacts without properties, too, nothing says.
        return self._pages(CONTACTDATA, {}, counted=False)

    def listrecipients(self, list_id: int, **filters: Any) -> Iterator[list[rows.ListRecipient]]:
        return self._pages(LISTRECIPIENT, {"ContactsList": list_id, **filters})

    def recipients_of(self, email: str) -> list[rows.ListRecipient]:
        """Where one contact stands."""
        pages = self.client.pages(LISTRECIPIENT, call=self.read, ContactEmail=email)
        return [row for page in pages for row in page]

    def _pages(
        self, listing: Listing[R], filters: dict[str, Any], *, counted: bool = True
    ) -> Iterator[list[R]]:
        """Pages by rising ID. Who leaves while we read moves a row across a page's border: it is missed."""
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

    def _take_turn(self) -> None:
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        limit = self.client.calls_per_second
        pause = max(self._pause, 1 / (SHARE * limit)) if limit else self._pause
        self._next = max(now, self._next) + pause
