"""Unsubscribes seen in Mailjet itself: read every so often, and remembered as consent.

An event callback may never have reached us, and people are unsubscribed on Mailjet's own pages. What is
found here wins as an event does: before an address changes, before somebody asks for `addforce`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from threading import Event
from typing import NamedTuple

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import MailjetAccount
from jetbridge.delivery import isolation, suppression
from jetbridge.delivery.models import Suppression
from jetbridge.delivery.retry import Backoff
from jetbridge.destinations.mailjet import scan, unreadable
from jetbridge.destinations.mailjet.consent import OptOut, learn
from jetbridge.destinations.mailjet.contacts import Contact
from jetbridge.destinations.mailjet.fold import now_ms
from jetbridge.destinations.mailjet.holding import Members, moment
from jetbridge.destinations.mailjet.reads import Reads
from jetbridge.destinations.mailjet.state import KEEP
from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.mailjet import resources as rows
from jetbridge.mailjet.actions import ADDNOFORCE, REMOVE, UNSUB
from jetbridge.mailjet.client import MailjetClient
from jetbridge.mailjet.listings import CONTACT, LISTRECIPIENT
from jetbridge.spec.emails import normalise_or_keep, spellings, written

log = logging.getLogger(__name__)

#: The first look after a start, and the pause between two looks.
FIRST_SECONDS, EVERY_SECONDS = 10.0, 15 * 60.0
#: Every so many looks all is read, even where as many are unsubscribed as before.
ALL_EVERY = 24


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
    if (desired.has_left or action == REMOVE) and desired.unsubscribed_from(list_id):
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


class Unsubscribes:
    """`run(stop)` looks at one Mailjet account every so often until `stop` is set."""

    def __init__(
        self,
        ref: AccountRef,
        lists: Callable[[], Iterable[int]],
        *,
        now: Callable[[], int] = now_ms,
    ) -> None:
        self._ref = ref
        self._lists = lists
        self._now = now
        self._backoff = Backoff(base_seconds=5.0)
        self._looks = 0
        self._in_use: set[int] = set()
        #: How many were unsubscribed when they were read, by list; None: excluded from campaigns.
        self._read: dict[int | None, int] = {}

    def run(self, stop: Event) -> None:
        client = MailjetClient(self._ref.api_url, self._ref.api_key, self._ref.secret_key)
        reads = Reads(client, sleep=stop.wait)
        wait = FIRST_SECONDS
        while not stop.wait(wait):
            try:
                self.look(reads, stop)
            except TransientError as error:
                wait = self._backoff.next_wait(error)
            except DeliveryError as error:
                log.warning("Mailjet account %s: unsubscribes cannot be read: %s", self._ref.name, error)
                wait = EVERY_SECONDS
            else:
                self._backoff.reset()
                wait = EVERY_SECONDS

    def look(self, reads: Reads, stop: Event) -> int:
        """Look once; return how many opt-outs were learned. Raises DeliveryError; what was learned stays."""
        if self._looks % ALL_EVERY == 0:
            self._read.clear()
            self._in_use = scan.lists_in_use(self._ref.id)
        self._looks += 1
        learned = 0
        for page in self._seen(reads):
            if stop.is_set():
                break
            learned += self._learn(page)
        return learned

    def _seen(self, reads: Reads) -> Iterator[list[_Seen]]:
        for list_id in sorted(self._in_use.union(self._lists())):
            try:
                yield from self._on_list(reads, list_id)
            except PermanentError as error:  # the list may be gone; the deliveries say so
                log.info("Mailjet account %s: list %d cannot be read: %s", self._ref.name, list_id, error)
        yield from self._excluded(reads)

    def _on_list(self, reads: Reads, list_id: int) -> Iterator[list[_Seen]]:
        total = reads.count(LISTRECIPIENT, ContactsList=list_id, Unsub="true")
        if total == self._read.get(list_id, 0):
            return
        members = Members(row for page in reads.listrecipients(list_id, Unsub="true") for row in page)
        for page in reads.contacts(ContactsList=list_id, IsUnsubscribed="true"):
            places = ((row, members.place(row.id)) for row in page)
            yield [_seen(row, place.at, list_id) for row, place in places if place]
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
        contacts = unreadable.load(self._ref.id, {each.email for each in page})
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
