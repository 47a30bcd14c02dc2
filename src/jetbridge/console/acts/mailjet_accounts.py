"""Mailjet accounts. A key pair is tried at Mailjet before it is kept."""

from contextlib import suppress
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from jetbridge.console.app_connections import asking
from jetbridge.console.app_connections.blocks import masked
from jetbridge.console.audit import Actor
from jetbridge.console.log import event_log
from jetbridge.control import accounts
from jetbridge.control.models import Destination, MailjetAccount
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.http_call import is_address
from jetbridge.mailjet.client import MailjetClient
from jetbridge.sources.mailjet import callbacks, joining


class Removed(NamedTuple):
    """`left_to_do`: what is not done at Mailjet because it did not answer; "" if nothing."""

    switched_off: list[Destination]
    left_to_do: str


def add(actor: Actor, api_url: str, api_key: str, secret_key: str, *, name: str = "") -> MailjetAccount:
    """Raises DeliveryError if Mailjet refuses the pair, ConfigurationError if it is there already."""
    url = _address(api_url)
    asking.new_client(url, api_key, secret_key).user()
    with event_log() as log, transaction.atomic():
        row = joining.add_account(log, actor.workspace, url, api_key, secret_key, name=name)
        actor.audit("account.added", row, {"api address": row.api_url, "api key": masked(row.api_key)})
    return row


def edit(
    actor: Actor,
    account: MailjetAccount,
    *,
    name: str | None = None,
    api_url: str = "",
    api_key: str = "",
    secret_key: str = "",
) -> bool:
    """Rename it, or change its key pair and the address where that is good; whether these are others now. What is
    empty stays. Keys that are kept are not sent to another address: whoever may not see them could choose it.
    """
    url = _address(api_url) if api_url.strip() else account.api_url
    if url != account.api_url and not (api_key and secret_key):
        raise ConfigurationError("For another API address, enter the API key and the secret key, too.")
    if api_key and not secret_key:
        raise ConfigurationError("Enter the secret key that belongs to the new API key.")
    pair = (api_key or account.api_key, secret_key or account.secret_key)
    is_new_pair = (url, *pair) != (account.api_url, account.api_key, account.secret_key)
    if is_new_pair:
        _try(account, asking.new_client(url, *pair))
    with transaction.atomic():
        if name is not None and name.strip() != account.name:
            actor.audit("account.renamed", account, {"to": name.strip()})
            accounts.rename(account, name)
        if is_new_pair:
            accounts.change_key_pair(account, *pair, url)
            told = {"api address": url, "api key": masked(account.api_key)}
            actor.audit("account.key-pair-changed", account, told)
    asking.LISTS.forget(account)
    return is_new_pair


def remove(actor: Actor, account: MailjetAccount) -> Removed:
    """With its app connections. Destinations that can do nothing without it are switched off."""
    left = _take_back_callbacks(account)
    with transaction.atomic():
        actor.audit("account.removed", account, {"api key": masked(account.api_key)})
        switched_off = joining.remove_account(account)
        for row in switched_off:
            actor.audit("destination.disabled", row, {"because": "its Mailjet account was removed"})
    return Removed(switched_off, left)


def _address(text: str) -> str:
    url = text.strip().rstrip("/")
    if not is_address(url):
        raise ConfigurationError("The API address is no address such as https://api.mailjet.com.")
    return url


def _try(account: MailjetAccount, client: MailjetClient) -> None:
    """A pair of another Mailjet account would send its contacts elsewhere, so the lists must be there."""
    client.user()
    wanted = {row.list_id: row.list_name for row in account.app_connections.all()}
    there = {row.id for row in client.contactslists()} if wanted else set()
    for list_id, name in wanted.items():
        if list_id not in there:
            raise ConfigurationError(
                f"This key pair sees no contacts list {list_id} ({name}), so it belongs to another Mailjet "
                "account. Add that one as an account of its own, or remove this app connection first."
            )


def _take_back_callbacks(account: MailjetAccount) -> str:
    """Have Mailjet send its events here no more; "" or what is left to do there. The rest of a removal stands."""
    url = callbacks.events_url(settings.CONFIG.public_url, account.events_token)
    with suppress(DeliveryError):
        callbacks.remove(asking.client_of(account), url)
        return ""
    return "Mailjet could not be asked: remove the event callback URLs there yourself (Event notifications)."
