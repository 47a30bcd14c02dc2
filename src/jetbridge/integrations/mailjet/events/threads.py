"""The threads of a Mailjet account: one reads its events, one keeps its event callback URLs registered, one per backfill.

And two for all: one clears away what is left of accounts that were removed, one looks for contacts that nobody can read.
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
from jetbridge.integrations.mailjet.contacts import consent, unreadable
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.contact import now_ms, user_ids
from jetbridge.integrations.mailjet.events import backfill, callbacks
from jetbridge.integrations.mailjet.events.callback_registrar import CallbackRegistrar
from jetbridge.integrations.mailjet.events.name_lookup import NameLookup
from jetbridge.integrations.mailjet.events.reader import EmailEventReader
from jetbridge.privacy.suppression import WorkspaceSuppressed

#: Events wait for a name no longer than this; they go on without it.
LOOKUP_TIMEOUT_SECONDS = 3.0


def threads(event_log: EventLog) -> dict[str, tuple[object, Runnable]]:
    public_url: str = settings.CONFIG.public_url
    wanted: dict[str, tuple[object, Runnable]] = {
        "removed accounts": (None, removed_accounts.run),
        "unreadable contacts": (None, unreadable.run),
    }
    accounts = directory.load_accounts()
    wanted |= backfill.threads(event_log, accounts)
    for account in accounts:
        label = f"{account.event_source} ({account.name})"
        wanted[f"source {label}"] = (account, partial(_read, event_log, account))
        wanted[f"callback URLs {label}"] = (
            (account, public_url),
            partial(_keep, event_log, public_url, account),
        )
    return wanted


def _read(event_log: EventLog, account: AccountRef, stop: Event) -> None:
    EmailEventReader(
        event_log=event_log,
        source=account.event_source,
        user_ids=partial(user_ids, account.id),
        learn=partial(_learn, account, WorkspaceSuppressed(account.workspace)),
        custom_id_is_user_id=partial(directory.custom_id_is_user_id, account.id),
        names=NameLookup(_client(account, timeout_seconds=LOOKUP_TIMEOUT_SECONDS)),
    ).run(stop)


def _learn(account: AccountRef, suppressed: WorkspaceSuppressed, opt_outs: list[OptOut]) -> list[OptOut]:
    """Remember opt-outs, except of people who are to be forgotten: they get no mail anyway."""
    suppressed.refresh()
    return consent.learn(
        account.id, [each for each in opt_outs if not suppressed.covers_email(each.email)], now_ms()
    )


def _keep(event_log: EventLog, public_url: str, account: AccountRef, stop: Event) -> None:
    url = callbacks.events_url(public_url, account.events_token)
    CallbackRegistrar(_client(account), url, account, event_log).run(stop)


def _client(account: AccountRef, *, timeout_seconds: float = 30.0) -> MailjetClient:
    return MailjetClient(
        account.api_url, account.api_key, account.secret_key, timeout_seconds=timeout_seconds
    )
