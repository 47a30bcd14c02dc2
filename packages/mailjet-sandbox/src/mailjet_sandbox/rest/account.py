"""apikey, user, myprofile, sender: the account itself, invented once. Clients read it to check a key."""

from collections.abc import Iterable
from typing import ClassVar

from mailjet_sandbox import clock, errors
from mailjet_sandbox.model import Sender
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.resource import (
    Fields,
    Resource,
    boolean,
    by_id,
    one_of,
    read_only,
    required_text,
    text,
)
from mailjet_sandbox.upsert import is_email
from mailjet_sandbox.wire import Row

API_KEY_ID = 1234
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
