"""Who calls: an API token, the workspace that it belongs to, and what it may do there."""

from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja.security.base import AuthBase

from jetbridge.api.errors import HTTPError, not_found
from jetbridge.control.api_tokens import authenticate
from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, Role

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Caller:
    """`role` is the token's, or that of its member if that is the lesser one."""

    token: ApiToken
    workspace: Workspace
    role: Role

    def find(self, rows: QuerySet[Row], id_: int, noun: str) -> Row:
        """The row with this id among the workspace's `rows`. Raises HTTPError (404)."""
        row = rows.filter(pk=id_).first()
        if row is None:
            raise not_found(noun, id_, self.workspace)
        return row

    def require(self, role: Role) -> None:
        """Raises HTTPError (403)."""
        if not self.role.allows(role):
            raise HTTPError(
                "INSUFFICIENT_ROLE",
                f"The token {self.token.name} has the role {self.role.label.lower()} in {self.workspace}; "
                f"this takes the role {role.label.lower()}.",
                remedy=f"Ask an owner of {self.workspace} for a token with the role {role.label.lower()}.",
            )

    @property
    def actor(self) -> Actor:
        """As whom it changes something: the audit log names the token."""
        user = self.token.user
        return Actor(self.workspace, user, f"{self.token.name}, a token of {user.email}")


class ApiRequest(HttpRequest):
    """What calls get, for type checkers: a request has this attribute, and never this class."""

    auth: Caller


class TokenAuth(AuthBase):
    """Lets a token in whose role allows `role`. Cookies count for nothing, so there is nothing to forge across sites."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, role: Role) -> None:
        super().__init__()
        self.role = role

    def __call__(self, request: HttpRequest) -> Caller:
        """Raises InvalidToken, HTTPError (403)."""
        token, role = authenticate(request.headers.get("authorization", ""))
        caller = Caller(token, token.workspace, role)
        request.auth = caller  # type: ignore[attr-defined]  # an error, too, is written for the caller's role
        caller.require(self.role)
        return caller


viewer, editor, owner = TokenAuth(Role.VIEWER), TokenAuth(Role.EDITOR), TokenAuth(Role.OWNER)
