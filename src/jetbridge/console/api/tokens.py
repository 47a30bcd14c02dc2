"""API tokens of the workspace. What a token is, is told once, to whoever has it made."""

from datetime import datetime
from typing import cast

import msgspec

from jetbridge.console.acts import api_tokens as acts
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Name, RoleName
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.control import people
from jetbridge.control.people import Role


class ApiToken(msgspec.Struct):
    """`ending` are its last characters. `member` is whose it is, by email address: it ends with that membership."""

    id: int
    name: str
    role: RoleName
    ending: str
    member: str
    created_at: datetime
    last_used_at: datetime | None


class NewApiToken(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    role: RoleName = "viewer"


class MadeApiToken(msgspec.Struct):
    """`token` is a secret, and is told only here."""

    api_token: ApiToken
    token: str


@endpoint("GET", "tokens")
def list_tokens(caller: Caller, query: Paging) -> Page[ApiToken]:
    """The API tokens of the workspace, newest first."""
    return page_of(caller.workspace.api_tokens.select_related("user"), query, _shape)


@endpoint("POST", "tokens", Role.OWNER, status=201)
def create_token(caller: Caller, body: NewApiToken) -> MadeApiToken:
    """Make an API token, which belongs to the same member."""
    row, token = acts.make(caller.actor, body.name, Role(body.role))
    return MadeApiToken(_shape(row), token)


@endpoint("DELETE", "tokens/<int:token>", Role.OWNER)
def revoke_token(caller: Caller, token: int) -> ApiToken:
    """Revoke an API token. Whatever uses it is refused from then on."""
    row = caller.own(caller.workspace.api_tokens.select_related("user"), token, "token")
    told = _shape(row)
    acts.revoke(caller.actor, row)
    return told


def _shape(row: people.ApiToken) -> ApiToken:
    return ApiToken(
        row.id,
        row.name,
        cast("RoleName", row.role),
        row.ending,
        row.user.email,
        row.created_at,
        row.last_used_at,
    )
