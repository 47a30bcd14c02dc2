"""Merges a batch of Identify calls into the desired state of their contacts.

Local work only; what is to be said to Mailjet is left to reconcile. A user's calls all go to the last
address known for that user, so the order in which a batch brings them does not matter.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from jetbridge.delivery.base import Item, Progress
from jetbridge.delivery.delivery_counts import DeliveryCounts, DeliveryRecord
from jetbridge.errors import MessageRejected
from jetbridge.integrations.mailjet.contacts import (
    activity,
    engage_outcome,
    iteration,
    replaced_lists,
    unreadable,
)
from jetbridge.integrations.mailjet.contacts.contact import (
    FAR_MS,
    Contact,
    UnreadableContact,
    load_contacts,
    save_merged,
)
from jetbridge.integrations.mailjet.contacts.mapping import Mapping, TraitNames
from jetbridge.integrations.mailjet.contacts.owners import Owners, moves, take
from jetbridge.integrations.mailjet.contacts.pending import ByList, Waiting, add
from jetbridge.integrations.mailjet.contacts.rejected import report_rejected_values
from jetbridge.integrations.mailjet.contacts.state import Profile
from jetbridge.integrations.mailjet.contacts.traits import ContactChange, contact_change
from jetbridge.integrations.mailjet.contacts.user_addresses import (
    Person,
    add_computed_addresses,
    load_people,
    save_people,
)
from jetbridge.privacy import erasure
from jetbridge.spec.message import Message, encode
from jetbridge.spec.person import UNSUBSCRIBED, explain_missing_address

NO_EMAIL = "NO_EMAIL"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


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

    def deliver(self, items: Sequence[Item], progress: Progress) -> None:
        try:
            self._deliver(items, progress)
        except UnreadableContact as error:
            unreadable.remember(self._account, error.id)
            raise

    def _deliver(self, items: Sequence[Item], progress: Progress) -> None:
        with progress.commit() as counts:
            pairs = list(self._changes(self._ask_to_forget(items, counts), counts))
            self._report_names(pairs)
            iteration.note_lists(self._account, {change.list_id for _, change in pairs if change.is_named})
            pairs = list(_with_property(pairs, counts))
            # A call of Engage for an address says nothing of where its user is.
            users = {
                change.user_id
                for _, change in pairs
                if change.user_id and not (change.engage and change.email)
            }
            people = load_people(self._account, users)
            self._learn_addresses(pairs, people)
            addressed = list(self._addressed(pairs, people, counts))
            moved = moves(people.values(), [change for _, change in pairs])
            wanted = {email for _, _, email in addressed}
            wanted.update(email for move in moved for email in move.left)
            contacts = load_contacts(self._account, wanted)
            owners = Owners(self._account, people, contacts)
            owners.move(moved, delete_former=self._delete_former)
            for _, change, email in addressed:
                if not change.engage:
                    owners.merge(change, email)
            for _, change, email in addressed:  # once it is known whose each address is
                if change.engage:
                    owners.compute(change, email)
            owners.derive()
            replaced_lists.carry_unsubscribes(self._account, contacts.values())
            self._account_for(addressed, contacts, counts)
            save_people(self._account, people.values())
            add_computed_addresses(self._account, owners.computed_addresses)
            save_merged(self._account, contacts.values())

    def close(self) -> None:
        """Nothing is kept open."""

    def _ask_to_forget(self, items: Sequence[Item], counts: DeliveryCounts) -> Sequence[Item]:
        """Segment's `delete` calls are pending until everything else is done; return the other calls."""
        erasure.request_by_calls(self._workspace, self._destination, items, counts)
        return [item for item in items if item.message.type != "delete"]

    def _changes(self, items: Sequence[Item], counts: DeliveryCounts) -> Iterator[tuple[Item, ContactChange]]:
        # Most calls bring no settings along, and need no look.
        former = (
            replaced_lists.former_lists(self._destination)
            if any(item.message.settings for item in items)
            else ()
        )
        for item in items:
            try:
                yield (
                    item,
                    contact_change(
                        item.message,
                        self._default_list,
                        self._mapping,
                        self._unsubscribed_trait,
                        former_lists=former,
                    ),
                )
            except MessageRejected as error:
                counts.fail(_delivery_record("failed", error.code, str(error), item))

    def _report_names(self, pairs: Sequence[tuple[Item, ContactChange]]) -> None:
        """Write down traits that are new, and those that lost their property to another one of their call."""
        if self._names:
            self._names.save()
        lost = [(*lost, change.email or change.user_id or "") for _, change in pairs for lost in change.lost]
        if lost:
            report_rejected_values(self._account, lost)

    @staticmethod
    def _learn_addresses(pairs: Sequence[tuple[Item, ContactChange]], people: dict[str, Person]) -> None:
        for _, change in pairs:
            if not change.user_id or (change.engage and change.email):
                continue
            person = people.get(change.user_id)
            if person is None:
                person = people[change.user_id] = Person(change.user_id)
            if change.email and not (change.is_implied or change.engage):
                person.said_address(change.email, change.time)
        for _, change in pairs:  # after all that were said, in whatever order they came
            if change.user_id and change.email and change.is_implied:
                people[change.user_id].imply_address(change.email)

    @staticmethod
    def _addressed(
        pairs: Sequence[tuple[Item, ContactChange]], people: dict[str, Person], counts: DeliveryCounts
    ) -> Iterator[tuple[Item, ContactChange, str]]:
        """Changes with the address they go to. One without an address waits with its user."""
        for item, change in pairs:
            person = (
                people[change.user_id] if change.user_id and not (change.engage and change.email) else None
            )
            email = person.email if person else change.email
            if email:
                yield item, change, email
                continue
            if person:
                profile = person.profile or Profile()
                take(profile, change)
                person.keep_profile(profile)
            counts.filter(_delivery_record("filtered", NO_EMAIL, _no_email_sentence(item.message), item))

    def _account_for(
        self,
        addressed: Sequence[tuple[Item, ContactChange, str]],
        contacts: dict[str, Contact],
        counts: DeliveryCounts,
    ) -> None:
        """Messages that leave a acknowledged contact as Mailjet has it are delivered; the others wait for it."""
        waiting: dict[str, ByList] = {}
        for item, change, email in addressed:
            if reason := engage_outcome.filter_reason(change, contacts[email]):
                counts.filter(_delivery_record("filtered", *reason, item))
                continue
            by_list = waiting.get(email)
            if by_list is None:
                by_list = waiting[email] = {}
            add(by_list, change.key, self._waiting(item))
        now = self._now()
        for email, contact in contacts.items():
            messages = waiting.get(email)
            total = 0
            for merged in messages.values() if messages else ():
                total += merged.total
            if contact.is_idle and contact.is_unchanged:
                counts.delivered += total
                continue
            if (
                not messages and contact.id is None and contact.agrees
            ):  # Engage knows the address, and nobody else
                continue
            if messages:
                self._wait(contact, messages)
                counts.in_flight += total
                activity.merged(self._account, now)
            if contact.job_id is None and (
                contact.next_attempt_at is None or contact.next_attempt_at - now > FAR_MS
            ):
                contact.next_attempt_at = now

    def _wait(self, contact: Contact, messages: ByList) -> None:
        known = contact.pending.get(self._destination)
        if known is None:
            contact.pending[self._destination] = messages
            return
        for key, waiting in messages.items():
            add(known, key, waiting)

    def _waiting(self, item: Item) -> Waiting:
        """A message that is read again waits since a time that tells nothing of our speed."""
        since = 0
        if item.position > self._newest:
            self._newest = item.position
            since = int(item.message.received_at.timestamp() * 1000)
        return Waiting(item.total, item.position, item.message.message_id, item.position, since)


def _with_property(
    pairs: Sequence[tuple[Item, ContactChange]], counts: DeliveryCounts
) -> Iterator[tuple[Item, ContactChange]]:
    """Without calls of Engage that set no property: they do nothing else."""
    for item, change in pairs:
        if change.engage and change.engage.why_not:
            counts.filter(_delivery_record("filtered", *engage_outcome.without_property(change.engage), item))
        else:
            yield item, change


def _no_email_sentence(message: Message) -> str:
    seen = explain_missing_address(message)
    if message.user_id:
        return (
            f"No email address is known for user {message.user_id[:100]!r} yet. {seen} "
            "The traits are kept and go to the contact as soon as an Identify brings the address."
        )
    return f"The call has neither an email address nor a userId, so there is no contact to keep. {seen}"


def _delivery_record(outcome: str, reason: str, sentence: str, item: Item) -> DeliveryRecord:
    return DeliveryRecord(
        outcome=outcome,
        reason=reason,
        sentence=sentence,
        position=item.position,
        total=item.total,
        message_id=item.message.message_id,
        person=item.message.user_id or "",
        body=encode(item.message) if outcome == "failed" else None,
    )
