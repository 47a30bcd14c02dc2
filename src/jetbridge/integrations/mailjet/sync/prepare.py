"""What to send to Mailjet about which contacts now: in a job or singly, with which body, and who waits for an open circuit.

Contacts that wait for circuits stand far back among the due contacts, so that the others are found without going past them. A
list whose circuit has closed is tried with a few of them; with each success more are requeued.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jetbridge.integrations.mailjet.api.properties import ValueRejected, clears, fit, is_empty
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE
from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import BLOCKED_MS, FAR_MS, Contact, postpone
from jetbridge.integrations.mailjet.contacts.state import (
    OFF_LIST,
    UNKNOWN,
    ContactUpdate,
    Delivered,
    contact_name,
    desired_values,
    difference,
    list_actions,
)
from jetbridge.integrations.mailjet.sync.account import (
    GROWTH,
    LOST_JOB_MS,
    MAX_CONTACTS,
    MIN_CONTACTS,
    NO_LIST,
    SINGLE_FROM_ATTEMPTS,
    Account,
    PropertyTypes,
)


@dataclass(slots=True)
class Prepared:
    """`sent` is what a success confirms. `rejected_properties` are (property, message) of values that do not fit.

    `lists` are those that the calls are made for; a list that only carries properties is not in `sent`.
    """

    contact: Contact
    sent: Delivered
    properties: dict[str, Any]
    lists: dict[int, str]
    rejected_properties: list[tuple[str, str]] = field(default_factory=list)

    @property
    def needs_call(self) -> bool:
        return bool(self.properties or self.sent.lists or self.sent.name is not None)

    @property
    def row(self) -> dict[str, Any]:
        """The contact in a managemanycontacts body, and the core of a managecontact body."""
        row: dict[str, Any] = {"Email": self.contact.email}
        # It is not documented whether a call without Name clears it, so it is always included.
        if (name := contact_name(self.contact.desired.values) or self.sent.name) is not None:
            row["Name"] = name
        if self.properties:
            row["Properties"] = self.properties
        return row


def prepare(
    contact: Contact,
    change: ContactUpdate,
    datatypes: dict[str, str],
    not_created: Mapping[str, str],
    open_lists: Collection[int] = (),
) -> Prepared:
    """Fit the changed values to Mailjet's Datatypes; those that do not fit are rejected, like those of
    properties that Mailjet would not create (`not_created`: name -> reason). Lists in `open_lists` are left out.
    """
    lists = sendable_actions(change, open_lists) if open_lists else change.lists
    sent = Delivered(lists=dict(lists), name=change.name)
    prepared = Prepared(contact, sent, {}, lists)
    if not lists or (open_lists and set(lists.values()) == {REMOVE}):
        carrier = next(carrier_lists(contact, {*lists, *open_lists}), None)
        if carrier:  # Mailjet takes properties by way of a list
            prepared.lists = {**lists, carrier[0]: carrier[1]}
        elif open_lists and not has_no_list(contact, change):
            sent.name = None
            return prepared
    for name, value in change.values.items():
        datatype, rejection = datatypes.get(name), None
        if datatype is not None:
            try:
                prepared.properties[name] = fit(value, datatype)
            except ValueRejected as error:
                rejection = str(error)
        elif not is_empty(value):  # else it is cleared, and Mailjet has no such property
            rejection = not_created.get(name, "")
        if rejection is None:
            sent.values[name] = value
        else:
            sent.rejected[name] = value
            prepared.rejected_properties.append((name, rejection))
    return prepared


def prepare_all(
    types: PropertyTypes, contacts: Iterable[Contact], open_lists: Collection[int] = ()
) -> list[Prepared]:
    """Raises DeliveryError."""
    pairs = [
        (contact, difference(contact.desired, contact.delivered) or ContactUpdate({}, {}, None))
        for contact in contacts
    ]
    datatypes = types.for_values(change.values for _, change in pairs)
    return [prepare(contact, change, datatypes, types.not_created, open_lists) for contact, change in pairs]


def group_by_lists(prepared: Iterable[Prepared]) -> dict[tuple[tuple[int, str], ...], list[Prepared]]:
    """Those that need a call, by their set of lists and actions: one body for each."""
    groups: defaultdict[tuple[tuple[int, str], ...], list[Prepared]] = defaultdict(list)
    for update in prepared:
        if update.needs_call:
            groups[tuple(sorted(update.lists.items()))].append(update)
    return groups


def sendable_actions(change: ContactUpdate, open_lists: Collection[int]) -> dict[int, str]:
    """The list actions that need not wait. The call by which a contact leaves a list is made for the contact, not for the list."""
    return {
        list_id: action
        for list_id, action in change.lists.items()
        if action == REMOVE or list_id not in open_lists
    }


def carrier_lists(contact: Contact, without: Collection[int]) -> Iterator[tuple[int, str]]:
    """Lists by way of which properties can be sent, each with an action that changes nothing there."""
    for list_id, action in contact.delivered.lists.items():
        if action not in {REMOVE, UNKNOWN} and list_id not in without:
            yield list_id, action if action != ADDFORCE else ADDNOFORCE


def has_no_list(contact: Contact, change: ContactUpdate) -> bool:
    """Whether properties are sent by way of no list: the contact is on none, and no list has an action."""
    return not change.lists and next(carrier_lists(contact, ()), None) is None


# Which way a contact is sent


def split_by_mode(
    contacts: Sequence[Contact], single_max: int, types: PropertyTypes
) -> tuple[list[Contact], list[Contact]]:
    """Those to be sent in jobs, and those to be sent one by one. Raises DeliveryError."""
    in_jobs: list[Contact] = []
    singly: list[Contact] = []
    for contact in contacts:
        (singly if needs_single_update(contact) else in_jobs).append(contact)
    if 0 < len(in_jobs) <= single_max:
        datatypes = types.for_values([])
        singly += [contact for contact in in_jobs if not _clears(contact, datatypes)]
        in_jobs = [contact for contact in in_jobs if _clears(contact, datatypes)]
    return in_jobs, singly


def needs_single_update(contact: Contact) -> bool:
    """Whether a bulk body cannot express the update, or has rejected it before."""
    return _needs_preparation(contact) or _is_never_in_jobs(contact)


def is_cleared_by_job(contact: Contact, datatypes: Mapping[str, str]) -> bool:
    """Whether it is sent singly only until it has left lists and taken over consent, and a job clears values then."""
    if _is_never_in_jobs(contact) or not _needs_preparation(contact):
        return False
    return _clears(contact, datatypes)


def _is_never_in_jobs(contact: Contact) -> bool:
    desired = contact.desired
    if contact.attempts >= SINGLE_FROM_ATTEMPTS or desired.pending_deletion or desired.is_superseded:
        return True
    return REMOVE in {action for action, _ in desired.lists.values()}


def _needs_preparation(contact: Contact) -> bool:
    """Whether it takes over from a former address, or is on lists that only a former user had."""
    desired, delivered = contact.desired, contact.delivered
    if desired.superseded:
        return True
    if delivered.lists.keys() <= desired.lists.keys():
        return False
    actions = list_actions(desired, delivered)
    return any(
        action != REMOVE and list_id not in desired.lists and actions[list_id] == OFF_LIST
        for list_id, action in delivered.lists.items()
    )


def _clears(contact: Contact, datatypes: Mapping[str, str]) -> bool:
    """Whether a value is to be cleared: null is documented for managemanycontacts only."""
    values = desired_values(contact.desired, contact.delivered)
    return any(clears(value, datatypes.get(name)) for name, value in values.items())


class Queues:
    """Contacts that wait for circuits: postponed while a circuit is open, requeued when it has closed.

    For one account, used by its reconcile thread. Circuits without an error cost nothing here.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._circuits = account.circuits
        #: Lists for which contacts were selected in the last round.
        self._selected_lists: set[int] = set()
        #: The contacts that were requeued have been selected or postponed again.
        self._may_requeue = True
        #: Contacts that wait far back for a time before this (ms) are requeued; 0: none.
        self._requeue_until = 0

    def requeue(self) -> None:
        """Requeue some contacts that wait for circuits that are closed again. They may turn out to wait for other lists:
        then more of them are requeued the next time.
        """
        if not self._may_requeue:
            return
        if self._requeue_until:
            now = self._account.now()
            requeued = queries.changed(
                queries.REQUEUE_UNTIL, now, self._account.id, now + FAR_MS, self._requeue_until, MAX_CONTACTS
            )
            self._may_requeue = requeued == 0
            self._requeue_until = self._requeue_until if requeued == MAX_CONTACTS else 0
        for circuit in self._circuits:
            if not circuit.has_queue or circuit.is_open:
                continue
            circuit.requeue_size = (
                circuit.capacity
                if circuit.list_id in self._selected_lists
                else min(MAX_CONTACTS, circuit.requeue_size * GROWTH)
            )
            circuit.has_queue = self._requeue(self._account.now(), FAR_MS, circuit.requeue_size) > 0
            self._may_requeue = self._may_requeue and not circuit.has_queue

    def select_sendable(self, contacts: Sequence[Contact]) -> tuple[Sequence[Contact], list[Contact]]:
        """Of due contacts those that can be sent now, and those by which circuits are probed, one by one.

        Those of open circuits are postponed; those beyond the capacity of a circuit are left as they are.
        """
        self._may_requeue = True
        if all(circuit.is_idle for circuit in self._circuits):
            return contacts, []
        sendable: list[Contact] = []
        blocked: list[Contact] = []
        for contact in contacts:
            (blocked if self.is_blocked(contact) else sendable).append(contact)
        open_lists = self._circuits.open_lists()
        for contact in blocked:
            for list_id in open_lists.intersection({*contact.desired.named_lists, NO_LIST}):
                circuit = self._circuits[list_id]
                circuit.has_queue = True
                for destination, by_list in contact.pending.items():
                    if list_id in {*map(abs, by_list), NO_LIST}:
                        circuit.destinations.add(destination)
        if blocked:
            self.wait_far_back(blocked)
        return self._apply_capacity(sendable)

    def is_blocked(self, contact: Contact) -> bool:
        """Whether all that is due of it waits for lists whose circuits are open."""
        open_lists = self._circuits.open_lists()
        if not open_lists:
            return False
        if NO_LIST in open_lists and needs_single_update(contact):
            return True
        change = difference(contact.desired, contact.delivered)
        if change is None or contact.desired.pending_deletion:
            return False
        if sendable_actions(change, open_lists) or has_no_list(contact, change):
            return False
        has_properties = change.values or change.name is not None
        return not has_properties or next(carrier_lists(contact, open_lists), None) is None

    def _apply_capacity(self, contacts: Sequence[Contact]) -> tuple[list[Contact], list[Contact]]:
        room = {
            circuit.list_id: circuit.capacity for circuit in self._circuits if circuit.capacity < MAX_CONTACTS
        }
        small = {list_id for list_id, capacity in room.items() if capacity <= MIN_CONTACTS}
        open_lists = self._circuits.open_lists()
        sendable: list[Contact] = []
        probes: list[Contact] = []
        self._selected_lists = set()
        for contact in contacts:
            lists: set[int] = set()
            if change := difference(contact.desired, contact.delivered):
                lists.update(sendable_actions(change, open_lists))
                if not lists and (carrier := next(carrier_lists(contact, open_lists), None)):
                    lists.add(carrier[0])
            if any(room.get(list_id, 1) <= 0 for list_id in lists):
                continue
            for list_id in lists & room.keys():
                room[list_id] -= 1
            self._selected_lists |= lists
            (sendable if lists.isdisjoint(small) else probes).append(contact)
        return sendable, probes

    def wait_far_back(self, contacts: Sequence[Contact]) -> None:
        """Until `requeue_waiting`."""
        postpone(contacts, self._account.now() + BLOCKED_MS)

    def requeue_waiting(self) -> None:
        """Requeue every contact that waits far back by now, a body at a time; those that are still blocked are postponed again."""
        self._requeue_until = self._account.now() + BLOCKED_MS

    def requeue_all(self) -> None:
        """No contact waits far back."""
        now = self._account.now()
        while self._requeue(now, LOST_JOB_MS, MAX_CONTACTS) == MAX_CONTACTS:
            pass

    def reset(self) -> None:
        """Close all circuits and requeue every contact."""
        for circuit in self._circuits:
            circuit.reset()
        self.requeue_all()

    def _requeue(self, now: int, far: int, total: int) -> int:
        return queries.changed(queries.REQUEUE, now, self._account.id, now + far, total)
