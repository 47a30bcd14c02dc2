"""What `jetbridge doctor` looks at for Mailjet: each account, its lists, event callback URLs and properties."""

from collections.abc import Iterator

from django.conf import settings

from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.errors import DeliveryError, PauseError
from jetbridge.integrations.base import Finding
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.events import callbacks
from jetbridge.integrations.mailjet.verification.mistyped import mistyped
from jetbridge.text import pluralize


def checks() -> Iterator[Finding]:
    """Reads from Mailjet; blocks."""
    accounts = list(MailjetAccount.objects.order_by("id"))
    if not accounts:
        yield Finding("warn", "no Mailjet account", "Run `jetbridge setup`.")
    for row in accounts:
        client = MailjetClient(row.api_url, row.api_key, row.secret_key)
        try:
            client.user()
            yield Finding("ok", f"{row.name}: {row.api_url} accepts the key pair")
            for connection in row.app_connections.order_by("id"):
                yield _list(client, connection)
            url = callbacks.events_url(settings.CONFIG.public_url, row.events_token)
            yield _event_callback_urls(client, url)
            yield from _properties(row.id, client)
        except PauseError as error:
            yield Finding("fail", f"{row.name}: {error}", "Run `jetbridge setup` with the right pair.")
        except DeliveryError as error:
            yield Finding("fail", f"{row.name}: {error}", "Try again later; deliveries do so by themselves.")


def _list(client: MailjetClient, connection: AppConnection) -> Finding:
    contacts_list = client.contactslist(connection.list_id)
    what = f"contacts list {connection.list_id} ({connection.list_name})"
    if contacts_list is None or contacts_list.is_deleted:
        return Finding("fail", f"{what} is not there any more", "Run `jetbridge setup` with another --list.")
    return Finding("ok", f"{what} has {pluralize(contacts_list.subscriber_count, 'subscriber')}")


def _properties(account_id: int, client: MailjetClient) -> Iterator[Finding]:
    for row in mistyped(account_id, client.contactmetadata()):
        what = (
            f"property {row.property} is text (str) at Mailjet, but its values are all {row.kinds} "
            f"({row.values:,} looked at): segments cannot compare them"
        )
        advice = (
            "Give the trait a property of another name (`jetbridge destinations set ID mapping=...`) and `jetbridge destinations replay` "
            f"its calls; or delete the property {row.property} in Mailjet, and `jetbridge contacts verify --repair` makes "
            f"it anew as {row.datatype}. If it is meant as text, leave it."
        )
        yield Finding("warn", what, advice)


def _event_callback_urls(client: MailjetClient, url: str) -> Finding:
    own = [row for row in client.eventcallbackurls() if row.url.partition("?")[0] == url]
    suspended = {row.event_type for row in own if row.status.lower() == "dead"}
    if suspended:
        types = ", ".join(event_type for event_type in EVENT_TYPES if event_type in suspended)
        return Finding(
            "warn",
            f"Mailjet has suspended {types} events: for a day, their URL did not answer",
            "Start `jetbridge serve`: it brings them back within 20 minutes. Then `jetbridge destinations backfill` adds what was "
            "missed.",
        )
    missing = [event_type for event_type in EVENT_TYPES if event_type not in {row.event_type for row in own}]
    if missing:
        advice = "Run `jetbridge setup` again; it says of each type what is in the way."
        return Finding("warn", f"Mailjet does not send {', '.join(missing)} events here", advice)
    return Finding("ok", f"Mailjet sends all {len(EVENT_TYPES)} types of events here")
