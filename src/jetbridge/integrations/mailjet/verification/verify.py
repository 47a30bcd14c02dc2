"""Verify: compare contact state with what Mailjet really holds, and mend the state where it is wrong.

Nothing is sent to Mailjet here. Mending writes down what is really there; the ordinary reconcile then finds
the difference and tells it. Reading takes long and the worker goes on meanwhile, so a difference found in the
pages is only a suspicion: it counts if the contact was at rest, unchanged, while it was read once more.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from jetbridge.integrations.mailjet.api.resources import CONTACT, LISTRECIPIENT
from jetbridge.integrations.mailjet.contacts import iteration, state, unreadable
from jetbridge.integrations.mailjet.contacts.consent import learn
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    load_contacts,
    load_readable,
    save_learned,
)
from jetbridge.integrations.mailjet.contacts.merge import now_ms
from jetbridge.integrations.mailjet.sync.isolated import begin_anew
from jetbridge.integrations.mailjet.sync.reads import Reads
from jetbridge.integrations.mailjet.sync.remote import (
    Members,
    RemoteContact,
    fetch_remote_contact,
    remote_contacts,
)
from jetbridge.integrations.mailjet.verification.comparer import Comparer, is_only_consent
from jetbridge.integrations.mailjet.verification.differences import UNREADABLE, Comparison, Difference

_UNREADABLE = (
    "Its stored state cannot be read, so its messages fail. A repair begins it anew; `jetbridge destinations replay` then brings what was sent "
    "of it."
)

#: Up to so many suspicions are looked at one by one; more, by reading all pages once more.
SINGLY = 200

#: Our contacts, and what Mailjet holds of each; None: it has none.
Pairs = list[tuple[Contact, RemoteContact | None]]


@dataclass
class Report:
    """Contacts `compared`, and `under_way`: due, pending or in a job. `unknown` are Mailjet's, but not ours.

    `rejected` counts values that Mailjet's Datatypes refuse; they are no differences. `lists_gone` are lists that
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
            "set_aside": self.rejected,
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
        """Differences that were neither learned as consent nor repaired."""
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
        self._upto, _ = iteration.newest(self._account)
        self._find_lists()
        suspects = self._suspects(self._comparer())
        if len(suspects) > SINGLY:
            self._look_again(suspects, self._comparer())
        elif suspects:
            comparer = self._comparer()
            for email in suspects:
                self._look_singly(email, comparer)
        return self._report

    def _find_lists(self) -> None:
        desired_lists = iteration.lists_in_use(self._account)
        there = {row.id: row.name for row in self._reads.read(self._reads.client.contactslists)}
        self._lists = {list_id: there[list_id] for list_id in sorted(desired_lists & there.keys())}
        self._report.lists_gone = sorted(desired_lists - there.keys())

    def _comparer(self) -> Comparer:
        datatypes = self._reads.read(self._reads.client.contactmetadata)
        return Comparer(self._lists, datatypes, self._now)

    def _suspects(self, comparer: Comparer) -> dict[str, int]:
        """Fingerprints of the contacts that seem to differ, by address."""
        suspects = {}
        for pairs in self._pairs():
            for contact, remote in pairs:
                if not contact.is_idle:
                    self._report.under_way += 1
                elif not is_only_consent(contact):
                    self._report.compared += 1
                    found = comparer.compare(contact, remote)
                    self._report.rejected += found.rejected
                    if found.differences:
                        suspects[contact.email] = _fingerprint(contact)
        return suspects

    def _pairs(self) -> Iterator[Pairs]:
        """All our contacts, by the pages that Mailjet has them in; at the end those that it has not."""
        self._expect(self._rows_to_read())
        members = {
            list_id: Members(row for page in self._reads.listrecipients(list_id) for row in page)
            for list_id in self._lists
        }
        met, unknown = bytearray(self._upto + 1), 0
        left_out: set[int] = set()
        for page in remote_contacts(self._reads, members):
            contacts = load_readable(
                self._account, [remote.email for remote in page], lambda id_, *_: left_out.add(id_)
            )
            ours = [(contacts[each.email], each) for each in page if each.email in contacts]
            pairs: Pairs = [pair for pair in ours if (pair[0].id or 0) <= self._upto]
            unknown += len(page) - len(ours)
            for contact, _ in pairs:
                met[contact.id or 0] = 1
            yield pairs
        self._report.unknown = unknown - len(left_out)
        for rest in iteration.contacts(self._account, self._upto, self._found_unreadable):
            yield [(contact, None) for contact in rest if not met[contact.id or 0]]

    def _found_unreadable(self, contact_id: int, email: str, error: Exception) -> None:
        """Its state begins anew if that is to be repaired: what Mailjet holds stays there."""
        if contact_id in self._unreadable:
            return
        self._unreadable.add(contact_id)
        if self._repair:
            begin_anew(self._account, self._now(), contact_id, error)
        else:
            unreadable.remember(self._account, contact_id)
        self._count(Difference(UNREADABLE, email, "", _UNREADABLE))

    def _rows_to_read(self) -> int:
        places = sum(self._reads.count(LISTRECIPIENT, ContactsList=list_id) for list_id in self._lists)
        return places + 2 * self._reads.count(CONTACT)

    def _look_singly(self, email: str, comparer: Comparer) -> None:
        contact = load_readable(self._account, [email]).get(email)
        if contact is None or not contact.is_idle:
            self._has_changed()
            return
        self._confirm([(contact, comparer.compare(contact, fetch_remote_contact(self._reads, email)))])

    def _look_again(self, suspects: dict[str, int], comparer: Comparer) -> None:
        for pairs in self._pairs():
            again = [pair for pair in pairs if pair[0].email in suspects]
            same = [pair for pair in again if _fingerprint(pair[0]) == suspects[pair[0].email]]
            self._has_changed(len(again) - len(same))
            self._confirm([(contact, comparer.compare(contact, remote)) for contact, remote in same])

    def _confirm(self, pairs: Sequence[tuple[Contact, Comparison]]) -> None:
        """Report, learn and mend what differs of contacts that are still as they were."""
        differing = [(contact, found) for contact, found in pairs if found.differences]
        with transaction.atomic():
            rows = load_readable(self._account, [contact.email for contact, _ in differing])
            true = [
                found
                for contact, found in differing
                if (row := rows.get(contact.email))
                and row.is_idle
                and _fingerprint(row) == _fingerprint(contact)
            ]
            learn(self._account, [each for found in true for each in found.opt_outs], self._now())
            if self._repair:
                self._mend(true)
        self._has_changed(len(differing) - len(true))
        for difference in (each for found in true for each in found.differences):
            self._count(difference)

    def _mend(self, true: Sequence[Comparison]) -> None:
        """Write down what really is there, so that reconcile finds what is to be told."""
        mends = [each for found in true for each in found.differences if each.mend]
        contacts = load_contacts(self._account, {each.email for each in mends})
        for each in mends:
            if each.mend:
                each.mend(contacts[each.email].delivered)
        for contact in contacts.values():
            contact.next_attempt_at = self._now()
        save_learned(self._account, contacts.values())

    def _count(self, difference: Difference) -> None:
        self._report.by_kind[difference.kind] += 1
        if difference.is_own_word:
            self._report.learned += 1
        elif self._repair:
            self._report.repaired += 1
        self._show(difference)

    def _has_changed(self, contacts: int = 1) -> None:
        """Contacts changed while they were looked at: what differs of them is on its way."""
        self._report.compared -= contacts
        self._report.under_way += contacts


def _fingerprint(contact: Contact) -> int:
    """Changes with every message that changes the contact, and with every delivery."""
    return hash((state.encode(contact.desired), contact.delivered_row, contact.history))
