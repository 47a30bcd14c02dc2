"""Verify: compare contact state with what Mailjet holds, and repair the state where it is wrong.

Nothing is sent to Mailjet here. A repair stores what Mailjet holds; the ordinary reconcile then finds
the difference and sends it. Reading takes long and the worker goes on meanwhile, so a difference in the
pages is only suspected: it counts if the contact was at rest, unchanged, while it was read once more.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from jetbridge.control.models import MailjetAccount
from jetbridge.http.client import PAGE_SECONDS, time_limit
from jetbridge.integrations.contact_queries import Now
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import CONTACT, LISTRECIPIENT
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.contacts.consent import learn
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    all_contacts,
    lists_in_use,
    load_contacts,
    load_readable,
    newest_contact,
    now_ms,
    record_unreadable,
    save_learned,
)
from jetbridge.integrations.mailjet.sync.remote import (
    SUBSCRIBED,
    Members,
    Reads,
    RemoteContact,
    fetch_remote_contact,
    remote_contacts,
)
from jetbridge.integrations.mailjet.sync.results import delete_unreadable
from jetbridge.integrations.mailjet.verification.comparer import (
    UNREADABLE,
    Comparer,
    Comparison,
    Difference,
    is_only_consent,
)

_UNREADABLE = (
    "Its stored state cannot be read, so its messages fail. A repair deletes that state; `jetbridge destinations replay` then merges its "
    "messages again."
)

#: Up to so many suspected contacts are read again one by one; more, by reading all pages once more.
SINGLE_MAX = 200

#: Contacts, each with what Mailjet holds of it; None: it has none.
Pairs = list[tuple[Contact, RemoteContact | None]]


@dataclass
class Report:
    """Contacts `compared`, and `under_way`: due, pending or in a job. `unknown` are Mailjet's, but not ours.

    `rejected` counts values that do not fit Mailjet's Datatypes; they are no differences. `lists_gone` are lists that
    contacts should be on and Mailjet does not have.
    """

    compared: int = 0
    under_way: int = 0
    unknown: int = 0
    rejected: int = 0
    learned: int = 0
    repaired: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    lists_gone: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """As plain values; the keys are a promise to scripts."""
        return {
            "compared": self.compared,
            "under_way": self.under_way,
            "unknown": self.unknown,
            "rejected_values": self.rejected,
            "differences": self.differences,
            "by_kind": dict(self.by_kind),
            "learned": self.learned,
            "repaired": self.repaired,
            "remaining": self.remaining,
            "lists_gone": self.lists_gone,
        }

    @property
    def differences(self) -> int:
        return self.by_kind.total()

    @property
    def remaining(self) -> int:
        """Differences that were neither learned as opt-outs nor repaired."""
        return self.differences - self.learned - self.repaired


class Verification:
    """`run()` verifies one account; blocks for as long as its pages take. Safe while a worker works."""

    def __init__(
        self,
        account: int,
        reads: Reads,
        *,
        repair: bool = False,
        show: Callable[[Difference], object] = id,
        expect: Callable[[int], object] = int,
        now: Callable[[], int] = now_ms,
    ) -> None:
        """`show` is given every difference; `expect` how many more rows will be read."""
        self._account = account
        self._reads = reads
        self._repair = repair
        self._show = show
        self._expect = expect
        self._now = now
        self._upto = 0
        self._lists: dict[int, str] = {}
        self._unreadable: set[int] = set()
        self._report = Report()

    def run(self) -> Report:
        """Raises DeliveryError. What was learned and repaired until then stays."""
        self._upto, _ = newest_contact(self._account)
        desired_lists = lists_in_use(self._account)
        lists = {row.id: row.name for row in self._reads.read(self._reads.client.contactslists)}
        self._lists = {list_id: lists[list_id] for list_id in sorted(desired_lists & lists.keys())}
        self._report.lists_gone = sorted(desired_lists - lists.keys())

        suspects = self._find_suspects(self._comparer())
        if len(suspects) > SINGLE_MAX:
            comparer = self._comparer()
            for pairs in self._pairs():
                again = [pair for pair in pairs if pair[0].email in suspects]
                unchanged = [pair for pair in again if _fingerprint(pair[0]) == suspects[pair[0].email]]
                self._count_changed(len(again) - len(unchanged))
                self._confirm([(contact, comparer.compare(contact, remote)) for contact, remote in unchanged])
        elif suspects:
            comparer = self._comparer()
            for email in suspects:
                contact = load_readable(self._account, [email]).get(email)
                if contact is None or not contact.is_idle:
                    self._count_changed()
                else:
                    remote = fetch_remote_contact(self._reads, email)
                    self._confirm([(contact, comparer.compare(contact, remote))])
        return self._report

    def _comparer(self) -> Comparer:
        datatypes = self._reads.read(self._reads.client.contactmetadata)
        return Comparer(self._lists, datatypes, self._now)

    def _find_suspects(self, comparer: Comparer) -> dict[str, int]:
        """Fingerprints of the contacts that seem to differ, by address."""
        suspects = {}
        for pairs in self._pairs():
            for contact, remote in pairs:
                if not contact.is_idle:
                    self._report.under_way += 1
                elif not is_only_consent(contact):
                    self._report.compared += 1
                    comparison = comparer.compare(contact, remote)
                    self._report.rejected += comparison.rejected
                    if comparison.differences:
                        suspects[contact.email] = _fingerprint(contact)
        return suspects

    def _pairs(self) -> Iterator[Pairs]:
        """All contacts: first by the pages in which Mailjet lists them, then those that it does not have."""
        subscriptions = sum(self._reads.count(LISTRECIPIENT, ContactsList=list_id) for list_id in self._lists)
        self._expect(subscriptions + 2 * self._reads.count(CONTACT))
        members = {
            list_id: Members(row for page in self._reads.listrecipients(list_id) for row in page)
            for list_id in self._lists
        }
        seen, unknown = bytearray(self._upto + 1), 0
        left_out: set[int] = set()
        for page in remote_contacts(self._reads, members):
            contacts = load_readable(
                self._account, [remote.email for remote in page], lambda id_, *_: left_out.add(id_)
            )
            known = [(contacts[remote.email], remote) for remote in page if remote.email in contacts]
            pairs: Pairs = [pair for pair in known if (pair[0].id or 0) <= self._upto]
            unknown += len(page) - len(known)
            for contact, _ in pairs:
                seen[contact.id or 0] = 1
            yield pairs
        self._report.unknown = unknown - len(left_out)
        for rest in all_contacts(self._account, self._upto, self._report_unreadable):
            yield [(contact, None) for contact in rest if not seen[contact.id or 0]]

    def _report_unreadable(self, contact_id: int, email: str, error: Exception) -> None:
        """A repair deletes its state; Mailjet keeps what it has of it."""
        if contact_id in self._unreadable:
            return
        self._unreadable.add(contact_id)
        if self._repair:
            delete_unreadable(self._account, self._now(), contact_id, error)
        else:
            record_unreadable(self._account, contact_id)
        self._count(Difference(UNREADABLE, email, "", _UNREADABLE))

    def _confirm(self, pairs: Sequence[tuple[Contact, Comparison]]) -> None:
        """Report, learn and repair the differences of contacts that are unchanged."""
        differing = [(contact, comparison) for contact, comparison in pairs if comparison.differences]
        with transaction.atomic():
            rows = load_readable(self._account, [contact.email for contact, _ in differing])
            confirmed = [
                comparison
                for contact, comparison in differing
                if (row := rows.get(contact.email))
                and row.is_idle
                and _fingerprint(row) == _fingerprint(contact)
            ]
            differences = [difference for comparison in confirmed for difference in comparison.differences]
            opt_outs = [opt_out for comparison in confirmed for opt_out in comparison.opt_outs]
            learn(self._account, opt_outs, self._now())
            if self._repair:
                # Store what Mailjet holds, so that reconcile finds what is to be sent.
                repairs = [difference for difference in differences if not difference.is_opt_out]
                contacts = load_contacts(self._account, {difference.email for difference in repairs})
                for difference in repairs:
                    difference.repair(contacts[difference.email].delivered)
                for contact in contacts.values():
                    contact.next_attempt_at = self._now()
                save_learned(self._account, contacts.values())
        self._count_changed(len(differing) - len(confirmed))
        for difference in differences:
            self._count(difference)

    def _count(self, difference: Difference) -> None:
        self._report.by_kind[difference.kind] += 1
        if difference.is_opt_out:
            self._report.learned += 1
        elif self._repair:
            self._report.repaired += 1
        self._show(difference)

    def _count_changed(self, contacts: int = 1) -> None:
        """Contacts changed while they were compared: their differences are under way."""
        self._report.compared -= contacts
        self._report.under_way += contacts


def _fingerprint(contact: Contact) -> int:
    """Changes with every message that changes the contact, and with every delivery."""
    return hash((state.encode(contact.desired), contact.delivered_row, contact.history))


def compare_now(account_id: int, email: str) -> Now | None:
    """One contact beside what Mailjet holds of it at this moment, for a person who waits; nothing is repaired. None for an
    address that is no contact here. Raises DeliveryError.
    """
    contact = load_readable(account_id, [email]).get(email)
    if contact is None:
        return None
    account = MailjetAccount.objects.get(id=account_id)
    client = MailjetClient(account.api_url, account.api_key, account.secret_key, timeout_seconds=PAGE_SECONDS)
    with time_limit(PAGE_SECONDS):
        remote = fetch_remote_contact(Reads(client, per_second=1_000, tries=1), email)
        lists = {row.id: row.name for row in client.contactslists()}
        datatypes = client.contactmetadata()
    subscriptions = [
        f"{'subscribed to' if subscription == SUBSCRIBED else 'unsubscribed from'} {list_id} {lists[list_id]}"
        for list_id, subscription in (remote.subscriptions if remote else {}).items()
        if list_id in lists
    ]
    excluded = ["excluded from all campaigns"] if remote and remote.excluded else []
    comparison = Comparer(lists, datatypes, now_ms).compare(contact, remote)
    return Now(
        is_there=remote is not None,
        places=subscriptions + excluded,
        differences=[difference.message for difference in comparison.differences],
    )
