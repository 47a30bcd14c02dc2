"""``/v4/contacts``: the one way to get rid of a person."""

from starlette.responses import Response

from mailjet_sandbox import subscriptions, wire
from mailjet_sandbox.body import as_id
from mailjet_sandbox.model import Contact
from mailjet_sandbox.state import Call, State
from mailjet_sandbox.store import Store


class ContactPrivacy:
    def __init__(self, state: State) -> None:
        self._store = state.store

    def handle(self, call: Call) -> Response:
        """Anonymise a contact: 200 and no body, also when there is no such contact [R]. Numeric identifiers only [D]."""
        if call.method != "DELETE":
            return wire.newer_error(405, "Method not allowed")
        identifier = as_id(call.segments[0]) if len(call.segments) == 1 else None
        if identifier is None:
            return wire.newer_error(400, "Incorrect ID provided - ID type mismatch")
        contact = self._store.contacts.get(identifier)
        if contact is not None and not contact.anonymized:
            anonymize(self._store, contact)
        return wire.newer_text(b"")


def anonymize(store: Store, contact: Contact) -> None:
    r"""Replace the address by ``\\x<40 hex>@domain.invalid`` and the name by ``Anonymized`` [D]; leave all lists [X].

    The real row goes for good after 30 days; here it stays. The address may be used again at once.
    """
    for member in list(store.memberships_of(contact)):
        subscriptions.remove(store, store.lists[member.list_id], contact)
    digest = store.digits_for("contact", contact.id)
    store.rename_contact(contact, f"\\x{digest}@domain.invalid")
    contact.name = "Anonymized"
    contact.anonymized = True
    contact.data.clear()
    contact.updated_at = store.now()
