"""Mailjet accounts. A key pair is tried at Mailjet before it is stored.

A consumer begins at the log's end in the transaction that makes its row: nothing sent from then on is missed, and
no worker sees a row without a consumer.
"""

from contextlib import suppress
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, MailjetAccount, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.models import source_consumer
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.eventlog.base import EventLog
from jetbridge.http.addresses import read_address
from jetbridge.integrations.mailjet import accounts, connect, contacts_lists, key_rotation
from jetbridge.integrations.mailjet.accounts import masked
from jetbridge.integrations.mailjet.api.client import check_key_pair
from jetbridge.integrations.mailjet.connect import ConnectionSpec, Joined
from jetbridge.integrations.mailjet.events import callbacks
from jetbridge.integrations.mailjet.verification.verify import Report, Verification
from jetbridge.services import destination_settings, new_destinations
from jetbridge.services.log import event_log
from jetbridge.text import pasted


class Removed(NamedTuple):
    """`left_to_do`: what is not done at Mailjet because it did not respond; "" if nothing."""

    switched_off: list[Destination]
    left_to_do: str


def add(
    actor: Actor,
    api_url: str,
    api_key: str,
    secret_key: str,
    *,
    name: str = "",
    custom_id_is_user_id: bool = False,
) -> MailjetAccount:
    """Raises DeliveryError if Mailjet rejects the pair (SwappedKeys if it accepts it the other way round), ConfigurationError if it is there already."""
    url, api_key, secret_key = read_address(api_url), pasted(api_key), pasted(secret_key)
    check_key_pair(url, api_key, secret_key)
    with event_log() as log, transaction.atomic():
        row = add_account(log, actor.workspace, url, api_key, secret_key, name=name)
        details: dict[str, object] = {"api address": row.api_url, "api key": masked(row.api_key)}
        if custom_id_is_user_id:
            accounts.set_custom_id_is_user_id(row, value=True)
            details["custom id is the user id"] = True
        actor.audit("account.added", row, details)
    return row


def edit(
    actor: Actor,
    account: MailjetAccount,
    *,
    name: str | None = None,
    api_url: str = "",
    api_key: str = "",
    secret_key: str = "",
    custom_id_is_user_id: bool | None = None,
) -> bool:
    """Rename it, say whether the CustomID of its messages is the userId, or change its key pair and the address where that is
    good; whether these are others now. What is empty or None stays. Keys that are kept are not sent to another address: whoever may not see them could choose it.
    """
    url = read_address(api_url) if api_url.strip() else account.api_url
    api_key, secret_key = pasted(api_key), pasted(secret_key)
    if url != account.api_url and not (api_key and secret_key):
        raise ConfigurationError("For another API address, enter the API key and the secret key, too.")
    if api_key and not secret_key:
        raise ConfigurationError("Enter the secret key that belongs to the new API key.")
    pair = (api_key or account.api_key, secret_key or account.secret_key)
    is_new_pair = (url, *pair) != (account.api_url, account.api_key, account.secret_key)
    if is_new_pair:
        _try(account, url, *pair)
    with transaction.atomic():
        if name is not None and name.strip() != account.name:
            actor.audit("account.renamed", account, {"to": name.strip()})
            accounts.rename(account, name)
        if custom_id_is_user_id is not None and custom_id_is_user_id != account.custom_id_is_user_id:
            actor.audit("account.custom-id-changed", account, {"is the user id": custom_id_is_user_id})
            accounts.set_custom_id_is_user_id(account, custom_id_is_user_id)
        if is_new_pair:
            accounts.change_key_pair(account, *pair, url)
            details = {"api address": url, "api key": masked(account.api_key)}
            actor.audit("account.key-pair-changed", account, details)
    contacts_lists.LISTS.forget(account)
    return is_new_pair


def remove(actor: Actor, account: MailjetAccount) -> Removed:
    """With its app connections. Destinations that can do nothing without it are switched off."""
    left = _remove_callbacks(account)
    with transaction.atomic():
        actor.audit("account.removed", account, {"api key": masked(account.api_key)})
        switched_off = remove_account(account)
        for row in switched_off:
            actor.audit("destination.disabled", row, {"because": "its Mailjet account was removed"})
    return Removed(switched_off, left)


def set_up(who: str, spec: ConnectionSpec) -> Joined:
    """Join a Segment workspace and a Mailjet account, both ways: rows that are there are used again."""
    with event_log() as log, transaction.atomic():
        joined = join(log, spec)
        details = {
            "api key": masked(joined.account.api_key),
            "list": joined.connection.list_id,
            "destinations": [str(row) for row in joined.destinations],
        }
        Actor(joined.workspace, None, who).audit("account.set-up", joined.account, details)
    return joined


def join(event_log: EventLog, spec: ConnectionSpec) -> Joined:
    """Create what the spec names, or find it again."""
    with transaction.atomic():
        joined = connect.join(spec)
        counts = (
            event_log.counts()
        )  # in the transaction: a consumer that is there must not move past this end meanwhile
        for row in joined.destinations:
            new_destinations.begin(row, counts)
        ledger.begin(source_consumer(joined.account.event_source_id), counts)
    return joined


def add_account(
    event_log: EventLog, workspace: Workspace, api_url: str, api_key: str, secret_key: str, *, name: str = ""
) -> MailjetAccount:
    """Raises ConfigurationError if the workspace has it already."""
    counts = event_log.counts()
    with transaction.atomic():
        account = accounts.add_account(workspace, api_url, api_key, secret_key, name)
        ledger.begin(source_consumer(account.event_source_id), counts)
    return account


@transaction.atomic
def remove_account(account: MailjetAccount) -> list[Destination]:
    """Remove an account. Destinations that can do nothing without it are switched off, and returned.

    Nothing is changed at Mailjet.
    """
    idle = [row for row in dependents(account) if row.enabled]
    for row in idle:
        destination_settings.change(row.id, {}, enabled=False)
    accounts.remove_account(account)
    return idle


def dependents(account: MailjetAccount) -> list[Destination]:
    """Destinations that hold a key of the account, or get nothing but its email events."""
    connections = account.app_connections.all()
    of_keys = [row for connection in connections for row in key_rotation.destinations_with(connection)]
    of_events = [row for row in accounts.event_destinations(account) if row.sources.count() == 1]
    return of_keys + of_events


def repair(actor: Actor, account: MailjetAccount, verification: Verification) -> Report:
    """Compare the contacts of an account with Mailjet, and have the worker send what differs. Blocks."""
    report = verification.run()
    details = {"differences": report.differences, "repaired": report.repaired}
    actor.audit("account.repaired", account, details)
    return report


def _try(account: MailjetAccount, api_url: str, api_key: str, secret_key: str) -> None:
    """A pair of another Mailjet account would send its contacts elsewhere, so the lists must be there."""
    check_key_pair(api_url, api_key, secret_key)
    client = contacts_lists.new_client(api_url, api_key, secret_key)
    connected = {row.list_id: row.list_name for row in account.app_connections.all()}
    available = {row.id for row in client.contactslists()} if connected else set()
    for list_id, name in connected.items():
        if list_id not in available:
            raise ConfigurationError(
                f"This key pair sees no contacts list {list_id} ({name}), so it belongs to another Mailjet "
                "account. Add that one as an account of its own, or remove this app connection first."
            )


def _remove_callbacks(account: MailjetAccount) -> str:
    """Have Mailjet send its events here no more; "" or what is left to do there. The rest of a removal stands."""
    url = callbacks.events_url(settings.CONFIG.public_url, account.events_token)
    with suppress(DeliveryError):
        callbacks.remove(contacts_lists.client_of(account), url)
        return ""
    return (
        "Mailjet could not be reached: remove the event callback URLs there yourself (Event notifications)."
    )
