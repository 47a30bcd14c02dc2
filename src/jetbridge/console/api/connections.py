"""App connections: the list of each, its authentication key, and the destinations that use it.

Keys are told by `reveal` only, as on the page: to editors, and the audit log notes it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.conf import settings
from msgspec import Meta

from jetbridge.console.acts import app_connections as acts
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Id
from jetbridge.console.api.refusal import Refused
from jetbridge.console.app_connections import asking, blocks
from jetbridge.control import models
from jetbridge.control.people import Role
from jetbridge.sources.mailjet import joining


class KeyUse(msgspec.Struct):
    """A destination whose settings hold the authentication key. `fits`: its List ID is that of the app connection."""

    destination: int
    list_id: str
    fits: bool


class AppConnection(msgspec.Struct):
    """What a Segment workspace is told: `webhooks_url` for a Webhooks destination, `subscription_url` for a subscription.

    `previous_key_until`: the authentication key before the last rotation is good until then.
    """

    id: int
    list_id: int
    list_name: str
    source: int
    previous_key_until: datetime | None
    webhooks_url: str
    subscription_url: str
    used_by: list[KeyUse]


class ListWish(msgspec.Struct, forbid_unknown_fields=True):
    """One of both: the id of a contacts list at Mailjet, or the name of one that is to be made there."""

    list: Id | None = None
    new_list: Annotated[str, Meta(min_length=1, max_length=asking.NAME_LENGTH)] | None = None


class AuthenticationKey(msgspec.Struct):
    """A secret."""

    authentication_key: str


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """For how long the old key stays good; 0 if it has leaked."""

    grace_hours: Annotated[int, Meta(ge=0, le=168)] = 24


class Ended(msgspec.Struct):
    """False: there was no old key."""

    ended: bool


class Alignment(msgspec.Struct, forbid_unknown_fields=True):
    destination: Id


class RemovedAppConnection(msgspec.Struct):
    """`switched_off` are destinations, by id, that held its key."""

    id: int
    list_id: int
    switched_off: list[int]


@endpoint("POST", "mailjet-accounts/<int:account>/app-connections", Role.EDITOR, status=201)
def connect_list(caller: Caller, account: int, body: ListWish) -> AppConnection:
    """Connect a contacts list with Segment: an authentication key, and a source of its own."""
    rows = caller.workspace.mailjet_accounts.select_related("workspace")
    row = acts.connect(caller.actor, caller.own(rows, account, "Mailjet account"), **_chosen(body))
    return _shape(caller, row)


@endpoint("PATCH", "mailjet-accounts/<int:account>/app-connections/<int:connection>", Role.EDITOR)
def choose_list(caller: Caller, account: int, connection: int, body: ListWish) -> AppConnection:
    """Choose another contacts list for an app connection."""
    row = _own(caller, account, connection)
    acts.choose(caller.actor, row, **_chosen(body))
    return _shape(caller, row)


@endpoint("POST", "mailjet-accounts/<int:account>/app-connections/<int:connection>/reveal", Role.EDITOR)
def reveal_key(caller: Caller, account: int, connection: int) -> AuthenticationKey:
    """Tell the authentication key. The audit log notes who asked."""
    return AuthenticationKey(acts.reveal(caller.actor, _own(caller, account, connection)))


@endpoint("POST", "mailjet-accounts/<int:account>/app-connections/<int:connection>/rotate", Role.EDITOR)
def rotate_key(caller: Caller, account: int, connection: int, body: Rotation) -> AppConnection:
    """Make a new authentication key; `reveal` tells it.

    The old one stays good for a grace time. Destinations of the workspace that hold it get the new one.
    """
    row = _own(caller, account, connection)
    acts.rotate(caller.actor, row, body.grace_hours)
    return _shape(caller, row)


@endpoint("POST", "mailjet-accounts/<int:account>/app-connections/<int:connection>/end-grace", Role.EDITOR)
def end_grace(caller: Caller, account: int, connection: int) -> Ended:
    """Refuse the authentication key before the last rotation from now on."""
    return Ended(acts.end_grace(caller.actor, _own(caller, account, connection)))


@endpoint("POST", "mailjet-accounts/<int:account>/app-connections/<int:connection>/align", Role.EDITOR)
def align_destination(caller: Caller, account: int, connection: int, body: Alignment) -> AppConnection:
    """Give a destination that holds the authentication key the List ID of its app connection."""
    row = _own(caller, account, connection)
    if acts.align(caller.actor, row, body.destination) is None:
        raise Refused(422, f"There is no destination {body.destination} that holds this authentication key.")
    return _shape(caller, row)


@endpoint("DELETE", "mailjet-accounts/<int:account>/app-connections/<int:connection>", Role.EDITOR)
def remove_app_connection(caller: Caller, account: int, connection: int) -> RemovedAppConnection:
    """Remove an app connection: its authentication key is refused at once. Its source stays, switched off."""
    row = _own(caller, account, connection)
    switched_off = acts.remove(caller.actor, row)
    return RemovedAppConnection(connection, row.list_id, [each.id for each in switched_off])


def connection_shape(row: models.AppConnection, destinations: Iterable[models.Destination]) -> AppConnection:
    """`destinations` are the Mailjet destinations of the workspace."""
    public_url = settings.CONFIG.public_url
    return AppConnection(
        row.id,
        row.list_id,
        row.list_name,
        row.source_id,
        row.previous_key_until,
        joining.webhooks_url(public_url, row),
        joining.subscription_url(public_url),
        [
            KeyUse(use.destination.id, use.list_id, use.fits)
            for each in destinations
            if (use := blocks.use_of(row, each))
        ],
    )


def _own(caller: Caller, account: int, connection: int) -> models.AppConnection:
    rows = models.AppConnection.objects.filter(account__workspace=caller.workspace, account=account)
    return caller.own(rows.select_related("account__workspace", "source"), connection, "app connection")


def _chosen(wish: ListWish) -> dict[str, Any]:
    if wish.list is not None and wish.new_list is not None:
        raise Refused(422, "Say one of both: list or new_list.")
    return {"list_id": wish.list, "new_name": wish.new_list or ""}


def _shape(caller: Caller, row: models.AppConnection) -> AppConnection:
    return connection_shape(row, caller.workspace.destinations.filter(kind="mailjet").order_by("id"))
