"""contact, contactdata, contactmetadata: a person by identifier or address, property values, and the definitions of properties.

A contact cannot be deleted here, only through ``/v4/contacts``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mailjet_sandbox import clock, errors, properties
from mailjet_sandbox.contacts import is_email, update_contact
from mailjet_sandbox.faults.kinds import LateProperties
from mailjet_sandbox.faults.register import Trigger
from mailjet_sandbox.model import Contact, Membership, Property, Value
from mailjet_sandbox.properties import DATATYPES, NAME
from mailjet_sandbox.requests import Query, as_id, rows_of
from mailjet_sandbox.rest import manage
from mailjet_sandbox.rest.resource import (
    Action,
    Fields,
    Resource,
    boolean,
    by_id,
    integer,
    one_of,
    read_only,
    required_text,
    text,
)
from mailjet_sandbox.store import MAX_PROPERTIES, Store
from mailjet_sandbox.wire import Row


def find_contact(store: Store, key: str) -> Contact | None:
    """Look a contact up by identifier or address; a key that is neither is an error [S] mailjet-apiv3-java."""
    identifier = as_id(key)
    if identifier is not None:
        return store.contacts.get(identifier)
    if "@" not in key:
        raise errors.bad_email(key)
    return store.contact_by_email(key)


def membership_test(query: Query, store: Store) -> Callable[[Contact], bool] | None:
    """Build the filters ContactsList and IsUnsubscribed, which both concern the same membership."""
    list_id, unsubscribed = query.integer("ContactsList"), query.flag("IsUnsubscribed")
    if list_id is None and unsubscribed is None:
        return None

    def fits(member: Membership | None) -> bool:
        return member is not None and (unsubscribed is None or member.unsubscribed is unsubscribed)

    if list_id is not None:
        members = store.members.get(list_id, {})
        return lambda contact: fits(members.get(contact.id))
    return lambda contact: any(fits(member) for member in store.memberships_of(contact))


def contact_predicates(query: Query, store: Store) -> Iterator[Callable[[Contact], bool]]:
    """Yield the filters that contact and contactdata share."""
    if (test := membership_test(query, store)) is not None:
        yield test
    if (excluded := query.flag("IsExcludedFromCampaigns")) is not None:
        yield lambda contact: contact.excluded is excluded


class Contacts(Resource[Contact]):
    name = "contact"
    type_name = "Contact"
    operations = frozenset({"GET", "PUT", "POST"})
    fields = {
        "CreatedAt": read_only,
        "DeliveredCount": read_only,
        "Email": text,
        "ExclusionFromCampaignsUpdatedAt": read_only,
        "ID": read_only,
        "IsExcludedFromCampaigns": boolean,
        "IsOptInPending": read_only,
        "IsSpamComplaining": read_only,
        "LastActivityAt": read_only,
        "LastUpdateAt": read_only,
        "Name": text,
        "UnsubscribedAt": read_only,
        "UnsubscribedBy": read_only,
    }
    actions = {
        "managemanycontacts": Action({"POST": manage.manage_many, "GET": manage.job_status}, on_row=False),
        "managecontactslists": Action({"POST": manage.manage_lists}),
        "getcontactslists": Action({"GET": manage.get_lists}),
    }

    def rows(self, query: Query) -> Iterable[Contact]:
        everyone = bool(query.flag("IncludeAnonymized"))
        return (contact for contact in self.store.contacts.values() if everyone or not contact.anonymized)

    def find(self, key: str) -> Contact | None:
        return find_contact(self.store, key)

    def predicates(self, query: Query) -> Iterator[Callable[[Contact], bool]]:
        yield from contact_predicates(query, self.store)
        email = query.text("Email") or query.text("EmailCI")
        if email is not None:
            yield lambda contact: contact.email.lower() == email.lower()

    def sort_keys(self) -> Mapping[str, Callable[[Contact], Any]]:
        return {
            "ID": lambda row: row.id,
            "Email": lambda row: row.email,
            "DeliveredCount": lambda row: row.delivered,
            "CreatedAt": lambda row: row.created_at,
        }

    def render(self, row: Contact, _query: Query) -> Row:
        return {
            "CreatedAt": clock.rfc3339(row.created_at),
            "DeliveredCount": row.delivered,
            "Email": row.email,
            "ExclusionFromCampaignsUpdatedAt": clock.rfc3339(row.excluded_at),
            "ID": row.id,
            "IsExcludedFromCampaigns": row.excluded,
            "IsOptInPending": False,
            "IsSpamComplaining": row.complaining,
            "LastActivityAt": clock.rfc3339(row.last_activity_at),
            "LastUpdateAt": clock.rfc3339(row.updated_at),
            "Name": row.name,
            "UnsubscribedAt": "",  # Legacy, empty in every record; listrecipient knows. [R]
            "UnsubscribedBy": "",
        }

    def create(self, fields: Fields) -> Contact:
        email = fields.get("Email", "")
        if not email:
            raise errors.invalid_property("Email", errors.REQUIRED)
        if not is_email(email):
            raise errors.bad_email(email)
        if self.store.contact_by_email(email):
            raise errors.already_exists("Contact", email, "Email")
        contact = self.store.add_contact(email)
        update_contact(self.store, contact, fields.get("Name"), fields.get("IsExcludedFromCampaigns"))
        return contact

    def update(self, row: Contact, fields: Fields) -> bool:
        """Change Name and IsExcludedFromCampaigns; an address is fixed, and ignored here."""
        return update_contact(self.store, row, fields.get("Name"), fields.get("IsExcludedFromCampaigns"))

    def method_error(self, method: str) -> errors.MailjetError:
        """DELETE is forbidden rather than unknown [S] mailjet-apiv3-python takes 401 for the normal answer."""
        if method == "DELETE":
            return errors.MailjetError(401, "Operation not allowed")
        return super().method_error(method)


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
            if problem == errors.NOT_DEFINED:
                raise errors.invalid_key_name(name)
            raise errors.MailjetError(400, f'Invalid value for key name "{name}": {problem}')  # [X]
        return values


def _name(field: str, value: Any) -> Any:
    if not NAME.fullmatch(required_text(field, value)):
        raise errors.invalid_property(field, "letters, digits and underscores are expected, a letter first")
    return value.lower()


class ContactMetadata(Resource[Property]):
    name = "contactmetadata"
    type_name = "ContactMetadata"
    operations = frozenset({"GET", "PUT", "POST", "DELETE"})
    fields = {
        "Datatype": one_of(*DATATYPES),
        "ID": read_only,
        "Name": _name,
        "NameSpace": one_of("static", "historic"),
    }

    def rows(self, _query: Query) -> Iterable[Property]:
        return list(self.store.properties.values())

    def find(self, key: str) -> Property | None:
        namespace, separator, name = key.lower().partition("|")
        return self._named(namespace, name) if separator else by_id(self.store.properties, key)

    def predicates(self, query: Query) -> Iterator[Callable[[Property], bool]]:
        if (datatype := query.text("DataType")) is not None:
            yield lambda row: row.datatype == datatype.lower()
        if (namespace := query.text("Namespace")) is not None:
            yield lambda row: row.namespace == namespace.lower()

    def sort_keys(self) -> Mapping[str, Callable[[Property], Any]]:
        return {"ID": lambda row: row.id, "Name": lambda row: row.name}

    def render(self, row: Property, _query: Query) -> Row:
        return {"Datatype": row.datatype, "ID": row.id, "Name": row.name, "NameSpace": row.namespace}

    def create(self, fields: Fields) -> Property:
        name = _name("Name", fields.get("Name", ""))
        namespace = fields.get("NameSpace", "static")
        self._reject_duplicate(namespace, name)
        if len(self.store.properties) >= MAX_PROPERTIES:
            raise errors.invalid_properties(f"At most {MAX_PROPERTIES} contact properties are allowed")  # [X]
        row = Property(self.store.new_id("property"), name, fields.get("Datatype", "str"), namespace)
        self.store.add_property(row)
        for trigger in self.state.faults.trigger(LateProperties):
            self.store.hide_property(row)
            self.state.run(self._show_later(row, trigger))
        return row

    async def _show_later(self, row: Property, trigger: Trigger[LateProperties]) -> None:
        await trigger.active.wait(trigger.fault.seconds)
        self.store.show_property(row)

    def update(self, row: Property, fields: Fields) -> bool:
        """Change Name or Datatype; values that are stored already stay as they are [X]."""
        name = fields.get("Name", row.name)
        datatype = fields.get("Datatype", row.datatype)
        if (name, datatype) == (row.name, row.datatype):
            return False
        if name != row.name:
            self._reject_duplicate(row.namespace, name)
            self.store.rename_property(row, name)
        row.datatype = datatype
        return True

    def delete(self, row: Property) -> None:
        self.store.remove_property(row)

    def _named(self, namespace: str, name: str) -> Property | None:
        rows = self.store.properties.values()
        return next((row for row in rows if (row.namespace, row.name) == (namespace, name)), None)

    def _reject_duplicate(self, namespace: str, name: str) -> None:
        if self._named(namespace, name):
            # The resource's spelling in this text was not recorded. [X]
            raise errors.already_exists("ContactMetadata", f"{namespace}|{name}", "Namespace|Name")
