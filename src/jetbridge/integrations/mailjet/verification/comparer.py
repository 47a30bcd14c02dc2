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
from jetbridge.integrations.mailjet.sync.unsubscribes import is_new_exclusion, is_new_unsubscribe

#: Kinds of differences.
MISSING, PROPERTY, NAME = "missing", "property", "name"
NOT_ON_LIST, SUBSCRIBED, UNSUBSCRIBED, EXCLUDED = "not_on_list", "subscribed", "unsubscribed", "excluded"
UNREADABLE = "unreadable"

#: How many characters of a value are shown.
SHOWN_CHARACTERS = 60

_ON, _OFF = frozenset({ADDNOFORCE, ADDFORCE}), frozenset({OFF_LIST, REMOVE})


class Difference(NamedTuple):
    """`about` is the property or the list, if it is about one; `remote` what a repair stores for it: the value, Name or list
    action that Mailjet holds, or None if it holds none.
    """

    kind: str
    email: str
    about: str
    message: str
    remote: Any = None

    @property
    def is_opt_out(self) -> bool:
        """The person's own opt-out, which is learned and never undone."""
        return self.kind in {UNSUBSCRIBED, EXCLUDED}

    def repair(self, delivered: Delivered) -> None:
        """Change what was taken for delivered into what Mailjet holds."""
        if self.kind == MISSING:
            delivered.values, delivered.lists, delivered.name = {}, {}, None
        elif self.kind == NAME:
            delivered.name = self.remote
        elif self.kind == PROPERTY:
            delivered.values.pop(self.about, None)
            if self.remote is not None:
                delivered.values[self.about] = self.remote
        else:
            delivered.lists.pop(int(self.about), None)
            if self.remote is not None:
                delivered.lists[int(self.about)] = self.remote

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
                message = "Mailjet has no such contact."
                comparison.differences.append(Difference(MISSING, contact.email, "", message))
            return comparison
        if not contact.desired.is_off_all_lists():
            self._compare_properties(contact, remote, comparison)
        for list_id, action in list_actions(contact.desired, contact.delivered).items():
            if list_id in self._lists and action != KEEP:
                self._compare_subscription(
                    contact, list_id, action, remote.subscriptions.get(list_id), comparison
                )
        if remote.excluded and is_new_exclusion(contact, remote.excluded_at):
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
                continue
            actual = "is not set" if remote_value is None else f"is {_excerpt(remote_value)}"
            expected = "not be set" if desired_value is None else f"be {_excerpt(desired_value)}"
            message = f"Property {name} {actual}; it should {expected}."
            # What should be there is sent again; what should not is cleared.
            stored = remote_value if desired_value is None else None
            comparison.differences.append(Difference(PROPERTY, contact.email, name, message, stored))

        desired_name = contact_name(contact.desired.values)
        if desired_name is None and contact.delivered.name == "":  # it was cleared
            desired_name = ""
        if desired_name is not None and desired_name != remote.name:
            message = f"Its Name is {_excerpt(remote.name)}; it should be {_excerpt(desired_name)}."
            comparison.differences.append(Difference(NAME, contact.email, "", message, remote.name or None))

    def _compare_subscription(
        self,
        contact: Contact,
        list_id: int,
        action: str,
        subscription: RemoteSubscription | None,
        comparison: Comparison,
    ) -> None:
        """The actual state against the desired one: subscribed, unsubscribed, or not on the list."""
        name = f"list {list_id} ({self._lists[list_id]})"
        difference: tuple[str, str, str | None] | None = None
        if subscription is None:
            if action not in _OFF:
                difference = NOT_ON_LIST, f"It is not on {name}.", None
        elif subscription == remote_.SUBSCRIBED:
            if action not in _ON:
                why = "which it has left" if action in _OFF else "although it is opted out there"
                difference = SUBSCRIBED, f"It is subscribed to {name}, {why}.", ADDNOFORCE
        elif subscription.action == UNSUB and action in _ON:
            at = subscription.at or self._now()
            if is_new_unsubscribe(contact, list_id, at):
                comparison.opt_outs.append(OptOut(contact.email, at, list_id))
                difference = UNSUBSCRIBED, f"It has unsubscribed from {name}.", None
            elif action == ADDFORCE:
                message = f"It is unsubscribed from {name}, although an addforce came afterwards."
                difference = NOT_ON_LIST, message, UNSUB
        if difference:
            kind, message, remote_action = difference
            comparison.differences.append(
                Difference(kind, contact.email, str(list_id), message, remote_action)
            )


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


def _excerpt(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
