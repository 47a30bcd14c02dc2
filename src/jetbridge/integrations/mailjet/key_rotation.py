"""Authentication keys of app connections: a new one, the end of the old one, and who holds them."""

import json
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from jetbridge.control.models import AppConnection, Destination, new_secret
from jetbridge.control.secret_field import digest


@transaction.atomic
def rotate(connection: AppConnection, grace: timedelta) -> list[Destination]:
    """Make a new key; the old one is good for `grace` longer, and the one before it no more.

    Destinations of the same workspace that hold an old key get the new one, and are returned.
    """
    using = destinations_with(connection)
    connection.previous_key = connection.authentication_key if grace else ""
    connection.previous_key_until = timezone.now() + grace if grace else None
    connection.authentication_key = new_secret()
    connection.save()
    for row in using:
        row.secrets = json.dumps({**json.loads(row.secrets), "apiKey": connection.authentication_key})
        row.save()
    return using


def end_grace(connection: AppConnection) -> None:
    """The previous key is good no longer."""
    connection.previous_key, connection.previous_key_until = "", None
    connection.save()


def destinations_with(connection: AppConnection) -> list[Destination]:
    """Mailjet destinations of its workspace whose settings hold its key, or the one before it."""
    digests = {connection.authentication_key_digest, connection.previous_key_digest} - {""}
    rows = Destination.objects.filter(workspace=connection.account.workspace_id, kind="mailjet").order_by(
        "id"
    )
    return [row for row in rows if digest(json.loads(row.secrets).get("apiKey", "")) in digests]


@dataclass(frozen=True)
class Use:
    """A destination of the workspace whose settings hold the authentication key."""

    destination: Destination
    list_id: str
    #: Whether the two list IDs are the same.
    fits: bool


def use_of(connection: AppConnection, row: Destination) -> Use | None:
    """None: the destination does not hold the key."""
    key = digest(json.loads(row.secrets).get("apiKey", ""))
    if key not in {connection.authentication_key_digest, connection.previous_key_digest}:
        return None
    list_id = str(row.settings.get("listId", ""))
    return Use(row, list_id, list_id == str(connection.list_id))
