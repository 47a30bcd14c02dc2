"""Checks an Authentication key and a List ID together: which Mailjet account and which list they mean, or that they do not match.

Segment's form says "confirm that the contact list id is the same"; here it is looked up.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jetbridge.control import directory
from jetbridge.control.models import AppConnection
from jetbridge.control.secret_field import digest
from jetbridge.errors import DeliveryError, MessageRejected
from jetbridge.http.client import PAGE_SECONDS
from jetbridge.integrations.base import SettingsCheck, Suggestion
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.contacts.traits import list_id_of
from jetbridge.text import pluralize

#: How many lists of the account are offered where the one that is named is not there.
OFFERED = 5


def check_settings(workspace: int, values: Mapping[str, Any]) -> SettingsCheck | None:
    """Reads the list from Mailjet, once."""
    key, list_text = values.get("apiKey", "").strip(), values.get("listId", "").strip()
    if not key:
        return None
    # An app connection of another workspace is none: its names are not for this one's people.
    connections = directory.connections_of(digest(key)).filter(account__workspace=workspace)
    connection = connections.select_related("account").first()
    if connection is None:
        return SettingsCheck(
            fits=False,
            message="The Authentication key belongs to no app connection here. Copy it again from App Connections.",
        )
    if not list_text:
        return SettingsCheck(
            fits=None,
            message=f"{_account(connection)}. Its app connection is for list {_list(connection)}.",
            suggestions=_own(connection),
        )
    try:
        list_id = list_id_of(list_text)
    except MessageRejected as error:
        return SettingsCheck(fits=False, message=str(error), suggestions=_own(connection))
    return _check_list(connection, list_id)


def _check_list(connection: AppConnection, list_id: int) -> SettingsCheck:
    is_own = connection.list_id == list_id
    account = connection.account
    client = MailjetClient(account.api_url, account.api_key, account.secret_key, timeout_seconds=PAGE_SECONDS)
    try:
        contacts_list = client.contactslist(list_id)
    except DeliveryError as error:
        # What is known here still counts, and proves nothing wrong.
        if is_own:
            message = f"{_account(connection)}, list {_list(connection)}. Mailjet could not be read: {error}"
            return SettingsCheck(fits=None, message=message)
        message = (
            f"The app connection of this key is for list {_list(connection)}, not {list_id}. "
            f"Mailjet could not be read: {error}"
        )
        return SettingsCheck(fits=None, message=message, suggestions=_own(connection))

    if contacts_list is None or contacts_list.is_deleted:
        own = "" if is_own else f" Its app connection is for list {_list(connection)}."
        return SettingsCheck(
            fits=False,
            message=f"{_account(connection)} has no contacts list {list_id}.{own}",
            suggestions=_newest_lists(client) if is_own else _own(connection),
        )
    subscribers = pluralize(contacts_list.subscriber_count, "subscriber")
    meaning = f"{_account(connection)}, list {list_id} {contacts_list.name}, {subscribers}"
    if is_own:
        return SettingsCheck(fits=True, message=f"{meaning}.")
    return SettingsCheck(
        fits=None,
        message=f"The pair means {meaning}; but the app connection of this key is for list {_list(connection)}.",
        suggestions=_own(connection),
    )


def _newest_lists(client: MailjetClient) -> Sequence[Suggestion]:
    try:
        rows = client.contactslists()
    except DeliveryError:  # the message is complete without them
        return ()
    newest = sorted(rows, key=lambda row: row.id, reverse=True)[:OFFERED]
    return [_suggestion(row.id, row.name) for row in newest]


def _own(connection: AppConnection) -> Sequence[Suggestion]:
    return [_suggestion(connection.list_id, connection.list_name)]


def _suggestion(list_id: int, name: str) -> Suggestion:
    return Suggestion("listId", str(list_id), f"{list_id} {name}")


def _account(connection: AppConnection) -> str:
    return f"Mailjet account {connection.account.name.removeprefix('Mailjet ')}"


def _list(connection: AppConnection) -> str:
    return f"{connection.list_id} {connection.list_name}"
