"""Mailjet accounts and their app connections: the list of each connection, its authentication key, and the destinations that use it.

Keys are shown by `reveal` only, as on the page: to editors, and the audit log records it.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from django.conf import settings
from ninja import Query
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.masks import unmasked
from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, QuerySchema, Timestamp, example
from jetbridge.control import models
from jetbridge.integrations.mailjet import contacts_lists
from jetbridge.integrations.mailjet.accounts import (
    NAME_LENGTH,
    accounts_of,
    masked,
    subscription_url,
    webhooks_url,
)
from jetbridge.integrations.mailjet.contacts_lists import LISTS, matches
from jetbridge.integrations.mailjet.key_rotation import uses_of
from jetbridge.integrations.mailjet.services import accounts, app_connections
from jetbridge.integrations.setting import MASK

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


AccountName = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, examples=["Newsletter"])]
ApiKey = Annotated[str, Field(min_length=1, max_length=64, examples=["0123456789abcdef0123456789abcdef"])]
SecretKey = Annotated[str, Field(min_length=1, max_length=200, examples=["fedcba9876543210fedcba9876543210"])]
ApiUrl = Annotated[str, Field(max_length=200, examples=["https://api.mailjet.com"])]


CustomIdIsUserId = Annotated[bool, example(False)]  # noqa: FBT003 - an example


class MailjetAccountIn(InSchema):
    """Without a name the account is named after its API key. `custom_id_is_user_id`: senders put the userId into CustomID."""

    api_key: ApiKey
    secret_key: SecretKey
    name: AccountName | None = None
    api_url: ApiUrl = "https://api.mailjet.com"
    custom_id_is_user_id: CustomIdIsUserId = False


class MailjetAccountPatch(InSchema):
    """What is absent stays. A new API key needs its secret key, another API address both."""

    name: AccountName | None = None
    api_key: ApiKey | None = None
    secret_key: SecretKey | None = None
    api_url: ApiUrl = ""
    custom_id_is_user_id: CustomIdIsUserId | None = None


class MailjetAccountOut(OutSchema):
    """`api_key` is masked but for what tells two accounts apart. Both keys can be sent back as they are here: they stay.
    Email events arrive at `event_source`. With `custom_id_is_user_id` those that have a CustomID are of the user whose id it is.
    """

    id: Id
    name: AccountName
    api_url: ApiUrl
    api_key: Annotated[str, example(f"0123{MASK}")]
    secret_key: Annotated[str, example(MASK)]
    event_source: Id
    custom_id_is_user_id: CustomIdIsUserId
    app_connections: list[AppConnectionOut]


class RemovedMailjetAccountOut(OutSchema):
    """`switched_off` are destinations, by id, that can do nothing without it. `left_to_do`: what to do at Mailjet."""

    id: Id
    name: AccountName
    switched_off: Annotated[list[int], example([2])]
    left_to_do: Annotated[str, example("")]


class ListsQuery(QuerySchema):
    """`text` is a part of the name, or the id."""

    text: Annotated[str, Field(max_length=100, examples=["Customers"])] = ""


class ContactsListOut(OutSchema):
    id: Annotated[Id, example(10001)]
    name: Annotated[str, example("Customers")]
    contacts: Annotated[int, example(1200)]


class ContactsListsOut(OutSchema):
    """By name."""

    items: list[ContactsListOut]


@router.get("/mailjet-accounts", response=Page[MailjetAccountOut])
def list_mailjet_accounts(request: ApiRequest, paging: Query[Paging]) -> Page[MailjetAccountOut]:
    """The Mailjet accounts of the workspace with their app connections, newest first."""
    rows = request.auth.workspace.mailjet_accounts.prefetch_related("app_connections__source__credentials")
    destinations = _destinations(request.auth)
    return page_of(rows, paging, lambda row: _account(row, destinations))


@router.post("/mailjet-accounts", auth=editor, response={201: MailjetAccountOut})
def create_mailjet_account(request: ApiRequest, body: MailjetAccountIn) -> MailjetAccountOut:
    """Add a Mailjet account. The key pair is tried at Mailjet at once."""
    api_key = unmasked("api_key", body.api_key.strip())
    secret_key = unmasked("secret_key", body.secret_key.strip())
    row = accounts.add(
        request.auth.actor,
        body.api_url,
        api_key,
        secret_key,
        name=body.name or "",
        custom_id_is_user_id=body.custom_id_is_user_id,
    )
    return _account(row, [])


@router.get("/mailjet-accounts/{int:account}", response=MailjetAccountOut)
def get_mailjet_account(request: ApiRequest, account: Id) -> MailjetAccountOut:
    """One Mailjet account with its app connections."""
    return _account(_find_account(request.auth, account), _destinations(request.auth))


@router.patch("/mailjet-accounts/{int:account}", auth=editor, response=MailjetAccountOut)
def change_mailjet_account(request: ApiRequest, account: Id, body: MailjetAccountPatch) -> MailjetAccountOut:
    """Rename a Mailjet account, change its key pair or API address, or say whether CustomID is the userId.

    A new pair is tried at Mailjet, and must see every contacts list that is in use: that of another Mailjet account
    would send its contacts elsewhere.
    """
    row = _find_account(request.auth, account)
    accounts.edit(
        request.auth.actor,
        row,
        name=body.name,
        api_url=body.api_url,
        api_key=unmasked("api_key", (body.api_key or "").strip(), masked(row.api_key)),
        secret_key=unmasked("secret_key", (body.secret_key or "").strip(), MASK),
        custom_id_is_user_id=body.custom_id_is_user_id,
    )
    return _account(row, _destinations(request.auth))


@router.delete("/mailjet-accounts/{int:account}", auth=editor, response=RemovedMailjetAccountOut)
def remove_mailjet_account(request: ApiRequest, account: Id) -> RemovedMailjetAccountOut:
    """Remove a Mailjet account with its app connections, and what is known here of its contacts.

    Nothing is deleted in Mailjet but the event callback URLs that lead here.
    """
    row = _find_account(request.auth, account)
    removed = accounts.remove(request.auth.actor, row)
    return RemovedMailjetAccountOut(
        id=account,
        name=row.name,
        switched_off=[destination.id for destination in removed.switched_off],
        left_to_do=removed.left_to_do,
    )


@router.get("/mailjet-accounts/{int:account}/lists", response=ContactsListsOut)
def list_contacts_lists(request: ApiRequest, account: Id, query: Query[ListsQuery]) -> ContactsListsOut:
    """The contacts lists that a Mailjet account has at Mailjet now."""
    rows = [row for row in LISTS.of(_find_account(request.auth, account)) if matches(row, query.text)]
    return ContactsListsOut(
        items=[ContactsListOut(id=row.id, name=row.name, contacts=row.subscriber_count) for row in rows]
    )


def _find_account(caller: Caller, account: int) -> models.MailjetAccount:
    """Raises HTTPError (404)."""
    return caller.find(accounts_of(caller.workspace), account, "Mailjet account")


def _destinations(caller: Caller) -> list[models.Destination]:
    return list(caller.workspace.destinations.filter(kind="mailjet").order_by("id"))


def _account(row: models.MailjetAccount, destinations: Iterable[models.Destination]) -> MailjetAccountOut:
    return MailjetAccountOut(
        id=row.id,
        name=row.name,
        api_url=row.api_url,
        api_key=masked(row.api_key),
        secret_key=MASK,
        event_source=row.event_source_id,
        custom_id_is_user_id=row.custom_id_is_user_id,
        app_connections=[
            _app_connection_out(connection, destinations) for connection in row.app_connections.all()
        ],
    )


@router.post("/mailjet-accounts/{int:account}/app-connections", auth=editor, response={201: AppConnectionOut})
def connect_list(request: ApiRequest, account: Id, body: ListChoiceIn) -> AppConnectionOut:
    """Connect a contacts list with Segment: an authentication key, and a source of its own."""
    row = app_connections.connect(
        request.auth.actor, _find_account(request.auth, account), **_list_choice(body)
    )
    return _app_connection(request.auth, row)


@router.patch(_CONNECTION, auth=editor, response=AppConnectionOut)
def choose_list(request: ApiRequest, account: Id, connection: Id, body: ListChoiceIn) -> AppConnectionOut:
    """Choose another contacts list for an app connection, and for the destinations that had the former one."""
    row = _find_connection(request.auth, account, connection)
    app_connections.choose(request.auth.actor, row, **_list_choice(body))
    return _app_connection(request.auth, row)


@router.post(f"{_CONNECTION}/reveal", auth=editor, response=AuthenticationKeyOut)
def reveal_key(request: ApiRequest, account: Id, connection: Id) -> AuthenticationKeyOut:
    """Show the authentication key. The audit log records who did."""
    row = _find_connection(request.auth, account, connection)
    return AuthenticationKeyOut(authentication_key=app_connections.reveal(request.auth.actor, row))


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
    row = _find_connection(request.auth, account, connection)
    app_connections.rotate(request.auth.actor, row, body.grace_hours)
    return _app_connection(request.auth, row)


@router.post(f"{_CONNECTION}/end-grace", auth=editor, response=EndedOut)
def end_grace(request: ApiRequest, account: Id, connection: Id) -> EndedOut:
    """Revoke the authentication key before the last rotation."""
    return EndedOut(
        ended=app_connections.end_grace(
            request.auth.actor, _find_connection(request.auth, account, connection)
        )
    )


@router.post(f"{_CONNECTION}/align", auth=editor, response=AppConnectionOut)
def align_destination(
    request: ApiRequest, account: Id, connection: Id, body: AlignmentIn
) -> AppConnectionOut:
    """Give a destination that holds the authentication key the List ID of its app connection."""
    row = _find_connection(request.auth, account, connection)
    if app_connections.align(request.auth.actor, row, body.destination) is None:
        raise HTTPError(
            "INVALID_VALUE",
            f"There is no destination {body.destination} that uses this authentication key.",
            fix="Name one of `used_by`.",
        )
    return _app_connection(request.auth, row)


@router.delete(_CONNECTION, auth=editor, response=RemovedAppConnectionOut)
def remove_app_connection(request: ApiRequest, account: Id, connection: Id) -> RemovedAppConnectionOut:
    """Remove an app connection: its authentication key is revoked at once. Its source stays, disabled."""
    row = _find_connection(request.auth, account, connection)
    disabled = app_connections.remove(request.auth.actor, row)
    return RemovedAppConnectionOut(
        id=connection, list_id=row.list_id, switched_off=[destination.id for destination in disabled]
    )


def _app_connection_out(
    row: models.AppConnection, destinations: Iterable[models.Destination]
) -> AppConnectionOut:
    """`destinations` are the Mailjet destinations of the workspace."""
    public_url = settings.CONFIG.public_url
    uses = uses_of(row, destinations)
    return AppConnectionOut(
        id=row.id,
        list_id=row.list_id,
        list_name=row.list_name,
        source=row.source_id,
        previous_key_until=row.previous_key_until,
        webhooks_url=webhooks_url(public_url, row),
        subscription_url=subscription_url(public_url),
        used_by=[
            KeyUseOut(destination=use.destination.id, list_id=use.list_id, fits=use.fits) for use in uses
        ],
    )


def _app_connection(caller: Caller, row: models.AppConnection) -> AppConnectionOut:
    destinations = caller.workspace.destinations.filter(kind="mailjet").order_by("id")
    return _app_connection_out(row, destinations)


def _find_connection(caller: Caller, account: int, connection: int) -> models.AppConnection:
    """Raises HTTPError (404)."""
    rows = models.AppConnection.objects.filter(account__workspace=caller.workspace, account=account)
    return caller.find(rows.select_related("account__workspace", "source"), connection, "app connection")


def _list_choice(body: ListChoiceIn) -> dict[str, Any]:
    if body.list is not None and body.new_list is not None:
        raise HTTPError("INVALID_REQUEST", "Either list or new_list is needed, and not both.")
    return {"list_id": body.list, "new_name": body.new_list or ""}
