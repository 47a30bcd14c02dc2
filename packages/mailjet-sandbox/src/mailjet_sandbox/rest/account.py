"""apikey, user, myprofile, sender, eventcallbackurl: the account itself, invented once, and where its events are sent."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from starlette.responses import Response

from mailjet_sandbox import clock, errors, wire
from mailjet_sandbox.contacts import is_email
from mailjet_sandbox.model import EVENT_TYPES, Callback, Sender
from mailjet_sandbox.requests import Query, as_bool
from mailjet_sandbox.rest.resource import (
    API_KEY_ID,
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
from mailjet_sandbox.state import Call, State
from mailjet_sandbox.wire import Row

_USER_ID = 4321
_SINCE = "2020-01-01T00:00:00Z"


class OneRow(Resource[Row]):
    """A resource of a single row."""

    key: ClassVar[str] = "ID"

    def row(self) -> Row:
        raise NotImplementedError

    def rows(self, _query: Query) -> Iterable[Row]:
        return [self.row()]

    def find(self, key: str) -> Row | None:
        row = self.row()
        return row if key in (str(row["ID"]), row[self.key]) else None

    def render(self, row: Row, _query: Query) -> Row:
        return row


class ApiKeys(OneRow):
    name = "apikey"
    type_name = "APIKey"
    key = "APIKey"

    def row(self) -> Row:
        """The secret key comes back in clear [R]."""
        return {
            "ACL": "",
            "APIKey": self.state.settings.api_key,
            "CreatedAt": _SINCE,
            "ID": API_KEY_ID,
            "IsActive": True,
            "IsMaster": True,
            "Name": "Sandbox",
            "QuarantineValue": 0,
            "RegionID": 1,
            "Runlevel": "Normal",
            "SecretKey": self.state.settings.secret_key,
            "Skipspamd": False,
            "TrackHost": "",
            "UserID": _USER_ID,
        }


class Users(OneRow):
    name = "user"
    type_name = "User"
    key = "Email"

    def row(self) -> Row:
        return {
            "ACL": "",
            "CreatedAt": _SINCE,
            "Email": "owner@example.com",
            "FirstIp": "192.0.2.1",
            "ID": _USER_ID,
            "LastIp": "192.0.2.1",
            "LastLoginAt": _SINCE,
            "Locale": "en_US",
            "MaxAllowedAPIKeys": 5,
            "Timezone": "Europe/Paris",
            "Username": "owner@example.com",
            "WarnedRatelimitAt": "",
        }


class MyProfiles(OneRow):
    name = "myprofile"
    type_name = "MyProfile"

    def row(self) -> Row:
        return {
            "AddressCity": "Paris",
            "AddressCountry": "FR",
            "AddressPostalCode": "75000",
            "AddressState": "",
            "AddressStreet": "1 rue de l'Exemple",
            "BillingEmail": "owner@example.com",
            "BirthdayAt": "",
            "CompanyName": "Example",
            "CompanyNumOfEmployees": "",
            "ContactPhone": "",
            "EstimatedVolume": 0,
            "Features": "",
            "Firstname": "Ada",
            "ID": 1,
            "Industry": "",
            "JobTitle": "",
            "Lastname": "Example",
            "UserID": _USER_ID,
            "VAT": 0,
            "VATNumber": "",
            "Website": "https://www.example.com",
        }


class Senders(Resource[Sender]):
    """Addresses that mail may come from. Nothing checks whether they are active."""

    name = "sender"
    type_name = "Sender"
    operations = frozenset({"GET", "POST"})
    fields = {
        "CreatedAt": read_only,
        "DNSID": read_only,
        "Email": required_text,
        "EmailType": one_of("transactional", "bulk", "unknown"),
        "Filename": read_only,
        "ID": read_only,
        "IsDefaultSender": boolean,
        "Name": text,
        "Status": read_only,
    }

    def rows(self, _query: Query) -> Iterable[Sender]:
        return list(self.store.senders.values())

    def find(self, key: str) -> Sender | None:
        named = (row for row in self.store.senders.values() if row.email == key.lower())
        return by_id(self.store.senders, key) or next(named, None)

    def create(self, fields: Fields) -> Sender:
        """Take an address, or all of a domain (``*@example.com``) [D]; it stays inactive, since nothing validates it."""
        email = required_text("Email", fields.get("Email", "")).lower()
        if not is_email(email):
            raise errors.bad_email(email)
        if self.find(email):
            raise errors.already_exists("Sender", email, "Email")
        row = Sender(self.store.new_id("sender"), email, fields.get("Name", ""), self.store.now())
        self.store.senders[row.id] = row
        return row

    def render(self, row: Sender, _query: Query) -> Row:
        return {
            "CreatedAt": clock.rfc3339(row.created_at) or _SINCE,
            "DNSID": 1,
            "Email": row.email,
            "EmailType": "unknown",
            "Filename": "",
            "ID": row.id,
            "IsDefaultSender": row.is_default,
            "Name": row.name,
            "Status": row.status,
        }


def _url(name: str, value: Any) -> Any:
    try:
        parts = urlsplit(required_text(name, value))
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise errors.invalid_property(name, f'"{value}" is not a valid URL')  # [X]
    return value


def _version(name: str, value: Any) -> Any:
    version = integer(name, value)
    if version not in (1, 2):
        raise errors.invalid_property(name, "1 or 2 is expected")
    return version


def _test(state: State, row: Callback, call: Call, _rest: list[str]) -> Response:
    """Send a sample event; test events carry contact 0 [R]."""
    state.callbacks.send_test(row)
    return wire.envelope([EventCallbackUrls(state).render(row, call.query)], 201)


class EventCallbackUrls(Resource[Callback]):
    name = "eventcallbackurl"
    type_name = "EventCallbackURL"
    operations = frozenset({"GET", "PUT", "POST", "DELETE"})
    fields = {
        # For delivery into a cloud queue, which custom plans have and this does not: taken and ignored.
        **dict.fromkeys(
            ("AccountID", "ProjectID", "QueueName", "Region", "Resource", "SharedAccessSignature", "Topic"),
            read_only,
        ),
        "APIKeyID": read_only,
        "EventType": one_of(*EVENT_TYPES),
        "ID": read_only,
        "IsBackup": boolean,
        "Status": one_of("alive", "dead"),
        "Url": _url,
        "Version": _version,
    }
    actions = {"test": Action({"POST": _test})}

    def rows(self, _query: Query) -> Iterable[Callback]:
        return list(self.store.callbacks.values())

    def find(self, key: str) -> Callback | None:
        event_type, separator, backup = key.lower().partition("|")
        if separator:
            return self.store_row(event_type, is_backup=as_bool(backup) or False)
        return by_id(self.store.callbacks, key)

    def store_row(self, event_type: str, *, is_backup: bool) -> Callback | None:
        rows = self.store.callbacks.values()
        return next(
            (row for row in rows if row.event_type == event_type and row.is_backup is is_backup), None
        )

    def predicates(self, query: Query) -> Iterator[Callable[[Callback], bool]]:
        if (event_type := query.text("EventType")) is not None:  # As a word or as its number. [S]
            yield lambda row: event_type.lower() in (row.event_type, str(EVENT_TYPES[row.event_type]))
        if (backup := query.flag("Backup")) is not None:
            yield lambda row: row.is_backup is backup
        if (status := query.text("Status")) is not None:
            yield lambda row: row.status == status.lower()
        if (version := query.integer("Version")) is not None:
            yield lambda row: row.version == version

    def sort_keys(self) -> Mapping[str, Callable[[Callback], Any]]:
        return {"ID": lambda row: row.id}

    def render(self, row: Callback, _query: Query) -> Row:
        return {
            "APIKeyID": API_KEY_ID,
            "EventType": row.event_type,
            "ID": row.id,
            "IsBackup": row.is_backup,
            "Status": row.status,
            "Url": row.url,
            "Version": row.version,
        }

    def create(self, fields: Fields) -> Callback:
        """Register a URL. EventType defaults to ``open`` [D, implied], Version to 1 [R]."""
        event_type, is_backup = fields.get("EventType", "open"), fields.get("IsBackup", False)
        url = _url("Url", fields.get("Url", ""))
        self._reject_duplicate(event_type, is_backup)
        row = Callback(self.store.new_id("callback"), event_type, url, is_backup, fields.get("Version", 1))
        self.store.callbacks[row.id] = row
        return row

    def update(self, row: Callback, fields: Fields) -> bool:
        """Change a registration; a suspended one comes back to life with a new Url only [D]."""
        after = Callback(
            row.id,
            fields.get("EventType", row.event_type),
            fields.get("Url", row.url),
            fields.get("IsBackup", row.is_backup),
            fields.get("Version", row.version),
            "alive" if fields.get("Url", row.url) != row.url else row.status,
        )
        if after == row:
            return False
        if (after.event_type, after.is_backup) != (row.event_type, row.is_backup):
            self._reject_duplicate(after.event_type, after.is_backup)
        for attribute in after.__struct_fields__:
            setattr(row, attribute, getattr(after, attribute))
        self.state.callbacks.refresh()
        return True

    def delete(self, row: Callback) -> None:
        del self.store.callbacks[row.id]
        self.state.callbacks.refresh()

    def _reject_duplicate(self, event_type: str, is_backup: bool) -> None:  # noqa: FBT001 - half of the key
        if self.store_row(event_type, is_backup=is_backup):
            value = f"{EVENT_TYPES[event_type]}|{'true' if is_backup else 'false'}"
            raise errors.already_exists("EventCallbackURL", value, "EventType|Backup")
