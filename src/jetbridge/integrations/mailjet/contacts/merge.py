"""Merges a batch of Identify calls into the desired state of their contacts.

Local work only; what is to be sent to Mailjet is left to reconcile. A user's calls all go to the last
address known for that user, so the order in which a batch brings them does not matter.

Each user has one profile: the values of all the user's calls, at whatever address. It is with the user's present address.
An address that one user has for himself holds that user's profile and nothing else, so that the usual call costs
one row. Where several share an address, each profile is in its user's row, and the contact holds them merged. When
a user leaves, the profile goes along, and the contact is derived anew from those that stay.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from jetbridge.delivery.base import DeliveryCounts, DeliveryItem, DeliveryRecord, Progress
from jetbridge.errors import MessageRejected
from jetbridge.integrations.mailjet.api.resources import UNSUB
from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import (
    FAR_MS,
    Contact,
    Person,
    UnreadableContact,
    add_computed_addresses,
    load_contacts,
    load_people,
    now_ms,
    record_unreadable,
    save_merged,
    save_people,
)
from jetbridge.integrations.mailjet.contacts.mapping import Mapping, TraitNames
from jetbridge.integrations.mailjet.contacts.pending import ByList, Waiting, add
from jetbridge.integrations.mailjet.contacts.state import Computed, DeletionState, Desired, Profile
from jetbridge.integrations.mailjet.contacts.traits import (
    ContactChange,
    contact_change,
    filter_reason,
    no_property_reason,
)
from jetbridge.privacy import erasure
from jetbridge.spec.emails import spellings
from jetbridge.spec.message import encode
from jetbridge.spec.person import UNSUBSCRIBED, explain_missing_address

NO_EMAIL = "NO_EMAIL"

# In memory: the consumers of an account and its reconcile are threads of one process, and nothing is lost with these.
_merged_at: dict[int, int] = {}
_named_lists: dict[int, set[int]] = {}


def last_merged(account: int) -> int:
    """When messages were last merged into contacts of the account by this process (ms; 0: not yet)."""
    return _merged_at.get(account, 0)


def named_lists(account: int) -> frozenset[int]:
    """Lists that calls have named since this process began: `lists_in_use`, which reads all contacts, is seldom called."""
    return frozenset(_named_lists.get(account, ()))


class MailjetDestination:
    """The runtime of one Mailjet destination (`delivery.base.Destination`)."""

    def __init__(
        self,
        destination: int,
        account: int,
        default_list: int,
        *,
        workspace: int,
        delete_former: bool = False,
        unsubscribed_trait: str = UNSUBSCRIBED,
        mapping: Mapping | None = None,
        names: TraitNames | None = None,
        now: Callable[[], int] = now_ms,
    ) -> None:
        self._destination = destination
        self._account = account
        self._default_list = default_list
        self._workspace = workspace
        self._delete_former = delete_former
        self._unsubscribed_trait = unsubscribed_trait
        self._mapping = mapping or Mapping()
        self._names = names
        self._now = now
        #: The highest position that was read.
        self._newest = 0

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        try:
            with progress.commit() as counts:
                if items:  # else only what was filtered is counted
                    self._merge(items, counts)
        except UnreadableContact as error:
            record_unreadable(self._account, error.id)
            raise

    def close(self) -> None:
        """Nothing is kept open."""

    def _merge(self, items: Sequence[DeliveryItem], counts: DeliveryCounts) -> None:
        identifies = [item for item in items if item.message.type != "delete"]
        if len(identifies) < len(items):  # Segment's `delete` calls are pending until everything else is done
            erasure.request_by_calls(self._workspace, self._destination, items, counts)
        pairs = self._read(identifies, counts)
        people = self._load_people(pairs)
        addressed = self._addressed(pairs, people, counts)
        moves = moves_of(people.values(), [change for _, change in pairs])
        emails = {email for _, _, email in addressed}
        emails.update(email for move in moves for email in move.left)
        contacts = load_contacts(self._account, emails)
        owners = Owners(self._account, people, contacts)
        owners.move(moves, delete_former=self._delete_former)
        for _, change, email in addressed:
            if not change.engage:
                owners.merge(change, email)
        for _, change, email in addressed:  # once it is known whose each address is
            if change.engage:
                owners.compute(change, email)
        owners.derive()
        for list_id, by_destination in queries.replaced_lists(self._account).items():
            for contact in contacts.values():
                for to in by_destination.values():
                    contact.desired.carry_unsubscribe(list_id, to)
        self._account_for(self._waiting(addressed, contacts, counts), contacts, counts)
        save_people(self._account, people.values())
        add_computed_addresses(self._account, owners.computed_addresses)
        save_merged(self._account, contacts.values())

    def _read(
        self, items: Sequence[DeliveryItem], counts: DeliveryCounts
    ) -> list[tuple[DeliveryItem, ContactChange]]:
        """The changes of the calls; those that cannot be read fail, and calls of Engage that set no property are filtered."""
        # Most calls bring no settings along, and need no look.
        former_lists = (
            queries.former_lists(self._destination) if any(item.message.settings for item in items) else ()
        )
        pairs: list[tuple[DeliveryItem, ContactChange]] = []
        rejected: list[tuple[str, str, str]] = []
        for item in items:
            try:
                change = contact_change(
                    item.message,
                    self._default_list,
                    self._mapping,
                    self._unsubscribed_trait,
                    former_lists=former_lists,
                )
            except MessageRejected as error:
                counts.fail(_delivery_record("failed", error.code, str(error), item))
                continue
            if change.lost:
                rejected += [(*lost, change.email or change.user_id or "") for lost in change.lost]
            if change.is_named:
                _named_lists.setdefault(self._account, set()).add(change.list_id)
            if change.engage and change.engage.why_not:
                counts.filter(_delivery_record("filtered", *no_property_reason(change.engage), item))
            else:
                pairs.append((item, change))
        if self._names:
            self._names.save()
        if rejected:
            queries.count_rejected_values(self._account, rejected)
        return pairs

    def _load_people(self, pairs: Sequence[tuple[DeliveryItem, ContactChange]]) -> dict[str, Person]:
        """The users of the batch, with the addresses that it names."""
        changes = [change for _, change in pairs if change.user_id and not (change.engage and change.email)]
        people = load_people(self._account, {change.user_id for change in changes if change.user_id})
        implied: list[tuple[Person, str]] = []
        for change in changes:
            user_id = change.user_id or ""
            person = people.get(user_id)
            if person is None:
                person = people[user_id] = Person(user_id)
            if change.email:
                if change.is_implied:
                    implied.append((person, change.email))
                else:
                    person.name_address(change.email, change.time)
        for person, email in implied:  # after all that were named, in whatever order they came
            person.imply_address(email)
        return people

    @staticmethod
    def _addressed(
        pairs: Sequence[tuple[DeliveryItem, ContactChange]], people: dict[str, Person], counts: DeliveryCounts
    ) -> list[tuple[DeliveryItem, ContactChange, str]]:
        """Changes with the address that they go to. The traits of one without an address wait with their user."""
        addressed = []
        for item, change in pairs:
            user_id = None if change.engage and change.email else change.user_id
            person = people[user_id] if user_id else None
            email = person.email if person else change.email
            if email:
                addressed.append((item, change, email))
                continue
            if person:
                profile = person.profile or Profile()
                take(profile, change)
                person.keep_profile(profile)
            missing = explain_missing_address(item.message)
            message = (
                f"No email address is known for user {item.message.user_id[:100]!r} yet. {missing} "
                "The traits are kept and go to the contact as soon as an Identify brings the address."
                if item.message.user_id
                else f"The call has neither an email address nor a userId, so there is no contact to keep. {missing}"
            )
            counts.filter(_delivery_record("filtered", NO_EMAIL, message, item))
        return addressed

    def _waiting(
        self,
        addressed: Sequence[tuple[DeliveryItem, ContactChange, str]],
        contacts: dict[str, Contact],
        counts: DeliveryCounts,
    ) -> dict[str, ByList]:
        """The messages that a contact has to be acknowledged for, by address; calls of Engage that change nothing are filtered."""
        waiting: dict[str, ByList] = {}
        for item, change, email in addressed:
            if change.engage:
                contact = contacts[email]
                if reason := filter_reason(change, email, contact.desired, contact.delivered):
                    counts.filter(_delivery_record("filtered", *reason, item))
                    continue
            by_list = waiting.get(email)
            if by_list is None:
                by_list = waiting[email] = {}
            since = 0  # for a message that is read again: how long it waits is not our speed
            if item.position > self._newest:
                self._newest = item.position
                since = int(item.message.received_at.timestamp() * 1000)
            message = Waiting(item.total, item.position, item.message.message_id, item.position, since)
            add(by_list, change.key, message)
        return waiting

    def _account_for(
        self, waiting: dict[str, ByList], contacts: dict[str, Contact], counts: DeliveryCounts
    ) -> None:
        """Messages that leave an acknowledged contact as Mailjet has it are delivered; the others wait for it."""
        now = self._now()
        for email, contact in contacts.items():
            messages = waiting.get(email)
            total = 0
            for merged in messages.values() if messages else ():
                total += merged.total
            if contact.is_idle and contact.is_unchanged:
                counts.delivered += total
                continue
            if messages:
                pending = contact.pending.setdefault(self._destination, messages)
                if pending is not messages:
                    for key, merged in messages.items():
                        add(pending, key, merged)
                counts.in_flight += total
                _merged_at[self._account] = now
            elif contact.id is None and contact.agrees:  # Engage knows the address, and nobody else
                continue
            if contact.job_id is None and (
                contact.next_attempt_at is None or contact.next_attempt_at - now > FAR_MS
            ):
                contact.next_attempt_at = now


def _delivery_record(outcome: str, reason: str, message: str, item: DeliveryItem) -> DeliveryRecord:
    return DeliveryRecord(
        outcome=outcome,
        reason=reason,
        detail=message,
        position=item.position,
        total=item.total,
        message_id=item.message.message_id,
        person=item.message.user_id or "",
        body=encode(item.message) if outcome == "failed" else None,
    )


# ---- whose properties are whose


class Move(NamedTuple):
    """A user's former addresses and since when each is former (ms), and which of them became so in this batch."""

    person: Person
    left: dict[str, int]
    newly: set[str]


def moves_of(people: Iterable[Person], changes: Iterable[ContactChange]) -> list[Move]:
    """Users whose addresses changed; and who unsubscribes, perhaps late: an address that was the user's then is
    unsubscribed, too.
    """
    unsubscribing = {change.user_id for change in changes if change.action == UNSUB}
    moves = []
    for person in people:
        left, newly = person.moves()
        if not left and person.user_id in unsubscribing:
            left = person.departures()
        if left:
            moves.append(Move(person, left, newly))
    return moves


class Owners:
    """`people` and `contacts` are those of the batch; both grow."""

    def __init__(self, account: int, people: dict[str, Person], contacts: dict[str, Contact]) -> None:
        self._account = account
        self._people = people
        self._contacts = contacts
        #: Contacts to be derived anew from the profiles of their owners.
        self._stale: dict[str, Desired] = {}
        #: Users who are at another address than before, and when they last named that (ms).
        self._arrived: dict[str, int] = {}
        self._moves: Sequence[Move] = ()
        #: Users and addresses that only calls of Engage have named together.
        self.computed_addresses: set[tuple[str, str]] = set()

    def move(self, moves: Sequence[Move], *, delete_former: bool) -> None:
        """Let users leave their former addresses: all of them, before anybody arrives, so that two may swap."""
        self._moves = moves
        former_states = [
            (move.person, email, self._desired(email).opt_outs(), list(self._desired(email).superseded))
            for move in moves
            for email in sorted(move.newly)
        ]
        for person, left, newly in moves:
            self._arrived[person.user_id] = 0
            for email, since in left.items():
                self._leave(person, email, since)
                former = self._desired(email)
                if email in newly and not former.users and former.deletion is not DeletionState.ERASED:
                    former.deletion = (
                        DeletionState.AFTER_ADDRESS_CHANGE if delete_former else DeletionState.NONE
                    )
        # Unsubscribes of a former address hold for the present one; Mailjet may know of more.
        for person, email, opt_outs, superseded in former_states:
            if person.email is None:
                continue
            present = self._desired(person.email)
            present.supersede([email, *superseded], person.email)
            present.inherit(opt_outs)
            if opt_outs.lists or opt_outs.parked:
                profile = person.profile or Profile()
                profile.merge_all(opt_outs)
                person.keep_profile(profile)

    def _leave(self, person: Person, email: str, since: int) -> None:
        """The address was the user's until then. It is recorded even if it was named only now: Mailjet may know of an
        unsubscribe there, or report one later.
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

    def merge(self, change: ContactChange, email: str) -> None:
        """Take a call that goes to this address."""
        desired = self._desired(email)
        if change.user_id is None:
            if desired.is_crowded or not (desired.is_apart or desired.users or desired.left):
                take(desired, change)
            else:
                self._take_apart(desired)
                if desired.anonymous is None:
                    desired.anonymous = Profile()
                take(desired.anonymous, change)
                self._stale[email] = desired
            desired.named_by(None, change.time)
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
        desired.named_by(person.user_id, change.time)

    def compute(self, change: ContactChange, email: str) -> None:
        """Take a call of Engage. What names its address stays with that; what names a user alone goes along with the user."""
        desired, computed = self._desired(email), _computed(change)
        user_id = change.user_id
        if change.email or user_id is None:
            if user_id and user_id not in desired.users and user_id not in desired.computed_here:
                self.computed_addresses.add((user_id, email))
            desired.compute_here(user_id, computed)
            return
        if not desired.is_own_of(user_id):
            person = self._people[user_id]
            profile = person.profile or Profile()
            profile.compute(computed)
            person.keep_profile(profile)
        desired.compute(computed)

    def derive(self) -> None:
        """Derive those contacts anew that somebody left."""
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

    def _arrive(self, person: Person, desired: Desired) -> None:
        if person.profile:
            desired.merge_all(person.profile)
            named_at = max(person.profile.time, self._arrived.pop(person.user_id, 0))
            desired.named_by(person.user_id, named_at)

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
    profile.apply_list_action(change.list_id, change.action, change.requested_at)
    if change.action == UNSUB:
        first = profile.first_unsub.get(change.list_id, change.requested_at)
        profile.first_unsub[change.list_id] = min(first, change.requested_at)


def _computed(change: ContactChange) -> Computed:
    computed, engage = Computed(), change.engage
    computed.values = {name: (change.time, value) for name, value in change.properties.items()}
    if engage and engage.adds_members:
        computed.added[engage.addition] = change.time, engage.is_member, change.list_id
    if engage and engage.follows is not None:
        computed.followed[engage.follows] = change.time, engage.is_member
    return computed
