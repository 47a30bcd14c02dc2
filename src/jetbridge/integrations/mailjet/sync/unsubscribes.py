"""Unsubscribes in Mailjet itself: read every so often, and stored as consent.

An event may never have reached us, and people are unsubscribed on Mailjet's own pages. What is
read here counts like an event: before an address changes, before a call sends `addforce`, before Engage adds
a contact to a list (`reconcile.Additions`), which requests a scan or looks up one contact.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import NamedTuple

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import MailjetAccount
from jetbridge.delivery import isolation
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api import resources as rows
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import ADDNOFORCE, CONTACT, LISTRECIPIENT, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    lists_in_use,
    load_recording_unreadable,
    now_ms,
)
from jetbridge.integrations.mailjet.contacts.merge import named_lists
from jetbridge.integrations.mailjet.contacts.state import KEEP
from jetbridge.integrations.mailjet.sync.remote import PER_SECOND, Members, Reads, moment, unsubscribes_of
from jetbridge.privacy import suppression
from jetbridge.privacy.models import Suppression
from jetbridge.spec.emails import normalise_or_keep, spellings, written

log = logging.getLogger(__name__)

#: The first scan after a start, and the pause between two scans.
FIRST_SECONDS, EVERY_SECONDS = 10.0, 15 * 60.0
#: Every so many scans all is read, even where as many are unsubscribed as before.
ALL_EVERY = 24
#: The speed of a requested scan, and how soon it is tried again if Mailjet rejected it.
REQUESTED_PER_SECOND, RETRY_SECONDS = 20.0, 60.0
#: How often the thread checks whether a scan was requested.
POLL_SECONDS = 0.1


def is_new_unsubscribe(contact: Contact, list_id: int, at: int) -> bool:
    """Whether an unsubscribe from a list, since `at` (ms), is a new opt-out of the person.

    Jetbridge itself unsubscribes opted-out contacts, contacts that leave a list after an unsubscribe, and addresses
    that hard-bounced. Of a bounced address only what is older than the bounce is the person's own opt-out:
    afterwards no mail arrived.
    """
    desired = contact.desired
    action, requested_at = desired.lists.get(list_id, (ADDNOFORCE, 0))
    if action == UNSUB:
        return False
    if desired.bounced:
        return at < desired.bounced
    if (desired.is_superseded or action == REMOVE) and desired.unsubscribed_from(list_id):
        return False
    if desired.actions().get(list_id) == UNSUB or contact.delivered.lists.get(list_id) == UNSUB:
        return False
    # As when it is merged: an explicit request afterwards wins.
    return action in {ADDNOFORCE, KEEP} or at >= requested_at


def is_new_exclusion(contact: Contact, at: int | None) -> bool:
    """Whether an exclusion from campaigns, since `at` (ms) if Mailjet says when, is later than the known opt-out."""
    return not contact.desired.opted_out or (at is not None and at > contact.desired.opted_out)


class _Unsubscribe(NamedTuple):
    """An address that Mailjet has as unsubscribed from a list, or as excluded from campaigns (`list_id` None), since `at` (ms) if
    Mailjet says when.
    """

    email: str
    at: int | None
    list_id: int | None
    respelled: bool

    @classmethod
    def of(cls, row: rows.Contact, at: int | None, list_id: int | None) -> "_Unsubscribe":
        email = normalise_or_keep(row.email)
        return cls(email, at, list_id, respelled=written(row.email) != email)

    def is_new(self, contact: Contact | None, now: int) -> bool:
        if contact is None:
            return True
        if self.list_id is None:
            return is_new_exclusion(contact, self.at)
        return is_new_unsubscribe(contact, self.list_id, self.at or now)


class Scan(NamedTuple):
    """A scan that has read every unsubscribe and exclusion. Times in ms; `requests` had been made when it began."""

    requests: int
    began: int
    ended: int


@dataclass
class _Shared:
    """What the threads of one account share; it survives the restart of either."""

    #: How many scans were requested.
    requests: int = 0
    last_scan: Scan | None = None
    #: Why the last scan failed; None: it did not.
    error: DeliveryError | None = None
    #: Lists that calls had named by the last walk through all contacts.
    in_use: set[int] = field(default_factory=set)


#: By id, address and key pair: other keys may lead to another account of Mailjet.
_shared: dict[AccountRef, _Shared] = {}


class Unsubscribes:
    """`run(stop)` scans one Mailjet account every so often until `stop` is set, and at once if another thread, with an object of
    its own, requests it.
    """

    def __init__(
        self,
        ref: AccountRef,
        lists: Callable[[], Iterable[int]],
        *,
        now: Callable[[], int] = now_ms,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ref = ref
        self._lists = lists
        self._now = now
        self._clock = clock
        #: No scan begins before then: half of the time is for the deliveries, however many scans are requested.
        self._next = 0.0
        self._backoff = Backoff(base_seconds=5.0)
        self._scans = 0
        #: How many were unsubscribed when they were read, by list; None: excluded from campaigns.
        self._read: dict[int | None, int] = {}
        self._shared = _shared.setdefault(ref, _Shared())
        #: How many scans had been requested when the last one began.
        self._requests_seen = 0

    @property
    def last_scan(self) -> Scan | None:
        return self._shared.last_scan

    @property
    def error(self) -> DeliveryError | None:
        """Why the last scan failed; None: it did not."""
        return self._shared.error

    def request(self) -> int:
        """Request a scan that begins after this: its `requests` are no fewer than the number returned."""
        self._shared.requests += 1
        return self._shared.requests

    def run(self, stop: Event) -> None:
        client = MailjetClient(self._ref.api_url, self._ref.api_key, self._ref.secret_key)
        wait = FIRST_SECONDS
        while not self._wait(stop, wait):
            scanned = self.last_scan.requests if self.last_scan else 0
            is_requested = self._shared.requests > scanned
            speed = REQUESTED_PER_SECOND if is_requested else PER_SECOND
            reads = Reads(client, per_second=speed, sleep=stop.wait, clock=self._clock)
            began = self._clock()
            try:
                self.scan(reads, stop, everything=is_requested)
            except TransientError as error:
                wait = self._backoff.next_wait(error)
                self._shared.error = error
            except DeliveryError as error:
                log.warning("Mailjet account %s: unsubscribes cannot be read: %s", self._ref.name, error)
                wait = RETRY_SECONDS if is_requested else EVERY_SECONDS
                self._shared.error = error
            else:
                self._backoff.reset()
                wait = EVERY_SECONDS
                self._shared.error = None
            self._next = 2 * self._clock() - began

    def _wait(self, stop: Event, seconds: float) -> bool:
        """Wait so long, or until a scan is requested, but at least as long as the last one took; True if `stop` was set. After a failure
        the whole pause is kept.
        """
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            is_requested = self.error is None and self._shared.requests > self._requests_seen
            if is_requested and self._clock() >= self._next:
                break
            if stop.wait(min(left, POLL_SECONDS)):
                return True
        return stop.is_set()

    def scan(self, reads: Reads, stop: Event, *, everything: bool = False) -> int:
        """Scan once; return how many opt-outs were learned. Raises DeliveryError; what was learned stays.

        `everything`: also read where as many are unsubscribed as when they were read last.
        """
        requests = self._requests_seen = self._shared.requests
        is_turn = self._scans % ALL_EVERY == 0
        began, is_scan = self._now(), everything or is_turn
        if is_turn:
            self._shared.in_use = lists_in_use(self._ref.id)
        if is_scan:
            self._read.clear()
        # Requested scans come every second in a first sync: they bring no walk through all contacts nearer.
        self._scans += is_turn or not everything
        learned = 0
        for page in self._seen(reads):
            if stop.is_set():
                return learned
            learned += self._learn(page)
        if is_scan:
            self._shared.last_scan = Scan(requests, began, self._now())
        return learned

    def look_up(self, client: MailjetClient, emails: Iterable[str]) -> bool:
        """Whether something was learned of these addresses, each of which costs one or two calls. Raises DeliveryError.

        Not before the first scan, which knows the lists in use.
        """
        lists = self._lists_in_use()
        seen = []
        for email in emails:
            row = client.contact(email)
            if row is None:
                continue
            if row.is_opted_out:
                seen.append(_Unsubscribe.of(row, moment(row.exclusion_from_campaigns_updated_at), None))
            seen += [
                _Unsubscribe.of(row, moment(place.unsubscribed_at), place.list_id)
                for place in unsubscribes_of(client, email)
                if place.list_id in lists
            ]
        return self._learn(seen) > 0

    def _lists_in_use(self) -> set[int]:
        return self._shared.in_use.union(self._lists(), named_lists(self._ref.id))

    def _seen(self, reads: Reads) -> Iterator[list[_Unsubscribe]]:
        for list_id in sorted(self._lists_in_use()):
            try:
                total = reads.count(LISTRECIPIENT, ContactsList=list_id, Unsub="true")
                if total == self._read.get(list_id, 0):
                    continue
                recipients = reads.listrecipients(list_id, Unsub="true")
                members = Members(row for page in recipients for row in page)
                for page in reads.contacts(ContactsList=list_id, IsUnsubscribed="true"):
                    subscriptions = ((row, members.subscription(row.id)) for row in page)
                    yield [_Unsubscribe.of(row, place.at, list_id) for row, place in subscriptions if place]
                    yield [_Unsubscribe.of(row, None, None) for row in page if row.is_spam_complaining]
                self._read[list_id] = total
            except PermanentError as error:
                row = reads.read(lambda: reads.client.contactslist(list_id))  # noqa: B023 - called at once
                if row and not row.is_deleted:
                    raise
                log.info("Mailjet account %s: list %d cannot be read: %s", self._ref.name, list_id, error)

        total = reads.count(CONTACT, IsExcludedFromCampaigns="true")
        if total == self._read.get(None, 0):
            return
        for page in reads.contacts(IsExcludedFromCampaigns="true"):
            yield [
                _Unsubscribe.of(row, moment(row.exclusion_from_campaigns_updated_at), None) for row in page
            ]
        self._read[None] = total

    def _learn(self, page: list[_Unsubscribe]) -> int:
        """An address that raises an exception is left out, and stops no other; the next scan tries again."""
        account, now = self._ref.id, self._now()
        try:
            contacts = load_recording_unreadable(account, {row.email for row in page})
            # Forgotten people are not stored again.
            unknown = [row.email for row in page if row.email not in contacts]
            digests = {
                suppression.digest_of_email(spelling): email
                for email in unknown
                for spelling in spellings(email)
            }
            suppressed = Suppression.objects.filter(
                workspace_id__in=MailjetAccount.objects.filter(id=account).values("workspace_id"),
                digest__in=digests,
            )
            forgotten = {digests[digest] for digest in suppressed.values_list("digest", flat=True)}
            opt_outs = [
                OptOut(row.email, row.at or now, row.list_id, respelled=row.respelled)
                for row in page
                if row.email not in forgotten and row.is_new(contacts.get(row.email), now)
            ]
            return len(opt_outs) - len(learn(account, opt_outs, now))
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"An unsubscribe in Mailjet account {account}")
            return sum(self._learn([row]) for row in page) if len(page) > 1 else 0
