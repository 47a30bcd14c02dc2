"""Reconcile: bring what Mailjet holds to what it should hold, with the fewest calls.

One thread per Mailjet account. A few due contacts are told one by one, at once. Many wait a moment for
company, until a body is full, the stream has gone quiet, or the oldest has waited long enough.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event

from jetbridge.control.directory import AccountRef
from jetbridge.delivery import ledger
from jetbridge.delivery.retry import Backoff
from jetbridge.destinations.mailjet import queries
from jetbridge.destinations.mailjet.account import Account, ListGone
from jetbridge.destinations.mailjet.contacts import Contact
from jetbridge.destinations.mailjet.fold import now_ms
from jetbridge.destinations.mailjet.jobs import (
    LIST_PROBE_MS,
    MAX_CONTACTS,
    OpenJob,
    look_at,
    open_jobs,
    postpone,
    start_jobs,
)
from jetbridge.destinations.mailjet.settle import SINGLY_FROM_TRIES
from jetbridge.destinations.mailjet.singles import deliver_singly
from jetbridge.destinations.mailjet.state import LEFT
from jetbridge.errors import DeliveryError, HoldError, PermanentError, TransientError
from jetbridge.mailjet.actions import REMOVE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """When to tell Mailjet. Times in ms."""

    idle: int = 20
    #: Up to so many due contacts are told singly.
    few: int = 10
    #: Many contacts are told when nothing new has come for so long ...
    quiet: int = 400
    #: ... or when the oldest has waited so long.
    linger: int = 5_000
    #: Jobs that may be open at once.
    jobs: int = 8
    #: How long a held account waits before it tries again.
    probe: int = 30_000


class Reconciler:
    """`run(stop)` works until `stop` is set. Everything it knows is in the database: it may die anywhere.

    `destinations` maps those that depend on the account to their lists.
    """

    def __init__(
        self,
        ref: AccountRef,
        destinations: Callable[[], Mapping[int, int]],
        *,
        pace: Pace = Pace(),
        now: Callable[[], int] = now_ms,
    ) -> None:
        self._account = Account.of(ref, now)
        self._destinations = destinations
        self._pace = pace
        self._now = now
        self._backoff = Backoff()
        self._jobs: list[OpenJob] = []
        self._held: set[int] = set()

    def run(self, stop: Event) -> None:
        self._jobs = open_jobs(self._account)
        while not stop.is_set():
            stop.wait(self._step() / 1000)

    def _step(self) -> float:
        """Work once; return how long to wait (ms) before the next time."""
        try:
            worked = self._follow() | self._tell()
        except TransientError as error:
            wait = self._backoff.next_wait(error)
            log.info("Mailjet account %s: %s Next try in %.1f s.", self._account.id, error, wait)
            return wait * 1000
        except (HoldError, PermanentError) as error:
            # A refusal that names no contact is about the account: hold, do not drop.
            log.warning("Mailjet account %s is held: %s", self._account.id, error)
            self._show_holds(error)
            return self._pace.probe
        if worked:
            self._backoff.reset()
            if self._held or self._account.gone:
                self._show_holds(None)
        return 0 if worked else self._pace.idle

    def _follow(self) -> bool:
        """Look at the jobs whose time has come."""
        ended = [job for job in self._jobs if job.look_at <= self._now() and look_at(self._account, job)]
        self._jobs = [job for job in self._jobs if job not in ended]
        return bool(ended)

    def _tell(self) -> bool:
        """Tell Mailjet about due contacts, if it is time; True if there was something to do."""
        now = self._now()
        ((due, oldest, newest),) = queries.rows(queries.DUE_FIGURES, self._account.id, now, MAX_CONTACTS)
        if not due or len(self._jobs) >= self._pace.jobs or not self._is_time(due, oldest, newest, now):
            return False
        rows = queries.rows(queries.DUE_CONTACTS, self._account.id, now, MAX_CONTACTS)
        contacts = [Contact.of_row(row) for row in rows]
        ordinary = [each for each in contacts if not _wants_care(each)]
        singly = [each for each in contacts if _wants_care(each)]
        if len(ordinary) <= self._pace.few:
            singly += [each for each in ordinary if not _clears(each)]
            ordinary = [each for each in ordinary if _clears(each)]
        if ordinary:
            self._jobs.extend(start_jobs(self._account, ordinary))
        for contact in singly:
            self._tell_singly(contact)
        return True

    def _is_time(self, due: int, oldest: int, newest: int, now: int) -> bool:
        if due <= self._pace.few or due >= MAX_CONTACTS:
            return True
        return now - newest >= self._pace.quiet or now - oldest >= self._pace.linger

    def _tell_singly(self, contact: Contact) -> None:
        try:
            deliver_singly(self._account, contact)
        except TransientError:
            # Behind the others, in case it is this contact that Mailjet stumbles over.
            wait = min(60_000, 500 * 2 ** min(contact.tries, 10))
            postpone([contact], self._now() + wait, tries=contact.tries + 1)
            raise
        except ListGone:
            postpone([contact], self._now() + LIST_PROBE_MS)

    def _show_holds(self, account_error: DeliveryError | None) -> None:
        """Say of every destination whether the account or its list holds it."""
        for destination, list_id in self._destinations().items():
            error = account_error or self._account.gone.get(list_id)
            if error:
                ledger.hold(ledger.destination_reader(destination), error.code, str(error))
                self._held.add(destination)
            elif destination in self._held:
                ledger.release(ledger.destination_reader(destination))
                self._held.discard(destination)


def _wants_care(contact: Contact) -> bool:
    """Whether a bulk body would not treat it rightly, or has refused it before."""
    leaves = any(action in {LEFT, REMOVE} for action, _ in contact.desired.lists.values())
    return leaves or bool(contact.desired.takes_over) or contact.tries >= SINGLY_FROM_TRIES


def _clears(contact: Contact) -> bool:
    """Whether something is to be cleared: null is documented for managemanycontacts only."""
    return any(value is None for value in contact.desired.values.values())
