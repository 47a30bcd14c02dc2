"""Contacts that wait for lanes: held back while a lane rests, called up again when it is awake.

They wait far back among the due contacts, so that the others are found without going past them. A lane that
wakes up is tried with a few of them; with each success it calls up more.
"""

from collections.abc import Sequence

from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import FAR_MS, HELD_BACK_MS, Contact, postpone
from jetbridge.integrations.mailjet.contacts.state import difference
from jetbridge.integrations.mailjet.sync.account import Account
from jetbridge.integrations.mailjet.sync.bulk_jobs import LOST_JOB_MS
from jetbridge.integrations.mailjet.sync.list_circuit import FEWEST, GROWTH, MAX_CONTACTS, NO_LIST, Lane
from jetbridge.integrations.mailjet.sync.prepare import is_stuck, lists_to_tell
from jetbridge.integrations.mailjet.sync.update_mode import wants_care


class Queues:
    """For one account, used by its reconcile thread. Lanes of which nothing is wrong cost nothing here."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lanes = account.lanes
        #: Lists that something was let through for in the last round.
        self._seen: set[int] = set()
        #: What was called up has had its turn.
        self._may_call = True
        #: Who waits far back for a moment before this (ms) is called up, whatever for; 0: nobody.
        self._call_until = 0

    def call_up(self) -> None:
        """Let lanes that are awake call up some of those that wait. They may turn out to wait for others: then
        more of them are called the next time.
        """
        if not self._may_call:
            return
        if self._call_until:
            now = self._account.now()
            called = queries.changed(
                queries.CALL_UP_UNTIL, now, self._account.id, now + FAR_MS, self._call_until, MAX_CONTACTS
            )
            self._may_call = called == 0
            self._call_until = self._call_until if called == MAX_CONTACTS else 0
        for lane in self._lanes:
            if not lane.has_queue or lane.rests:
                continue
            lane.calls = lane.most if lane.list_id in self._seen else min(MAX_CONTACTS, lane.calls * GROWTH)
            lane.has_queue = self._call(self._account.now(), FAR_MS, lane.calls) > 0
            self._may_call = self._may_call and not lane.has_queue

    def let_through(self, contacts: Sequence[Contact]) -> tuple[Sequence[Contact], list[Contact]]:
        """Of due contacts those that can be told something now, and those by which lanes are tried, one by one.

        Those of resting lanes are held back; those beyond what a lane can take for now are left as they are.
        """
        self._may_call = True
        if all(lane.is_idle for lane in self._lanes):
            return contacts, []
        awake: list[Contact] = []
        stuck: list[Contact] = []
        for each in contacts:
            (stuck if self.is_stuck(each) else awake).append(each)
        self._hold_back(stuck)
        return self._as_lanes_can(awake)

    def is_stuck(self, contact: Contact) -> bool:
        """Whether there is nothing that it could be told now."""
        resting = self._lanes.resting()
        if not resting:
            return False
        if NO_LIST in resting and wants_care(contact):
            return True
        change = difference(contact.desired, contact.delivered)
        return change is not None and not contact.desired.is_to_go and is_stuck(contact, change, resting)

    def call_all(self) -> None:
        """Nobody is to wait far back."""
        now = self._account.now()
        while self._call(now, LOST_JOB_MS, MAX_CONTACTS) == MAX_CONTACTS:
            pass

    def wait_far_back(self, contacts: Sequence[Contact]) -> None:
        """Until `call_up_waiting`."""
        postpone(contacts, self._account.now() + HELD_BACK_MS)

    def call_up_waiting(self) -> None:
        """Everybody who waits far back by now has a turn, a body at a time; who is to wait on does so afterwards."""
        self._call_until = self._account.now() + HELD_BACK_MS

    def wake(self) -> None:
        """Try all lanes at once."""
        for lane in self._lanes:
            lane.wake()
        self.call_all()

    def _hold_back(self, contacts: list[Contact]) -> None:
        if not contacts:
            return
        resting = self._lanes.resting()
        for contact in contacts:
            for list_id in resting.intersection({*contact.desired.named_lists, NO_LIST}):
                self._wait_for(self._lanes[list_id], contact)
        self.wait_far_back(contacts)

    @staticmethod
    def _wait_for(lane: Lane, contact: Contact) -> None:
        lane.has_queue = True
        for destination, by_list in contact.pending.items():
            if lane.list_id in {*map(abs, by_list), NO_LIST}:
                lane.destinations.add(destination)

    def _as_lanes_can(self, contacts: Sequence[Contact]) -> tuple[list[Contact], list[Contact]]:
        room = {lane.list_id: lane.most for lane in self._lanes if lane.most < MAX_CONTACTS}
        small = {list_id for list_id, most in room.items() if most <= FEWEST}
        resting = self._lanes.resting()
        ordinary: list[Contact] = []
        probes: list[Contact] = []
        self._seen = set()
        for contact in contacts:
            lists = lists_to_tell(contact, resting)
            if any(room.get(list_id, 1) <= 0 for list_id in lists):
                continue
            for list_id in lists & room.keys():
                room[list_id] -= 1
            self._seen |= lists
            (ordinary if lists.isdisjoint(small) else probes).append(contact)
        return ordinary, probes

    def _call(self, now: int, far: int, total: int) -> int:
        return queries.changed(queries.CALL_UP, now, self._account.id, now + far, total)
