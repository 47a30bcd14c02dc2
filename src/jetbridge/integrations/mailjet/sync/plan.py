"""Plan: what a reconcile would do now, found by its own functions, with nothing done."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import Contact, now_ms, readable
from jetbridge.integrations.mailjet.models import Job
from jetbridge.integrations.mailjet.sync.bulk_jobs import by_lists, prepare_all
from jetbridge.integrations.mailjet.sync.list_circuit import MAX_CONTACTS
from jetbridge.integrations.mailjet.sync.prepare import Prepared
from jetbridge.integrations.mailjet.sync.property_types import PropertyTypes
from jetbridge.integrations.mailjet.sync.reconcile import PACE
from jetbridge.integrations.mailjet.sync.update_mode import is_cleared_by_job, split_by_mode

#: Contacts that cannot be read and are named.
NAMED = 100
#: The column of `queries._CONTACT`.
_NEXT_ATTEMPT_AT = 5

#: What becomes of contacts, and all figures of a plan.
FATES = ("created", "changed", "subscribed", "unsubscribed", "removed", "deleted")
_FIGURES = ("due", "later", *FATES, "silent", "jobs", "single_calls", "calls", "carried", "open_jobs")


@dataclass
class Plan:
    """Contacts by what would become of them; one contact may count in several ways.

    `later` of the `due` wait after a failure. `created` are those that Mailjet was never told of; it may have
    them. `properties` would be created, with their Datatypes. `rejected_values` counts values by property and
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

    `on_contacts` is told how many of each batch were looked at.
    """
    found, types = Plan(), _Foreseen(client)
    moment = now()
    for contacts in _due(account, found):
        found.due += len(contacts)
        found.later += sum((each.next_attempt_at or 0) > moment for each in contacts)
        _add(found, types, contacts)
        on_contacts(len(contacts))
    found.properties = types.foreseen
    open_jobs = Job.objects.filter(account_id=account, given_up_at=None)
    found.open_jobs = open_jobs.count()
    found.carried = sum(open_jobs.values_list("contacts", flat=True))
    return found


def _due(account: int, found: Plan) -> Iterator[list[Contact]]:
    """All that are due, in the batches in which they would be told."""
    next_attempt_at, after = -1, 0
    while rows := queries.rows(
        queries.DUE_PAGE, account, next_attempt_at, next_attempt_at, after, MAX_CONTACTS
    ):
        yield readable(rows, found.leave_out)
        next_attempt_at, after = rows[-1][_NEXT_ATTEMPT_AT], rows[-1][0]


def _add(found: Plan, types: PropertyTypes, contacts: Sequence[Contact]) -> None:
    ordinary, singly = split_by_mode(contacts, PACE.few, types)
    staying = [each for each in singly if not each.desired.pending_deletion]
    found.deleted += len(singly) - len(staying)
    by_job = [each for each in staying if is_cleared_by_job(each, types.for_values([]))]
    in_jobs = prepare_all(types, [*ordinary, *by_job])
    alone = prepare_all(types, [each for each in staying if each not in by_job])
    found.jobs += len(by_lists(in_jobs))
    found.single_calls += len(singly) - len(staying) + sum(map(_calls, alone))
    for each in in_jobs + alone:
        found.rejected_values.update(each.rejected_properties)
        if each.needs_call:
            _count_update(found, each)
        else:
            found.silent += 1


def _calls(prepared: Prepared) -> int:
    """Calls for a contact that is told by itself, at the most."""
    if not prepared.needs_call:
        return 0
    leaving = sum(action == REMOVE for action in prepared.lists.values())
    return min(leaving, 1) + len(prepared.lists) - leaving


def _count_update(found: Plan, prepared: Prepared) -> None:
    delivered, actions = prepared.contact.delivered, set(prepared.sent.lists.values())
    if not delivered.lists and not delivered.values and delivered.name is None:
        found.created += 1
    elif prepared.properties or prepared.sent.name is not None:
        found.changed += 1
    found.subscribed += not actions.isdisjoint({ADDFORCE, ADDNOFORCE})
    found.unsubscribed += UNSUB in actions
    found.removed += REMOVE in actions


class _Foreseen(PropertyTypes):
    """Knows what would be created, and creates nothing."""

    def __init__(self, client: MailjetClient) -> None:
        super().__init__(client)
        self.foreseen: dict[str, str] = {}

    def _create(self, missing: dict[str, str]) -> None:
        created, no_room = self.fit_in(missing)
        self.not_created |= no_room
        self.foreseen |= created
        self._datatypes |= created
