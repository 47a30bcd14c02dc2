"""The comparison behind `jetbridge verify`: one contact at rest, and what Mailjet holds under its address."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jetbridge.integrations.mailjet.api.actions import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.api.properties import Refused, fit, is_empty
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import (
    KEEP,
    LEFT,
    contact_name,
    list_actions,
    same,
    wished_values,
)
from jetbridge.integrations.mailjet.sync.remote import SUBSCRIBED, Holding, Place
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

    def compare(self, contact: Contact, holding: Holding | None) -> Comparison:
        """`holding` None: Mailjet has no such contact."""
        found = Comparison()
        if is_only_consent(contact):
            return found
        if holding is None:
            if not _OFF.issuperset(contact.desired.actions().values()):
                found.differences.append(differences.missing(contact.email))
            return found
        if not contact.desired.is_off_all_lists():
            found.differences += self._properties(contact, holding, found)
            found.differences += _name(contact, holding)
        for list_id, action in list_actions(contact.desired, contact.delivered).items():
            if list_id in self._lists and action != KEEP:
                self._place(contact, list_id, action, holding.places.get(list_id), found)
        self._exclusion(contact, holding, found)
        return found

    def _properties(self, contact: Contact, holding: Holding, found: Comparison) -> Iterator[Difference]:
        aside = contact.delivered.aside
        for name, value in wished_values(contact.desired, contact.delivered).items():
            datatype, held = self._datatypes.get(name), holding.values.get(name)
            try:
                wanted = fit(value, datatype) if datatype else None if is_empty(value) else value
            except Refused:
                found.aside += 1
                continue
            if _equal(wanted, held, datatype):
                continue
            if name in aside and same(aside[name], value):
                found.aside += 1
            else:
                yield differences.of_property(contact.email, name, wanted, held)

    def _place(
        self, contact: Contact, list_id: int, action: str, place: Place | None, found: Comparison
    ) -> None:
        """What is there against what is wished: subscribed, unsubscribed, or not on the list."""
        if place is None and action not in _OFF:
            sentence = f"It is not on {self._named(list_id)}."
            found.differences.append(
                differences.of_place(differences.NOT_ON_LIST, contact.email, list_id, sentence, None)
            )
        elif place == SUBSCRIBED and action not in _ON:
            why = "which it has left" if action in _OFF else "though it wants no mail from there"
            sentence = f"It is subscribed to {self._named(list_id)}, {why}."
            found.differences.append(
                differences.of_place(differences.SUBSCRIBED, contact.email, list_id, sentence, ADDNOFORCE)
            )
        elif place and place.action == UNSUB and action in _ON:
            self._unsubscribed(contact, list_id, action, place, found)

    def _unsubscribed(
        self, contact: Contact, list_id: int, action: str, place: Place, found: Comparison
    ) -> None:
        at = place.at or self._now()
        if is_list_news(contact, list_id, at):
            found.opt_outs.append(OptOut(contact.email, at, list_id))
            sentence = f"It has unsubscribed from {self._named(list_id)}."
            found.differences.append(
                Difference(differences.UNSUBSCRIBED, contact.email, str(list_id), sentence)
            )
        elif action == ADDFORCE:
            sentence = f"It is unsubscribed from {self._named(list_id)}, though an addforce came afterwards."
            found.differences.append(
                differences.of_place(differences.NOT_ON_LIST, contact.email, list_id, sentence, UNSUB)
            )

    def _exclusion(self, contact: Contact, holding: Holding, found: Comparison) -> None:
        if holding.excluded and is_exclusion_news(contact, holding.excluded_at):
            found.opt_outs.append(OptOut(contact.email, holding.excluded_at or self._now()))
            sentence = "It is excluded from all campaigns."
            found.differences.append(Difference(differences.EXCLUDED, contact.email, "", sentence))

    def _named(self, list_id: int) -> str:
        return f"list {list_id} ({self._lists[list_id]})"


def is_only_consent(contact: Contact) -> bool:
    """Whether it is known for a refusal alone and was never synced."""
    desired = contact.desired
    refuses_only = (
        all(action == UNSUB for action, _ in desired.lists.values()) and not desired.engage_actions()
    )
    return refuses_only and not (desired.values or desired.users or desired.left)


def _name(contact: Contact, holding: Holding) -> Iterator[Difference]:
    wanted = contact_name(contact.desired.values)
    if wanted is None and contact.delivered.name == "":  # it was cleared
        wanted = ""
    if wanted is not None and wanted != holding.name:
        yield differences.of_name(contact.email, wanted, holding.name)


def _equal(wanted: Any, held: Any, datatype: str | None) -> bool:
    """Equal in Mailjet's Datatype: some servers write numbers as text, and times in other forms."""
    if held is not None and datatype:
        try:
            held = fit(held, datatype)
        except Refused:
            return False
    return same(wanted, held)
