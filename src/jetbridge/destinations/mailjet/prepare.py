"""What to tell Mailjet about a contact: the body of a call, and what is confirmed when it succeeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from jetbridge.destinations.mailjet.contacts import Contact
from jetbridge.destinations.mailjet.state import UNKNOWN, Change, Delivered, contact_name
from jetbridge.mailjet.actions import ADDNOFORCE, REMOVE
from jetbridge.mailjet.properties import Refused, fit


@dataclass(slots=True)
class Prepared:
    """`told` is what a success confirms. `refusals` are (property, sentence) of values set aside."""

    contact: Contact
    told: Delivered
    properties: dict[str, Any]
    lists: dict[int, str]
    refusals: list[tuple[str, str]] = field(default_factory=list)

    @property
    def needs_call(self) -> bool:
        return bool(self.properties or self.told.lists or self.told.name is not None)

    @property
    def summary(self) -> str:
        """What was told, in short, for the contact's history."""
        lists = [f"{action} on list {list_id}" for list_id, action in self.told.lists.items()]
        told = [", ".join(sorted(self.properties))[:200], *lists]
        return "; ".join(part for part in told if part)

    @property
    def row(self) -> dict[str, Any]:
        """The contact in a managemanycontacts body, and the core of a managecontact body."""
        row: dict[str, Any] = {"Email": self.contact.email}
        # Nobody knows whether a call without Name blanks it, so it always goes along.
        if name := contact_name(self.contact.desired.values):
            row["Name"] = name
        if self.properties:
            row["Properties"] = self.properties
        return row


def prepare(
    contact: Contact, change: Change, datatypes: dict[str, str], not_created: Mapping[str, str]
) -> Prepared:
    """Fit the changed values to Mailjet's Datatypes; those that do not fit are set aside, like those of
    properties that Mailjet would not create (`not_created`: name -> reason).
    """
    told = Delivered(lists=dict(change.lists), name=change.name)
    prepared = Prepared(contact, told, {}, change.lists or any_list(contact))
    for name, value in change.values.items():
        datatype = datatypes.get(name)
        try:
            if datatype is not None:
                prepared.properties[name] = fit(value, datatype)
            elif value is not None:  # else it is cleared, and Mailjet has no such property
                _refuse(not_created.get(name, ""))
            told.values[name] = value
        except Refused as refusal:
            told.aside[name] = value
            prepared.refusals.append((name, str(refusal)))
    return prepared


def _refuse(why: str) -> NoReturn:
    raise Refused(why)


def any_list(contact: Contact) -> dict[int, str]:
    """One of its lists, with an action that changes nothing there: Mailjet takes properties by way of a list."""
    for list_id, action in contact.delivered.lists.items():
        if action not in {REMOVE, UNKNOWN}:
            return {list_id: action if action != "addforce" else ADDNOFORCE}
    return {}
