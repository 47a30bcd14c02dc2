"""What `setup` does once its options are read, and what it tells the person."""

from typing import Any

from django.conf import settings

from jetbridge.errors import DeliveryError
from jetbridge.integrations.mailjet import provision
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.connect import ConnectionSpec, Joined
from jetbridge.integrations.mailjet.events import callbacks
from jetbridge.integrations.mailjet.services import accounts


def join(client: MailjetClient, spec: ConnectionSpec) -> dict[str, Any]:
    """Provision the spec and return what the person needs to know, secrets included. Blocks."""
    joined = accounts.set_up("jetbridge setup", spec)
    result = _summary(joined)
    return result | {
        "event_callback_urls": _register(client, joined.account.id, result["mailjet_events_url"])
    }


def _summary(joined: Joined) -> dict[str, Any]:
    public_url = settings.CONFIG.public_url
    return {
        "write_key": joined.http_source.write_key,
        "authentication_key": joined.connection.authentication_key,
        "list_id": joined.connection.list_id,
        "list_name": joined.connection.list_name,
        "tracking_url": public_url,
        "subscription_url": provision.subscription_url(public_url),
        "webhooks_url": provision.webhooks_url(public_url, joined.connection),
        "mailjet_events_url": callbacks.events_url(public_url, joined.account.events_token),
        "workspace": joined.workspace.name,
        "source": joined.http_source.name,
        "mailjet_account": joined.account.name,
        "custom_id_is_user_id": joined.account.custom_id_is_user_id,
        "destinations": [{"id": row.id, "name": row.name, "kind": row.kind} for row in joined.destinations],
    }


def _register(client: MailjetClient, account: int, url: str) -> dict[str, str]:
    """Have Mailjet send its events here; a state or a message per event type. The rest of setup stands."""
    try:
        states = callbacks.repair(client, account, url)
    except DeliveryError as error:
        return {"all": f"not registered: {error} `jetbridge serve` tries again."}
    return {row.event_type: row.state if row.is_ours else f"{row.state}: {row.message}" for row in states}
