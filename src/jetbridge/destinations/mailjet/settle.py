"""Settling: writing down what Mailjet confirmed or refused, with the account of the messages it settles.

Fold may have merged newer calls into a contact while Mailjet was being told, so every row is read again
inside the transaction that settles it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction

from jetbridge.delivery import ledger, minutes
from jetbridge.delivery.tally import Exhibit, Tally
from jetbridge.destinations.mailjet import history, queries
from jetbridge.destinations.mailjet.contacts import (
    Contact,
    delete,
    load_contacts,
    save_learned,
    save_settled,
)
from jetbridge.destinations.mailjet.pending import Pending, without
from jetbridge.destinations.mailjet.state import FORGOTTEN, MOVED, MOVING, Delivered, ListWish
from jetbridge.errors import DeliveryError
from jetbridge.routing.route import USER_SUPPRESSED

#: Contacts that failed this often, or that a job refused, are told singly: that answer names the reason.
SINGLY_FROM_TRIES = 3
#: How long a contact waits that Mailjet would not delete.
ERASE_AGAIN_MS = 600_000


@dataclass(slots=True)
class Confirmed:
    """Mailjet confirmed `told`, which settles `pending`. `learned` are wishes found at Mailjet itself.

    `by` is the call or job that told it, empty if there was nothing to tell; `answer` is Mailjet's. `dropped` are
    lists that are not there any more, and forgotten so that nothing is told by way of them.
    """

    told: Delivered
    pending: Pending
    by: str = ""
    answer: str = ""
    learned: dict[int, ListWish] = field(default_factory=dict)
    took_over: Sequence[str] = ()
    dropped: Collection[int] = ()


@dataclass
class RefusedContact:
    """Mailjet will not take the contact, whatever is tried; its messages have failed.

    `dropped` are lists that are wished for in vain, and forgotten so that the rest can be told.
    """

    pending: Pending
    error: DeliveryError
    request: str = ""
    by: str = ""
    dropped: Collection[int] = ()


class Erased:
    """Mailjet has no such contact any more."""


class Settling:
    """One transaction: contacts come to rest, their messages are accounted for. See `settling`."""

    def __init__(self, account: int, now: int) -> None:
        self._account = account
        self._now = now
        self._tallies: defaultdict[int, Tally] = defaultdict(Tally)
        self._contacts: list[Contact] = []
        self._gone: list[Contact] = []

    def confirm(self, contact: Contact, confirmed: Confirmed) -> None:
        contact.delivered.take(confirmed.told)
        for list_id in confirmed.dropped:
            contact.delivered.lists.pop(list_id, None)
            contact.desired.lists.pop(list_id, None)
        for list_id, (action, at) in confirmed.learned.items():
            contact.desired.ask(list_id, action, at)
        for old in confirmed.took_over:
            if old in contact.desired.takes_over:
                contact.desired.takes_over.remove(old)
        self._let_go(confirmed.took_over)
        contact.tries, contact.failing_since = 0, None
        agrees = contact.agrees
        settled = contact.pending if agrees else confirmed.pending
        contact.history = history.added(contact.history, self._now, confirmed.by, confirmed.answer, settled)
        self._delivered(settled)
        contact.pending = without(contact.pending, settled)
        contact.due_at = None if agrees else self._now
        self._contacts.append(contact)

    def _let_go(self, emails: Sequence[str]) -> None:
        """Their consent was taken over: those that wait for it may be deleted now."""
        for old in load_contacts(self._account, emails).values() if emails else ():
            if old.desired.gone == MOVING:
                old.desired.gone = MOVED
                old.due_at = self._now if old.job_id is None else None
                save_learned(self._account, [old])

    def erased(self, contact: Contact) -> None:
        """Mailjet has no such contact any more."""
        if contact.desired.gone == FORGOTTEN:
            self._forgotten(contact.pending)
            self._gone.append(contact)
            return
        contact.tries, contact.failing_since = 0, None
        if contact.desired.is_to_go:
            self._delivered(contact.pending)
            contact.desired = contact.desired.refusals()
            contact.was_told(Delivered(lists=contact.desired.actions()))
            contact.pending, contact.due_at = {}, None
        else:  # its user came back meanwhile
            contact.was_told(Delivered())
            contact.due_at = self._now
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
        contact.history = history.added(
            contact.history, self._now, refused.by, refused.error.code, refused.pending
        )
        # Newer messages deserve a try of their own; who is to be forgotten must not be left over.
        contact.due_at, contact.tries = (self._now if contact.pending or refused.dropped else None), 0
        if not contact.pending:  # else one of the newer messages may wish the same, and is to fail by it
            for list_id in refused.dropped:
                contact.desired.lists.pop(list_id, None)
        if contact.desired.is_to_go:
            contact.due_at = self._now + ERASE_AGAIN_MS
        contact.failing_since = None
        self._contacts.append(contact)

    def again(self, contact: Contact, *, singly: bool) -> None:
        """Not settled: it is due again. What the job was told may have been taken all the same."""
        contact.delivered.doubt(contact.sent.told)
        contact.tries = SINGLY_FROM_TRIES if singly else contact.tries + 1
        contact.due_at = self._now
        self._contacts.append(contact)

    def _delivered(self, pending: Pending) -> None:
        for destination, waiting in pending.items():
            tally = self._tallies[destination]
            tally.delivered += waiting.total
            tally.held -= waiting.total
            if waiting.since:
                tally.latencies[minutes.bucket(self._now - waiting.since)] += waiting.total

    def _forgotten(self, pending: Pending) -> None:
        for destination, waiting in pending.items():
            self._tallies[destination].filtered[USER_SUPPRESSED] += waiting.total
            self._tallies[destination].held -= waiting.total

    def write(self) -> None:
        save_settled(self._contacts, self._now)
        delete(self._gone)
        for destination, tally in self._tallies.items():
            ledger.add(destination, tally)


@contextmanager
def settling(account: int, now: int) -> Iterator[Settling]:
    """Open the transaction; what was settled in the block is written at its end."""
    with transaction.atomic():
        work = Settling(account, now)
        yield work
        work.write()


def settle_single(account: int, now: int, email: str, result: Confirmed | RefusedContact | Erased) -> None:
    """Settle one contact that was told by itself; nothing if it was forgotten meanwhile."""
    with settling(account, now) as work:
        contact = load_contacts(account, [email]).get(email)
        if contact is None:
            return
        if isinstance(result, Confirmed):
            work.confirm(contact, result)
        elif isinstance(result, Erased):
            work.erased(contact)
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
