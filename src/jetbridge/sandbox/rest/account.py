"""apikey, user, myprofile, sender: the account itself, invented once and read-only. Clients read it to check a key."""

from collections.abc import Iterable
from typing import ClassVar

from jetbridge.sandbox.query import Query
from jetbridge.sandbox.rest.resource import Resource
from jetbridge.sandbox.wire import Row

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
            "APIKey": self.world.settings.api_key,
            "CreatedAt": _SINCE,
            "ID": API_KEY_ID,
            "IsActive": True,
            "IsMaster": True,
            "Name": "Sandbox",
            "QuarantineValue": 0,
            "RegionID": 1,
            "Runlevel": "Normal",
            "SecretKey": self.world.settings.secret_key,
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


class Senders(OneRow):
    name = "sender"
    type_name = "Sender"
    key = "Email"

    def row(self) -> Row:
        return {
            "CreatedAt": _SINCE,
            "DNSID": 1,
            "Email": "newsletter@example.com",
            "EmailType": "unknown",
            "Filename": "",
            "ID": 1,
            "IsDefaultSender": True,
            "Name": "Example",
            "Status": "Active",
        }
