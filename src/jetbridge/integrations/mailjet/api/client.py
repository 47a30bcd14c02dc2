"""Mailjet's API in Mailjet's words: one method per call that Jetbridge makes.

Every method blocks, is safe from any thread, and raises DeliveryError (see `errors.RULES`); the caller owns
retries. Rows come back typed (`resources`).

urllib3 rather than the official mailjet-rest: that client calls json.dumps itself, so bodies rendered by
msgspec would be decoded and encoded again, and it mounts retries of its own on POST, so a caller that owns
its retries (with the ledger's position held) would wait behind them. Tests use mailjet-rest.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from jetbridge import __version__
from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.http.client import PAGE_SECONDS, WORKER_SECONDS, Service, time_limit
from jetbridge.integrations.mailjet.api import resources as rows
from jetbridge.integrations.mailjet.api.errors import (
    AlreadyExists,
    EmailRejected,
    NotFound,
    Response,
    error_of,
    invalid_response,
)
from jetbridge.integrations.mailjet.api.rate_limiter import rate_limiter_of
from jetbridge.integrations.mailjet.api.resources import Listing
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted
from jetbridge.text import pluralize

T = TypeVar("T", bound=rows.Row)
K = TypeVar("K", bound=rows.KeyedRow)

#: Mailjet's highest Limit; its default is 10.
PAGE_ROWS = 1_000
#: Of a listing that is kept in memory as a whole: no account is known that has as many lists or properties.
MAX_ROWS = 100_000
#: The code of a listing that Mailjet does not bring to its end.
INCOMPLETE_LISTING = "INCOMPLETE_LISTING"


#: user:password in an address (its slashes may be escaped), and the token in our event callback addresses.
_IN_URLS = re.compile(r"(?<=:\\/\\/)[^/@\s\"]+@|(?<=://)[^/@\s\"]+@|(?<=/mailjet/events/)[\w-]+")
#: Secrets shorter than this are no secrets.
MASKED_LENGTH = 6


class Transport:
    """Makes single HTTP calls with one key pair. Thread-safe. repr() shows no secret."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        secret_key: str,
        *,
        timeout_seconds: float,
    ) -> None:
        self._service = Service("Mailjet", api_url.rstrip("/"), timeout_seconds=timeout_seconds)
        self.rate_limiter = rate_limiter_of(self._service.url, api_key)
        token = base64.b64encode(f"{api_key}:{secret_key}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {token}",
            "Content-Type": "application/json",
            "User-Agent": f"jetbridge/{__version__}",
        }
        # Mailjet's have 32 characters; masking the toy keys of a sandbox would garble every message.
        self._secrets = [secret for secret in (secret_key, api_key, token) if len(secret) >= MASKED_LENGTH]

    def __repr__(self) -> str:
        return f"Transport({self._service.host})"

    @property
    def api_url(self) -> str:
        return self._service.url

    @property
    def timeout_seconds(self) -> float:
        return self._service.timeout_seconds

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | Mapping[str, Any] | None = None,
    ) -> Response:
        """The response if it is a success (2xx, 304). Raises DeliveryError for every other.

        Blocks, also to keep to the rate limit of the key; raises TransientError instead if that would take long.
        """
        if body is not None and not isinstance(body, bytes):
            body = msgspec.json.encode(body)
        target = f"{path}?{urlencode(query)}" if query else path
        started_at = self.rate_limiter.wait()
        http = self._service.call(method, target, headers=self._headers, body=body, mask=self.mask)
        response = Response(
            f"{method} {path}", http.status, http.content_type, http.body, http.retry_after, self.mask
        )
        if error := error_of(response):
            if isinstance(error, TransientError):
                self.rate_limiter.record_failure(started_at, error)
            raise error
        self.rate_limiter.record_success()
        return response

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _IN_URLS.sub("***", text)


class MailjetClient:
    """One API key pair of Mailjet."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        secret_key: str,
        *,
        timeout_seconds: float = WORKER_SECONDS,
    ) -> None:
        self._transport = Transport(api_url, api_key, secret_key, timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        return f"MailjetClient({self.api_url})"

    @property
    def api_url(self) -> str:
        return self._transport.api_url

    @property
    def calls_per_second(self) -> float | None:
        """What Mailjet allows this key at the moment; None: no limit is known."""
        return self._transport.rate_limiter.calls_per_second

    # Listings, a page at a time

    def page(self, listing: Listing[T], offset: int, **filters: object) -> list[T]:
        """Up to PAGE_ROWS rows by rising ID; fewer: there are no more. Filters are Mailjet's own."""
        sort = {"Sort": listing.sort} if listing.sort else {}
        query = {"Limit": PAGE_ROWS, "Offset": offset, **sort, **filters}
        response = self._call("GET", f"/v3/REST/{listing.resource}", query=query)
        page = _data(listing.row, response)
        if len(page) > PAGE_ROWS:
            raise invalid_response(response)
        return page

    def pages(
        self,
        listing: Listing[K],
        *,
        call: Callable[[Callable[[], Any]], Any] = lambda call: call(),
        counted: bool = False,
        offset: int = 0,
        **filters: Any,
    ) -> Iterator[list[K]]:
        """All rows after the first `offset`, a page at a time; what moves across a page's border meanwhile comes once, or
        is missed.

        `call` makes each call, at a pace of its own. Mailjet's own count ends the reading; it is read after a
        full page, and with `counted` at the end, too. Raises TransientError (INCOMPLETE_LISTING) if the rows end
        before it, or bring nothing new: a contact that is missing in a listing would look subscribed, or deleted. Raises
        PermanentError if the rows come in no order, so that pages cannot be put together.
        """
        highest, reported = 0, 0
        seen: set[int] = set()  # on the page before
        while True:
            page = call(lambda: self.page(listing, offset, **filters))  # noqa: B023 - called at once
            fresh = [row for row in page if row.id not in seen]
            if any(row.id <= highest for row in fresh):
                raise PermanentError(
                    "UNSORTED_RESPONSE",
                    f"Mailjet does not list {listing.resource} by ID, so its pages cannot be put together.",
                )
            if len(page) == PAGE_ROWS and not fresh:
                raise _incomplete(listing, f"brings nothing new after {pluralize(offset, 'row')}")
            highest = max((row.id for row in fresh), default=highest)
            seen = {row.id for row in page}
            yield fresh
            is_last, read = len(page) < PAGE_ROWS, offset + len(page)
            if (counted or read < reported) if is_last else read >= reported:
                reported = call(lambda: self.count(listing, **filters))
            if read >= reported:
                return
            # Some may have come since the last page was read: then it is longer now.
            if is_last and len(call(lambda: self.page(listing, offset, **filters))) == len(page):  # noqa: B023
                raise _incomplete(listing, f"breaks off after {read:,} of {pluralize(reported, 'row')}")
            offset = offset if is_last else read

    def count(self, listing: Listing[Any], **filters: object) -> int:
        path = f"/v3/REST/{listing.resource}"
        envelope = _envelope(rows.Row, self._call("GET", path, query={"countOnly": 1, **filters}))
        if not envelope.data:
            return envelope.count
        # Mailjet silently ignores a filter that it does not know; then this was a page. The other way to count:
        query = {"countrecords": 1, "Limit": 1, **filters}
        return _envelope(rows.Row, self._call("GET", path, query=query)).total

    # Account

    def user(self) -> rows.User:
        """Who the key pair belongs to. The cheap check of a key pair: raises PauseError for a wrong one."""
        return self._one(rows.User, "GET", "/v3/REST/user")

    # Contacts lists

    def contactslists(self) -> list[rows.ContactsList]:
        """All lists that are not deleted."""
        return self._all(Listing("contactslist", rows.ContactsList), IsDeleted="false")

    def contactslist(self, list_id: int) -> rows.ContactsList | None:
        """None if there is no such list. A deleted list is there, with `is_deleted`."""
        return self._one_or_none(rows.ContactsList, f"/v3/REST/contactslist/{list_id}")

    def create_contactslist(self, name: str) -> rows.ContactsList:
        return self._one(rows.ContactsList, "POST", "/v3/REST/contactslist", {"Name": name})

    # Contact properties

    def contactmetadata(self) -> dict[str, str]:
        """Datatype by property name in lower case: Mailjet matches names without regard to case."""
        properties = self._all(Listing("contactmetadata", rows.ContactMetadata))
        return {row.name.lower(): row.datatype for row in properties if row.name_space == "static"}

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
        except EmailRejected:
            return None

    def contactdata(self, key: str | int) -> dict[str, Any]:
        """Properties of a contact, by name; empty if there is no such contact."""
        contact = self._one_or_none(rows.ContactData, f"/v3/REST/contactdata/{_part(key)}")
        return {row["Name"]: row["Value"] for row in contact.data} if contact else {}

    def getcontactslists(self, key: str | int) -> list[rows.Subscription]:
        """The lists of a contact; empty if there is no such contact, nor can be."""
        try:
            path = f"/v3/REST/contact/{_part(key)}/getcontactslists"
            return _data(rows.Subscription, self._call("GET", path, query={"Limit": PAGE_ROWS}))
        except (NotFound, EmailRejected):
            return []

    def managecontactslists(self, key: str | int, actions: Mapping[int, str]) -> None:
        """`actions` maps list ids to addforce, addnoforce, remove or unsub. The contact must exist."""
        body = {
            "ContactsLists": [{"ListID": list_id, "Action": action} for list_id, action in actions.items()]
        }
        response = self._call("POST", f"/v3/REST/contact/{_part(key)}/managecontactslists", body)
        echoed = {row.list_id for row in _first(rows.ManagedLists, response).contacts_lists}
        if not actions.keys() <= echoed:
            raise invalid_response(response)

    def managecontact(self, list_id: int, body: Mapping[str, Any] | bytes) -> rows.ManagedContact:
        """Create or update one contact on a list, at once. One rejected property rejects the whole call."""
        return self._one(rows.ManagedContact, "POST", f"/v3/REST/contactslist/{list_id}/managecontact", body)

    def upsert_contact(self, email: str, name: str | None, properties: Mapping[str, Any]) -> None:
        """Create or update one contact on no list. One rejected property rejects them all."""
        named = {"Name": name} if name else {}
        try:
            self._call("POST", "/v3/REST/contact", {"Email": email, **named})
        except AlreadyExists:
            if named:
                self._call("PUT", f"/v3/REST/contact/{_part(email)}", named)
        if properties:
            data = [{"Name": key, "Value": value} for key, value in properties.items()]
            self._call("PUT", f"/v3/REST/contactdata/{_part(email)}", {"Data": data})

    def delete_contact(self, contact_id: int) -> None:
        """Anonymise a contact permanently (GDPR). Mailjet reports success for ids it does not have, too."""
        response = self._call("DELETE", f"/v4/contacts/{contact_id}")
        if response.body.strip():
            raise invalid_response(response)

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

    def job_errors(self, job_id: int) -> list[dict[str, Any]] | None:
        """Rows of a job's error file; none if it has no file. None: there is a file, and it is empty, which proves nothing."""
        try:
            response = self._call("GET", f"/v3/DATA/batchjob/{job_id}/JSONError/application:json/LAST")
        except NotFound:
            return []
        return read_error_file(response)

    # Event callback URLs

    def eventcallbackurls(self) -> list[rows.EventCallbackUrl]:
        return self._all(Listing("eventcallbackurl", rows.EventCallbackUrl))

    def create_eventcallbackurl(
        self, event_type: str, url: str, *, version: int = 2, is_backup: bool = False
    ) -> rows.EventCallbackUrl:
        """Raises AlreadyExists if any URL is registered for this event type and backup flag."""
        body = {"EventType": event_type, "Url": url, "Version": version, "IsBackup": is_backup}
        return self._one(rows.EventCallbackUrl, "POST", "/v3/REST/eventcallbackurl", body)

    def update_eventcallbackurl(self, row_id: int, *, url: str, version: int = 2) -> None:
        response = self._call("PUT", f"/v3/REST/eventcallbackurl/{row_id}", {"Url": url, "Version": version})
        if response.status != 304:
            _first(rows.EventCallbackUrl, response)

    def delete_eventcallbackurl(self, row_id: int) -> None:
        response = self._call("DELETE", f"/v3/REST/eventcallbackurl/{row_id}")
        if response.status != 204:
            raise invalid_response(response)

    # What events leave out

    def message(self, message_id: int) -> rows.MessageInfo | None:
        return self._one_or_none(rows.MessageInfo, f"/v3/REST/message/{message_id}", ShowSubject="true")

    def messagehistory(self, message_id: int) -> list[rows.MessageHistory]:
        """All that happened to a message; empty if there is no such message."""
        try:
            return _data(rows.MessageHistory, self._call("GET", f"/v3/REST/messagehistory/{message_id}"))
        except NotFound:
            return []

    def clickstatistics(self, message_id: int) -> list[rows.ClickStatistic]:
        """The clicks in a message, up to PAGE_ROWS."""
        query = {"MessageID": message_id, "Limit": PAGE_ROWS}
        clicks = _data(rows.ClickStatistic, self._call("GET", "/v3/REST/clickstatistics", query=query))
        # Mailjet silently ignores a filter that it does not know.
        return [row for row in clicks if row.message_id == message_id]

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
    ) -> Response:
        return self._transport.call(method, path, body=body, query=query)

    def _one(self, row: type[T], method: str, path: str, body: Mapping[str, Any] | bytes | None = None) -> T:
        return _first(row, self._call(method, path, body))

    def _one_or_none(self, row: type[T], path: str, **query: object) -> T | None:
        try:
            return _first(row, self._call("GET", path, query=query))
        except NotFound:
            return None

    def _all(self, listing: Listing[K], **filters: Any) -> list[K]:
        """All rows, within the time of one call."""
        rows_: list[K] = []
        with time_limit(self._transport.timeout_seconds):
            for page in self.pages(listing, **filters):
                rows_ += page
                if len(rows_) > MAX_ROWS:
                    raise _incomplete(listing, f"does not end after {pluralize(len(rows_), 'row')}")
        return rows_

    def _job_id(self, path: str, body: Mapping[str, Any] | bytes) -> int:
        return self._one(rows.JobCreated, "POST", path, body).job_id


class _Envelope(msgspec.Struct, Generic[T], rename="pascal"):
    """The body of every response of the REST API; `count` is the number of rows in `data`."""

    data: list[T]
    count: int
    total: int


def _data(row: type[T], response: Response) -> list[T]:
    """Raises TransientError if it has not as many rows as it counts."""
    envelope = _envelope(row, response)
    if envelope.count != len(envelope.data):
        raise invalid_response(response)
    return envelope.data


def _incomplete(listing: Listing[Any], how: str) -> TransientError:
    return TransientError(
        INCOMPLETE_LISTING,
        f"Mailjet's list of {listing.resource} {how}, so nothing is concluded from it. It is read again later.",
    )


def _envelope(row: type[T], response: Response) -> _Envelope[T]:
    try:
        # Not strict: documented samples write some numbers as text.
        return read_untrusted(response.body, _Envelope[row], strict=False)  # type: ignore[valid-type]
    except JSON_ERRORS:
        raise invalid_response(response) from None


def _first(row: type[T], response: Response) -> T:
    data = _data(row, response)
    if not data:
        raise invalid_response(response)
    return data[0]


def read_error_file(response: Response) -> list[dict[str, Any]] | None:
    """None if it is empty. The format is not documented: a list, one object, or an object per line."""
    if not response.body.strip():
        return None
    try:
        try:
            errors = read_untrusted(response.body)
        except JSON_ERRORS:
            errors = [read_untrusted(line) for line in response.body.splitlines() if line.strip()]
        return msgspec.convert(errors if isinstance(errors, list) else [errors], list[dict[str, Any]])
    except JSON_ERRORS:
        raise invalid_response(response) from None


def _part(key: str | int) -> str:
    return quote(str(key), safe="@")


class SwappedKeys(PauseError):
    """Mailjet rejects the key pair, and accepts it the other way round: API key and secret key look alike."""

    def __init__(self) -> None:
        super().__init__(
            "INVALID_AUTHENTICATION",
            "Mailjet rejects this pair and accepts it the other way round: the API key that you entered is the secret key. "
            "Exchange the two. Nothing was stored.",
        )


def check_key_pair(api_url: str, api_key: str, secret_key: str, *, seconds: float = PAGE_SECONDS) -> None:
    """Check a key pair that a person has entered. Blocks. Raises SwappedKeys, else DeliveryError."""
    try:
        MailjetClient(api_url, api_key, secret_key, timeout_seconds=seconds).user()
    except PauseError as rejected:
        if rejected.code != "INVALID_AUTHENTICATION" or api_key == secret_key:
            raise
        try:
            MailjetClient(api_url, secret_key, api_key, timeout_seconds=seconds).user()
        except DeliveryError:
            raise rejected from None
        raise SwappedKeys from None
