"""Join a Segment workspace and a Mailjet account: create what is missing, find again what is there.

What `jetbridge setup` does, and what the App Connections page will do: asked twice, it changes nothing.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Model, QuerySet

from jetbridge.control.models import (
    AppConnection,
    Destination,
    MailjetAccount,
    Source,
    SourceKind,
    Workspace,
)


@dataclass(frozen=True)
class Wish:
    """What is to be joined. Without `segment_write_key` email events stay in Jetbridge."""

    workspace: str
    mailjet_url: str
    api_key: str
    secret_key: str = field(repr=False)
    list_id: int
    list_name: str
    segment_url: str = "https://api.segment.io"
    segment_write_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Joined:
    """The rows that carry a wish. `to_segment` is None without a write key."""

    workspace: Workspace
    http_source: Source
    account: MailjetAccount
    connection: AppConnection
    to_mailjet: Destination
    to_segment: Destination | None

    @property
    def destinations(self) -> list[Destination]:
        return [row for row in (self.to_mailjet, self.to_segment) if row]


@transaction.atomic
def join(wish: Wish) -> Joined:
    """Make the rows say what the wish says.

    The caller begins their readers in the same transaction, or a worker may see a destination without one.
    """
    workspace, _ = Workspace.objects.get_or_create(name=wish.workspace)
    http_source = _http_source(workspace)
    account = _account(workspace, wish)
    connection = _connection(account, wish)
    return Joined(
        workspace=workspace,
        http_source=http_source,
        account=account,
        connection=connection,
        to_mailjet=_to_mailjet(connection, [http_source, connection.source]),
        to_segment=_to_segment(account, wish) if wish.segment_write_key else None,
    )


def _http_source(workspace: Workspace) -> Source:
    found = workspace.sources.filter(kind=SourceKind.HTTP).order_by("id").first()
    return found or _new_source(workspace, SourceKind.HTTP, "HTTP API")


def _account(workspace: Workspace, wish: Wish) -> MailjetAccount:
    url = wish.mailjet_url.rstrip("/")
    row = workspace.mailjet_accounts.filter(api_url=url, api_key=wish.api_key).first()
    if row is None:
        return MailjetAccount.objects.create(
            workspace=workspace,
            name=_free_name(workspace.mailjet_accounts.all(), f"Mailjet {wish.api_key[:8]}"),
            api_url=url,
            api_key=wish.api_key,
            secret_key=wish.secret_key,
            event_source=_new_source(workspace, SourceKind.MAILJET, "Mailjet events"),
        )
    if row.secret_key != wish.secret_key:
        row.secret_key = wish.secret_key
        row.save()
    return row


def _connection(account: MailjetAccount, wish: Wish) -> AppConnection:
    row = account.app_connections.filter(list_id=wish.list_id).first()
    if row is None:
        source = _new_source(account.workspace, SourceKind.SEGMENT, f"Segment workspace ({wish.list_name})")
        return AppConnection.objects.create(
            account=account, list_id=wish.list_id, list_name=wish.list_name, source=source
        )
    if row.list_name != wish.list_name:
        row.list_name = wish.list_name
        row.save()
    return row


def _to_mailjet(connection: AppConnection, sources: Iterable[Source]) -> Destination:
    workspace = connection.account.workspace
    secrets = {"apiKey": connection.authentication_key}
    found = [row for row in _of_kind(workspace, "mailjet") if json.loads(row.secrets) == secrets]
    row = found[0] if found else _new_destination(workspace, "mailjet", f"Mailjet ({connection.list_name})")
    return _set(row, {"listId": str(connection.list_id)}, secrets, sources)


def _to_segment(account: MailjetAccount, wish: Wish) -> Destination:
    endpoint = wish.segment_url.rstrip("/")
    rows = _of_kind(account.workspace, "segment").filter(sources=account.event_source)
    found = [row for row in rows if row.settings.get("endpoint") == endpoint]
    row = found[0] if found else _new_destination(account.workspace, "segment", "Segment")
    return _set(row, {"endpoint": endpoint}, {"writeKey": wish.segment_write_key}, [account.event_source])


def _of_kind(workspace: Workspace, kind: str) -> QuerySet[Destination]:
    return workspace.destinations.filter(kind=kind).order_by("id")


def _set(
    row: Destination, settings: dict[str, str], secrets: dict[str, str], sources: Iterable[Source]
) -> Destination:
    row.settings = row.settings | settings
    row.secrets = json.dumps(secrets)
    row.enabled = True
    row.save()
    row.sources.add(*sources)
    return row


def _new_source(workspace: Workspace, kind: SourceKind, name: str) -> Source:
    return workspace.sources.create(kind=kind, name=_free_name(workspace.sources.all(), name))


def _new_destination(workspace: Workspace, kind: str, name: str) -> Destination:
    return Destination(workspace=workspace, kind=kind, name=_free_name(workspace.destinations.all(), name))


def _free_name(rows: QuerySet[Model], wanted: str) -> str:
    """The name, or "name 2", "name 3" ... if others have it."""
    taken = set(rows.values_list("name", flat=True))
    name, number = wanted[:190], 1
    while name in taken:
        number += 1
        name = f"{wanted[:190]} {number}"
    return name
