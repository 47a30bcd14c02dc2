"""One contact beside what Mailjet holds of it at this moment, for a person who waits: asked once, and never told."""

from jetbridge.control.models import MailjetAccount
from jetbridge.http.client import PAGE_SECONDS
from jetbridge.http.connection import time_limit
from jetbridge.integrations.contact_book import Now
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.contacts.contact import load_readable
from jetbridge.integrations.mailjet.contacts.merge import now_ms
from jetbridge.integrations.mailjet.sync.reads import Reads
from jetbridge.integrations.mailjet.sync.remote import SUBSCRIBED, RemoteContact, fetch_remote_contact
from jetbridge.integrations.mailjet.verification.comparer import Comparer


def at_mailjet(account_id: int, email: str) -> Now | None:
    """None for an address that is no contact here. Raises DeliveryError."""
    contact = load_readable(account_id, [email]).get(email)
    if contact is None:
        return None
    reads = _reads(MailjetAccount.objects.get(id=account_id))
    with time_limit(PAGE_SECONDS):
        remote = fetch_remote_contact(reads, email)
        lists = {row.id: row.name for row in reads.client.contactslists()}
        datatypes = reads.client.contactmetadata()
    found = Comparer(lists, datatypes, now_ms).compare(contact, remote)
    return Now(
        is_there=remote is not None,
        places=_places(remote, lists) if remote else [],
        differences=[each.sentence for each in found.differences],
    )


def _reads(account: MailjetAccount) -> Reads:
    client = MailjetClient(account.api_url, account.api_key, account.secret_key, timeout_seconds=PAGE_SECONDS)
    return Reads(client, per_second=1_000, tries=1)


def _places(remote: RemoteContact, lists: dict[int, str]) -> list[str]:
    """Where it stands, and that it is excluded, if it is."""
    places = [
        f"{'subscribed to' if subscription == SUBSCRIBED else 'unsubscribed from'} {list_id} {lists[list_id]}"
        for list_id, subscription in remote.subscriptions.items()
        if list_id in lists
    ]
    return places + (["excluded from all campaigns"] if remote.excluded else [])
