"""Reconcile: bring what Mailjet holds to the desired state, with the fewest calls.

One thread per Mailjet account. A few due contacts are sent one by one, at once. Many wait a moment for
more, until a body is full, the stream has gone quiet, or the oldest has waited long enough. If the
stream changes the same contacts again and again, full bodies wait as well: each contact is sent now
and then, however many calls there are about it.

One contact whose calls fail must not delay the others: it waits behind them, and after the
retry limit its messages fail, provided that others got through. One that raises an exception is sent with fewer others
until it is alone, and its messages fail at once. Nor must one list: each has a circuit of its own
(`account.ListCircuit`), and while that is open, contacts wait for it far back. If no contact gets through, the destinations are
paused instead.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from django.db import transaction

from jetbridge.control.directory import AccountRef
from jetbridge.delivery import isolation
from jetbridge.delivery.consumer import BatchLimit
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.pauses import PauseRegistry
from jetbridge.delivery.retry import Backoff, RetryDeadline
from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet import engage_keys
from jetbridge.integrations.mailjet.contacts import queries, replaced_lists
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    lists_to_join,
    load_contacts,
    now_ms,
    save_merged,
)
from jetbridge.integrations.mailjet.contacts.merge import last_merged
from jetbridge.integrations.mailjet.sync import account as account_
from jetbridge.integrations.mailjet.sync.account import (
    MAX_CONTACTS,
    NO_LIST,
    SINGLE_MAX,
    Account,
    ListCircuit,
    ListGone,
)
from jetbridge.integrations.mailjet.sync.bulk_jobs import AbandonedJobs, OpenJob, open_jobs, poll, start_jobs
from jetbridge.integrations.mailjet.sync.erasure import POLL_MS, ContactEraser, delete_contact
from jetbridge.integrations.mailjet.sync.prepare import Queues, split_by_mode
from jetbridge.integrations.mailjet.sync.rejected_values import RejectedValuesWatch
from jetbridge.integrations.mailjet.sync.results import fail_contact, lookup_failed
from jetbridge.integrations.mailjet.sync.single_updates import update_singly
from jetbridge.integrations.mailjet.sync.unsubscribes import Unsubscribes
from jetbridge.privacy import erasure
from jetbridge.text import for_editors

log = logging.getLogger(__name__)

#: The stream repeats itself if such a share of a job's contacts is due again before the job has ended.
REPEATING = 0.2
#: How often is looked whether destinations that are paused because their list is gone have been given another one.
REPLACED_LISTS_MS = 1_000
#: How long after its end a scan of unsubscribes counts (ms).
FRESH_SCAN_MS = 30_000
#: After so many additions at once more are expected, as in a first sync: for so long (ms) scans go on, so that the next need not
#: wait for one.
MANY_ADDITIONS, EXPECTED_MS = 1_000, 3_000

#: The lists that Engage is to add contacts to, by address.
Joining = dict[str, set[int]]


@dataclass(frozen=True)
class SendPolicy:
    """When to send. Times in ms."""

    poll_ms: int = 20
    #: Up to so many due contacts are sent singly.
    single_max: int = SINGLE_MAX
    #: Many contacts are sent when nothing new has come for so long ...
    debounce_ms: int = 400
    #: ... or when the oldest has waited so long, as contacts that enter and leave audiences all the time wait.
    linger_ms: int = 2_500
    #: So long all contacts wait, full bodies as well, after a job whose contacts were due again at once.
    cooldown_ms: int = 5_000
    #: Jobs that may be open at once.
    max_jobs: int = 8


#: The default of every reconciler.
SEND_POLICY = SendPolicy()


class Reconciler:
    """`run(stop)` works until `stop` is set. Everything it knows is in the database: it may be killed at any moment.

    `destinations` maps those that depend on the account to their lists; `unsubscribes` is the thread that reads those of the account.
    """

    def __init__(
        self,
        ref: AccountRef,
        destinations: Callable[[], Mapping[int, int]],
        unsubscribes: Unsubscribes,
        *,
        policy: SendPolicy | None = None,
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
        self._policy = policy or SEND_POLICY
        self._now = now
        self._backoff = Backoff()
        self._retry_deadline = RetryDeadline(retry_seconds, clock=lambda: now() / 1000)
        self._jobs: list[OpenJob] = []
        self._limit = BatchLimit(MAX_CONTACTS)
        #: Until then full bodies wait (ms).
        self._cooldown_until = 0
        #: The lists of the destinations, when contacts were last sent.
        self._lists: Mapping[int, int] = {}
        #: When is looked for lists that were replaced (ms).
        self._replaced_lists_at = 0
        self._pauses = PauseRegistry()
        self._reported: object = None
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
            self._eraser.poll(self._stop)
            self._rejected_values.poll()
            self._abandoned_jobs.poll()
            self._release_replaced_lists()
            if self._additions.poll():
                self._report(None)
            # An error of the jobs must not keep from sending.
            try:
                worked = self._poll_jobs()
            except TransientError:
                self._send_due()
                raise
            worked = self._send_due() or worked
        except TransientError as error:
            return self._retry_later(error)
        except (PauseError, PermanentError) as error:
            # A rejection that names no contact is about the account: pause, do not drop.
            return self._pause(error)
        except Exception as error:  # noqa: BLE001 - no contact was alone with it: the account is paused with the reason
            if isolation.is_environmental(error):
                return self._retry_later(isolation.as_transient(error))
            isolation.note(error, f"Mailjet account {self._account.id}")
            return self._pause(isolation.as_pause(error))
        if worked:
            self._backoff.reset()
            self._retry_deadline.record_success()
            self._report(None)
            return 0
        if self._pauses.has_error:
            ((due, _, _),) = queries.rows(queries.DUE_FIGURES, self._account.id, 2**62, 1)
            if not due and not self._jobs:  # nothing is due, now or later
                self._pauses.clear_error()
        return self._policy.poll_ms

    def _release_replaced_lists(self) -> None:
        """A list that is gone must not block destinations that have been given another one."""
        gone = {
            circuit.list_id
            for circuit in self._account.circuits.failing()
            if isinstance(circuit.last_error, ListGone)
        }
        now = self._now()
        if not gone or now < self._replaced_lists_at:
            return
        self._replaced_lists_at = now + REPLACED_LISTS_MS
        if not gone <= set(self._destinations().values()):
            self._queues.reset()
            self._report(None)

    def _retry_later(self, error: TransientError) -> float:
        wait = self._backoff.next_wait(error)
        log.info("Mailjet account %s: %s Next try in %.1f s.", self._account.id, error, wait)
        readers = [destination_consumer(destination) for destination in self._destinations()]
        self._pauses.record_error(readers, error)
        if self._retry_deadline.failed():
            self._report(self._retry_deadline.pause_error(error))
        return wait * 1000

    def _pause(self, error: DeliveryError) -> float:
        log.warning("Mailjet account %s is paused: %s", self._account.id, error)
        self._report(error)
        return account_.PROBE_MS

    def _poll_jobs(self) -> bool:
        """Poll the jobs whose time has come. Whether one has ended."""
        ended = [job for job in self._jobs if job.poll_at <= self._now() and poll(self._account, job)]
        self._jobs = [job for job in self._jobs if job not in ended]
        if any(job.repeats >= REPEATING for job in ended):
            self._cooldown_until = self._now() + self._policy.cooldown_ms
        return bool(ended)

    def _send_due(self) -> bool:
        """Send due contacts, if it is time; True if there was something to do."""
        policy = self._policy
        if len(self._jobs) >= policy.max_jobs:
            return False
        self._queues.requeue()
        now = self._now()
        ((due, oldest, newest),) = queries.rows(queries.DUE_FIGURES, self._account.id, now, MAX_CONTACTS)
        if not due:
            return False
        is_cooling_down = now < self._cooldown_until
        if due > policy.single_max and (due < MAX_CONTACTS or is_cooling_down):
            newest = max(newest, last_merged(self._account.id))
            linger_ms = policy.cooldown_ms if is_cooling_down else policy.linger_ms
            if now - newest < policy.debounce_ms and now - oldest < linger_ms:
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

    def _remember_replaced_lists(self) -> None:
        """Before contacts are sent to a list that a destination was given: remember the former one if it is gone.

        Raises DeliveryError.
        """
        lists = dict(self._destinations())
        for destination, former in self._lists.items():
            if lists.get(destination, former) != former:
                row = self._account.client.contactslist(former)
                if row is None or row.is_deleted:
                    replaced_lists.remember(self._account.id, destination, former)
                    self._queues.reset()
        self._lists = lists

    def _send_rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        due = [Contact.of_row(row) for row in rows]
        if replaced := queries.replaced_lists(self._account.id):
            due = replaced_lists.follow(self._account.id, due, replaced)
        current, joining = self._additions.without_ended(due)
        sendable, probes = self._queues.select_sendable(current)
        single_max = self._policy.single_max
        checked = self._additions.checked(sendable, joining, single_max)
        in_jobs, singly = split_by_mode(checked, single_max, self._account.types)
        for job in start_jobs(self._account, in_jobs) if in_jobs else ():
            self._jobs.append(job)
        for contact in (*singly, *self._additions.checked(probes, joining, single_max)):
            if self._stop.is_set():
                break
            if self._queues.is_blocked(contact):  # its circuit may have opened just now
                continue
            send = delete_contact if contact.desired.pending_deletion else update_singly
            try:
                send(self._account, contact)
            except DeliveryError:
                raise
            except Exception as error:
                if isolation.is_environmental(error) or contact.id is None:
                    raise
                fail_contact(self._account.id, self._now(), contact.id, error)

    def _readers(self, circuit: ListCircuit) -> list[str]:
        """Those whose own list it is, and those whose messages wait for it."""
        own = {id_ for id_, list_id in self._destinations().items() if circuit.list_id in {list_id, NO_LIST}}
        return [destination_consumer(destination) for destination in sorted(own | circuit.destinations)]

    def _report(self, account_error: DeliveryError | None) -> None:
        """Report for every destination what pauses it or is retried: an error of the account, of its own list, or of
        another list that its messages name.
        """
        failing = {circuit.list_id: circuit for circuit in self._account.circuits.failing()}
        destinations = self._destinations()
        additions = {destination: self._additions.error_of(destination) for destination in destinations}
        report = (
            account_error,
            [
                (circuit.list_id, circuit.last_error, set(circuit.destinations))
                for circuit in failing.values()
            ],
            {destination: str(error or "") for destination, error in additions.items()},
        )
        if report == self._reported and not account_error:
            return
        self._reported = report
        for destination, list_id in destinations.items():
            reader = destination_consumer(destination)
            error = account_error
            if error is None and (circuit := failing.get(list_id) or failing.get(NO_LIST)):
                error = circuit.last_error
            if error is None:
                error = next(
                    (
                        circuit.waiting_error
                        for circuit in failing.values()
                        if destination in circuit.destinations
                    ),
                    additions[destination],
                )
            if isinstance(error, TransientError):
                self._pauses.record_error([reader], error)
            elif error is None or account_error is None:
                self._pauses.clear_error([reader])
            if error and not isinstance(error, TransientError):
                self._pauses.pause(reader, error)
            else:
                self._pauses.resume(reader)


class Additions:
    """Checks the contacts that Engage adds to a list: none is added before its opt-outs were read from Mailjet, nor for an activation
    that is over. For one account, used by its reconcile thread.

    Mailjet's `addnoforce` leaves out contacts that unsubscribed from that very list. It adds those that unsubscribed from another list
    or are excluded from campaigns, and no event may have reported so. So a few contacts are looked up one by one, and many wait for a
    scan of the account that began after they entered the audience. What remains is what happens in Mailjet between the response and
    the addition, and, of many, a complaint about spam that came by no event: Mailjet lists complaints neither by themselves nor with
    exclusions.
    """

    def __init__(self, account: Account, unsubscribes: Unsubscribes, queues: Queues) -> None:
        self._account = account
        self._unsubscribes = unsubscribes
        self._queues = queues
        #: The requested scan; None: none is under way.
        self._request: int | None = None
        self._is_waited_for = False
        #: Until then (ms) more are expected.
        self._expected_until = 0
        self._destinations: set[int] = set()
        self._error: DeliveryError | None = None

    def poll(self) -> bool:
        """Requeue contacts whose scan has ended. Whether the error that they wait for has changed."""
        if self._request is None:
            if self._account.now() < self._expected_until:
                self._request = self._unsubscribes.request()
            return False
        scan = self._unsubscribes.last_scan
        if scan and scan.requests >= self._request:
            if self._is_waited_for:
                self._queues.requeue_waiting()
            self._request, self._error, self._is_waited_for = None, None, False
            self._destinations.clear()
            return True
        before, self._error = self._error, self._unsubscribes.error
        return self._error is not before

    def error_of(self, destination: int) -> TransientError | None:
        """Why contacts of a destination wait for a scan that does not succeed."""
        if self._error is None or destination not in self._destinations:
            return None
        return TransientError(
            self._error.code,
            "Engage adds contacts to a list only after it has read unsubscribes and exclusions from Mailjet. They cannot be read at the "
            f"moment: {for_editors(str(self._error))} It is retried. If this continues, test the destination's connection, and see "
            "Mailjet's status page.",
        )

    def without_ended(self, contacts: Sequence[Contact]) -> tuple[Sequence[Contact], Joining]:
        """Cancel additions by activations that are over, or that add no contacts any more. Return the contacts, and the lists to join."""
        adding = [(contact, lists) for contact in contacts if (lists := lists_to_join(contact))]
        if not adding:
            return contacts, {}
        keys, lists_of_audiences = engage_keys.additions()
        ended = [
            contact.email for contact, _ in adding if contact.desired.end_additions(keys, lists_of_audiences)
        ]
        joining = {contact.email: lists for contact, lists in adding}
        if not ended:
            return contacts, joining
        with transaction.atomic():
            current = load_contacts(self._account.id, ended)
            for contact in current.values():
                contact.desired.end_additions(keys, lists_of_audiences)
                joining[contact.email] = lists_to_join(contact)
            save_merged(self._account.id, current.values())
        return [current.get(contact.email, contact) for contact in contacts], joining

    def checked(self, contacts: Sequence[Contact], joining: Joining, single_max: int) -> Sequence[Contact]:
        """Those that may be sent now: the contacts to be added were looked up, up to `single_max`, or read by a scan."""
        adding = [(contact, lists) for contact in contacts if (lists := joining.get(contact.email))]
        if len(adding) >= MANY_ADDITIONS:
            self._expected_until = self._account.now() + EXPECTED_MS
        scan, now = self._unsubscribes.last_scan, self._account.now()
        is_fresh = scan is not None and 0 <= now - scan.ended <= FRESH_SCAN_MS
        began = scan.began if scan and is_fresh else float("-inf")
        unchecked = [
            contact
            for contact, lists in adding
            if not is_fresh  # a sender's clock may be ahead
            or began < max(contact.desired.list_time(list_id) for list_id in lists) <= now
        ]
        if not unchecked:
            return contacts
        postponed = {contact.email for contact in unchecked}
        if len(unchecked) <= single_max and scan:
            for contact in unchecked:
                emails = [contact.email, *contact.desired.superseded]
                try:
                    # What is learned is stored in the contact's row: it stays due.
                    if not self._unsubscribes.look_up(self._account.client, emails):
                        postponed.remove(contact.email)
                except (TransientError, PermanentError) as error:
                    lookup_failed(self._account, contact, error)
        else:
            if not self._is_waited_for:
                self._request, self._is_waited_for = self._unsubscribes.request(), True
            self._destinations.update(*(contact.pending for contact in unchecked))
            self._queues.wait_far_back(unchecked)
        return [contact for contact in contacts if contact.email not in postponed]


class AccountEraser:
    """`run(stop)` erases at an account of which no destination is enabled, until `stop` is set.

    A thread for as long as the keys of the account are stored. It sends nothing, and reads no more than the erasure needs.
    """

    def __init__(self, ref: AccountRef) -> None:
        self._account = Account.of(ref, now_ms)
        self._eraser = ContactEraser(self._account)

    def run(self, stop: Event) -> None:
        jobs: list[OpenJob] | None = None
        while not stop.wait(POLL_MS / 1000):
            try:
                if carried := self._eraser.poll(stop):
                    jobs = open_jobs(self._account) if jobs is None else jobs
                    jobs = self._poll_jobs(jobs, carried)
            except Exception as error:
                if not isolation.is_environmental(error):
                    raise
                log.warning(
                    "Mailjet account %s: erasures wait: %s", self._account.id, isolation.as_transient(error)
                )

    def _poll_jobs(self, jobs: list[OpenJob], carried: Sequence[Contact]) -> list[OpenJob]:
        """Poll jobs that were started while a destination was enabled; their contacts are deleted after them, or the jobs would
        create them again. Return those that are still open.
        """
        carrying, now = {contact.job_id for contact in carried}, self._account.now()
        try:
            ended = [
                job for job in jobs if job.id in carrying and job.poll_at <= now and poll(self._account, job)
            ]
        except DeliveryError as error:
            for contact in carried:
                erasure.note_error(contact.email, error)
            self._eraser.pause()
            return jobs
        return [job for job in jobs if job not in ended]
