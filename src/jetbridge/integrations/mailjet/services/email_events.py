"""Email events of an account: whether they go on to Segment, and where Mailjet sends them."""

from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, MailjetAccount
from jetbridge.eventlog.base import EventLog
from jetbridge.integrations.mailjet import contacts_lists
from jetbridge.integrations.mailjet.accounts import SEGMENT, event_destinations
from jetbridge.integrations.mailjet.events import callbacks
from jetbridge.integrations.mailjet.events.callbacks import CallbackState
from jetbridge.services import destination_settings, destinations, new_destinations
from jetbridge.services.destination_settings import Change
from jetbridge.services.log import event_log


class EventDelivery(NamedTuple):
    """`destination` None: there was none, and none is needed."""

    destination: Destination | None
    has_changed: bool


def send(actor: Actor, account: MailjetAccount, values: Mapping[str, str], *, enabled: bool) -> EventDelivery:
    """Start or stop sending the account's email events to Segment, with these settings."""
    is_new = not event_destinations(account)
    if is_new and not enabled:
        return EventDelivery(None, has_changed=False)
    with event_log() as log, transaction.atomic():
        row, changes = send_events(log, account, values, enabled=enabled)
        if is_new:
            actor.audit("destination.added", row, {"kind": row.kind, "sources": [str(account.event_source)]})
        destinations.note(actor, row, changes)
    return EventDelivery(row, is_new or bool(changes))


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


def callback_states(account: MailjetAccount) -> list[CallbackState]:
    """The registrations of the event callback URLs at Mailjet. Raises DeliveryError."""
    return callbacks.read(contacts_lists.client_of(account), events_url(account))


def repair_callbacks(actor: Actor, account: MailjetAccount) -> list[CallbackState]:
    """Register or correct the event callback URLs, and return their states. Raises DeliveryError."""
    states = callbacks.repair(contacts_lists.client_of(account), account.id, events_url(account))
    repaired = [row.event_type for row in states if row.state in {"registered", "updated"}]
    if repaired:
        actor.audit("account.callback-urls-repaired", account, {"event types": repaired})
    return states


def events_url(account: MailjetAccount) -> str:
    return callbacks.events_url(settings.CONFIG.public_url, account.events_token)
