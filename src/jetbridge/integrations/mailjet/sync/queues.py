"""Contacts that wait for circuits: postponed while a circuit is open, requeued when it has closed.

They wait far back among the due contacts, so that the others are found without going past them. A list whose
circuit has closed is tried with a few of them; with each success more are requeued.
"""

from collections.abc import Sequence

from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import FAR_MS, HELD_BACK_MS, Contact, postpone
from jetbridge.integrations.mailjet.contacts.state import difference
from jetbridge.integrations.mailjet.sync.account import Account
from jetbridge.integrations.mailjet.sync.bulk_jobs import LOST_JOB_MS
from jetbridge.integrations.mailjet.sync.list_circuit import (
    FEWEST,
    GROWTH,
    MAX_CONTACTS,
    NO_LIST,
    ListCircuit,
)
from jetbridge.integrations.mailjet.sync.prepare import is_blocked, lists_to_send
from jetbridge.integrations.mailjet.sync.update_mode import needs_single_update


class Queues:
    """For one account, used by its reconcile thread. Circuits without an error cost nothing here."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._circuits = account.circuits
        #: Lists for which contacts were selected in the last round.
        self._seen: set[int] = set()
        #: The contacts that were requeued have had their turn.
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
                circuit.most
                if circuit.list_id in self._seen
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
        for each in contacts:
            (blocked if self.is_blocked(each) else sendable).append(each)
        self._postpone_blocked(blocked)
        return self._apply_capacity(sendable)

    def is_blocked(self, contact: Contact) -> bool:
        """Whether nothing of it can be sent now."""
        open_lists = self._circuits.open_lists()
        if not open_lists:
            return False
        if NO_LIST in open_lists and needs_single_update(contact):
            return True
        change = difference(contact.desired, contact.delivered)
        return (
            change is not None
            and not contact.desired.pending_deletion
            and is_blocked(contact, change, open_lists)
        )

    def requeue_all(self) -> None:
        """No contact waits far back."""
        now = self._account.now()
        while self._requeue(now, LOST_JOB_MS, MAX_CONTACTS) == MAX_CONTACTS:
            pass

    def wait_far_back(self, contacts: Sequence[Contact]) -> None:
        """Until `requeue_waiting`."""
        postpone(contacts, self._account.now() + HELD_BACK_MS)

    def requeue_waiting(self) -> None:
        """Everybody who waits far back by now has a turn, a body at a time; who is to wait on does so afterwards."""
        self._requeue_until = self._account.now() + HELD_BACK_MS

    def reset(self) -> None:
        """Close all circuits and requeue everybody."""
        for circuit in self._circuits:
            circuit.reset()
        self.requeue_all()

    def _postpone_blocked(self, contacts: list[Contact]) -> None:
        if not contacts:
            return
        open_lists = self._circuits.open_lists()
        for contact in contacts:
            for list_id in open_lists.intersection({*contact.desired.named_lists, NO_LIST}):
                self._wait_for(self._circuits[list_id], contact)
        self.wait_far_back(contacts)

    @staticmethod
    def _wait_for(circuit: ListCircuit, contact: Contact) -> None:
        circuit.has_queue = True
        for destination, by_list in contact.pending.items():
            if circuit.list_id in {*map(abs, by_list), NO_LIST}:
                circuit.destinations.add(destination)

    def _apply_capacity(self, contacts: Sequence[Contact]) -> tuple[list[Contact], list[Contact]]:
        room = {circuit.list_id: circuit.most for circuit in self._circuits if circuit.most < MAX_CONTACTS}
        small = {list_id for list_id, most in room.items() if most <= FEWEST}
        open_lists = self._circuits.open_lists()
        ordinary: list[Contact] = []
        probes: list[Contact] = []
        self._seen = set()
        for contact in contacts:
            lists = lists_to_send(contact, open_lists)
            if any(room.get(list_id, 1) <= 0 for list_id in lists):
                continue
            for list_id in lists & room.keys():
                room[list_id] -= 1
            self._seen |= lists
            (ordinary if lists.isdisjoint(small) else probes).append(contact)
        return ordinary, probes

    def _requeue(self, now: int, far: int, total: int) -> int:
        return queries.changed(queries.REQUEUE, now, self._account.id, now + far, total)
