"""contactdata: the property values of a contact, readable for a whole list at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mailjet_sandbox import errors, properties
from mailjet_sandbox.body import rows_of
from mailjet_sandbox.model import Contact, Value
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.contact import contact_predicates, find_contact
from mailjet_sandbox.rest.resource import Fields, Resource, integer, read_only, text
from mailjet_sandbox.upsert import update_contact
from mailjet_sandbox.wire import Row


def _rows(_name: str, value: Any) -> Any:
    if not isinstance(value, list):
        raise errors.invalid_property("Data", "a list is expected")
    return value


class ContactData(Resource[Contact]):
    name = "contactdata"
    type_name = "ContactData"
    operations = frozenset({"GET", "PUT", "POST", "DELETE"})
    fields = {
        "ContactID": integer,
        "Data": _rows,
        "Email": text,
        "ID": read_only,
        "MethodCollection": read_only,
    }

    def rows(self, _query: Query) -> Iterable[Contact]:
        return (contact for contact in self.store.contacts.values() if contact.data)

    def find(self, key: str) -> Contact | None:
        return find_contact(self.store, key)

    def predicates(self, query: Query) -> Iterator[Callable[[Contact], bool]]:
        yield from contact_predicates(query, self.store)
        if (email := query.text("ContactEmail")) is not None:
            yield lambda contact: contact.email.lower() == email.lower()

    def sort_keys(self) -> Mapping[str, Callable[[Contact], Any]]:
        return {"ID": lambda contact: contact.id}

    def render(self, row: Contact, query: Query) -> Row:
        only = (query.text("Fields") or "").lower()
        names = set(only.split(",")) if only else row.data.keys()
        pairs = [{"Name": name, "Value": value} for name, value in sorted(row.data.items()) if name in names]
        return {"ContactID": row.id, "Data": pairs, "ID": row.id, "MethodCollection": ""}

    def create(self, fields: Fields) -> Contact:
        """POST names the contact in the body and merges as PUT does."""
        contact = self.require(str(fields.get("ContactID") or fields.get("Email") or 0))
        self.update(contact, fields)
        return contact

    def update(self, row: Contact, fields: Fields) -> bool:
        return update_contact(self.store, row, values=self._values(fields.get("Data", [])))

    def delete(self, row: Contact) -> None:
        row.data.clear()

    def _values(self, data: list[Any]) -> dict[str, Value | None]:
        pairs: dict[str, Any] = {}
        for raw, row in zip(data, rows_of(data), strict=True):
            if "name" not in row:  # Rows of the form {property: value}. [I] mailjet-apiv3-nodejs#304
                raise errors.invalid_key_name(next(iter(raw), "") if isinstance(raw, dict) else "")
            pairs[str(row["name"])] = row.get("value")
        values, problems = properties.check(self.store.static_properties, pairs)
        for name, problem in (pair for row in problems for pair in row.items()):
            if problem == properties.NOT_DEFINED:
                raise errors.invalid_key_name(name)
            raise errors.MailjetError(400, f'Invalid value for key name "{name}": {problem}')  # [X]
        return values
