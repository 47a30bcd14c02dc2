"""What an Authentication key and a List ID mean together: which Mailjet account and which list, or that they do not fit.

Segment asks people to "confirm that the contact list id is the same"; here that is looked up.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jetbridge.control import authentication_keys
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
    """Asks Mailjet for the list, once."""
    key, list_text = values.get("apiKey", "").strip(), values.get("listId", "").strip()
    if not key:
        return None
    connection = _connection(workspace, key)
    if connection is None:
        return SettingsCheck(
            fits=False,
            message="The Authentication key belongs to no app connection here. Copy it again from App Connections.",
        )
    if not list_text:
        return _not_yet(connection)
    try:
        list_id = list_id_of(list_text)
    except MessageRejected as error:
        return SettingsCheck(fits=False, message=str(error), suggestions=_own(connection))
    return _judge(connection, list_id)


def _connection(workspace: int, key: str) -> AppConnection | None:
    """That of another workspace is none: its names are not for this one's people."""
    found = authentication_keys.connections_of(digest(key)).filter(account__workspace=workspace)
    return found.select_related("account").first()


def _not_yet(connection: AppConnection) -> SettingsCheck:
    return SettingsCheck(
        fits=None,
        message=f"{_account(connection)}. Its app connection is for list {_list(connection)}.",
        suggestions=_own(connection),
    )


def _judge(connection: AppConnection, list_id: int) -> SettingsCheck:
    try:
        found = _client(connection).contactslist(list_id)
    except DeliveryError as error:
        return _unheard(connection, list_id, error)
    if found is None or found.is_deleted:
        return _gone(connection, list_id)
    means = f"{_account(connection)}, list {list_id} {found.name}, {pluralize(found.subscriber_count, 'subscriber')}"
    if connection.list_id == list_id:
        return SettingsCheck(fits=True, message=f"{means}.")
    return SettingsCheck(
        fits=None,
        message=f"The pair means {means}; but the app connection of this key is for list {_list(connection)}.",
        suggestions=_own(connection),
    )


def _gone(connection: AppConnection, list_id: int) -> SettingsCheck:
    is_own = connection.list_id == list_id
    own = "" if is_own else f" Its app connection is for list {_list(connection)}."
    return SettingsCheck(
        fits=False,
        message=f"{_account(connection)} has no contacts list {list_id}.{own}",
        suggestions=_there(connection) if is_own else _own(connection),
    )


def _there(connection: AppConnection) -> Sequence[Suggestion]:
    """The newest lists that the account has."""
    try:
        rows = _client(connection).contactslists()
    except DeliveryError:  # what is wrong is said without them
        return ()
    newest = sorted(rows, key=lambda row: row.id, reverse=True)[:OFFERED]
    return [_suggestion(row.id, row.name) for row in newest]


def _client(connection: AppConnection) -> MailjetClient:
    account = connection.account
    return MailjetClient(account.api_url, account.api_key, account.secret_key, timeout_seconds=PAGE_SECONDS)


def _unheard(connection: AppConnection, list_id: int, error: DeliveryError) -> SettingsCheck:
    """Mailjet does not say; what we know ourselves still counts, and proves nothing wrong."""
    if connection.list_id == list_id:
        return SettingsCheck(
            fits=None,
            message=f"{_account(connection)}, list {_list(connection)}. Mailjet could not be read: {error}",
        )
    return SettingsCheck(
        fits=None,
        message=f"The app connection of this key is for list {_list(connection)}, not {list_id}. Mailjet was "
        f"asked, but: {error}",
        suggestions=_own(connection),
    )


def _own(connection: AppConnection) -> Sequence[Suggestion]:
    return [_suggestion(connection.list_id, connection.list_name)]


def _suggestion(list_id: int, name: str) -> Suggestion:
    return Suggestion("listId", str(list_id), f"{list_id} {name}")


def _account(connection: AppConnection) -> str:
    return f"Mailjet account {connection.account.name.removeprefix('Mailjet ')}"


def _list(connection: AppConnection) -> str:
    return f"{connection.list_id} {connection.list_name}"
