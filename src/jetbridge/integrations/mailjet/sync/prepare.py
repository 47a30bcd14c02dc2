"""What to tell Mailjet about a contact: the body of a call, and what is confirmed when it succeeds."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn

from jetbridge.integrations.mailjet.api.actions import ADDFORCE, ADDNOFORCE, REMOVE
from jetbridge.integrations.mailjet.api.properties import Refused, fit, is_empty
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import UNKNOWN, Change, Delivered, contact_name, difference


@dataclass(slots=True)
class Prepared:
    """`told` is what a success confirms. `refusals` are (property, sentence) of values set aside.

    `lists` are those that the calls are made for; one by way of which only properties are told is not in `told`.
    """

    contact: Contact
    told: Delivered
    properties: dict[str, Any]
    lists: dict[int, str]
    refusals: list[tuple[str, str]] = field(default_factory=list)

    @property
    def needs_call(self) -> bool:
        return bool(self.properties or self.told.lists or self.told.name is not None)

    @property
    def row(self) -> dict[str, Any]:
        """The contact in a managemanycontacts body, and the core of a managecontact body."""
        row: dict[str, Any] = {"Email": self.contact.email}
        # Nobody knows whether a call without Name blanks it, so it always goes along.
        if (name := contact_name(self.contact.desired.values) or self.told.name) is not None:
            row["Name"] = name
        if self.properties:
            row["Properties"] = self.properties
        return row


def prepare(
    contact: Contact,
    change: Change,
    datatypes: dict[str, str],
    not_created: Mapping[str, str],
    resting: Collection[int] = (),
) -> Prepared:
    """Fit the changed values to Mailjet's Datatypes; those that do not fit are set aside, like those of
    properties that Mailjet would not create (`not_created`: name -> reason). Lists that are `resting` are left out.
    """
    lists = told_now(change, resting) if resting else change.lists
    told = Delivered(lists=dict(lists), name=change.name)
    prepared = Prepared(contact, told, {}, lists)
    if not lists or (resting and set(lists.values()) == {REMOVE}):
        way = next(ways(contact, {*lists, *resting}), None)
        if way:  # Mailjet takes properties by way of a list
            prepared.lists = {**lists, way[0]: way[1]}
        elif resting and not has_no_list(contact, change):
            told.name = None
            return prepared
    for name, value in change.values.items():
        datatype = datatypes.get(name)
        try:
            if datatype is not None:
                prepared.properties[name] = fit(value, datatype)
            elif not is_empty(value):  # else it is cleared, and Mailjet has no such property
                _refuse(not_created.get(name, ""))
            told.values[name] = value
        except Refused as refusal:
            told.aside[name] = value
            prepared.refusals.append((name, str(refusal)))
    return prepared


def told_now(change: Change, resting: Collection[int]) -> dict[int, str]:
    """The list wishes that need not wait. To leave a list is not asked of the list, but of the contact."""
    return {
        list_id: action
        for list_id, action in change.lists.items()
        if action == REMOVE or list_id not in resting
    }


def is_stuck(contact: Contact, change: Change, resting: Collection[int]) -> bool:
    """Whether all that a contact has to be told waits for lists that are resting."""
    if told_now(change, resting) or has_no_list(contact, change):
        return False
    return not (change.values or change.name is not None) or next(ways(contact, resting), None) is None


def lists_to_tell(contact: Contact, resting: Collection[int]) -> set[int]:
    """The lists that calls about a contact would be made for now."""
    change = difference(contact.desired, contact.delivered)
    if change is None:
        return set()
    return set(told_now(change, resting)) or {list_id for list_id, _ in islice(ways(contact, resting), 1)}


def has_no_list(contact: Contact, change: Change) -> bool:
    """Whether properties are told by way of no list: the contact is on none, and nothing is wished of any."""
    return not change.lists and next(ways(contact, ()), None) is None


def _refuse(why: str) -> NoReturn:
    raise Refused(why)


def ways(contact: Contact, without: Collection[int]) -> Iterator[tuple[int, str]]:
    """Lists by way of which properties can be told, each with an action that changes nothing there."""
    for list_id, action in contact.delivered.lists.items():
        if action not in {REMOVE, UNKNOWN} and list_id not in without:
            yield list_id, action if action != ADDFORCE else ADDNOFORCE
