"""API tokens of the workspace. A token is shown once, to whoever creates it."""

from typing import Annotated

from ninja import Query

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, owner
from jetbridge.api.schemas import Id, InSchema, Name, OutSchema, RoleName, Timestamp, example
from jetbridge.control import people
from jetbridge.control.people import Role
from jetbridge.services import api_tokens as api_token_services

router = ApiRouter(tags=["API tokens"])

TokenName = Annotated[Name, example("deploy")]


class ApiTokenIn(InSchema):
    name: TokenName
    role: RoleName = Role.VIEWER


class ApiTokenOut(OutSchema):
    """`ending` are its last characters. `member` is whose it is, by email address: it ends with that membership."""

    id: Id
    name: TokenName
    role: RoleName
    ending: Annotated[str, example("x7Qk")]
    member: Annotated[str, example("olga@example.com")]
    created_at: Timestamp
    last_used_at: Timestamp | None


class NewApiTokenOut(OutSchema):
    """`token` is a secret, and is shown only here."""

    api_token: ApiTokenOut
    token: Annotated[str, example("jbt_…")]


@router.get("/tokens", response=Page[ApiTokenOut])
def list_tokens(request: ApiRequest, paging: Query[Paging]) -> Page[ApiTokenOut]:
    """The API tokens of the workspace, newest first."""
    return page_of(request.auth.workspace.api_tokens.select_related("user"), paging, _api_token)


@router.post("/tokens", auth=owner, response={201: NewApiTokenOut})
def create_token(request: ApiRequest, body: ApiTokenIn) -> NewApiTokenOut:
    """Create an API token, which belongs to the same member."""
    row, token = api_token_services.make(request.auth.actor, body.name, body.role)
    return NewApiTokenOut(api_token=_api_token(row), token=token)


@router.delete("/tokens/{int:token}", auth=owner, response=ApiTokenOut)
def revoke_token(request: ApiRequest, token: Id) -> ApiTokenOut:
    """Revoke an API token."""
    row = request.auth.find(request.auth.workspace.api_tokens.select_related("user"), token, "token")
    revoked = _api_token(row)
    api_token_services.revoke(request.auth.actor, row)
    return revoked


def _api_token(row: people.ApiToken) -> ApiTokenOut:
    return ApiTokenOut(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        ending=row.ending,
        member=row.user.email,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
