"""Whom Engage adds to a list: nobody before Mailjet was asked who wants no mail, nor for an activation that is over.

Mailjet's `addnoforce` leaves who unsubscribed from that very list. It adds who unsubscribed from another list or is excluded from
campaigns, and no event may have said so. So a few people are looked up one by one, and many wait for a scan of the account that
began after they entered the audience. What remains is what happens in Mailjet between the answer and the addition, and, of many, a
complaint about spam that came by no event: Mailjet lists complaints neither by themselves nor with exclusions.
"""

from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction

from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.integrations.mailjet import engage_keys
from jetbridge.integrations.mailjet.contacts.contact import Contact, lists_to_join, load_contacts, save_merged
from jetbridge.integrations.mailjet.sync.account import Account
from jetbridge.integrations.mailjet.sync.queues import Queues
from jetbridge.integrations.mailjet.sync.single_updates import question_failed, question_refused
from jetbridge.integrations.mailjet.sync.unsubscribes import Unsubscribes
from jetbridge.text import for_editors

#: How long after its end a scan counts (ms).
FRESH_MS = 30_000
#: After so many at once more are expected, as in a first sync: for so long (ms) scans go on, so that the next need not wait for one.
MANY, EXPECTED_MS = 1_000, 3_000

#: The lists that Engage is to add contacts to, by address.
Joining = dict[str, set[int]]


class Additions:
    """For one account, used by its reconcile thread."""

    def __init__(self, account: Account, unsubscribes: Unsubscribes, queues: Queues) -> None:
        self._account = account
        self._unsubscribes = unsubscribes
        self._queues = queues
        #: The scan that was asked for; None: none is under way.
        self._request: int | None = None
        self._is_waited_for = False
        #: Until then (ms) more are expected.
        self._expected_until = 0
        self._destinations: set[int] = set()
        self._error: DeliveryError | None = None

    def look(self) -> bool:
        """Let those go on who waited for a scan that has ended. Whether there is news of what they wait for."""
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
        """Why people of a destination wait for a scan that does not succeed."""
        if self._error is None or destination not in self._destinations:
            return None
        return TransientError(
            self._error.code,
            "Engage adds nobody to a contacts list before Mailjet has said who unsubscribed or is excluded, and that cannot be "
            f"read for now: {for_editors(str(self._error))} It is tried again. If it goes on, test the destination's connection, and see "
            "Mailjet's status page.",
        )

    def without_ended(self, contacts: Sequence[Contact]) -> tuple[Sequence[Contact], Joining]:
        """Cancel additions by activations that are over, or that add nobody any more. Return who is to be added with the contacts."""
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

    def checked(self, contacts: Sequence[Contact], joining: Joining, few: int) -> Sequence[Contact]:
        """Those who may be sent now: who is to be added was looked up, up to so `few`, or read by a scan."""
        adding = [(contact, lists) for contact in contacts if (lists := joining.get(contact.email))]
        if len(adding) >= MANY:
            self._expected_until = self._account.now() + EXPECTED_MS
        unchecked = [contact for contact, lists in adding if self._is_unchecked(contact, lists)]
        if not unchecked:
            return contacts
        if len(unchecked) <= few and self._unsubscribes.last_scan:
            kept = {contact.email for contact in unchecked} - set(self._looked_up(unchecked))
        else:
            kept = {contact.email for contact in unchecked}
            self._wait_for_scan(unchecked)
        return [contact for contact in contacts if contact.email not in kept]

    def _is_unchecked(self, contact: Contact, lists: Iterable[int]) -> bool:
        scan, now = self._unsubscribes.last_scan, self._account.now()
        if scan is None or not 0 <= now - scan.ended <= FRESH_MS:
            return True
        entered_at = max(contact.desired.list_time(list_id) for list_id in lists)
        return scan.began < entered_at <= now  # a sender's clock may be ahead

    def _looked_up(self, contacts: Sequence[Contact]) -> Iterator[str]:
        """Addresses of those of whom nothing was learned. What was learned of the others stands in their rows: they stay due."""
        client = self._account.client
        for contact in contacts:
            try:
                if not self._unsubscribes.look_up(client, [contact.email, *contact.desired.superseded]):
                    yield contact.email
            except TransientError as error:
                question_failed(self._account, contact, error)
            except PermanentError as error:
                question_refused(self._account, contact, error)

    def _wait_for_scan(self, contacts: Sequence[Contact]) -> None:
        if not self._is_waited_for:
            self._request, self._is_waited_for = self._unsubscribes.request(), True
        self._destinations.update(*(contact.pending for contact in contacts))
        self._queues.wait_far_back(contacts)
