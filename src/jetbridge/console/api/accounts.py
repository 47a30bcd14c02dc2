"""Mailjet accounts with their app connections. Keys are not told: the console reveals them to people."""

from datetime import datetime

import msgspec

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.control import models


class AppConnection(msgspec.Struct):
    """`previous_key_until`: the authentication key before the last rotation is good until then."""

    id: int
    list_id: int
    list_name: str
    source: int
    previous_key_until: datetime | None


class MailjetAccount(msgspec.Struct):
    """`api_key_ending` tells two accounts apart. Email events arrive at `event_source`."""

    id: int
    name: str
    api_url: str
    api_key_ending: str
    event_source: int
    app_connections: list[AppConnection]


@endpoint("GET", "mailjet-accounts")
def list_mailjet_accounts(caller: Caller, query: Paging) -> Page[MailjetAccount]:
    """The Mailjet accounts of the workspace with their app connections, newest first."""
    rows = caller.workspace.mailjet_accounts.prefetch_related("app_connections")
    return page_of(rows, query, _shape)


@endpoint("GET", "mailjet-accounts/<int:account>")
def get_mailjet_account(caller: Caller, account: int) -> MailjetAccount:
    """One Mailjet account with its app connections."""
    rows = caller.workspace.mailjet_accounts.prefetch_related("app_connections")
    return _shape(caller.own(rows, account, "Mailjet account"))


def _shape(row: models.MailjetAccount) -> MailjetAccount:
    return MailjetAccount(
        row.id,
        row.name,
        row.api_url,
        row.api_key[-4:],
        row.event_source_id,
        [
            AppConnection(each.id, each.list_id, each.list_name, each.source_id, each.previous_key_until)
            for each in row.app_connections.all()
        ],
    )
