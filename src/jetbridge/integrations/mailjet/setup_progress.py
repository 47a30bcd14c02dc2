"""How far a workspace has come from a source to a contact. Of several ways the one that has come furthest counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from jetbridge.control.models import AppConnection, Destination, MailjetAccount, Source, SourceKind, Workspace
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.services.log import event_log


@dataclass(frozen=True)
class SetupProgress:
    """What is there of the way. `connection` belongs to `account`, and `did` is what `destination` did."""

    source: Source | None
    account: MailjetAccount | None
    connection: AppConnection | None
    destination: Destination | None
    did: DestinationReport | None
    #: Whether the source leads to the destination.
    is_joined: bool


def progress_of(workspace: Workspace) -> SetupProgress:
    destination, did = _destination(workspace)
    leading = list(destination.sources.all()) if destination else []
    source = _source(workspace, leading)
    account, connection = _account(workspace)
    return SetupProgress(source, account, connection, destination, did, source in leading)


def _destination(workspace: Workspace) -> tuple[Destination | None, DestinationReport | None]:
    rows = {row.id: row for row in workspace.destinations.filter(kind="mailjet").prefetch_related("sources")}
    with event_log() as log:
        found = [(rows[each.id], each) for each in report(log.counts) if each.id in rows] if rows else []
    return max(found, key=_how_far, default=(None, None))


def _how_far(found: tuple[Destination, DestinationReport]) -> tuple[bool, bool, bool]:
    row, did = found
    return did.delivered > 0, row.enabled, did.received > 0


def _source(workspace: Workspace, leading: Sequence[Source]) -> Source | None:
    """From which a test is sent: one that leads to the destination; if possible one of Segment's libraries."""
    rows = workspace.sources.exclude(kind__in=[SourceKind.MAILJET, SourceKind.ENGAGE]).order_by("id")
    return max(rows, key=lambda row: (row in leading, row.kind == SourceKind.HTTP), default=None)


def _account(workspace: Workspace) -> tuple[MailjetAccount | None, AppConnection | None]:
    accounts = list(workspace.mailjet_accounts.order_by("id").prefetch_related("app_connections"))
    for account in accounts:
        for connection in account.app_connections.all():
            return account, connection
    return (accounts[0] if accounts else None), None
