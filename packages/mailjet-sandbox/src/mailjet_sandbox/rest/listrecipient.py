"""listrecipient: the membership of one contact in one list as a row of its own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mailjet_sandbox import clock, errors, subscriptions
from mailjet_sandbox.model import Contact, ContactsList, Membership
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.resource import Fields, Resource, boolean, by_id, integer, read_only, text
from mailjet_sandbox.wire import Row


class ListRecipients(Resource[Membership]):
    name = "listrecipient"
    type_name = "ListRecipient"
    operations = frozenset({"GET", "PUT", "POST", "DELETE"})
    fields = {
        "ContactALT": text,
        "ContactID": integer,
        "ID": read_only,
        "IsActive": boolean,
        "IsUnsubscribed": boolean,
        "ListALT": text,
        "ListID": integer,
        "ListName": read_only,
        "SubscribedAt": read_only,
        "UnsubscribedAt": read_only,
    }

    def rows(self, query: Query) -> Iterable[Membership]:
        """Walk one contact's or one list's rows when the query names them, all of them otherwise."""
        email, contact_id, list_id = (
            query.text("ContactEmail"),
            query.integer("Contact"),
            query.integer("ContactsList"),
        )
        if email is not None or contact_id is not None:
            contact = (
                self.store.contact_by_email(email) if email else self.store.contacts.get(contact_id or 0)
            )
            return [] if contact is None else list(self.store.memberships_of(contact))
        if list_id is not None:
            return self.store.members.get(list_id, {}).values()
        return self.store.memberships.values()

    def find(self, key: str) -> Membership | None:
        return by_id(self.store.memberships, key)

    def predicates(self, query: Query) -> Iterator[Callable[[Membership], bool]]:
        if (list_id := query.integer("ContactsList")) is not None:
            yield lambda row: row.list_id == list_id
        if (name := query.text("ListName")) is not None:
            yield lambda row: self.store.lists[row.list_id].name == name
        if (unsubscribed := query.flag("Unsub")) is not None:
            yield lambda row: row.unsubscribed is unsubscribed
        if (active := query.flag("Active")) is not None:
            yield lambda row: row.active is active
        if (excluded := query.flag("IsExcludedFromCampaigns")) is not None:
            yield lambda row: self.store.contacts[row.contact_id].excluded is excluded
        if query.flag("IgnoreDeleted"):
            yield lambda row: not self.store.lists[row.list_id].deleted

    def sort_keys(self) -> Mapping[str, Callable[[Membership], Any]]:
        return {"ID": lambda row: row.id}

    def render(self, row: Membership, _query: Query) -> Row:
        return {
            "ContactID": row.contact_id,
            "ID": row.id,
            "IsActive": row.active,
            "IsUnsubscribed": row.unsubscribed,
            "ListID": row.list_id,
            "ListName": self.store.lists[row.list_id].name,
            "SubscribedAt": clock.rfc3339(row.subscribed_at),
            "UnsubscribedAt": clock.rfc3339(row.unsubscribed_at),
        }

    def create(self, fields: Fields) -> Membership:
        contact, target = self._contact(fields), self._target(fields)
        if contact.id in self.store.members[target.id]:
            # By the pattern of the other resources; not recorded for this one. [X]
            raise errors.already_exists("ListRecipient", f"{contact.id}|{target.id}", "ContactID|ListID")
        subscriptions.subscribe(self.store, target, contact)
        row = self.store.members[target.id][contact.id]
        self.update(row, fields)
        return row

    def update(self, row: Membership, fields: Fields) -> bool:
        before = (row.active, row.unsubscribed)
        row.active = fields.get("IsActive", row.active)
        unsubscribed = fields.get("IsUnsubscribed", row.unsubscribed)
        if unsubscribed and not row.unsubscribed:
            target, contact = self.store.lists[row.list_id], self.store.contacts[row.contact_id]
            subscriptions.unsubscribe(self.store, target, contact)
        elif row.unsubscribed and not unsubscribed:
            subscriptions.resubscribe(self.store, row)
        return before != (row.active, row.unsubscribed)

    def delete(self, row: Membership) -> None:
        subscriptions.remove(self.store, self.store.lists[row.list_id], self.store.contacts[row.contact_id])

    def _contact(self, fields: Fields) -> Contact:
        email = fields.get("ContactALT")
        if email:
            contact = self.store.contact_by_email(email)
        else:
            contact = self.store.contacts.get(fields.get("ContactID", 0))
        if contact is None:
            raise errors.invalid_property("ContactID", errors.REQUIRED)
        return contact

    def _target(self, fields: Fields) -> ContactsList:
        """ListALT is the list's Address."""
        address = fields.get("ListALT")
        if address:
            rows = self.store.lists.values()
            row = next((row for row in rows if row.address == address and not row.deleted), None)
        else:
            row = self.store.active_list(fields.get("ListID"))
        if row is None:
            raise errors.invalid_property("ListID", errors.REQUIRED)
        return row
