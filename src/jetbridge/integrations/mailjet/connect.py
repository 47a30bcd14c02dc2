"""Join a Segment workspace and a Mailjet account: create the rows that are missing, and use those that are there.

`jetbridge setup` does it; run twice, it changes nothing.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet

from jetbridge.control.factories import new_destination, new_source, new_workspace
from jetbridge.control.models import (
    AppConnection,
    Destination,
    MailjetAccount,
    Source,
    SourceKind,
    Workspace,
)
from jetbridge.control.people import Membership, Role
from jetbridge.integrations.mailjet import accounts


@dataclass(frozen=True)
class ConnectionSpec:
    """What is to be joined. Without `segment_write_key` email events stay in Jetbridge. `custom_id_is_user_id` None: as it is."""

    workspace: str
    mailjet_url: str
    api_key: str
    secret_key: str = field(repr=False)
    list_id: int
    list_name: str
    segment_url: str = "https://api.segment.io"
    segment_write_key: str = field(default="", repr=False)
    custom_id_is_user_id: bool | None = None


@dataclass(frozen=True)
class Joined:
    """The rows of a spec. `to_segment` is None without a write key."""

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
def join(spec: ConnectionSpec) -> Joined:
    """Create or change the rows until they match the spec.

    The caller begins their readers in the same transaction, or a worker may see a destination without one.
    """
    workspace = Workspace.objects.filter(name=spec.workspace).first()
    if workspace is None:
        # It is owned by the first owner of all, or nobody could open its pages; without one, by the first to come.
        workspace = new_workspace(spec.workspace)
        if first := Membership.objects.filter(role=Role.OWNER).order_by("id").first():
            Membership.objects.create(user_id=first.user_id, workspace=workspace, role=Role.OWNER)
    http_source = workspace.sources.filter(kind=SourceKind.HTTP).order_by("id").first()
    http_source = http_source or new_source(workspace, SourceKind.HTTP, "HTTP API")

    url = spec.mailjet_url.rstrip("/")
    account = workspace.mailjet_accounts.filter(api_url=url, api_key=spec.api_key).first()
    if account is None:
        account = accounts.add_account(workspace, url, spec.api_key, spec.secret_key)
    elif account.secret_key != spec.secret_key:
        accounts.change_key_pair(account, spec.api_key, spec.secret_key)
    if spec.custom_id_is_user_id is not None:
        accounts.set_custom_id_is_user_id(account, spec.custom_id_is_user_id)

    connection = account.app_connections.filter(list_id=spec.list_id).first()
    if connection is None:
        connection = accounts.connect_list(account, spec.list_id, spec.list_name)
    elif connection.list_name != spec.list_name:
        accounts.choose_list(connection, spec.list_id, spec.list_name)
    return Joined(
        workspace=workspace,
        http_source=http_source,
        account=account,
        connection=connection,
        to_mailjet=_to_mailjet(connection, [http_source, connection.source]),
        to_segment=_to_segment(account, spec) if spec.segment_write_key else None,
    )


def _to_mailjet(connection: AppConnection, sources: Iterable[Source]) -> Destination:
    workspace = connection.account.workspace
    secrets = {"apiKey": connection.authentication_key}
    rows = (row for row in _of_kind(workspace, "mailjet") if json.loads(row.secrets) == secrets)
    row = next(rows, None) or new_destination(workspace, "mailjet", f"Mailjet ({connection.list_name})")
    return _set(row, {"listId": str(connection.list_id)}, secrets, sources)


def _to_segment(account: MailjetAccount, spec: ConnectionSpec) -> Destination:
    endpoint = spec.segment_url.rstrip("/")
    rows = _of_kind(account.workspace, "segment").filter(sources=account.event_source)
    row = next((row for row in rows if row.settings.get("endpoint") == endpoint), None)
    row = row or new_destination(account.workspace, "segment", "Segment")
    return _set(row, {"endpoint": endpoint}, {"writeKey": spec.segment_write_key}, [account.event_source])


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
