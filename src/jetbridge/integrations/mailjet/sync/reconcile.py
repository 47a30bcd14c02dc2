"""Reconcile: bring what Mailjet holds to what it should hold, with the fewest calls.

One thread per Mailjet account. A few due contacts are sent one by one, at once. Many wait a moment for
company, until a body is full, the stream has gone quiet, or the oldest has waited long enough. If the
stream brings news of the same contacts again and again, full bodies wait as well: each contact is sent now
and then, however many calls there are about it.

One contact that Mailjet stumbles over must not stand in the way: it waits behind the others, and after the
retry limit its messages fail, provided that others got through. One that raises an exception is sent with fewer others
until it is alone, and its messages fail at once. Nor must one list: each has a circuit of its own
(`list_circuit`), and while that rests, contacts wait for it far back. If nobody gets through, there is a hold instead.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from jetbridge.control.directory import AccountRef
from jetbridge.delivery import isolation
from jetbridge.delivery.consumer import BatchLimit
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.pauses import PauseRegistry
from jetbridge.delivery.retry import Backoff, RetryDeadline
from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet.contacts import queries, replaced_lists
from jetbridge.integrations.mailjet.contacts.contact import Contact, now_ms
from jetbridge.integrations.mailjet.contacts.merge import last_merged
from jetbridge.integrations.mailjet.sync import list_circuit
from jetbridge.integrations.mailjet.sync.abandoned_jobs import AbandonedJobs
from jetbridge.integrations.mailjet.sync.account import Account
from jetbridge.integrations.mailjet.sync.additions import Additions
from jetbridge.integrations.mailjet.sync.bulk_jobs import OpenJob, look_at, open_jobs, start_jobs
from jetbridge.integrations.mailjet.sync.erasure import ContactEraser
from jetbridge.integrations.mailjet.sync.isolated import fail_contact
from jetbridge.integrations.mailjet.sync.list_circuit import (
    MAX_CONTACTS,
    NO_LIST,
    SINGLE_MAX,
    ListCircuit,
    ListGone,
)
from jetbridge.integrations.mailjet.sync.queues import Queues
from jetbridge.integrations.mailjet.sync.rejected_values import RejectedValuesWatch
from jetbridge.integrations.mailjet.sync.single_updates import deliver_singly
from jetbridge.integrations.mailjet.sync.unsubscribes import Unsubscribes
from jetbridge.integrations.mailjet.sync.update_mode import split_by_mode

log = logging.getLogger(__name__)

#: The stream repeats itself when such a share of a job's contacts has news again before the job has ended.
REPEATING = 0.2
#: How often is looked whether destinations that are held for their list have been given another one.
LOOK_MS = 1_000


@dataclass(frozen=True)
class Pace:
    """When to tell Mailjet. Times in ms."""

    idle: int = 20
    #: Up to so many due contacts are sent singly.
    few: int = SINGLE_MAX
    #: Many contacts are told when nothing new has come for so long ...
    quiet: int = 400
    #: ... or when the oldest has waited so long, as people who enter and leave audiences all the time wait.
    linger: int = 2_500
    #: So long wait all, full bodies as well, after a job whose contacts had news again at once.
    rest: int = 5_000
    #: Jobs that may be open at once.
    jobs: int = 8


#: Of every reconciler that is given no other.
PACE = Pace()


class Reconciler:
    """`run(stop)` works until `stop` is set. Everything it knows is in the database: it may die anywhere.

    `destinations` maps those that depend on the account to their lists; `unsubscribes` is the thread that reads those of the account.
    """

    def __init__(
        self,
        ref: AccountRef,
        destinations: Callable[[], Mapping[int, int]],
        unsubscribes: Unsubscribes,
        *,
        pace: Pace | None = None,
        retry_seconds: float = RetryDeadline.limit_seconds,
        now: Callable[[], int] = now_ms,
    ) -> None:
        self._account = Account.of(ref, now, retry_seconds=retry_seconds, readers=self._readers)
        self._eraser = ContactEraser(self._account)
        self._queues = Queues(self._account)
        self._additions = Additions(self._account, unsubscribes, self._queues)
        self._rejected_values = RejectedValuesWatch(self._account)
        self._abandoned_jobs = AbandonedJobs(self._account)
        self._destinations = destinations
        self._pace = pace or PACE
        self._now = now
        self._backoff = Backoff()
        self._retry_deadline = RetryDeadline(retry_seconds, clock=lambda: now() / 1000)
        self._jobs: list[OpenJob] = []
        self._limit = BatchLimit(MAX_CONTACTS)
        #: Until then full bodies wait (ms).
        self._rest_until = 0
        #: The lists of the destinations, when contacts were last told.
        self._set_to: Mapping[int, int] = {}
        #: Not before then (ms) is looked for lists that were replaced.
        self._look_at = 0
        self._pauses = PauseRegistry()
        self._shown: object = None
        self._stop = Event()

    def run(self, stop: Event) -> None:
        self._stop = stop
        self._jobs = open_jobs(self._account)
        self._queues.requeue_all()  # circuits do not outlive the process that made them
        while not stop.is_set():
            if self._pauses.wait(stop, self._step() / 1000):
                self._queues.reset()

    def _step(self) -> float:
        """Work once; return how long to wait (ms) before the next time."""
        try:
            self._eraser.look(self._stop)
            self._rejected_values.look()
            self._abandoned_jobs.look()
            self._look_for_replaced_lists()
            if self._additions.look():
                self._show(None)
            worked = self._work()
        except TransientError as error:
            return self._try_later(error)
        except (PauseError, PermanentError) as error:
            # A refusal that names no contact is about the account: hold, do not drop.
            return self._pause(error)
        except Exception as error:  # noqa: BLE001 - no contact was alone with it: the account waits and says so
            if isolation.is_environmental(error):
                return self._try_later(isolation.as_transient(error))
            isolation.note(error, f"Mailjet account {self._account.id}")
            return self._pause(isolation.as_pause(error))
        if worked:
            self._backoff.reset()
            self._retry_deadline.answered()
            self._show(None)
        elif self._pauses.has_error and not self._is_anybody_due():
            self._pauses.clear_error()
        return 0 if worked else self._pace.idle

    def _look_for_replaced_lists(self) -> None:
        """A list that is gone holds nobody who has been given another one."""
        gone = [
            circuit for circuit in self._account.circuits.failing() if isinstance(circuit.trouble, ListGone)
        ]
        now = self._now()
        if not gone or now < self._look_at:
            return
        self._look_at = now + LOOK_MS
        if not {circuit.list_id for circuit in gone} <= set(self._destinations().values()):
            self._queues.reset()
            self._show(None)

    def _remember_replaced_lists(self) -> None:
        """Before anybody is told to the list that a destination has been given: whether the former one is gone.

        Raises DeliveryError.
        """
        lists = dict(self._destinations())
        for destination, former in self._set_to.items():
            if lists.get(destination, former) != former:
                row = self._account.client.contactslist(former)
                if row is None or row.is_deleted:
                    replaced_lists.remember(self._account.id, destination, former)
                    self._queues.reset()
        self._set_to = lists

    def _try_later(self, error: TransientError) -> float:
        wait = self._backoff.next_wait(error)
        log.info("Mailjet account %s: %s Next try in %.1f s.", self._account.id, error, wait)
        self._pauses.record_error(self._all_readers(), error)
        if self._retry_deadline.failed():
            self._show(self._retry_deadline.pause_error(error))
        return wait * 1000

    def _pause(self, error: DeliveryError) -> float:
        log.warning("Mailjet account %s is paused: %s", self._account.id, error)
        self._show(error)
        return list_circuit.PROBE_MS

    def _work(self) -> bool:
        """Follow jobs and tell contacts; trouble with the one does not keep from the other."""
        try:
            followed = self._follow()
        except TransientError:
            self._send_due()
            raise
        return self._send_due() or followed

    def _follow(self) -> bool:
        """Look at the jobs whose time has come."""
        ended = [job for job in self._jobs if job.look_at <= self._now() and look_at(self._account, job)]
        self._jobs = [job for job in self._jobs if job not in ended]
        if any(job.repeats >= REPEATING for job in ended):
            self._rest_until = self._now() + self._pace.rest
        return bool(ended)

    def _is_anybody_due(self) -> bool:
        """Now or later."""
        ((due, _, _),) = queries.rows(queries.DUE_FIGURES, self._account.id, 2**62, 1)
        return bool(due or self._jobs)

    def _send_due(self) -> bool:
        """Send due contacts, if it is time; True if there was something to do."""
        if len(self._jobs) >= self._pace.jobs:
            return False
        self._queues.requeue()
        now = self._now()
        ((due, oldest, newest),) = queries.rows(queries.DUE_FIGURES, self._account.id, now, MAX_CONTACTS)
        if not due or not self._is_time(due, oldest, newest, now):
            return False
        self._remember_replaced_lists()
        rows = queries.rows(queries.DUE_CONTACTS, self._account.id, now, self._limit.size)
        try:
            self._send_rows(rows)
        except DeliveryError:
            raise
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"Mailjet account {self._account.id}")
            if not self._limit.raised(len(rows)):
                fail_contact(self._account.id, now, rows[0][0], error)
            return True
        self._limit.succeeded()
        return True

    def _send_rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        due = replaced_lists.follow(self._account.id, [Contact.of_row(row) for row in rows])
        current, joining = self._additions.without_ended(due)
        sendable, probes = self._queues.select_sendable(current)
        few = self._pace.few
        ordinary, singly = split_by_mode(
            self._additions.checked(sendable, joining, few), few, self._account.types
        )
        for job in start_jobs(self._account, ordinary) if ordinary else ():
            self._jobs.append(job)
        for contact in (*singly, *self._additions.checked(probes, joining, few)):
            if self._stop.is_set():
                break
            if not self._queues.is_blocked(contact):  # its circuit may have come to rest just now
                self._send_isolated(contact)

    def _send_isolated(self, contact: Contact) -> None:
        try:
            deliver_singly(self._account, contact)
        except DeliveryError:
            raise
        except Exception as error:
            if isolation.is_environmental(error) or contact.id is None:
                raise
            fail_contact(self._account.id, self._now(), contact.id, error)

    def _is_time(self, due: int, oldest: int, newest: int, now: int) -> bool:
        if due <= self._pace.few or (due >= MAX_CONTACTS and now >= self._rest_until):
            return True
        newest = max(newest, last_merged(self._account.id))
        linger = self._pace.rest if now < self._rest_until else self._pace.linger
        return now - newest >= self._pace.quiet or now - oldest >= linger

    def _readers(self, circuit: ListCircuit) -> list[str]:
        """Those whose own list it is, and those whose messages wait for it."""
        own = {id_ for id_, list_id in self._destinations().items() if circuit.list_id in {list_id, NO_LIST}}
        return [destination_consumer(each) for each in sorted(own | circuit.destinations)]

    def _all_readers(self) -> list[str]:
        return [destination_consumer(each) for each in self._destinations()]

    def _show(self, account_error: DeliveryError | None) -> None:
        """Say of every destination what holds it or goes wrong for now: with the account, with its own list, or with
        another that its messages name.
        """
        wrong = self._account.circuits.failing()
        additions = {id_: str(self._additions.error_of(id_) or "") for id_ in self._destinations()}
        lists = [(each.list_id, each.trouble, set(each.destinations)) for each in wrong]
        shown = account_error, lists, additions
        if shown == self._shown and not account_error:
            return
        self._shown = shown
        for destination, list_id in self._destinations().items():
            reader = destination_consumer(destination)
            found = account_error or _trouble_of(destination, list_id, wrong)
            found = found or self._additions.error_of(destination)
            if isinstance(found, TransientError):
                self._pauses.record_error([reader], found)
            elif found is None or account_error is None:
                self._pauses.clear_error([reader])
            if found and not isinstance(found, TransientError):
                self._pauses.pause(reader, found)
            else:
                self._pauses.resume(reader)


def _trouble_of(destination: int, own: int, wrong: Sequence[ListCircuit]) -> DeliveryError | None:
    by_list = {circuit.list_id: circuit for circuit in wrong}
    if circuit := by_list.get(own) or by_list.get(NO_LIST):
        return circuit.trouble
    for circuit in wrong:
        if circuit.trouble and destination in circuit.destinations:
            kind = type(circuit.trouble) if isinstance(circuit.trouble, TransientError) else PauseError
            return kind(
                circuit.trouble.code,
                f"Messages for the contacts list {circuit.list_id} wait: {circuit.trouble}",
            )
    return None
