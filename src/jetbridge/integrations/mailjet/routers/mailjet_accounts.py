"""Mailjet accounts with their app connections, and the lists that they have at Mailjet."""

from collections.abc import Iterable
from typing import Annotated

from ninja import Query
from pydantic import Field

from jetbridge.api.masks import unmasked
from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, QuerySchema, example
from jetbridge.control import models
from jetbridge.integrations.mailjet.accounts import NAME_LENGTH, masked
from jetbridge.integrations.mailjet.contacts_lists import LISTS, fits
from jetbridge.integrations.mailjet.routers.app_connections import AppConnectionOut, app_connection_out
from jetbridge.integrations.mailjet.services import accounts as acts
from jetbridge.integrations.setting import MASK

router = ApiRouter(tags=["Mailjet accounts"])

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
    rows = request.auth.workspace.mailjet_accounts.prefetch_related("app_connections")
    destinations = _destinations(request.auth)
    return page_of(rows, paging, lambda row: _account(row, destinations))


@router.post("/mailjet-accounts", auth=editor, response={201: MailjetAccountOut})
def create_mailjet_account(request: ApiRequest, body: MailjetAccountIn) -> MailjetAccountOut:
    """Add a Mailjet account. The key pair is tried at Mailjet at once."""
    api_key = unmasked("api_key", body.api_key.strip())
    secret_key = unmasked("secret_key", body.secret_key.strip())
    row = acts.add(
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
    return _account(find_account(request.auth, account), _destinations(request.auth))


@router.patch("/mailjet-accounts/{int:account}", auth=editor, response=MailjetAccountOut)
def change_mailjet_account(request: ApiRequest, account: Id, body: MailjetAccountPatch) -> MailjetAccountOut:
    """Rename a Mailjet account, change its key pair or API address, or say whether CustomID is the userId.

    A new pair is tried at Mailjet, and must see every contacts list that is in use: that of another Mailjet account
    would send its contacts elsewhere.
    """
    row = find_account(request.auth, account)
    acts.edit(
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
    row = find_account(request.auth, account)
    removed = acts.remove(request.auth.actor, row)
    return RemovedMailjetAccountOut(
        id=account,
        name=row.name,
        switched_off=[destination.id for destination in removed.switched_off],
        left_to_do=removed.left_to_do,
    )


@router.get("/mailjet-accounts/{int:account}/lists", response=ContactsListsOut)
def list_contacts_lists(request: ApiRequest, account: Id, query: Query[ListsQuery]) -> ContactsListsOut:
    """The contacts lists that a Mailjet account has at Mailjet now."""
    rows = [row for row in LISTS.of(find_account(request.auth, account)) if fits(row, query.text)]
    return ContactsListsOut(
        items=[ContactsListOut(id=row.id, name=row.name, contacts=row.subscriber_count) for row in rows]
    )


def find_account(caller: Caller, account: int) -> models.MailjetAccount:
    """Raises HTTPError (404)."""
    rows = caller.workspace.mailjet_accounts.select_related("workspace", "event_source")
    return caller.find(rows, account, "Mailjet account")


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
            app_connection_out(connection, destinations) for connection in row.app_connections.all()
        ],
    )
