"""Unsubscribes seen in Mailjet itself: read every so often, and remembered as consent.

An event callback may never have reached us, and people are unsubscribed on Mailjet's own pages. What is
found here wins as an event does: before an address changes, before somebody asks for `addforce`, before Engage adds
somebody to a list (`additions.py`), which asks for a scan or looks up one person.
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

#: The first look after a start, and the pause between two looks.
FIRST_SECONDS, EVERY_SECONDS = 10.0, 15 * 60.0
#: Every so many looks all is read, even where as many are unsubscribed as before.
ALL_EVERY = 24
#: A look that somebody waits for is that fast, and is tried again so soon where Mailjet refused it.
REQUESTED_PER_SECOND, RETRY_SECONDS = 20.0, 60.0
#: How often the thread sees whether a look was requested.
POLL_SECONDS = 0.1


def is_list_news(contact: Contact, list_id: int, at: int) -> bool:
    """Whether an unsubscribe from a list, since `at` (ms), says more of the person than we know.

    We unsubscribe ourselves who wants no mail anywhere, who leaves a list after an unsubscribe, and addresses
    that bounced for good. Of a bounced address only what is older than the bounce is the person's own word:
    afterwards no mail reached anybody.
    """
    desired = contact.desired
    action, asked = desired.lists.get(list_id, (ADDNOFORCE, 0))
    if action == UNSUB:
        return False
    if desired.bounced:
        return at < desired.bounced
    if (desired.is_superseded or action == REMOVE) and desired.unsubscribed_from(list_id):
        return False
    if desired.actions().get(list_id) == UNSUB or contact.delivered.lists.get(list_id) == UNSUB:
        return False
    # As in `Desired.ask`: what was asked for explicitly afterwards stands.
    return action in {ADDNOFORCE, KEEP} or at >= asked


def is_exclusion_news(contact: Contact, at: int | None) -> bool:
    """Whether an exclusion from campaigns, since `at` (ms) if Mailjet says when, is later than what we know."""
    return not contact.desired.opted_out or (at is not None and at > contact.desired.opted_out)


class _Seen(NamedTuple):
    """An address that takes no mail, since `at` (ms) if Mailjet says when; `list_id` None: from anybody."""

    email: str
    at: int | None
    list_id: int | None
    respelled: bool


class Scan(NamedTuple):
    """A look that has read all who were unsubscribed or excluded. Times in ms; `requests` had been made when it began."""

    requests: int
    began: int
    ended: int


@dataclass
class _Shared:
    """What the threads of one account share, whichever of them is started anew."""

    #: How many looks were asked for.
    requests: int = 0
    last_scan: Scan | None = None
    #: Why the last look has failed; None: it has not.
    error: DeliveryError | None = None
    #: Lists that calls had named by the last walk through all contacts.
    in_use: set[int] = field(default_factory=set)


#: By id, address and key pair: other keys may lead to another account of Mailjet.
_shared: dict[AccountRef, _Shared] = {}


class Unsubscribes:
    """`run(stop)` looks at one Mailjet account every so often until `stop` is set, and at once if another thread asks for it:
    that has an object of its own.
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
        #: No look begins before then: half of the time is for the deliveries, however many looks are asked for.
        self._next = 0.0
        self._backoff = Backoff(base_seconds=5.0)
        self._looks = 0
        #: How many were unsubscribed when they were read, by list; None: excluded from campaigns.
        self._read: dict[int | None, int] = {}
        self._shared = _shared.setdefault(ref, _Shared())
        #: How many looks had been asked for when the last one began.
        self._requests_seen = 0

    @property
    def last_scan(self) -> Scan | None:
        return self._shared.last_scan

    @property
    def error(self) -> DeliveryError | None:
        """Why the last look has failed; None: it has not."""
        return self._shared.error

    def request(self) -> int:
        """Ask for a scan that begins after this: its `requests` are no fewer than the number returned."""
        self._shared.requests += 1
        return self._shared.requests

    def run(self, stop: Event) -> None:
        client = MailjetClient(self._ref.api_url, self._ref.api_key, self._ref.secret_key)
        wait = FIRST_SECONDS
        while not self._wait(stop, wait):
            is_requested = self._is_requested
            speed = REQUESTED_PER_SECOND if is_requested else PER_SECOND
            reads = Reads(client, per_second=speed, sleep=stop.wait, clock=self._clock)
            began = self._clock()
            try:
                self.look(reads, stop, everything=is_requested)
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

    @property
    def _is_requested(self) -> bool:
        return self._shared.requests > (self.last_scan.requests if self.last_scan else 0)

    def _wait(self, stop: Event, seconds: float) -> bool:
        """Wait so long, or until a look is asked for, but as long as the last one took; True if `stop` came. After a failure its
        pause is kept.
        """
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            is_asked = self.error is None and self._shared.requests > self._requests_seen
            if is_asked and self._clock() >= self._next:
                break
            if stop.wait(min(left, POLL_SECONDS)):
                return True
        return stop.is_set()

    def look(self, reads: Reads, stop: Event, *, everything: bool = False) -> int:
        """Look once; return how many opt-outs were learned. Raises DeliveryError; what was learned stays.

        `everything`: also read where as many are unsubscribed as when they were read last.
        """
        requests = self._requests_seen = self._shared.requests
        is_turn = self._looks % ALL_EVERY == 0
        began, is_scan = self._now(), everything or is_turn
        if is_turn:
            self._shared.in_use = lists_in_use(self._ref.id)
        if is_scan:
            self._read.clear()
        # Those asked for come every second in a first sync: they bring no walk through all contacts nearer.
        self._looks += is_turn or not everything
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
                seen.append(_seen(row, moment(row.exclusion_from_campaigns_updated_at), None))
            seen += [
                _seen(row, moment(place.unsubscribed_at), place.list_id)
                for place in unsubscribes_of(client, email)
                if place.list_id in lists
            ]
        return self._learn(seen) > 0

    def _lists_in_use(self) -> set[int]:
        return self._shared.in_use.union(self._lists(), named_lists(self._ref.id))

    def _seen(self, reads: Reads) -> Iterator[list[_Seen]]:
        for list_id in sorted(self._lists_in_use()):
            try:
                yield from self._on_list(reads, list_id)
            except PermanentError as error:
                row = reads.read(lambda: reads.client.contactslist(list_id))  # noqa: B023 - called at once
                if row and not row.is_deleted:
                    raise
                log.info("Mailjet account %s: list %d cannot be read: %s", self._ref.name, list_id, error)
        yield from self._excluded(reads)

    def _on_list(self, reads: Reads, list_id: int) -> Iterator[list[_Seen]]:
        total = reads.count(LISTRECIPIENT, ContactsList=list_id, Unsub="true")
        if total == self._read.get(list_id, 0):
            return
        members = Members(row for page in reads.listrecipients(list_id, Unsub="true") for row in page)
        for page in reads.contacts(ContactsList=list_id, IsUnsubscribed="true"):
            places = ((row, members.subscription(row.id)) for row in page)
            yield [_seen(row, place.at, list_id) for row, place in places if place]
            yield [_seen(row, None, None) for row in page if row.is_spam_complaining]
        self._read[list_id] = total

    def _excluded(self, reads: Reads) -> Iterator[list[_Seen]]:
        total = reads.count(CONTACT, IsExcludedFromCampaigns="true")
        if total == self._read.get(None, 0):
            return
        for page in reads.contacts(IsExcludedFromCampaigns="true"):
            yield [_seen(row, moment(row.exclusion_from_campaigns_updated_at), None) for row in page]
        self._read[None] = total

    def _learn(self, page: list[_Seen]) -> int:
        """One person who raises is left out, and stops no other; the next look tries again."""
        try:
            return self._learn_together(page)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"An unsubscribe in Mailjet account {self._ref.id}")
            return sum(self._learn([each]) for each in page) if len(page) > 1 else 0

    def _learn_together(self, page: list[_Seen]) -> int:
        contacts = load_recording_unreadable(self._ref.id, {each.email for each in page})
        now = self._now()
        suppressed = _suppressed(self._ref.id, [each.email for each in page if each.email not in contacts])
        news = [
            OptOut(each.email, each.at or now, each.list_id, respelled=each.respelled)
            for each in page
            if each.email not in suppressed and _is_news(contacts.get(each.email), each, now)
        ]
        return len(news) - len(learn(self._ref.id, news, now))


def _is_news(contact: Contact | None, seen: _Seen, now: int) -> bool:
    if contact is None:
        return True
    if seen.list_id is None:
        return is_exclusion_news(contact, seen.at)
    return is_list_news(contact, seen.list_id, seen.at or now)


def _suppressed(account: int, emails: Iterable[str]) -> set[str]:
    """Who was forgotten is not remembered again."""
    digests = {suppression.digest_of_email(each): email for email in emails for each in spellings(email)}
    workspace = MailjetAccount.objects.filter(id=account).values("workspace_id")
    found = Suppression.objects.filter(workspace_id__in=workspace, digest__in=digests)
    return {digests[each] for each in found.values_list("digest", flat=True)}


def _seen(row: rows.Contact, at: int | None, list_id: int | None) -> _Seen:
    email = normalise_or_keep(row.email)
    return _Seen(email, at, list_id, respelled=written(row.email) != email)
