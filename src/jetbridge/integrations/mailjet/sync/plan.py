"""Plan: what a reconcile would send now, computed by its own functions; nothing is sent."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import Contact, now_ms, readable
from jetbridge.integrations.mailjet.models import Job
from jetbridge.integrations.mailjet.sync.account import MAX_CONTACTS, SINGLE_MAX, PropertyTypes
from jetbridge.integrations.mailjet.sync.prepare import (
    group_by_lists,
    is_cleared_by_job,
    prepare_all,
    split_by_mode,
)

#: Up to so many contacts that cannot be read are named.
NAMED = 100
#: The column of `queries._CONTACT`.
_NEXT_ATTEMPT_AT = 5

#: The changes that contacts are counted by, and all figures of a plan.
CHANGES = ("created", "changed", "subscribed", "unsubscribed", "removed", "deleted")
_FIGURES = ("due", "later", *CHANGES, "silent", "jobs", "single_calls", "calls", "carried", "open_jobs")


@dataclass
class Plan:
    """Contacts by what would change; one contact may count in several ways.

    `later` of the `due` wait after a failure. `created` are those of which Mailjet was sent nothing yet; it may have
    them. `properties` would be created, with their Datatypes. `rejected_values` are counted by property and
    reason. `single_calls` are at the most so many. `carried` contacts are in `open_jobs` already.
    """

    due: int = 0
    later: int = 0
    created: int = 0
    changed: int = 0
    subscribed: int = 0
    unsubscribed: int = 0
    removed: int = 0
    deleted: int = 0
    silent: int = 0
    jobs: int = 0
    single_calls: int = 0
    carried: int = 0
    open_jobs: int = 0
    #: Addresses of contacts whose stored state cannot be read: the first, and how many there are.
    unreadable: list[str] = field(default_factory=list)
    unreadable_total: int = 0
    properties: dict[str, str] = field(default_factory=dict)
    rejected_values: Counter[tuple[str, str]] = field(default_factory=Counter)

    def figures(self) -> dict[str, Any]:
        """As plain values; the keys are a promise to scripts."""
        return {
            **{name: getattr(self, name) for name in _FIGURES},
            "unreadable": self.unreadable,
            "unreadable_total": self.unreadable_total,
            "properties": self.properties,
            "rejected_values": [
                {"property": name, "reason": reason, "total": total}
                for (name, reason), total in sorted(self.rejected_values.items())
            ],
        }

    def leave_out(self, _: int, email: str, __: Exception) -> None:
        """For `contact.readable`."""
        self.unreadable_total += 1
        if len(self.unreadable) < NAMED:
            self.unreadable.append(email)

    def add(self, types: PropertyTypes, contacts: Sequence[Contact]) -> None:
        """Count what a batch would send. Raises DeliveryError."""
        bulk, singly = split_by_mode(contacts, SINGLE_MAX, types)
        staying = [contact for contact in singly if not contact.desired.pending_deletion]
        deleted = len(singly) - len(staying)
        by_job = [contact for contact in staying if is_cleared_by_job(contact, types.for_values([]))]
        in_jobs = prepare_all(types, [*bulk, *by_job])
        single = prepare_all(types, [contact for contact in staying if contact not in by_job])
        self.deleted += deleted
        self.jobs += len(group_by_lists(in_jobs))
        self.single_calls += deleted
        for update in single:
            if update.needs_call:  # a call for each list, and one for all that it leaves
                leaving = sum(action == REMOVE for action in update.lists.values())
                self.single_calls += min(leaving, 1) + len(update.lists) - leaving
        for update in in_jobs + single:
            self.rejected_values.update(update.rejected_properties)
            if not update.needs_call:
                self.silent += 1
                continue
            delivered, actions = update.contact.delivered, set(update.sent.lists.values())
            if not delivered.lists and not delivered.values and delivered.name is None:
                self.created += 1
            elif update.properties or update.sent.name is not None:
                self.changed += 1
            self.subscribed += not actions.isdisjoint({ADDFORCE, ADDNOFORCE})
            self.unsubscribed += UNSUB in actions
            self.removed += REMOVE in actions

    @property
    def calls(self) -> int:
        """Calls that change something at Mailjet, at the most."""
        return len(self.properties) + self.jobs + self.single_calls


def plan(
    account: int,
    client: MailjetClient,
    now: Callable[[], int] = now_ms,
    on_contacts: Callable[[int], object] = int,
) -> Plan:
    """Reads the contact properties from Mailjet and nothing else. Raises DeliveryError.

    `on_contacts` is called with the number of contacts of each batch.
    """
    plan, types = Plan(), PropertyTypes(client, dry_run=True)
    moment = now()
    next_attempt_at, after = -1, 0
    while rows := queries.rows(
        queries.DUE_PAGE, account, next_attempt_at, next_attempt_at, after, MAX_CONTACTS
    ):
        contacts = readable(rows, plan.leave_out)
        plan.due += len(contacts)
        plan.later += sum((contact.next_attempt_at or 0) > moment for contact in contacts)
        plan.add(types, contacts)
        on_contacts(len(contacts))
        next_attempt_at, after = rows[-1][_NEXT_ATTEMPT_AT], rows[-1][0]
    plan.properties = types.planned
    open_jobs = Job.objects.filter(account_id=account, given_up_at=None)
    plan.open_jobs = open_jobs.count()
    plan.carried = sum(open_jobs.values_list("contacts", flat=True))
    return plan
