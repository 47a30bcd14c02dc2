"""Everything that one Mailjet API key owns, in memory, with the indexes that keep a million contacts quick.

Only the event loop's thread touches it, so there are no locks.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator

from mailjet_sandbox.clock import Clock
from mailjet_sandbox.model import (
    Callback,
    Campaign,
    Contact,
    ContactsList,
    Filter,
    Job,
    Membership,
    Message,
    Property,
    Sender,
)

#: A new account comes with these, all of them texts. [R]
DEFAULT_PROPERTIES = ("firstname", "name", "country", "newsletter_sub")

#: Mailjet's help says so of imports; here it holds for every way to make one. [D for imports, X else]
MAX_PROPERTIES = 200

#: First identifier per kind. Message identifiers lie beyond 2^53, as real ones do, so that a JavaScript number rounds them. [R]
FIRST_IDS = {
    "contact": 1_500_001,
    "list": 38_001,
    "member": 2_100_000_001,
    "property": 65_001,
    "job": 113_869_001,
    "callback": 501,
    "filter": 301,
    "data": 1,
    "campaign": 7_390_001,
    "newsletter": 44_001,
    "sender": 2,
    "message": 1_152_921_509_597_813_712,
}

#: Consecutive messages lie about a thousand apart. [S] mailjet-apiv3-php-simple#75
_ID_STEPS = {"message": 1_001}


class Store:
    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self.clock = clock
        self._seed = seed
        self.next_ids = dict(FIRST_IDS)
        self.clear()

    def clear(self) -> None:
        """Become a new account. Identifiers go on counting: Mailjet never gives one out twice."""
        self.contacts: dict[int, Contact] = {}
        self.contact_ids: dict[str, int] = {}
        self.lists: dict[int, ContactsList] = {}
        self.members: defaultdict[int, dict[int, Membership]] = defaultdict(dict)
        self.memberships: dict[int, Membership] = {}
        self.properties: dict[int, Property] = {}
        self.static_properties: dict[str, Property] = {}
        self.jobs: dict[int, Job] = {}
        self.uploads: dict[int, str] = {}
        self.callbacks: dict[int, Callback] = {}
        self.filters: dict[int, Filter] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.messages: dict[int, Message] = {}
        default = Sender(1, "newsletter@example.com", "Example", status="Active", is_default=True)
        self.senders: dict[int, Sender] = {default.id: default}
        for name in DEFAULT_PROPERTIES:
            self.add_property(Property(self.new_id("property"), name))

    def now(self) -> int:
        return int(self.clock())

    def new_id(self, kind: str) -> int:
        identifier = self.next_ids[kind]
        self.next_ids[kind] = identifier + _ID_STEPS.get(kind, 1)
        return identifier

    def digits_for(self, kind: str, identifier: int) -> str:
        """Return 40 hexadecimal digits that belong to one object of this sandbox, always the same."""
        text = f"{self._seed}/{kind}/{identifier}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def uuid_for(self, message_id: int) -> str:
        digits = self.digits_for("message", message_id)
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-9{digits[17:20]}-{digits[20:32]}"

    # Contacts. Addresses are compared in lower case and kept as first written. [X]

    def contact_by_email(self, email: str) -> Contact | None:
        identifier = self.contact_ids.get(email.lower())
        return None if identifier is None else self.contacts[identifier]

    def add_contact(self, email: str) -> Contact:
        contact = Contact(self.new_id("contact"), email, created_at=self.now())
        self.restore_contact(contact)
        return contact

    def restore_contact(self, contact: Contact) -> None:
        self.contacts[contact.id] = contact
        self.contact_ids[contact.email.lower()] = contact.id

    def rename_contact(self, contact: Contact, email: str) -> None:
        del self.contact_ids[contact.email.lower()]
        contact.email = email
        self.contact_ids[email.lower()] = contact.id

    # Messages.

    def new_message_ids(self) -> tuple[int, str]:
        message_id = self.new_id("message")
        return message_id, self.uuid_for(message_id)

    def add_message(self, contact: Contact, subject: str, campaign_id: int = 0) -> Message:
        message_id, uuid = self.new_message_ids()
        message = Message(message_id, uuid, contact.id, self.now(), subject, campaign_id)
        self.messages[message.id] = message
        return message

    # Lists and who is on them.

    def add_list(self, name: str) -> ContactsList:
        list_id = self.new_id("list")
        address = self.digits_for("list", list_id)[:9]  # Nine letters and digits. [R]
        row = ContactsList(list_id, name, address, self.now())
        self.lists[row.id] = row
        return row

    def active_list(self, list_id: int | None) -> ContactsList | None:
        row = self.lists.get(list_id or 0)
        return None if row is None or row.deleted else row

    def add_membership(self, row: Membership) -> None:
        self.members[row.list_id][row.contact_id] = row
        self.memberships[row.id] = row

    def remove_membership(self, row: Membership) -> None:
        del self.members[row.list_id][row.contact_id]
        del self.memberships[row.id]

    def memberships_of(self, contact: Contact) -> Iterator[Membership]:
        for rows in self.members.values():
            if contact.id in rows:
                yield rows[contact.id]

    # Property definitions.

    def add_property(self, row: Property) -> None:
        self.properties[row.id] = row
        if row.namespace == "static":
            self.static_properties[row.name.lower()] = row

    def rename_property(self, row: Property, name: str) -> None:
        """Give a property another name; the contacts' values follow."""
        old = row.name
        self._drop_name(row)
        row.name = name
        self.add_property(row)
        for contact in self.contacts.values():
            if old in contact.data:
                contact.data[name] = contact.data.pop(old)

    def hide_property(self, row: Property) -> None:
        """Let a property be listed, but not written."""
        self._drop_name(row)

    def show_property(self, row: Property) -> None:
        """Let a hidden property be written, if it is still there."""
        if self.properties.get(row.id) is row:
            self.add_property(row)

    def remove_property(self, row: Property) -> None:
        """Forget a property together with the contacts' values [X]."""
        self._drop_name(row)
        del self.properties[row.id]
        for contact in self.contacts.values():
            contact.data.pop(row.name, None)

    def forget_properties(self) -> None:
        self.properties.clear()
        self.static_properties.clear()

    def _drop_name(self, row: Property) -> None:
        if row.namespace == "static":
            self.static_properties.pop(row.name.lower(), None)
