"""The steps of a workspace until its first contact is in Mailjet, and how far it has come.

Each step is done by the state of rows. Of several destinations, the one that has come furthest counts.
"""

from dataclasses import dataclass

from django.urls import reverse

from jetbridge.control.models import AppConnection, Destination, MailjetAccount, Source, SourceKind, Workspace
from jetbridge.delivery.report import PAUSED, DestinationReport, report
from jetbridge.integrations.base import SetupStep
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
    rows = {row.id: row for row in workspace.destinations.filter(kind="mailjet").prefetch_related("sources")}
    with event_log() as log:
        reports = report(log.counts) if rows else []
    candidates = [(rows[row.id], row) for row in reports if row.id in rows]
    destination, did = max(
        candidates,
        key=lambda pair: (pair[1].delivered > 0, pair[0].enabled, pair[1].received > 0),
        default=(None, None),
    )

    # A test is sent from a source that leads to the destination; if possible from one of Segment's libraries.
    leading = list(destination.sources.all()) if destination else []
    sources = workspace.sources.exclude(kind__in=[SourceKind.MAILJET, SourceKind.ENGAGE]).order_by("id")
    source = max(sources, key=lambda row: (row in leading, row.kind == SourceKind.HTTP), default=None)

    accounts = list(workspace.mailjet_accounts.order_by("id").prefetch_related("app_connections"))
    connections = [row for account in accounts for row in account.app_connections.all()]
    connection = connections[0] if connections else None
    account = next((row for row in accounts if connection and row.id == connection.account_id), None)
    account = account or (accounts[0] if accounts else None)
    return SetupProgress(source, account, connection, destination, did, source in leading)


def steps_of(workspace: Workspace) -> list[SetupStep]:
    way, here = progress_of(workspace), workspace.id
    return [
        _source(way, here),
        _account(way, here),
        _connect(way, here),
        _test(way, here),
        _contact(way, here),
    ]


def _source(way: SetupProgress, here: int) -> SetupStep:
    title = "Add a source"
    what = "Where messages come from: one of Segment's libraries, or a whole Segment workspace."
    if way.source:
        return SetupStep(title, what, "Open the source", _source_page(way, here), done=True)
    return SetupStep(title, what, "Add source", reverse("source-add", args=[here]))


def _account(way: SetupProgress, here: int) -> SetupStep:
    title = "Add your Mailjet account"
    what = "The API key and secret key of the account whose contacts are to be kept up to date."
    if way.account:
        return SetupStep(title, what, "Open the account", _account_page(way, here), done=True)
    return SetupStep(title, what, "Add account", reverse("account-add", args=[here]))


def _connect(way: SetupProgress, here: int) -> SetupStep:
    """It is done on up to four pages, one after the other."""
    title = "Connect Segment and Mailjet"
    if row := way.destination:
        return _connect_destination(title, way, row, here)
    if way.connection:
        what = (
            f"{way.connection.list_name} has an Authentication key and a List ID. Give both to a Mailjet "
            "destination, and enable it."
        )
        return SetupStep(
            title, what, "Copy the key", f"{_account_page(way, here)}#connection-{way.connection.id}"
        )
    what = "Choose the contact list in App Connections, then give its key to a Mailjet destination."
    return SetupStep(title, what, "Choose the list", _account_page(way, here))


def _connect_destination(title: str, way: SetupProgress, row: Destination, here: int) -> SetupStep:
    if not row.enabled:
        what = f"{row.name} is there, but disabled. Enable it."
        return SetupStep(title, what, "Enable", reverse("destination-settings", args=[here, row.id]))
    if way.source and not way.is_joined:
        what = f"{row.name} is enabled, but gets no messages of {way.source.name} yet."
        return SetupStep(title, what, "Connect the source", _source_page(way, here, "#connected"))
    what = f"{row.name} brings what comes from its sources into the contact list."
    return SetupStep(
        title, what, "Open the destination", reverse("destination", args=[here, row.id]), done=True
    )


def _test(way: SetupProgress, here: int) -> SetupStep:
    title = "Send a test"
    what = "One Identify call with an email address, once all is connected. The source has it ready to paste."
    if way.did and way.did.received:
        return SetupStep(title, what, "Send another", _source_page(way, here, "#send"), done=True)
    return SetupStep(title, what, "Send a test", _source_page(way, here, "#send"))


def _contact(way: SetupProgress, here: int) -> SetupStep:
    title, what = "See the contact", "The person is a contact of the list in Mailjet, with all properties."
    if not way.did:
        return SetupStep(title, what, title, reverse("destinations", args=[here]))
    did = way.did
    page, problem = "destination-contacts", ""
    if not did.delivered and did.state == PAUSED:
        page, problem = "destination", f"{did.name} is paused: {did.pause_reason}"
    elif not did.delivered and (did.failed or did.filtered):
        counts = [
            f"{total:,} {outcome}"
            for total, outcome in ((did.failed, "failed"), (did.filtered, "filtered"))
            if total
        ]
        page, problem = "destination-event-delivery", f"{', '.join(counts)}, none delivered yet."
    action = "See why" if problem else title
    return SetupStep(title, what, action, reverse(page, args=[here, did.id]), bool(did.delivered), problem)


def _source_page(way: SetupProgress, here: int, anchor: str = "") -> str:
    return (
        reverse("source", args=[here, way.source.id]) + anchor
        if way.source
        else reverse("sources", args=[here])
    )


def _account_page(way: SetupProgress, here: int) -> str:
    if way.account:
        return reverse("account", args=[here, way.account.id])
    return reverse("app-connections", args=[here])
