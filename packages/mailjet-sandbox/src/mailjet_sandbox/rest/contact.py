"""contact: one person, by identifier or address. It cannot be deleted here, only through ``/v4/contacts``."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mailjet_sandbox import clock, errors
from mailjet_sandbox.body import as_id
from mailjet_sandbox.model import Contact, Membership
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest import manage
from mailjet_sandbox.rest.resource import Action, Fields, Resource, boolean, read_only, text
from mailjet_sandbox.store import Store
from mailjet_sandbox.upsert import is_email, update_contact
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
