"""Rows of Mailjet's resources, as far as Jetbridge reads them, under Mailjet's names in Python's spelling.

Times stay text: Mailjet writes RFC 3339, and "" for what never happened.
"""

from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

#: What can be done with a contact and a list (Mailjet's guide "Manage contacts"). addforce subscribes, even a contact that had
#: unsubscribed; addnoforce adds and leaves an unsubscribe alone; unsub keeps the contact on the list as unsubscribed; remove takes
#: it off and forgets that it had unsubscribed.
ADDFORCE, ADDNOFORCE, REMOVE, UNSUB = ACTIONS = ("addforce", "addnoforce", "remove", "unsub")

_CAPITALS = {"id": "ID", "api": "API"}


def _pascal(name: str) -> str:
    """As Mailjet spells a field: `api_key_id` is APIKeyID."""
    return "".join(_CAPITALS.get(part, part.capitalize()) for part in name.split("_"))


class Row(msgspec.Struct, rename=_pascal, kw_only=True):
    """Unknown fields are ignored, so that a field Mailjet adds disturbs nothing."""


class KeyedRow(Row):
    """A row of a resource that can be listed."""

    id: int


class ContactsList(KeyedRow):
    name: str
    address: str = ""
    subscriber_count: int = 0
    is_deleted: bool = False
    created_at: str = ""

    def is_named(self, name: str) -> bool:
        """Whether a person would read this as its name: case and blanks do not distinguish two lists."""
        return " ".join(self.name.split()).casefold() == " ".join(name.split()).casefold()


class Contact(KeyedRow):
    email: str
    name: str = ""
    is_excluded_from_campaigns: bool = False
    is_spam_complaining: bool = False
    exclusion_from_campaigns_updated_at: str = ""
    created_at: str = ""
    last_update_at: str = ""

    @property
    def is_opted_out(self) -> bool:
        """Excluded from campaigns, or has complained about spam."""
        return self.is_excluded_from_campaigns or self.is_spam_complaining


class ManagedContact(Row):
    """The packet that managecontact returns: all properties the contact has, not only those sent.

    No recording of one is known, and a success must not fail because of its format: every field may be anything.
    """

    email: Any = None
    contact_id: Any = None
    properties: Any = None


class ManagedList(Row):
    """One list of managecontactslists, echoed with its action."""

    list_id: int = msgspec.field(name="ListID")


class ManagedLists(Row):
    contacts_lists: list[ManagedList]


class ContactMetadata(KeyedRow):
    name: str
    datatype: str
    name_space: str = "static"


class ContactData(KeyedRow):
    """All properties that one contact has; `data` holds {"Name", "Value"} rows."""

    data: list[dict[str, Any]] = []


class Subscription(Row):
    """A contact's place on one list (getcontactslists)."""

    list_id: int
    is_active: bool = True
    is_unsub: bool = False
    subscribed_at: str = ""


class ListRecipient(KeyedRow):
    """A contact's place on one list, as a row of its own; the only one that says when it unsubscribed."""

    contact_id: int
    list_id: int
    is_active: bool = True
    is_unsubscribed: bool = False
    unsubscribed_at: str = ""


class JobCreated(Row):
    job_id: int


class Job(Row):
    """A managemanycontacts job. `count` is how many contacts were processed so far.

    `status` runs through Allocated, Upload, Prepare, Importing (newer docs: In Progress) and ends in one
    of ENDED. A Completed job can still have rejected rows: see `error_file` and `MailjetClient.job_errors`.
    """

    status: str
    count: int | None = 0
    error: str | None = ""
    error_file: str | None = ""
    job_start: str | int | None = ""
    job_end: str | int | None = ""

    @property
    def ended(self) -> bool:
        return self.status.lower() in ENDED


ENDED = frozenset({"completed", "error", "abort", "aborted"})


class EventCallbackUrl(KeyedRow):
    """One registration. `url` may hold credentials; repr() leaves it out."""

    event_type: str
    url: str
    version: int = 1
    status: str = "alive"
    is_backup: bool = False
    api_key_id: int = 0

    def __repr__(self) -> str:
        return f"EventCallbackUrl(id={self.id}, event_type={self.event_type!r}, version={self.version})"


class MessageInfo(Row):
    """`subject` is as the recipient saw it; `campaign_id` is 0 for a message of no campaign."""

    id: int
    subject: str = ""
    campaign_id: int = 0


class Message(KeyedRow):
    """One email to one recipient, as the list of messages has it: 0, False and "" also mean that Mailjet left it out.

    `contact_alt` (the address), `subject` and `custom_id` are there if they were requested. `status` is the latest that
    happened: queued, sent, opened, clicked, bounce, hardbounced, softbounced, spam, unsub, blocked, deferred, unknown.
    `state_id` says why it did not arrive (`events.STATES`), and `state_permanent` whether it never will.
    """

    uuid: Any = msgspec.field(name="UUID", default="")
    contact_alt: Any = ""
    contact_id: Any = 0
    campaign_id: Any = 0
    custom_id: Any = ""
    status: Any = ""
    state_id: Any = 0
    state_permanent: Any = None


class MessageHistory(Row):
    """Something that happened to a message. `event_at` is in Unix seconds; `event_type` is sent, opened, clicked, bounced,
    blocked, unsub or spam. Mailjet's recorded rows have an empty `useragent`.

    Every field may be anything: one invalid row must not make the others unreadable.
    """

    event_at: Any = None
    event_type: Any = None
    comment: Any = ""
    state: Any = ""
    useragent: Any = ""


class ClickStatistic(Row):
    """A click with its link, which the history of a message does not have."""

    message_id: Any = 0
    clicked_at: Any = ""
    url: Any = ""


class Campaign(Row):
    """`subject` is the template's, personalisation not filled in. Its title is that of its campaigndraft."""

    id: int
    subject: str = ""
    custom_value: str = ""
    list_id: int = 0
    news_letter_id: int = 0


class CampaignDraft(Row):
    id: int
    title: str | None = ""
    subject: str | None = ""


class User(Row):
    id: int
    email: str = ""
    username: str = ""


T = TypeVar("T", bound=Row)


class Listing(NamedTuple, Generic[T]):
    """A resource that `MailjetClient.pages` and `count` read. `sort`: a field that it can be sorted by (SortInfo of Mailjet's
    metadata); empty: its order is not defined.
    """

    resource: str
    row: type[T]
    sort: str = "ID"


#: Filters: ContactsList, IsUnsubscribed, IsExcludedFromCampaigns.
CONTACT = Listing("contact", Contact)
#: Its ID is the contact's; contacts without properties may be left out. Nothing documents that it can be sorted.
CONTACTDATA = Listing("contactdata", ContactData, sort="")
#: Filters: FromTS (exclusive) and ToTS of its arrival, Campaign, Contact, MessageStatus; ShowContactAlt and the like add fields.
MESSAGE = Listing("message", Message)
#: Its ID is its own. Filters: ContactsList, Contact, ContactEmail, Unsub.
LISTRECIPIENT = Listing("listrecipient", ListRecipient)
