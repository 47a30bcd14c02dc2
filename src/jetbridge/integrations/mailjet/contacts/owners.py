"""Whose properties are whose: the contact state of one batch, with the profiles of the users behind it.

Each user has one profile: all that the user has said, at whatever address. It is with the user's present address.
An address that one user has for himself holds that user's profile and nothing else, so that the usual call costs
one row. Where several share an address, each profile is in its user's row, and the contact holds them merged. When
a user leaves, the profile goes along, and the contact is made anew of those that stay.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jetbridge.integrations.mailjet.api.resources import UNSUB
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import FORGOTTEN, MOVING, Computed, Desired, Profile
from jetbridge.integrations.mailjet.contacts.traits import ContactChange
from jetbridge.integrations.mailjet.contacts.user_addresses import Person, load_people
from jetbridge.spec.emails import spellings


class Move(NamedTuple):
    """A user's former addresses and since when each is former (ms), and which of them became so in this batch."""

    person: Person
    left: dict[str, int]
    newly: set[str]


def moves(people: Iterable[Person], calls: Iterable[ContactChange]) -> list[Move]:
    """Users whose addresses changed; and who unsubscribes, perhaps late: what was an address's then is to know it."""
    unsubscribe = {call.user_id for call in calls if call.action == UNSUB}
    found = []
    for person in people:
        left, newly = person.moves()
        if not left and person.user_id in unsubscribe:
            left = person.departures()
        if left:
            found.append(Move(person, left, newly))
    return found


class Owners:
    """`people` and `contacts` are those of the batch; both grow."""

    def __init__(self, account: int, people: dict[str, Person], contacts: dict[str, Contact]) -> None:
        self._account = account
        self._people = people
        self._contacts = contacts
        #: Contacts to be made anew of the profiles of their owners.
        self._stale: dict[str, Desired] = {}
        #: Users who are at another address than before, and when they last spoke at that (ms).
        self._arrived: dict[str, int] = {}
        self._moves: Sequence[Move] = ()
        #: Users and addresses that only calls of Engage have named together.
        self.computed_addresses: set[tuple[str, str]] = set()

    def move(self, moves: Sequence[Move], *, delete_former: bool) -> None:
        """Let users leave their former addresses: all of them, before anybody arrives, so that two may swap."""
        self._moves = moves
        former_state = [
            (move.person, email, self._desired(email).opt_outs(), list(self._desired(email).superseded))
            for move in moves
            for email in sorted(move.newly)
        ]
        for person, left, newly in moves:
            self._arrived[person.user_id] = 0
            for email, since in left.items():
                self._leave(person, email, since)
                former = self._desired(email)
                if email in newly and not former.users and former.gone != FORGOTTEN:
                    former.gone = MOVING if delete_former else 0
        for person, email, refusals, superseded in former_state:
            self._follow(person, refusals, [email, *superseded])

    def merge(self, change: ContactChange, email: str) -> None:
        """Take a call that goes to this address."""
        desired = self._desired(email)
        if change.user_id is None:
            self._merge_anonymous(change, email, desired)
            return
        person = self._people[change.user_id]
        if person.user_id in desired.left:
            del desired.left[person.user_id]
            self._stale[email] = desired
        if desired.is_own_of(person.user_id):
            if person.profile is not None:
                self._arrive(person, desired)
                person.keep_profile(None)
        else:
            self._take_apart(desired)
            if person.user_id not in desired.users or person.user_id in self._arrived:
                self._arrive(person, desired)
            profile = person.profile or Profile()
            take(profile, change)
            person.keep_profile(profile)
        take(desired, change)
        desired.said_by(person.user_id, change.time)

    def compute(self, call: ContactChange, email: str) -> None:
        """Take a call of Engage. What names its address stays with that; what names a user alone goes along with the user."""
        desired, computed = self._desired(email), _computed(call)
        if call.email or call.user_id is None:
            if (
                call.user_id
                and call.user_id not in desired.users
                and call.user_id not in desired.computed_here
            ):
                self.computed_addresses.add((call.user_id, email))
            desired.compute_here(call.user_id, computed)
            return
        person = self._people[call.user_id]
        if not desired.is_own_of(person.user_id):
            profile = person.profile or Profile()
            profile.compute(computed)
            person.keep_profile(profile)
        desired.compute(computed)

    def derive(self) -> None:
        """Make those contacts anew that somebody left."""
        for person, left, _ in self._moves:
            present = self._desired(person.email or "")
            profile = present if present.is_own_of(person.user_id) else person.profile
            for email, since in left.items():
                for list_id, at in profile.unsubscribes(since).items() if profile else ():
                    self._desired(email).unsubscribe(list_id, at)
        self._load({user for desired in self._stale.values() for user in desired.users})
        for desired in self._stale.values():
            if desired.is_crowded or (desired.users and not desired.is_apart):
                continue
            people = [self._people[user] for user in desired.users if user in self._people]
            desired.derive([person.profile for person in people if person.profile])
            if desired.anonymous is None and len(people) <= 1:
                desired.is_apart = False
                for person in people:
                    person.keep_profile(None)

    def _desired(self, email: str) -> Desired:
        contact = self._contacts.get(email)
        if contact is None:
            contact = self._contacts[email] = Contact(email)
            # Mailjet may have it under the other spelling of its domain, and know of an unsubscribe there.
            contact.desired.supersede(spellings(email)[1:], email)
        return contact.desired

    def _leave(self, person: Person, email: str, since: int) -> None:
        """The address was the user's until then, or is heard of only now. It is written down in either case: Mailjet
        may know of an unsubscribe there, or hear of one later.
        """
        former, user = self._desired(email), person.user_id
        if user in former.users:
            if former.is_own_of(user):
                profile = former.take()
                if person.profile:
                    profile.merge_all(person.profile)
                person.keep_profile(profile)
            else:
                self._take_apart(former)
            self._arrived[user] = max(former.users.pop(user), self._arrived[user])
            if person.profile:
                former.keep_unsubscribes(person.profile)
        elif not former.users:
            self._take_apart(former)
        former.leave(user, since, person.email or "")
        self._stale[email] = former

    def _arrive(self, person: Person, desired: Desired) -> None:
        if person.profile:
            desired.merge_all(person.profile)
            spoke_at = max(person.profile.time, self._arrived.pop(person.user_id, 0))
            desired.said_by(person.user_id, spoke_at)

    def _follow(self, person: Person, refusals: Desired, superseded: list[str]) -> None:
        """Unsubscribes of a former address hold for the present one; Mailjet may know of more."""
        if person.email is None:
            return
        new = self._desired(person.email)
        new.supersede(superseded, person.email)
        new.inherit(refusals)
        if refusals.lists or refusals.parked:
            profile = person.profile or Profile()
            profile.merge_all(refusals)
            person.keep_profile(profile)

    def _merge_anonymous(self, change: ContactChange, email: str, desired: Desired) -> None:
        if desired.is_crowded or not (desired.is_apart or desired.users or desired.left):
            take(desired, change)
        else:
            self._take_apart(desired)
            if desired.anonymous is None:
                desired.anonymous = Profile()
            take(desired.anonymous, change)
            self._stale[email] = desired
        desired.said_by(None, change.time)

    def _take_apart(self, desired: Desired) -> None:
        """Give each owner a profile apart, before another one comes."""
        if desired.is_apart:
            return
        desired.is_apart = True
        if not desired.users:
            desired.keep_unsubscribes(desired)
            if desired.named_at:
                desired.anonymous = desired.copy()
        elif not desired.is_crowded:
            self._load(desired.users)
            # More than one, if it is from before profiles were kept: nobody knows any more who said what.
            for user in desired.users:
                if user in self._people:
                    self._people[user].keep_profile(desired.copy())

    def _load(self, users: Iterable[str]) -> None:
        missing = [user for user in users if user not in self._people]
        if missing:
            self._people |= load_people(self._account, missing)


def take(profile: Profile, change: ContactChange) -> None:
    """Take one call into a profile."""
    if change.engage:
        profile.compute(_computed(change))
        return
    profile.merge(change.properties, change.time)
    profile.apply_list_action(change.list_id, change.action, change.asked_at)
    if change.action == UNSUB:
        first = profile.first_unsub.get(change.list_id, change.asked_at)
        profile.first_unsub[change.list_id] = min(first, change.asked_at)


def _computed(call: ContactChange) -> Computed:
    computed, engage = Computed(), call.engage
    computed.values = {name: (call.time, value) for name, value in call.properties.items()}
    if engage and engage.adds_members:
        computed.added[engage.addition] = call.time, engage.is_member, call.list_id
    if engage and engage.follows is not None:
        computed.followed[engage.follows] = call.time, engage.is_member
    return computed
