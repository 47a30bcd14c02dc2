"""Settling: writing down what Mailjet confirmed or refused, with the account of the messages it settles.

Fold may have merged newer calls into a contact while Mailjet was being told, so every row is read again
inside the transaction that settles it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction

from jetbridge.delivery import ledger
from jetbridge.delivery.tally import Exhibit, Tally
from jetbridge.destinations.mailjet import queries
from jetbridge.destinations.mailjet.contacts import Contact, load_contacts, save_settled
from jetbridge.destinations.mailjet.pending import Pending, without
from jetbridge.destinations.mailjet.state import Delivered, ListWish, difference
from jetbridge.errors import DeliveryError

#: Contacts that failed this often, or that a job refused, are told singly: that answer names the reason.
SINGLY_FROM_TRIES = 3


@dataclass
class Confirmed:
    """Mailjet confirmed `told`, which settles `pending`. `learned` are wishes found at Mailjet itself."""

    told: Delivered
    pending: Pending
    learned: dict[int, ListWish] = field(default_factory=dict)
    took_over: Sequence[str] = ()


@dataclass
class RefusedContact:
    """Mailjet will not take the contact, whatever is tried; its messages have failed."""

    pending: Pending
    error: DeliveryError
    request: str = ""


class Settling:
    """One transaction: contacts come to rest, their messages are accounted for. See `settling`."""

    def __init__(self, account: int, now: int) -> None:
        self._account = account
        self._now = now
        self._tallies: defaultdict[int, Tally] = defaultdict(Tally)
        self._contacts: list[Contact] = []

    def confirm(self, contact: Contact, confirmed: Confirmed) -> None:
        contact.delivered.take(confirmed.told)
        for list_id, (action, at) in confirmed.learned.items():
            contact.desired.ask(list_id, action, at)
        for old in confirmed.took_over:
            if old in contact.desired.takes_over:
                contact.desired.takes_over.remove(old)
        contact.tries = 0
        if difference(contact.desired, contact.delivered) is None and not contact.desired.takes_over:
            self._delivered(contact.pending)
            contact.pending, contact.due_at = {}, None
        else:
            self._delivered(confirmed.pending)
            contact.pending, contact.due_at = without(contact.pending, confirmed.pending), self._now
        self._contacts.append(contact)

    def refuse(self, contact: Contact, refused: RefusedContact) -> None:
        for destination, waiting in refused.pending.items():
            tally = self._tallies[destination]
            tally.held -= waiting.total
            tally.fail(
                Exhibit(
                    outcome=ledger.FAILED,
                    reason=refused.error.code,
                    sentence=str(refused.error),
                    position=waiting.position,
                    total=waiting.total,
                    message_id=waiting.message_id,
                    person=contact.email,
                    request=refused.request,
                    answer=refused.error.answer,
                )
            )
        contact.pending = without(contact.pending, refused.pending)
        # Newer messages deserve a try of their own.
        contact.due_at, contact.tries = (self._now if contact.pending else None), 0
        self._contacts.append(contact)

    def again(self, contact: Contact, *, singly: bool) -> None:
        """Not settled: it is due again."""
        contact.tries = SINGLY_FROM_TRIES if singly else contact.tries + 1
        contact.due_at = self._now
        self._contacts.append(contact)

    def _delivered(self, pending: Pending) -> None:
        for destination, waiting in pending.items():
            self._tallies[destination].delivered += waiting.total
            self._tallies[destination].held -= waiting.total

    def write(self) -> None:
        save_settled(self._contacts)
        for destination, tally in self._tallies.items():
            ledger.add(destination, tally)


@contextmanager
def settling(account: int, now: int) -> Iterator[Settling]:
    """Open the transaction; what was settled in the block is written at its end."""
    with transaction.atomic():
        work = Settling(account, now)
        yield work
        work.write()


def settle_single(account: int, now: int, email: str, result: Confirmed | RefusedContact) -> None:
    """Settle one contact that was told by itself."""
    with settling(account, now) as work:
        contact = load_contacts(account, [email])[email]
        if isinstance(result, Confirmed):
            work.confirm(contact, result)
        else:
            work.refuse(contact, result)


def job_contacts(account: int, job_id: int) -> list[Contact]:
    return [Contact.of_row(row) for row in queries.rows(queries.JOB_CONTACTS, account, job_id)]


def report_set_aside(account: int, refusals: Sequence[tuple[str, str, str]]) -> None:
    """Count values that Mailjet's Datatypes refuse: (property, sentence, email) each."""
    totals = Counter((name, sentence) for name, sentence, _ in refusals)
    last = {(name, sentence): email for name, sentence, email in refusals}
    now = datetime.now(UTC)
    queries.write(
        queries.COUNT_SET_ASIDE,
        [(account, *key, total, last[key], now) for key, total in totals.items()],
    )
