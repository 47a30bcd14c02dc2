"""Mailjet accounts with their app connections, and the lists that they have at Mailjet."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from jetbridge.console.acts import mailjet_accounts as acts
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.connections import AppConnection, connection_shape
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Id
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.app_connections import picker
from jetbridge.console.app_connections.asking import LISTS
from jetbridge.console.app_connections.blocks import masked
from jetbridge.control import models
from jetbridge.control.accounts import NAME_LENGTH
from jetbridge.control.people import Role

AccountName = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
ApiKey = Annotated[str, Meta(min_length=1, max_length=64)]
SecretKey = Annotated[str, Meta(min_length=1, max_length=200)]


class MailjetAccount(msgspec.Struct):
    """`api_key` is masked but for what tells two accounts apart. Email events arrive at `event_source`."""

    id: int
    name: str
    api_url: str
    api_key: str
    event_source: int
    app_connections: list[AppConnection]


class NewMailjetAccount(msgspec.Struct, forbid_unknown_fields=True):
    """Without a name the account is named after its API key."""

    api_key: ApiKey
    secret_key: SecretKey
    name: AccountName | None = None
    api_url: Annotated[str, Meta(max_length=200)] = "https://api.mailjet.com"


class MailjetAccountChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is absent stays. A new API key needs its secret key, another API address both."""

    name: AccountName | None = None
    api_key: ApiKey | None = None
    secret_key: SecretKey | None = None
    api_url: Annotated[str, Meta(max_length=200)] = ""


class RemovedMailjetAccount(msgspec.Struct):
    """`switched_off` are destinations, by id, that can do nothing without it. `left_to_do`: what to do at Mailjet."""

    id: int
    name: str
    switched_off: list[int]
    left_to_do: str


class ListsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`text` is a part of the name, or the id."""

    text: Annotated[str, Meta(max_length=100)] = ""


class ContactsList(msgspec.Struct):
    id: Id
    name: str
    contacts: int


class ContactsLists(msgspec.Struct):
    """By name."""

    items: list[ContactsList]


@endpoint("GET", "mailjet-accounts")
def list_mailjet_accounts(caller: Caller, query: Paging) -> Page[MailjetAccount]:
    """The Mailjet accounts of the workspace with their app connections, newest first."""
    rows = caller.workspace.mailjet_accounts.prefetch_related("app_connections")
    destinations = _destinations(caller)
    return page_of(rows, query, lambda row: _shape(row, destinations))


@endpoint("POST", "mailjet-accounts", Role.EDITOR, status=201)
def create_mailjet_account(caller: Caller, body: NewMailjetAccount) -> MailjetAccount:
    """Add a Mailjet account. The key pair is tried at Mailjet at once."""
    row = acts.add(
        caller.actor, body.api_url, body.api_key.strip(), body.secret_key.strip(), name=body.name or ""
    )
    return _shape(row, [])


@endpoint("GET", "mailjet-accounts/<int:account>")
def get_mailjet_account(caller: Caller, account: int) -> MailjetAccount:
    """One Mailjet account with its app connections."""
    return _shape(own_account(caller, account), _destinations(caller))


@endpoint("PATCH", "mailjet-accounts/<int:account>", Role.EDITOR)
def change_mailjet_account(caller: Caller, account: int, body: MailjetAccountChange) -> MailjetAccount:
    """Rename a Mailjet account, or change its key pair or API address.

    A new pair is tried at Mailjet, and must see every contacts list that is in use: that of another Mailjet account
    would send its contacts elsewhere.
    """
    row = own_account(caller, account)
    api_key, secret_key = (body.api_key or "").strip(), (body.secret_key or "").strip()
    acts.edit(caller.actor, row, name=body.name, api_url=body.api_url, api_key=api_key, secret_key=secret_key)
    return _shape(row, _destinations(caller))


@endpoint("DELETE", "mailjet-accounts/<int:account>", Role.EDITOR)
def remove_mailjet_account(caller: Caller, account: int) -> RemovedMailjetAccount:
    """Remove a Mailjet account with its app connections, and what is known here of its contacts.

    Nothing is deleted in Mailjet but the event callback URLs that lead here.
    """
    row = own_account(caller, account)
    done = acts.remove(caller.actor, row)
    return RemovedMailjetAccount(account, row.name, [each.id for each in done.switched_off], done.left_to_do)


@endpoint("GET", "mailjet-accounts/<int:account>/lists")
def list_contacts_lists(caller: Caller, account: int, query: ListsQuery) -> ContactsLists:
    """The contacts lists that a Mailjet account has at Mailjet now."""
    rows = LISTS.of(own_account(caller, account))
    found = [row for row in rows if picker.fits(row, query.text)]
    return ContactsLists([ContactsList(row.id, row.name, row.subscriber_count) for row in found])


def own_account(caller: Caller, account: int) -> models.MailjetAccount:
    """Raises Refused (404)."""
    rows = caller.workspace.mailjet_accounts.select_related("workspace", "event_source")
    return caller.own(rows, account, "Mailjet account")


def _destinations(caller: Caller) -> list[models.Destination]:
    return list(caller.workspace.destinations.filter(kind="mailjet").order_by("id"))


def _shape(row: models.MailjetAccount, destinations: Iterable[models.Destination]) -> MailjetAccount:
    connections = [connection_shape(each, destinations) for each in row.app_connections.all()]
    return MailjetAccount(
        row.id, row.name, row.api_url, masked(row.api_key), row.event_source_id, connections
    )
