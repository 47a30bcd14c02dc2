"""Resources that are read by the thousand, for `MailjetClient.page` and `count`."""

from typing import Generic, NamedTuple, TypeVar

from jetbridge.integrations.mailjet.api import resources as rows

T = TypeVar("T", bound=rows.Row)


class Listing(NamedTuple, Generic[T]):
    """`sort`: by what it can be asked to be sorted (SortInfo of Mailjet's metadata); empty: it comes as it comes."""

    resource: str
    row: type[T]
    sort: str = "ID"


#: Filters: ContactsList, IsUnsubscribed, IsExcludedFromCampaigns.
CONTACT = Listing("contact", rows.Contact)
#: Its ID is the contact's; contacts without properties may be left out. Nothing says that it can be sorted.
CONTACTDATA = Listing("contactdata", rows.ContactData, sort="")
#: Filters: FromTS (exclusive) and ToTS of its arrival, Campaign, Contact, MessageStatus; ShowContactAlt and the like add fields.
MESSAGE = Listing("message", rows.Message)
#: Its ID is its own. Filters: ContactsList, Contact, ContactEmail, Unsub.
LISTRECIPIENT = Listing("listrecipient", rows.ListRecipient)
