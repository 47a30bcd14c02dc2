"""Joining Mailjet accounts with Segment: rows and their readers, as one.

A reader begins at the log's end in the transaction that makes its row: nothing sent from then on is missed, and
no worker sees a row without a reader.
"""

from collections.abc import Mapping

from django.db import transaction

from jetbridge.control.models import AppConnection, Destination, MailjetAccount, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.models import source_consumer
from jetbridge.eventlog.base import EventLog
from jetbridge.integrations.mailjet import accounts, connect, key_rotation
from jetbridge.integrations.mailjet.connect import ConnectionSpec, Joined
from jetbridge.services import destination_settings, new_destinations
from jetbridge.services.destination_settings import Change

SEGMENT = "segment"


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


def event_destinations(account: MailjetAccount) -> list[Destination]:
    """The Segment destinations that get the email events of an account; those that are enabled first."""
    return list(account.event_source.destinations.filter(kind=SEGMENT).order_by("-enabled", "id"))


def send_events(
    event_log: EventLog, account: MailjetAccount, values: Mapping[str, str], *, enabled: bool
) -> tuple[Destination, list[Change]]:
    """Send email events to Segment with these settings, or no longer. Settings that are not named stay.

    Raises ConfigurationError, having changed nothing.
    """
    if rows := event_destinations(account):
        return rows[0], destination_settings.change(rows[0].id, values, enabled=enabled)
    name = f"Segment (email events of {account.name})"
    sources = [account.event_source]
    return new_destinations.add(
        event_log, account.workspace, SEGMENT, name, values, sources=sources, enabled=enabled
    ), []


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
    of_events = [row for row in event_destinations(account) if row.sources.count() == 1]
    return of_keys + of_events


def subscription_url(public_url: str) -> str:
    """Where a Segment workspace sends its calls, with the authentication key as the user of HTTP Basic."""
    return f"{public_url}/segment"


def webhooks_url(public_url: str, connection: AppConnection) -> str:
    """Where a Webhooks destination of Segment sends its calls.

    X-Signature names no key, so the address says whose secret it was made with.
    """
    return f"{public_url}/segment/{connection.source_id}"
