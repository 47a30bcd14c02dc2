"""Reconcile: bring what Mailjet holds to what it should hold, with the fewest calls.

One thread per Mailjet account. A few due contacts are told one by one, at once. Many wait a moment for
company, until a body is full, the stream has gone quiet, or the oldest has waited long enough. If the
stream brings news of the same contacts again and again, full bodies wait as well: each contact is told now
and then, however many calls there are about it.

One contact that Mailjet stumbles over must not stand in the way: it waits behind the others, a body that
contains one is halved until it is found, and after the retry limit its messages fail, provided that others
got through. If nobody gets through, the account is held instead.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from jetbridge.control.directory import AccountRef
from jetbridge.delivery import ledger
from jetbridge.delivery.breaker import Breaker, Tripped
from jetbridge.delivery.hold import Holds
from jetbridge.delivery.retry import Backoff, Patience
from jetbridge.destinations.mailjet import queries, stream
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
from jetbridge.destinations.mailjet.set_aside import SetAsideWatch
from jetbridge.destinations.mailjet.settle import SINGLY_FROM_TRIES
from jetbridge.destinations.mailjet.singles import deliver_singly, refuse
from jetbridge.errors import DeliveryError, HoldError, PermanentError, TransientError
from jetbridge.mailjet.actions import REMOVE

log = logging.getLogger(__name__)

#: After so many failures in a row a body is halved.
HALVE_FROM_TRIES = 3
#: The stream repeats itself when such a share of a job's contacts has news again before the job has ended.
REPEATING = 0.2


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
        retry_seconds: float = Patience.limit_seconds,
        now: Callable[[], int] = now_ms,
    ) -> None:
        self._account = Account.of(ref, now)
        self._set_aside = SetAsideWatch(self._account)
        self._destinations = destinations
        self._pace = pace
        self._now = now
        self._backoff = Backoff()
        self._patience = Patience(retry_seconds, clock=lambda: now() / 1000)
        #: How many contacts a body may have for now.
        self._most = MAX_CONTACTS
        self._jobs: list[OpenJob] = []
        #: Until then full bodies wait (ms).
        self._rest_until = 0
        self._holds = Holds()
        self._account.breaker = Breaker(self._readers)
        self._stop = Event()

    def run(self, stop: Event) -> None:
        self._stop = stop
        self._jobs = open_jobs(self._account)
        while not stop.is_set():
            if self._holds.wait(stop, self._step() / 1000):
                now = self._now()
                queries.write(queries.DUE_AT_ONCE, [(now, self._account.id, now)])

    def _step(self) -> float:
        """Work once; return how long to wait (ms) before the next time."""
        try:
            self._set_aside.look()
            worked = self._work()
        except TransientError as error:
            wait = self._backoff.next_wait(error)
            self._holds.trouble(self._readers(), error)
            if self._patience.failed():
                self._show_holds(self._patience.hold(error))
            log.info("Mailjet account %s: %s Next try in %.1f s.", self._account.id, error, wait)
            return wait * 1000
        except (HoldError, PermanentError) as error:
            # A refusal that names no contact is about the account: hold, do not drop.
            log.warning("Mailjet account %s is held: %s", self._account.id, error)
            self._show_holds(error)
            return self._pace.probe
        if worked:
            self._answered()
            if self._holds or self._account.gone:
                self._show_holds(None)
        elif self._holds.is_trouble and not self._is_anybody_due():
            self._holds.end_trouble()
        return 0 if worked else self._pace.idle

    def _work(self) -> bool:
        """Follow jobs and tell contacts; trouble with the one does not keep from the other."""
        try:
            followed = self._follow()
        except TransientError:
            self._tell()
            raise
        return self._tell() or followed

    def _answered(self) -> None:
        """Mailjet has just taken something, or refused it for good."""
        self._backoff.reset()
        self._patience.answered()
        self._holds.end_trouble()
        self._most = MAX_CONTACTS

    def _follow(self) -> bool:
        """Look at the jobs whose time has come."""
        ended = [job for job in self._jobs if job.look_at <= self._now() and look_at(self._account, job)]
        self._jobs = [job for job in self._jobs if job not in ended]
        if any(job.repeats >= REPEATING for job in ended):
            self._rest_until = self._now() + self._pace.linger
        return bool(ended)

    def _is_anybody_due(self) -> bool:
        """Now or later."""
        ((due, _, _),) = queries.rows(queries.DUE_FIGURES, self._account.id, 2**62, 1)
        return bool(due or self._jobs)

    def _tell(self) -> bool:
        """Tell Mailjet about due contacts, if it is time; True if there was something to do."""
        now = self._now()
        ((due, oldest, newest),) = queries.rows(queries.DUE_FIGURES, self._account.id, now, MAX_CONTACTS)
        if not due or len(self._jobs) >= self._pace.jobs or not self._is_time(due, oldest, newest, now):
            return False
        rows = queries.rows(queries.DUE_CONTACTS, self._account.id, now, self._most)
        ordinary, singly = sorted_out([Contact.of_row(row) for row in rows], self._pace.few)
        if ordinary:
            self._start_jobs(ordinary)
        for contact in singly:
            if self._stop.is_set():
                break
            self._tell_singly(contact)
        return True

    def _start_jobs(self, contacts: Sequence[Contact]) -> None:
        try:
            for job in start_jobs(self._account, contacts):
                self._jobs.append(job)
                self._answered()
        except TransientError as error:
            if len(contacts) <= self._pace.few:
                self._postpone(contacts, error)
            elif self._backoff.tries >= HALVE_FROM_TRIES:
                self._most = max(self._pace.few, len(contacts) // 2)
            raise

    def _is_time(self, due: int, oldest: int, newest: int, now: int) -> bool:
        if due <= self._pace.few or (due >= MAX_CONTACTS and now >= self._rest_until):
            return True
        newest = max(newest, stream.last_merged(self._account.id))
        return now - newest >= self._pace.quiet or now - oldest >= self._pace.linger

    def _tell_singly(self, contact: Contact) -> None:
        try:
            deliver_singly(self._account, contact)
        except TransientError as error:
            # Behind the others, in case it is this contact that Mailjet stumbles over.
            self._postpone([contact], error)
            if self._has_had_its_time(contact):
                refuse(self._account, contact, self._patience.give_up(error))
            raise
        except Tripped:
            postpone([contact], self._now())  # behind the others, too: one that is taken ends the hold
            raise
        except ListGone:
            postpone([contact], self._now() + LIST_PROBE_MS)
        else:
            self._answered()

    def _postpone(self, contacts: Iterable[Contact], error: TransientError) -> None:
        """They have failed for now: each waits the longer, the more often it did."""
        for each in contacts:
            wait = Backoff(tries=each.tries).next_wait(error)
            each.failing_since = each.failing_since or self._now()
            postpone([each], max(self._now() + int(wait * 1000), each.due_at or 0), tries=each.tries + 1)

    def _has_had_its_time(self, contact: Contact) -> bool:
        """It has failed for as long as is tried, while others got through."""
        since = (contact.failing_since or self._now()) / 1000
        return self._patience.is_answering and self._patience.is_over(since)

    def _readers(self) -> list[str]:
        return [ledger.destination_reader(each) for each in self._destinations()]

    def _show_holds(self, account_error: DeliveryError | None) -> None:
        """Say of every destination whether the account or its list holds it."""
        for destination, list_id in self._destinations().items():
            reader = ledger.destination_reader(destination)
            if error := account_error or self._account.gone.get(list_id):
                self._holds.put(reader, error)
            else:
                self._holds.lift(reader)


def sorted_out(contacts: Sequence[Contact], few: int) -> tuple[list[Contact], list[Contact]]:
    """Those to be told in jobs, and those to be told one by one."""
    ordinary: list[Contact] = []
    singly: list[Contact] = []
    for each in contacts:
        (singly if _wants_care(each) else ordinary).append(each)
    if len(ordinary) <= few:
        singly += [each for each in ordinary if not _clears(each)]
        ordinary = [each for each in ordinary if _clears(each)]
    return ordinary, singly


def _wants_care(contact: Contact) -> bool:
    """Whether a bulk body would not treat it rightly, or has refused it before."""
    desired = contact.desired
    if desired.takes_over or contact.tries >= SINGLY_FROM_TRIES or desired.is_to_go or desired.has_left:
        return True
    return REMOVE in {action for action, _ in desired.lists.values()}


def _clears(contact: Contact) -> bool:
    """Whether something is to be cleared: null is documented for managemanycontacts only."""
    return any(value is None for value in contact.desired.values.values())
