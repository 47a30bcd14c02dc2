"""The threads of Mailjet accounts beside delivery: per account, one reads its email events and one keeps its event callback URLs
registered; one per running backfill.

Two more are for all accounts: one deletes what is left of removed accounts, one looks for contacts whose state cannot be read.
"""

from functools import partial
from threading import Event

from django.conf import settings

from jetbridge.control import directory
from jetbridge.control.directory import AccountRef
from jetbridge.delivery.threads import Runnable
from jetbridge.eventlog.base import EventLog
from jetbridge.integrations.mailjet import removed_accounts
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.contacts import unreadable
from jetbridge.integrations.mailjet.contacts.contact import user_ids
from jetbridge.integrations.mailjet.events import backfill, callbacks
from jetbridge.integrations.mailjet.events.callbacks import CallbackRegistrar
from jetbridge.integrations.mailjet.events.name_lookup import NameLookup
from jetbridge.integrations.mailjet.events.reader import EmailEventReader, learn_opt_outs
from jetbridge.privacy.suppression import WorkspaceSuppressed

#: Events wait for the response of a look-up no longer than this; they go on without the name.
LOOKUP_TIMEOUT_SECONDS = 3.0


def threads(event_log: EventLog) -> dict[str, tuple[object, Runnable]]:
    public_url: str = settings.CONFIG.public_url
    specs: dict[str, tuple[object, Runnable]] = {
        "removed accounts": (None, removed_accounts.run),
        "unreadable contacts": (None, unreadable.run),
    }
    accounts = directory.load_accounts()
    specs |= backfill.threads(event_log, accounts)
    for account in accounts:
        label = f"{account.event_source} ({account.name})"
        specs[f"source {label}"] = (account, partial(_read_events, event_log, account))
        specs[f"callback URLs {label}"] = (
            (account, public_url),
            partial(_register_callbacks, event_log, public_url, account),
        )
    return specs


def _read_events(event_log: EventLog, account: AccountRef, stop: Event) -> None:
    EmailEventReader(
        event_log=event_log,
        source=account.event_source,
        user_ids=partial(user_ids, account.id),
        learn=partial(learn_opt_outs, account.id, WorkspaceSuppressed(account.workspace)),
        custom_id_is_user_id=partial(directory.custom_id_is_user_id, account.id),
        names=NameLookup(_client(account, timeout_seconds=LOOKUP_TIMEOUT_SECONDS)),
    ).run(stop)


def _register_callbacks(event_log: EventLog, public_url: str, account: AccountRef, stop: Event) -> None:
    url = callbacks.events_url(public_url, account.events_token)
    CallbackRegistrar(_client(account), url, account, event_log).run(stop)


def _client(account: AccountRef, *, timeout_seconds: float = 30.0) -> MailjetClient:
    return MailjetClient(
        account.api_url, account.api_key, account.secret_key, timeout_seconds=timeout_seconds
    )
