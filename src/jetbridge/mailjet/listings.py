"""Resources that are read by the thousand, for `MailjetClient.page` and `count`."""

from typing import Generic, NamedTuple, TypeVar

from jetbridge.mailjet import resources as rows

T = TypeVar("T", bound=rows.Row)


class Listing(NamedTuple, Generic[T]):
    resource: str
    row: type[T]


#: Filters: ContactsList, IsUnsubscribed, IsExcludedFromCampaigns.
CONTACT = Listing("contact", rows.Contact)
#: Its ID is the contact's; contacts without properties may be left out.
CONTACTDATA = Listing("contactdata", rows.ContactData)
#: Its ID is its own. Filters: ContactsList, Contact, ContactEmail, Unsub.
LISTRECIPIENT = Listing("listrecipient", rows.ListRecipient)
