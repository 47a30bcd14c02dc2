"""One contact as it should be beside what Mailjet confirmed, for people."""

from collections.abc import Iterator, Mapping

from jetbridge.integrations.contact_book import Card, HistoryEntry, ListState, PropertyState
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts import history, pending
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import (
    LEFT,
    UNKNOWN,
    Change,
    desired_values,
    difference,
    list_actions,
    same,
)

#: Actions in words.
SUBSCRIPTIONS = {
    ADDNOFORCE: "subscribed",
    ADDFORCE: "subscribed again",
    UNSUB: "unsubscribed",
    REMOVE: "not on the list",
    LEFT: "not on the list",
    UNKNOWN: "not known: an answer was lost",
}
#: Said of a value that is rejected when the reason is not known any more.
REFUSED = "Mailjet's Datatype of the property refuses it."


def card(
    contact: Contact, *, list_names: Mapping[int, str] | None = None, reasons: Mapping[str, str] | None = None
) -> Card:
    """`reasons` are why values of a property are rejected."""
    desired, change = contact.desired, difference(contact.desired, contact.delivered)
    return Card(
        email=contact.email,
        users=sorted(desired.users, key=lambda user: desired.users[user]),
        agrees=contact.agrees,
        lists=list(_lists(contact, change, list_names or {})),
        properties=list(_properties(contact, change, reasons or {})),
        history=[
            HistoryEntry(each.at, each.by, each.answer, each.total) for each in history.read(contact.history)
        ],
        due_at=contact.next_attempt_at or 0,
        job=contact.job_id or 0,
        tries=contact.attempts,
        messages=sum(waiting.total for _, _, waiting in pending.each(contact.pending)),
        to_be_deleted=desired.pending_deletion,
        opted_out=desired.opted_out,
        bounced=desired.bounced,
        moved_to=desired.moved_to if desired.has_left else "",
    )


def _lists(contact: Contact, change: Change | None, names: Mapping[int, str]) -> Iterator[ListState]:
    desired, delivered = contact.desired, contact.delivered
    for list_id, action in list_actions(desired, delivered).items():
        yield ListState(
            list_id,
            names.get(list_id, ""),
            action,
            delivered.lists.get(list_id),
            desired.list_time(list_id),
            desired.unsubscribed_from(list_id),
            bool(change and list_id in change.lists),
            action in {ADDFORCE, ADDNOFORCE},
            SUBSCRIPTIONS[action],
            SUBSCRIPTIONS.get(delivered.lists.get(list_id, ""), "not sent yet"),
        )


def _properties(
    contact: Contact, change: Change | None, reasons: Mapping[str, str]
) -> Iterator[PropertyState]:
    desired, delivered = contact.desired, contact.delivered
    present = desired.present
    for name, value in sorted(desired_values(desired, delivered).items()):
        if name not in present.values and delivered.values.get(name) is None:
            continue  # it was a former user's, and is cleared
        is_rejected = name in delivered.rejected and same(delivered.rejected[name], value)
        yield PropertyState(
            name,
            value,
            delivered.values.get(name),
            present.time_of(name) if name in present.values else desired.left_at,
            bool(change and name in change.values),
            reasons.get(name, REFUSED) if is_rejected else "",
        )
