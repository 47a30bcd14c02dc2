"""What to send to Mailjet about a contact: the body of a call, and what is confirmed when it succeeds."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn

from jetbridge.integrations.mailjet.api.properties import ValueRejected, fit, is_empty
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import (
    UNKNOWN,
    ContactUpdate,
    Delivered,
    contact_name,
    difference,
)


@dataclass(slots=True)
class Prepared:
    """`sent` is what a success confirms. `rejected_properties` are (property, sentence) of values rejected.

    `lists` are those that the calls are made for; one by way of which only properties are sent is not in `sent`.
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
        # Nobody knows whether a call without Name blanks it, so it always goes along.
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
        datatype = datatypes.get(name)
        try:
            if datatype is not None:
                prepared.properties[name] = fit(value, datatype)
            elif not is_empty(value):  # else it is cleared, and Mailjet has no such property
                _refuse(not_created.get(name, ""))
            sent.values[name] = value
        except ValueRejected as refusal:
            sent.rejected[name] = value
            prepared.rejected_properties.append((name, str(refusal)))
    return prepared


def sendable_actions(change: ContactUpdate, open_lists: Collection[int]) -> dict[int, str]:
    """The list actions that need not wait. To leave a list is not asked of the list, but of the contact."""
    return {
        list_id: action
        for list_id, action in change.lists.items()
        if action == REMOVE or list_id not in open_lists
    }


def is_blocked(contact: Contact, change: ContactUpdate, open_lists: Collection[int]) -> bool:
    """Whether all that a contact has to be told waits for lists whose circuits are open."""
    if sendable_actions(change, open_lists) or has_no_list(contact, change):
        return False
    return (
        not (change.values or change.name is not None)
        or next(carrier_lists(contact, open_lists), None) is None
    )


def lists_to_send(contact: Contact, open_lists: Collection[int]) -> set[int]:
    """The lists that calls about a contact would be made for now."""
    change = difference(contact.desired, contact.delivered)
    if change is None:
        return set()
    return set(sendable_actions(change, open_lists)) or {
        list_id for list_id, _ in islice(carrier_lists(contact, open_lists), 1)
    }


def has_no_list(contact: Contact, change: ContactUpdate) -> bool:
    """Whether properties are sent by way of no list: the contact is on none, and no list has an action."""
    return not change.lists and next(carrier_lists(contact, ()), None) is None


def _refuse(why: str) -> NoReturn:
    raise ValueRejected(why)


def carrier_lists(contact: Contact, without: Collection[int]) -> Iterator[tuple[int, str]]:
    """Lists by way of which properties can be sent, each with an action that changes nothing there."""
    for list_id, action in contact.delivered.lists.items():
        if action not in {REMOVE, UNKNOWN} and list_id not in without:
            yield list_id, action if action != ADDFORCE else ADDNOFORCE
