"""The comparison behind `jetbridge contacts verify`: one contact at rest, and what Mailjet holds under its address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jetbridge.integrations.mailjet.api.properties import ValueRejected, fit, is_empty
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import (
    KEEP,
    OFF_LIST,
    Delivered,
    contact_name,
    desired_values,
    list_actions,
    same,
)
from jetbridge.integrations.mailjet.sync import remote as remote_
from jetbridge.integrations.mailjet.sync.remote import RemoteContact, RemoteSubscription
from jetbridge.integrations.mailjet.sync.unsubscribes import is_exclusion_news, is_list_news

#: Kinds of differences.
MISSING, PROPERTY, NAME = "missing", "property", "name"
NOT_ON_LIST, SUBSCRIBED, UNSUBSCRIBED, EXCLUDED = "not_on_list", "subscribed", "unsubscribed", "excluded"
UNREADABLE = "unreadable"

#: How many characters of a value are shown.
SHOWN_CHARACTERS = 60

_ON, _OFF = frozenset({ADDNOFORCE, ADDFORCE}), frozenset({OFF_LIST, REMOVE})


class Difference(NamedTuple):
    """`about` is the property or the list, if it is about one.

    `repair` changes the state that was taken for delivered into what Mailjet holds. None: it is the person's own opt-out, which is
    learned and never undone.
    """

    kind: str
    email: str
    about: str
    message: str
    repair: Callable[[Delivered], None] | None = None

    @property
    def is_opt_out(self) -> bool:
        return self.kind in {UNSUBSCRIBED, EXCLUDED}

    def as_object(self) -> dict[str, str]:
        """As plain values; the keys are a promise to scripts."""
        return {"kind": self.kind, "email": self.email, "about": self.about, "message": self.message}


@dataclass
class Comparison:
    """`opt_outs` are to be learned; `rejected` counts values that do not fit Mailjet's Datatypes."""

    differences: list[Difference] = field(default_factory=list)
    opt_outs: list[OptOut] = field(default_factory=list)
    rejected: int = 0


class Comparer:
    """For one account: names by id of the `lists` that exist, and the `datatypes` of its properties."""

    def __init__(
        self, lists: Mapping[int, str], datatypes: Mapping[str, str], now: Callable[[], int]
    ) -> None:
        self._lists = lists
        self._datatypes = datatypes
        self._now = now

    def compare(self, contact: Contact, remote: RemoteContact | None) -> Comparison:
        """`remote` None: Mailjet has no such contact."""
        comparison = Comparison()
        if is_only_consent(contact):
            return comparison
        if remote is None:
            if not _OFF.issuperset(contact.desired.actions().values()):
                comparison.differences.append(_missing(contact.email))
            return comparison
        if not contact.desired.is_off_all_lists():
            self._compare_properties(contact, remote, comparison)
        for list_id, action in list_actions(contact.desired, contact.delivered).items():
            if list_id in self._lists and action != KEEP:
                self._compare_subscription(
                    contact, list_id, action, remote.subscriptions.get(list_id), comparison
                )
        if remote.excluded and is_exclusion_news(contact, remote.excluded_at):
            comparison.opt_outs.append(OptOut(contact.email, remote.excluded_at or self._now()))
            comparison.differences.append(
                Difference(EXCLUDED, contact.email, "", "It is excluded from all campaigns.")
            )
        return comparison

    def _compare_properties(self, contact: Contact, remote: RemoteContact, comparison: Comparison) -> None:
        """The properties, and the Name."""
        rejected = contact.delivered.rejected
        for name, value in desired_values(contact.desired, contact.delivered).items():
            datatype, remote_value = self._datatypes.get(name), remote.values.get(name)
            try:
                desired_value = fit(value, datatype) if datatype else None if is_empty(value) else value
            except ValueRejected:
                comparison.rejected += 1
                continue
            if _equal(desired_value, remote_value, datatype):
                continue
            if name in rejected and same(rejected[name], value):
                comparison.rejected += 1
            else:
                comparison.differences.append(
                    _property_difference(contact.email, name, desired_value, remote_value)
                )

        desired_name = contact_name(contact.desired.values)
        if desired_name is None and contact.delivered.name == "":  # it was cleared
            desired_name = ""
        if desired_name is not None and desired_name != remote.name:
            comparison.differences.append(_name_difference(contact.email, desired_name, remote.name))

    def _compare_subscription(
        self,
        contact: Contact,
        list_id: int,
        action: str,
        subscription: RemoteSubscription | None,
        comparison: Comparison,
    ) -> None:
        """The actual state against the desired one: subscribed, unsubscribed, or not on the list."""
        email, name = contact.email, f"list {list_id} ({self._lists[list_id]})"
        if subscription is None:
            if action not in _OFF:
                comparison.differences.append(
                    _list_difference(NOT_ON_LIST, email, list_id, f"It is not on {name}.", None)
                )
        elif subscription == remote_.SUBSCRIBED:
            if action not in _ON:
                why = "which it has left" if action in _OFF else "although it is opted out there"
                message = f"It is subscribed to {name}, {why}."
                comparison.differences.append(
                    _list_difference(SUBSCRIBED, email, list_id, message, ADDNOFORCE)
                )
        elif subscription.action == UNSUB and action in _ON:
            at = subscription.at or self._now()
            if is_list_news(contact, list_id, at):
                comparison.opt_outs.append(OptOut(email, at, list_id))
                message = f"It has unsubscribed from {name}."
                comparison.differences.append(Difference(UNSUBSCRIBED, email, str(list_id), message))
            elif action == ADDFORCE:
                message = f"It is unsubscribed from {name}, although an addforce came afterwards."
                comparison.differences.append(_list_difference(NOT_ON_LIST, email, list_id, message, UNSUB))


def is_only_consent(contact: Contact) -> bool:
    """Whether only an opt-out is known of it, and it was never synced."""
    desired = contact.desired
    has_only_opt_outs = (
        all(action == UNSUB for action, _ in desired.lists.values()) and not desired.engage_actions()
    )
    return has_only_opt_outs and not (desired.values or desired.users or desired.left)


def _equal(desired_value: Any, remote_value: Any, datatype: str | None) -> bool:
    """Equal in Mailjet's Datatype: some servers write numbers as text, and times in other forms."""
    if remote_value is not None and datatype:
        try:
            remote_value = fit(remote_value, datatype)
        except ValueRejected:
            return False
    return same(desired_value, remote_value)


def _missing(email: str) -> Difference:
    def repair(delivered: Delivered) -> None:
        delivered.values, delivered.lists, delivered.name = {}, {}, None

    return Difference(MISSING, email, "", "Mailjet has no such contact.", repair)


def _property_difference(email: str, name: str, desired_value: Any, remote_value: Any) -> Difference:
    def repair(delivered: Delivered) -> None:
        delivered.values.pop(name, None)
        if desired_value is None:
            delivered.values[name] = remote_value

    actual = "is not set" if remote_value is None else f"is {_excerpt(remote_value)}"
    expected = "should not be set" if desired_value is None else f"should be {_excerpt(desired_value)}"
    return Difference(PROPERTY, email, name, f"Property {name} {actual}; it {expected}.", repair)


def _name_difference(email: str, desired_name: str, remote_name: str) -> Difference:
    def repair(delivered: Delivered) -> None:
        delivered.name = remote_name or None

    message = f"Its Name is {_excerpt(remote_name)}; it should be {_excerpt(desired_name)}."
    return Difference(NAME, email, "", message, repair)


def _list_difference(
    kind: str, email: str, list_id: int, message: str, remote_action: str | None
) -> Difference:
    """`remote_action` is the action that leads to what Mailjet holds; None: the contact is not on the list."""

    def repair(delivered: Delivered) -> None:
        delivered.lists.pop(list_id, None)
        if remote_action:
            delivered.lists[list_id] = remote_action

    return Difference(kind, email, str(list_id), message, repair)


def _excerpt(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
