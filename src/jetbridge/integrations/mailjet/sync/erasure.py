"""Erasure at one Mailjet account: the contacts of people who are to be forgotten are deleted there, before anything else.

Reconcile does it where a destination of the account is enabled; elsewhere a thread that does nothing besides, for as
long as the keys of the account are stored. It sends nothing, and asks for no more than the erasure needs.
"""

import logging
from threading import Event

from jetbridge.control.directory import AccountRef
from jetbridge.delivery import isolation
from jetbridge.errors import DeliveryError
from jetbridge.integrations.mailjet.contacts.contact import Contact, load_readable, now_ms
from jetbridge.integrations.mailjet.contacts.state import DeletionState
from jetbridge.integrations.mailjet.sync.account import Account
from jetbridge.integrations.mailjet.sync.bulk_jobs import OpenJob, look_at, open_jobs
from jetbridge.integrations.mailjet.sync.isolated import fail_contact
from jetbridge.integrations.mailjet.sync.list_circuit import NO_LIST, PROBE_MS
from jetbridge.integrations.mailjet.sync.single_updates import deliver_singly
from jetbridge.privacy import erasure

log = logging.getLogger(__name__)

#: How often is looked for somebody to delete.
LOOK_MS = 1_000


class ContactEraser:
    """Used by the one thread that speaks with Mailjet about the contacts of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._look_at = 0

    def look(self, stop: Event) -> list[Contact]:
        """Delete who is to be forgotten, if it is time. Return those that a job carries still.

        Raises no DeliveryError: an erasure says itself what it waits for.
        """
        account = self._account
        if account.now() < self._look_at or account.circuits[NO_LIST].is_open:
            return []
        self._look_at = account.now() + LOOK_MS
        contacts = _to_be_forgotten(account.id)
        carried = [each for each in contacts if each.job_id is not None]
        for contact in carried:
            erasure.note(
                contact.email,
                f"It waits for the end of Mailjet's job {contact.job_id}, which carries the contact.",
            )
        for contact in contacts:
            if contact.job_id is not None or (contact.next_attempt_at or 0) > account.now():
                continue
            if stop.is_set() or account.circuits[NO_LIST].is_open or not self._delete(contact):
                break
        return carried

    def pause(self) -> None:
        """Nothing can be done at the account now."""
        self._look_at = self._account.now() + PROBE_MS

    def _delete(self, contact: Contact) -> bool:
        """False if nobody else can be deleted now, either."""
        try:
            deliver_singly(self._account, contact)
        except DeliveryError as error:
            log.info("Mailjet account %s: contacts cannot be deleted now: %s", self._account.id, error.code)
            self.pause()
            return False
        except Exception as error:
            if isolation.is_environmental(error) or contact.id is None:
                raise
            fail_contact(self._account.id, self._account.now(), contact.id, error)
        return True


def _to_be_forgotten(account: int) -> list[Contact]:
    """Who is to be deleted of open erasures, the one that has waited longest first."""
    emails = {email for row in erasure.begun() for email in row.emails}
    contacts = [
        each
        for each in load_readable(account, emails).values()
        if each.desired.deletion is DeletionState.ERASED
    ]
    return sorted(contacts, key=lambda each: each.next_attempt_at or 0)


class AccountEraser:
    """`run(stop)` erases at an account of which no destination is enabled, until `stop` is set."""

    def __init__(self, ref: AccountRef) -> None:
        self._account = Account.of(ref, now_ms)
        self._eraser = ContactEraser(self._account)

    def run(self, stop: Event) -> None:
        jobs: list[OpenJob] | None = None
        while not stop.wait(LOOK_MS / 1000):
            try:
                if carried := self._eraser.look(stop):
                    jobs = open_jobs(self._account) if jobs is None else jobs
                    jobs = self._follow(jobs, carried)
            except Exception as error:
                if not isolation.is_environmental(error):
                    raise
                log.warning(
                    "Mailjet account %s: erasures wait: %s", self._account.id, isolation.as_transient(error)
                )

    def _follow(self, jobs: list[OpenJob], carried: list[Contact]) -> list[OpenJob]:
        """Jobs that were started while a destination was enabled; their contacts are deleted after them, or they would
        make them anew. Return those that are still open.
        """
        carrying, now = {contact.job_id for contact in carried}, self._account.now()
        try:
            ended = [
                job
                for job in jobs
                if job.id in carrying and job.look_at <= now and look_at(self._account, job)
            ]
        except DeliveryError as error:
            for contact in carried:
                erasure.note_error(contact.email, error)
            self._eraser.pause()
            return jobs
        return [job for job in jobs if job not in ended]
