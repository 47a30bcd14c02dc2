"""What `setup` does once its options are read: rows, readers, event callback URLs."""

from typing import Any

from django.conf import settings
from django.db import transaction

from jetbridge.control import connect
from jetbridge.control.connect import Joined, Wish
from jetbridge.delivery import ledger
from jetbridge.errors import DeliveryError
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.mailjet.client import MailjetClient
from jetbridge.sources.mailjet import callbacks


def join(client: MailjetClient, wish: Wish) -> dict[str, Any]:
    """Carry out the wish and return what the person needs to know, secrets included. Blocks."""
    result = _told(_rows_and_readers(wish))
    return result | {"event_callback_urls": _register(client, result["mailjet_events_url"])}


def _rows_and_readers(wish: Wish) -> Joined:
    """Make the rows and begin their readers at the log's end, as one: nothing sent from now on is missed."""
    event_log = SqliteEventLog(settings.CONFIG.log_path)
    with transaction.atomic():
        joined = connect.join(wish)
        counts = event_log.counts()
        for row in joined.destinations:
            ledger.begin_destination(row.id, row.sources.values_list("id", flat=True), counts)
        ledger.begin(ledger.source_reader(joined.account.event_source_id), counts)
    event_log.close()
    return joined


def _told(joined: Joined) -> dict[str, Any]:
    public_url = settings.CONFIG.public_url
    return {
        "write_key": joined.http_source.write_key,
        "authentication_key": joined.connection.authentication_key,
        "list_id": joined.connection.list_id,
        "list_name": joined.connection.list_name,
        "tracking_url": public_url,
        "subscription_url": f"{public_url}/segment",
        # X-Signature names no key, so the address says whose secret it was made with.
        "webhooks_url": f"{public_url}/segment/{joined.connection.source_id}",
        "mailjet_events_url": callbacks.events_url(public_url, joined.account.events_token),
        "workspace": joined.workspace.name,
        "source": joined.http_source.name,
        "mailjet_account": joined.account.name,
        "destinations": [{"id": row.id, "name": row.name, "kind": row.kind} for row in joined.destinations],
    }


def _register(client: MailjetClient, url: str) -> dict[str, str]:
    """Have Mailjet send its events here; a state or a sentence per event type. The rest of setup stands."""
    try:
        states = callbacks.ensure(client, url)
    except DeliveryError as error:
        return {"all": f"not registered: {error} `jetbridge serve` tries again."}
    return {row.event_type: row.state if row.ours else f"{row.state}: {row.sentence}" for row in states}
