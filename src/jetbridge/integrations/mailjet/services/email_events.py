"""Email events on their way to Segment: the switch, and where Mailjet sends them."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, MailjetAccount
from jetbridge.integrations.mailjet import contacts_lists, provision
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.events import callbacks, missed
from jetbridge.integrations.mailjet.events.callbacks import CallbackState
from jetbridge.services import destinations
from jetbridge.services.log import event_log
from jetbridge.spec.outgoing import EU, US

REGIONS = {"us": US, "eu": EU}


class Sending(NamedTuple):
    """`destination` None: they were not sent before either, so there is none. `is_different`: it was not so already."""

    destination: Destination | None
    is_different: bool


def settings_of(
    endpoint: str | None = None, events: Collection[str] | None = None, write_key: str = ""
) -> dict[str, str]:
    """Of the Segment destination. `endpoint` is a region or an address; what is absent stays as it is."""
    found = {}
    if endpoint is not None:
        found["endpoint"] = REGIONS.get(endpoint, endpoint).rstrip("/")
    if events is not None:
        found["events"] = "" if len(set(events)) == len(EVENT_TYPES) else ", ".join(events)
    return found | ({"writeKey": write_key} if write_key else {})


def send(actor: Actor, account: MailjetAccount, values: Mapping[str, str], *, enabled: bool) -> Sending:
    """Send the account's email events to Segment with these settings, or no longer."""
    is_new = not provision.event_destinations(account)
    if is_new and not enabled:
        return Sending(None, is_different=False)
    with event_log() as log, transaction.atomic():
        row, made = provision.send_events(log, account, values, enabled=enabled)
        if is_new:
            actor.audit("destination.added", row, {"kind": row.kind, "sources": [str(account.event_source)]})
        destinations.note(actor, row, made)
    return Sending(row, is_new or bool(made))


def look(account: MailjetAccount) -> list[CallbackState]:
    """How the event callback URLs stand at Mailjet. Raises DeliveryError."""
    return callbacks.look(contacts_lists.client_of(account), _url(account))


def mend(actor: Actor, account: MailjetAccount) -> list[CallbackState]:
    """Register or correct what is ours or free, and say how they stand."""
    states = callbacks.ensure(contacts_lists.client_of(account), _url(account))
    missed.note_states(account.id, states, datetime.now(UTC))
    mended = [row.event_type for row in states if row.state in {"registered", "updated"}]
    if mended:
        actor.audit("account.callback-urls-mended", account, {"event types": mended})
    return states


def _url(account: MailjetAccount) -> str:
    return callbacks.events_url(settings.CONFIG.public_url, account.events_token)
