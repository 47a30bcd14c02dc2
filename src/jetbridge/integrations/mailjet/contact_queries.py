"""The contact state of one account as a person looks through it (`integrations.contact_queries.ContactQueries`)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from jetbridge.control.models import AppConnection
from jetbridge.integrations.contact_queries import (
    COUNTED,
    PAGE,
    ContactDetail,
    ContactFilter,
    Figures,
    Listed,
    Memberships,
    Now,
    OpenJob,
    PersonContacts,
    RejectedValues,
)
from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import (
    NOTHING_DELIVERED,
    Contact,
    load_people,
    load_to_show,
    log_unreadable,
    readable,
    stand_in,
)
from jetbridge.integrations.mailjet.contacts.contact_detail import ContactStatusExplainer, contact_detail
from jetbridge.integrations.mailjet.models import Job, RejectedValue
from jetbridge.integrations.mailjet.verification.verify import compare_now
from jetbridge.spec.person import Identity
from jetbridge.spec.untrusted import whole_number

#: An estimate looks at so many windows of ids; up to PARTS * PART_IDS contacts it is exact.
PARTS, PART_IDS = 20, 500

_FIRST = {ContactFilter.RECENT: (2**62, 0), ContactFilter.DUE: (-1, 0), ContactFilter.IN_JOB: (-1, 0)}
_STATEMENTS = {
    ContactFilter.RECENT: queries.RECENT_PAGE,
    ContactFilter.DUE: queries.DUE_LIST,
    ContactFilter.IN_JOB: queries.JOB_LIST,
}


@dataclass(frozen=True)
class MailjetContactQueries:
    destination: int
    account: int
    #: To which the destination adds people; 0: to none.
    list_id: int = 0

    def figures(self) -> Figures:
        contacts, exact = _estimate(self.account)
        ((due, oldest, _),) = queries.rows(queries.DUE_FIGURES, self.account, 2**62, COUNTED + 1)
        jobs = Job.objects.filter(account_id=self.account, given_up_at=None).values_list(
            "contacts", flat=True
        )
        return Figures(contacts, exact, due, oldest or 0, sum(jobs))

    def page(self, which: ContactFilter, after: str = "") -> Listed:
        begin = _key(after) or _FIRST[which]
        rows = queries.rows(_STATEMENTS[which], self.account, *begin, PAGE + 1)
        details = self._details([_contact(row[:-1]) for row in rows[:PAGE]])
        key = f"{_by(which, rows[PAGE - 1])}-{rows[PAGE - 1][0]}" if len(rows) > PAGE else ""
        listed = [
            replace(contact, synced_at=row[-1] or 0) for contact, row in zip(details, rows, strict=False)
        ]
        return Listed(listed, key)

    def find(self, identity: Identity) -> PersonContacts:
        contacts = list(ContactStatusExplainer(self.destination, self.account).contacts_to_show(identity))
        people = load_people(self.account, identity.users).values()
        return PersonContacts(
            self._details(contacts), [person.user_id for person in people if person.email is None]
        )

    def now(self, email: str) -> Now | None:
        return compare_now(self.account, email)

    def memberships(self, emails: Collection[str]) -> Memberships:
        known = load_to_show(self.account, emails)
        contacts = {email for email, contact in known.items() if contact.desired.is_contact}
        can_join = {
            email for email in emails if email not in known or known[email].desired.can_join(self.list_id)
        }
        return Memberships(contacts, can_join)

    def open_jobs(self) -> list[OpenJob]:
        names = self._list_names()
        return [
            OpenJob(
                row.job_id,
                names.get(row.list_id, f"list {row.list_id}") if row.list_id else "several lists",
                row.contacts,
                int(row.started_at.timestamp() * 1000),
            )
            for row in Job.objects.filter(account_id=self.account, given_up_at=None).order_by("id")
        ]

    def rejected_values(self) -> list[RejectedValues]:
        rows = RejectedValue.objects.filter(account_id=self.account).order_by("-total", "property")
        return [
            RejectedValues(row.property, row.message, row.total, row.email, int(row.at.timestamp() * 1000))
            for row in rows
        ]

    def _details(self, contacts: Sequence[Contact]) -> list[ContactDetail]:
        names, reasons = self._list_names(), self._reasons(contacts)
        return [contact_detail(contact, list_names=names, reasons=reasons) for contact in contacts]

    def _list_names(self) -> dict[int, str]:
        rows = AppConnection.objects.filter(account_id=self.account)
        return dict(rows.values_list("list_id", "list_name"))

    def _reasons(self, contacts: Iterable[Contact]) -> dict[str, str]:
        """Why values of the properties that are rejected somewhere here were rejected, as far as it was written down."""
        names = {name for contact in contacts for name in contact.delivered.rejected}
        reasons: defaultdict[str, list[str]] = defaultdict(list)
        rows = RejectedValue.objects.filter(account_id=self.account, property__in=names).order_by("-at")
        for name, detail in rows.values_list("property", "message"):
            reasons[name].append(detail)
        return {name: " ".join(details) for name, details in reasons.items()}


def _contact(row: tuple[Any, ...]) -> Contact:
    """A contact whose state cannot be read is shown without it: it must not break the page of the others."""
    contacts = readable([row], log_unreadable)
    return contacts[0] if contacts else stand_in(row[0], row[1])


def _estimate(account: int) -> tuple[int, bool]:
    """How many contacts there are, and whether it is exact. Looks at PARTS windows, evenly spread."""
    ((lowest, highest),) = queries.rows(queries.CONTACT_IDS)
    if highest is None:
        return 0, True
    ids = highest - lowest + 1
    whole = PARTS * PART_IDS
    size, step = (PART_IDS, ids // PARTS) if ids > whole else (-(-ids // PARTS), -(-ids // PARTS))
    starts = [lowest + number * step for number in range(PARTS)]
    statement = queries.CONTACTS_AMONG.format(starts=", ".join(["(%s)"] * PARTS))
    with connection.cursor() as cursor:
        cursor.execute(statement, [*starts, size, account, NOTHING_DELIVERED])
        ((total,),) = cursor.fetchall()
    return (total * ids // whole, False) if ids > whole else (total, True)


def _by(which: ContactFilter, row: tuple[Any, ...]) -> int:
    """What the list is sorted by."""
    value: int = {ContactFilter.RECENT: row[-1], ContactFilter.DUE: row[5], ContactFilter.IN_JOB: row[8]}[
        which
    ]
    return value


def _key(text: str) -> tuple[int, int] | None:
    """What a page's `after` says; None for anything that we did not write."""
    by, _, id_ = text.partition("-")
    key = whole_number(by), whole_number(id_)
    return None if key[0] is None or key[1] is None else (key[0], key[1])
