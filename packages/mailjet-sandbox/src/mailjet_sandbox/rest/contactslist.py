"""contactslist: the lists, and the actions that put contacts on them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mailjet_sandbox import clock, errors
from mailjet_sandbox.model import ContactsList
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest import manage
from mailjet_sandbox.rest.resource import (
    Action,
    Fields,
    Resource,
    assign,
    boolean,
    by_id,
    read_only,
    required_text,
)
from mailjet_sandbox.wire import Row

_ATTRIBUTES = {"Name": "name", "IsDeleted": "deleted"}


def _address(_name: str, _value: Any) -> Any:
    # [R] mailjet-apiv3-php-simple#107
    raise errors.MailjetError(
        401, "Internal error: List address is automatically generated and can't be changed"
    )


class ContactsLists(Resource[ContactsList]):
    name = "contactslist"
    type_name = "ContactsList"
    operations = frozenset({"GET", "PUT", "POST", "DELETE"})
    fields = {
        "Address": _address,
        "CreatedAt": read_only,
        "ID": read_only,
        "IsDeleted": boolean,
        "Name": required_text,
        "SubscriberCount": read_only,
    }
    actions = {
        "managecontact": Action({"POST": manage.manage_contact}),
        "managemanycontacts": Action({"POST": manage.manage_many_on_list, "GET": manage.job_status}),
        "importlist": Action({"POST": manage.import_list, "GET": manage.job_status}),
    }

    def rows(self, _query: Query) -> Iterable[ContactsList]:
        return list(self.store.lists.values())

    def find(self, key: str) -> ContactsList | None:
        row = by_id(self.store.lists, key)
        return row or next((row for row in self.store.lists.values() if row.address == key), None)

    def predicates(self, query: Query) -> Iterator[Callable[[ContactsList], bool]]:
        if (name := query.text("Name")) is not None:
            yield lambda row: row.name == name
        if (address := query.text("Address")) is not None:
            yield lambda row: row.address == address
        if (deleted := query.flag("IsDeleted")) is not None:
            yield lambda row: row.deleted is deleted
        if (excluded := query.integer("ExcludeID")) is not None:
            yield lambda row: row.id != excluded

    def sort_keys(self) -> Mapping[str, Callable[[ContactsList], Any]]:
        return {
            "ID": lambda row: row.id,
            "IsDeleted": lambda row: row.deleted,
            "Name": lambda row: row.name,
            "CreatedAt": lambda row: row.created_at,
        }

    def render(self, row: ContactsList, _query: Query) -> Row:
        return {
            "Address": row.address,
            "CreatedAt": clock.rfc3339(row.created_at),
            "ID": row.id,
            "IsDeleted": row.deleted,
            "Name": row.name,
            "SubscriberCount": row.subscribers,
        }

    def create(self, fields: Fields) -> ContactsList:
        """Add a list. Two lists may have the same name: no error was ever seen [X]."""
        row = self.store.add_list(required_text("Name", fields.get("Name", "")))
        row.deleted = fields.get("IsDeleted", False)
        return row

    def update(self, row: ContactsList, fields: Fields) -> bool:
        return assign(row, _ATTRIBUTES, fields)

    def delete(self, row: ContactsList) -> None:
        """Deletion is soft: the list stays and has IsDeleted [R]."""
        row.deleted = True
