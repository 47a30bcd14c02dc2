"""The comparison behind `jetbridge verify`: one contact at rest, and what Mailjet holds under its address."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jetbridge.integrations.mailjet.api.properties import ValueRejected, fit, is_empty
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import (
    KEEP,
    LEFT,
    contact_name,
    desired_values,
    list_actions,
    same,
)
from jetbridge.integrations.mailjet.sync.remote import SUBSCRIBED, RemoteContact, RemoteSubscription
from jetbridge.integrations.mailjet.sync.unsubscribes import is_exclusion_news, is_list_news
from jetbridge.integrations.mailjet.verification import differences
from jetbridge.integrations.mailjet.verification.differences import Comparison, Difference

_ON, _OFF = frozenset({ADDNOFORCE, ADDFORCE}), frozenset({LEFT, REMOVE})


class Comparer:
    """For one account: names by id of the `lists` that are there, and the `datatypes` of its properties."""

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
                comparison.differences.append(differences.missing(contact.email))
            return comparison
        if not contact.desired.is_off_all_lists():
            comparison.differences += self._properties(contact, remote, comparison)
            comparison.differences += _name(contact, remote)
        for list_id, action in list_actions(contact.desired, contact.delivered).items():
            if list_id in self._lists and action != KEEP:
                self._compare_subscription(
                    contact, list_id, action, remote.subscriptions.get(list_id), comparison
                )
        self._exclusion(contact, remote, comparison)
        return comparison

    def _properties(
        self, contact: Contact, remote: RemoteContact, comparison: Comparison
    ) -> Iterator[Difference]:
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
                yield differences.of_property(contact.email, name, desired_value, remote_value)

    def _compare_subscription(
        self,
        contact: Contact,
        list_id: int,
        action: str,
        subscription: RemoteSubscription | None,
        comparison: Comparison,
    ) -> None:
        """What is there against what is desired: subscribed, unsubscribed, or not on the list."""
        if subscription is None and action not in _OFF:
            sentence = f"It is not on {self._named(list_id)}."
            comparison.differences.append(
                differences.of_subscription(differences.NOT_ON_LIST, contact.email, list_id, sentence, None)
            )
        elif subscription == SUBSCRIBED and action not in _ON:
            why = "which it has left" if action in _OFF else "though it wants no mail from there"
            sentence = f"It is subscribed to {self._named(list_id)}, {why}."
            comparison.differences.append(
                differences.of_subscription(
                    differences.SUBSCRIBED, contact.email, list_id, sentence, ADDNOFORCE
                )
            )
        elif subscription and subscription.action == UNSUB and action in _ON:
            self._unsubscribed(contact, list_id, action, subscription, comparison)

    def _unsubscribed(
        self,
        contact: Contact,
        list_id: int,
        action: str,
        subscription: RemoteSubscription,
        comparison: Comparison,
    ) -> None:
        at = subscription.at or self._now()
        if is_list_news(contact, list_id, at):
            comparison.opt_outs.append(OptOut(contact.email, at, list_id))
            sentence = f"It has unsubscribed from {self._named(list_id)}."
            comparison.differences.append(
                Difference(differences.UNSUBSCRIBED, contact.email, str(list_id), sentence)
            )
        elif action == ADDFORCE:
            sentence = f"It is unsubscribed from {self._named(list_id)}, though an addforce came afterwards."
            comparison.differences.append(
                differences.of_subscription(differences.NOT_ON_LIST, contact.email, list_id, sentence, UNSUB)
            )

    def _exclusion(self, contact: Contact, remote: RemoteContact, comparison: Comparison) -> None:
        if remote.excluded and is_exclusion_news(contact, remote.excluded_at):
            comparison.opt_outs.append(OptOut(contact.email, remote.excluded_at or self._now()))
            sentence = "It is excluded from all campaigns."
            comparison.differences.append(Difference(differences.EXCLUDED, contact.email, "", sentence))

    def _named(self, list_id: int) -> str:
        return f"list {list_id} ({self._lists[list_id]})"


def is_only_consent(contact: Contact) -> bool:
    """Whether it is known for a refusal alone and was never synced."""
    desired = contact.desired
    refuses_only = (
        all(action == UNSUB for action, _ in desired.lists.values()) and not desired.engage_actions()
    )
    return refuses_only and not (desired.values or desired.users or desired.left)


def _name(contact: Contact, remote: RemoteContact) -> Iterator[Difference]:
    desired_value = contact_name(contact.desired.values)
    if desired_value is None and contact.delivered.name == "":  # it was cleared
        desired_value = ""
    if desired_value is not None and desired_value != remote.name:
        yield differences.of_name(contact.email, desired_value, remote.name)


def _equal(desired_value: Any, remote_value: Any, datatype: str | None) -> bool:
    """Equal in Mailjet's Datatype: some servers write numbers as text, and times in other forms."""
    if remote_value is not None and datatype:
        try:
            remote_value = fit(remote_value, datatype)
        except ValueRejected:
            return False
    return same(desired_value, remote_value)
