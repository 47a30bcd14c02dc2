"""App connections: which list, and the authentication key."""

from datetime import timedelta

from django.db import transaction

from jetbridge.control import credentials
from jetbridge.control.audit import Actor
from jetbridge.control.models import AppConnection, Destination, MailjetAccount
from jetbridge.delivery import pauses
from jetbridge.delivery.models import destination_consumer
from jetbridge.integrations.mailjet import accounts, contacts_lists, key_rotation
from jetbridge.integrations.mailjet.contacts import replaced_lists
from jetbridge.services import destinations
from jetbridge.spec.untrusted import whole_number


def connect(
    actor: Actor, account: MailjetAccount, *, list_id: int | None = None, new_name: str = ""
) -> AppConnection:
    """For a list that is there, or for a new one of this name."""
    chosen = contacts_lists.chosen_list(account, list_id, new_name)
    with transaction.atomic():
        row = accounts.connect_list(account, chosen.id, chosen.name)
        actor.audit("app-connection.added", row, {"list": chosen.id})
    return row


def choose(
    actor: Actor, connection: AppConnection, *, list_id: int | None = None, new_name: str = ""
) -> list[Destination]:
    """Another list, one that is there or a new one of this name.

    Destinations that hold the key and were set to the former list get the new one, and are returned. If the former
    list is gone, what waits for it as theirs goes to the new one.
    """
    former = connection.list_id
    chosen = contacts_lists.chosen_list(connection.account, list_id, new_name)
    is_gone = chosen.id != former and not contacts_lists.is_there(connection.account, former)
    followers = [
        row
        for row in key_rotation.destinations_with(connection)
        if chosen.id != former and whole_number(row.settings.get("listId")) == former
    ]
    with transaction.atomic():
        accounts.choose_list(connection, chosen.id, chosen.name)
        detail: dict[str, object] = {"list": [former, chosen.id]}
        if followers:
            detail["destinations"] = [str(row) for row in followers]
        actor.audit("app-connection.list-chosen", connection, detail)
        for row in followers:
            destinations.change(actor, row, {"listId": str(chosen.id)})
            if is_gone:
                replaced_lists.remember(connection.account_id, row.id, former)
                pauses.resume(destination_consumer(row.id))
    return followers


def reveal(actor: Actor, connection: AppConnection) -> str:
    """The authentication key; the audit log records that it was shown."""
    actor.audit("app-connection.key-revealed", connection)
    return connection.authentication_key


def rotate(actor: Actor, connection: AppConnection, hours: int) -> list[Destination]:
    """A new authentication key; the old one is valid for so many hours more. Destinations that got the new one."""
    with transaction.atomic():
        changed = key_rotation.rotate(connection, timedelta(hours=hours))
        actor.audit("app-connection.key-rotated", connection, {"grace hours": hours})
        for row in changed:
            actor.audit("destination.key-replaced", row)
    return changed


def end_grace(actor: Actor, connection: AppConnection) -> bool:
    """Revoke the old key; False if there is none."""
    with transaction.atomic():
        ended = credentials.end_grace(connection.source)
        if ended:
            actor.audit("app-connection.old-key-ended", connection)
    return ended


def align(actor: Actor, connection: AppConnection, destination: int) -> Destination | None:
    """Give a destination that holds the key the List ID of the app connection; None if it does not hold it."""
    for row in key_rotation.destinations_with(connection):
        if row.id == destination:
            destinations.change(actor, row, {"listId": str(connection.list_id)})
            return row
    return None


def remove(actor: Actor, connection: AppConnection) -> list[Destination]:
    """Its key is revoked at once. Destinations with the key that were on are switched off, and returned."""
    uses = [row for row in key_rotation.destinations_with(connection) if row.enabled]
    with transaction.atomic():
        actor.audit("app-connection.removed", connection, {"list": connection.list_id})
        for row in uses:
            destinations.switch_off(actor, row, "its app connection was removed")
        accounts.disconnect(connection)
    return uses
