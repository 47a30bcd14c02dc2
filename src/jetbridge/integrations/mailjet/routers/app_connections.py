"""App connections: the list of each, its authentication key, and the destinations that use it.

Keys are shown by `reveal` only, as on the page: to editors, and the audit log records it.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from django.conf import settings
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, Timestamp, example
from jetbridge.control import models
from jetbridge.integrations.mailjet import contacts_lists, provision
from jetbridge.integrations.mailjet.key_rotation import use_of
from jetbridge.integrations.mailjet.services import app_connections as acts

router = ApiRouter(tags=["Mailjet accounts"])

_CONNECTION = "/mailjet-accounts/{int:account}/app-connections/{int:connection}"


class KeyUseOut(OutSchema):
    """A destination whose settings hold the authentication key. `fits`: its List ID is that of the app connection."""

    destination: Id
    list_id: Annotated[str, example("10001")]
    fits: bool


class AppConnectionOut(OutSchema):
    """What a Segment workspace needs: `webhooks_url` for a Webhooks destination, `subscription_url` for a subscription.

    `previous_key_until`: the authentication key before the last rotation is valid until then.
    """

    id: Id
    list_id: Annotated[int, example(10001)]
    list_name: Annotated[str, example("Customers")]
    source: Id
    previous_key_until: Timestamp | None
    webhooks_url: Annotated[str, example("https://events.example.com/segment/3")]
    subscription_url: Annotated[str, example("https://events.example.com/segment")]
    used_by: list[KeyUseOut]


class ListChoiceIn(InSchema):
    """One of both: the id of a contacts list at Mailjet, or the name of one that is to be created there."""

    list: Annotated[Id | None, example(10001)] = None
    new_list: Annotated[
        str | None, Field(min_length=1, max_length=contacts_lists.NAME_LENGTH, examples=[None])
    ] = None


class AuthenticationKeyOut(OutSchema):
    """A secret."""

    authentication_key: Annotated[str, example("5f1c…")]


class RotationIn(InSchema):
    """For how long the old key stays valid; 0 if it has leaked."""

    grace_hours: Annotated[int, Field(ge=0, le=168)] = 24


class EndedOut(OutSchema):
    """False: there was no old key."""

    ended: bool


class AlignmentIn(InSchema):
    destination: Id


class RemovedAppConnectionOut(OutSchema):
    """`switched_off` are destinations, by id, that held its key, and are disabled now."""

    id: Id
    list_id: Annotated[int, example(10001)]
    switched_off: Annotated[list[int], example([2])]


@router.post("/mailjet-accounts/{int:account}/app-connections", auth=editor, response={201: AppConnectionOut})
def connect_list(request: ApiRequest, account: Id, body: ListChoiceIn) -> AppConnectionOut:
    """Connect a contacts list with Segment: an authentication key, and a source of its own."""
    rows = request.auth.workspace.mailjet_accounts.select_related("workspace")
    account_row = request.auth.find(rows, account, "Mailjet account")
    return _app_connection(request.auth, acts.connect(request.auth.actor, account_row, **_list_choice(body)))


@router.patch(_CONNECTION, auth=editor, response=AppConnectionOut)
def choose_list(request: ApiRequest, account: Id, connection: Id, body: ListChoiceIn) -> AppConnectionOut:
    """Choose another contacts list for an app connection, and for the destinations that had the former one."""
    row = _find(request.auth, account, connection)
    acts.choose(request.auth.actor, row, **_list_choice(body))
    return _app_connection(request.auth, row)


@router.post(f"{_CONNECTION}/reveal", auth=editor, response=AuthenticationKeyOut)
def reveal_key(request: ApiRequest, account: Id, connection: Id) -> AuthenticationKeyOut:
    """Show the authentication key. The audit log records who did."""
    row = _find(request.auth, account, connection)
    return AuthenticationKeyOut(authentication_key=acts.reveal(request.auth.actor, row))


@router.post(f"{_CONNECTION}/rotate", auth=editor, response=AppConnectionOut)
def rotate_key(
    request: ApiRequest,
    account: Id,
    connection: Id,
    body: RotationIn = RotationIn(),  # noqa: B008 - ninja's way to say that a body is optional
) -> AppConnectionOut:
    """Rotate the authentication key; `reveal` shows the new one.

    The old one stays valid for a grace period. Destinations of the workspace that hold it get the new one.
    """
    row = _find(request.auth, account, connection)
    acts.rotate(request.auth.actor, row, body.grace_hours)
    return _app_connection(request.auth, row)


@router.post(f"{_CONNECTION}/end-grace", auth=editor, response=EndedOut)
def end_grace(request: ApiRequest, account: Id, connection: Id) -> EndedOut:
    """Revoke the authentication key before the last rotation."""
    return EndedOut(ended=acts.end_grace(request.auth.actor, _find(request.auth, account, connection)))


@router.post(f"{_CONNECTION}/align", auth=editor, response=AppConnectionOut)
def align_destination(
    request: ApiRequest, account: Id, connection: Id, body: AlignmentIn
) -> AppConnectionOut:
    """Give a destination that holds the authentication key the List ID of its app connection."""
    row = _find(request.auth, account, connection)
    if acts.align(request.auth.actor, row, body.destination) is None:
        raise HTTPError(
            "INVALID_VALUE",
            f"There is no destination {body.destination} that uses this authentication key.",
            remedy="Name one of `used_by`.",
        )
    return _app_connection(request.auth, row)


@router.delete(_CONNECTION, auth=editor, response=RemovedAppConnectionOut)
def remove_app_connection(request: ApiRequest, account: Id, connection: Id) -> RemovedAppConnectionOut:
    """Remove an app connection: its authentication key is revoked at once. Its source stays, disabled."""
    row = _find(request.auth, account, connection)
    disabled = acts.remove(request.auth.actor, row)
    return RemovedAppConnectionOut(
        id=connection, list_id=row.list_id, switched_off=[destination.id for destination in disabled]
    )


def app_connection_out(
    row: models.AppConnection, destinations: Iterable[models.Destination]
) -> AppConnectionOut:
    """`destinations` are the Mailjet destinations of the workspace."""
    public_url = settings.CONFIG.public_url
    uses = [use for destination in destinations if (use := use_of(row, destination))]
    return AppConnectionOut(
        id=row.id,
        list_id=row.list_id,
        list_name=row.list_name,
        source=row.source_id,
        previous_key_until=row.previous_key_until,
        webhooks_url=provision.webhooks_url(public_url, row),
        subscription_url=provision.subscription_url(public_url),
        used_by=[
            KeyUseOut(destination=use.destination.id, list_id=use.list_id, fits=use.fits) for use in uses
        ],
    )


def _app_connection(caller: Caller, row: models.AppConnection) -> AppConnectionOut:
    destinations = caller.workspace.destinations.filter(kind="mailjet").order_by("id")
    return app_connection_out(row, destinations)


def _find(caller: Caller, account: int, connection: int) -> models.AppConnection:
    """Raises HTTPError (404)."""
    rows = models.AppConnection.objects.filter(account__workspace=caller.workspace, account=account)
    return caller.find(rows.select_related("account__workspace", "source"), connection, "app connection")


def _list_choice(body: ListChoiceIn) -> dict[str, Any]:
    if body.list is not None and body.new_list is not None:
        raise HTTPError("INVALID_REQUEST", "Either list or new_list is needed, and not both.")
    return {"list_id": body.list, "new_name": body.new_list or ""}
