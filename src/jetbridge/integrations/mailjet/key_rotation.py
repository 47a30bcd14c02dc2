"""Authentication keys of app connections: a new one, the end of the old one, and who holds them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from jetbridge.control import credentials
from jetbridge.control.models import AppConnection, Destination
from jetbridge.control.secret_field import digest


@transaction.atomic
def rotate(connection: AppConnection, grace: timedelta) -> list[Destination]:
    """Make a new key; the old one is valid for `grace` longer, and the one before it no more.

    Destinations of the same workspace that hold an old key get the new one, and are returned.
    """
    using = destinations_with(connection)
    key = credentials.rotate(connection.source, grace)
    for row in using:
        row.secrets = json.dumps({**json.loads(row.secrets), "apiKey": key})
        row.save()
    return using


def destinations_with(connection: AppConnection) -> list[Destination]:
    """Mailjet destinations of its workspace whose settings hold its key, or the one before it."""
    digests = {row.digest for row in connection.source.credentials.all()}
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


def uses_of(connection: AppConnection, destinations: Iterable[Destination]) -> list[Use]:
    """Those of the destinations that hold its key."""
    digests = {row.digest for row in connection.source.credentials.all()}
    uses = []
    for row in destinations:
        if digest(json.loads(row.secrets).get("apiKey", "")) in digests:
            list_id = str(row.settings.get("listId", ""))
            uses.append(Use(row, list_id, list_id == str(connection.list_id)))
    return uses
