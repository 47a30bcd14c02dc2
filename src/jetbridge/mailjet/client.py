"""Mailjet's API in Mailjet's words: one method per call that Jetbridge makes.

Every method blocks, is safe from any thread, and raises DeliveryError (see `errors.RULES`); the caller owns
retries. Rows come back typed (`resources`).
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec
import urllib3

from jetbridge.mailjet import error_file
from jetbridge.mailjet import resources as rows
from jetbridge.mailjet.errors import AlreadyExists, Answer, EmailRefused, NotFound, unreadable
from jetbridge.mailjet.listings import Listing
from jetbridge.mailjet.transport import Transport

T = TypeVar("T", bound=rows.Row)

#: Mailjet's highest Limit; its default is 10.
PAGE_ROWS = 1_000


class MailjetClient:
    """One API key pair of Mailjet."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        secret_key: str,
        *,
        timeout_seconds: float = 30.0,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        self._transport = Transport(api_url, api_key, secret_key, timeout_seconds=timeout_seconds, pool=pool)

    def __repr__(self) -> str:
        return f"MailjetClient({self.api_url})"

    @property
    def api_url(self) -> str:
        return self._transport.api_url

    # Listings, a page at a time, for who reads much of them

    def page(self, listing: Listing[T], offset: int, **filters: object) -> list[T]:
        """Up to PAGE_ROWS rows by rising ID; fewer: there are no more. Filters are Mailjet's own."""
        sort = {"Sort": listing.sort} if listing.sort else {}
        query = {"Limit": PAGE_ROWS, "Offset": offset, **sort, **filters}
        return _data(listing.row, self._call("GET", f"/v3/REST/{listing.resource}", query=query))

    def count(self, listing: Listing[Any], **filters: object) -> int:
        path = f"/v3/REST/{listing.resource}"
        found = _envelope(rows.Row, self._call("GET", path, query={"countOnly": 1, **filters}))
        if not found.data:
            return found.count
        # A filter that Mailjet does not know is ignored in silence; then this was a page. The other way to count:
        query = {"countrecords": 1, "Limit": 1, **filters}
        return _envelope(rows.Row, self._call("GET", path, query=query)).total

    # Account

    def user(self) -> rows.User:
        """Who the key pair belongs to. The cheap check of a key pair: raises HoldError for a wrong one."""
        return self._one(rows.User, "GET", "/v3/REST/user")

    # Contacts lists

    def contactslists(self) -> list[rows.ContactsList]:
        """All lists that are not deleted."""
        return list(self._pages(rows.ContactsList, "contactslist", IsDeleted="false"))

    def contactslist(self, list_id: int) -> rows.ContactsList | None:
        """None if there is no such list. A deleted list is there, with `is_deleted`."""
        return self._one_or_none(rows.ContactsList, f"/v3/REST/contactslist/{list_id}")

    def create_contactslist(self, name: str) -> rows.ContactsList:
        return self._one(rows.ContactsList, "POST", "/v3/REST/contactslist", {"Name": name})

    # Contact properties

    def contactmetadata(self) -> dict[str, str]:
        """Datatype by property name in lower case: Mailjet matches names without regard to case."""
        found = self._pages(rows.ContactMetadata, "contactmetadata")
        return {row.name.lower(): row.datatype for row in found if row.name_space == "static"}

    def create_contactmetadata(self, name: str, datatype: str) -> bool:
        """Create a property. False if it was there already, perhaps with another Datatype."""
        body = {"Name": name, "Datatype": datatype, "NameSpace": "static"}
        try:
            self._one(rows.ContactMetadata, "POST", "/v3/REST/contactmetadata", body)
        except AlreadyExists:
            return False
        return True

    # Contacts

    def contact(self, key: str | int) -> rows.Contact | None:
        """By email address or ID; None if Mailjet has no such contact, nor can have."""
        try:
            return self._one_or_none(rows.Contact, f"/v3/REST/contact/{_part(key)}")
        except EmailRefused:
            return None

    def contactdata(self, key: str | int) -> dict[str, Any]:
        """Properties of a contact, by name; empty if there is no such contact."""
        found = self._one_or_none(rows.ContactData, f"/v3/REST/contactdata/{_part(key)}")
        return {row["Name"]: row["Value"] for row in found.data} if found else {}

    def getcontactslists(self, key: str | int) -> list[rows.Subscription]:
        """The lists of a contact; empty if there is no such contact, nor can be."""
        try:
            return _data(
                rows.Subscription, self._call("GET", f"/v3/REST/contact/{_part(key)}/getcontactslists")
            )
        except (NotFound, EmailRefused):
            return []

    def managecontactslists(self, key: str | int, actions: Mapping[int, str]) -> None:
        """`actions` maps list ids to addforce, addnoforce, remove or unsub. The contact must exist."""
        body = {
            "ContactsLists": [{"ListID": list_id, "Action": action} for list_id, action in actions.items()]
        }
        self._one(rows.ManagedLists, "POST", f"/v3/REST/contact/{_part(key)}/managecontactslists", body)

    def managecontact(self, list_id: int, body: Mapping[str, Any] | bytes) -> rows.ManagedContact:
        """Create or update one contact on a list, at once. One refused property refuses the whole call."""
        return self._one(rows.ManagedContact, "POST", f"/v3/REST/contactslist/{list_id}/managecontact", body)

    def delete_contact(self, contact_id: int) -> None:
        """Anonymise a contact for good (GDPR). Mailjet says yes to ids it does not have, too."""
        self._call("DELETE", f"/v4/contacts/{contact_id}")

    # Jobs

    def managemanycontacts(self, list_id: int, body: Mapping[str, Any] | bytes) -> int:
        """Start a job for one list; return its id. Accepted is not done: follow it with `job`."""
        return self._job_id(f"/v3/REST/contactslist/{list_id}/managemanycontacts", body)

    def manage_contacts_in_lists(self, body: Mapping[str, Any] | bytes) -> int:
        """Start a job for the lists that the body names (none is fine); return its id."""
        return self._job_id("/v3/REST/contact/managemanycontacts", body)

    def job(self, job_id: int, list_id: int | None = None) -> rows.Job:
        """`list_id` is needed for a job that `managemanycontacts` started."""
        under = "contact" if list_id is None else f"contactslist/{list_id}"
        return self._one(rows.Job, "GET", f"/v3/REST/{under}/managemanycontacts/{job_id}")

    def job_errors(self, job_id: int) -> list[dict[str, Any]]:
        """Rows of a job's error file; empty if it has none."""
        try:
            answer = self._call("GET", f"/v3/DATA/batchjob/{job_id}/JSONError/application:json/LAST")
        except NotFound:
            return []
        return error_file.rows_of(answer)

    # Event callback URLs

    def eventcallbackurls(self) -> list[rows.EventCallbackUrl]:
        return list(self._pages(rows.EventCallbackUrl, "eventcallbackurl"))

    def create_eventcallbackurl(
        self, event_type: str, url: str, *, version: int = 2, is_backup: bool = False
    ) -> rows.EventCallbackUrl:
        """Raises AlreadyExists if any URL is registered for this event type and backup flag."""
        body = {"EventType": event_type, "Url": url, "Version": version, "IsBackup": is_backup}
        return self._one(rows.EventCallbackUrl, "POST", "/v3/REST/eventcallbackurl", body)

    def update_eventcallbackurl(self, row_id: int, *, url: str, version: int = 2) -> None:
        self._call("PUT", f"/v3/REST/eventcallbackurl/{row_id}", {"Url": url, "Version": version})

    def delete_eventcallbackurl(self, row_id: int) -> None:
        self._call("DELETE", f"/v3/REST/eventcallbackurl/{row_id}")

    # What events leave out

    def message(self, message_id: int) -> rows.MessageInfo | None:
        return self._one_or_none(rows.MessageInfo, f"/v3/REST/message/{message_id}", ShowSubject="true")

    def campaign(self, campaign_id: int) -> rows.Campaign | None:
        return self._one_or_none(rows.Campaign, f"/v3/REST/campaign/{campaign_id}")

    def campaigndraft(self, draft_id: int) -> rows.CampaignDraft | None:
        """The draft that a campaign was made from: its `news_letter_id`."""
        return self._one_or_none(rows.CampaignDraft, f"/v3/REST/campaigndraft/{draft_id}")

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer:
        return self._transport.call(method, path, body=body, query=query)

    def _one(self, row: type[T], method: str, path: str, body: Mapping[str, Any] | bytes | None = None) -> T:
        return _first(row, self._call(method, path, body))

    def _one_or_none(self, row: type[T], path: str, **query: object) -> T | None:
        try:
            return _first(row, self._call("GET", path, query=query))
        except NotFound:
            return None

    def _pages(self, row: type[T], resource: str, **filters: object) -> Iterator[T]:
        # Total cannot end the loop: unless asked otherwise it repeats Count. Sort keeps pages apart.
        for offset in itertools.count(0, PAGE_ROWS):
            page = self.page(Listing(resource, row), offset, **filters)
            yield from page
            if len(page) < PAGE_ROWS:
                return

    def _job_id(self, path: str, body: Mapping[str, Any] | bytes) -> int:
        return self._one(rows.JobCreated, "POST", path, body).job_id


class _Envelope(msgspec.Struct, Generic[T], rename="pascal"):
    data: list[T]
    count: int = 0
    total: int = 0


def _data(row: type[T], answer: Answer) -> list[T]:
    return _envelope(row, answer).data


def _envelope(row: type[T], answer: Answer) -> _Envelope[T]:
    try:
        # Not strict: documented samples write some numbers as text.
        return msgspec.json.decode(answer.body, type=_Envelope[row], strict=False)  # type: ignore[valid-type]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise unreadable(answer) from None


def _first(row: type[T], answer: Answer) -> T:
    found = _data(row, answer)
    if not found:
        raise unreadable(answer)
    return found[0]


def _part(key: str | int) -> str:
    return quote(str(key), safe="@")
