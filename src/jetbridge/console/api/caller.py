"""Who calls: a token, the workspace that it belongs to, and what it may do there."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jetbridge.console.api.refusal import Refused
from jetbridge.console.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, Membership, Role
from jetbridge.control.secret_field import digest

Row = TypeVar("Row", bound=Model)

#: `last_used_at` is not written more often than so.
USE_IS_NOTED = timedelta(minutes=1)


@dataclass(frozen=True)
class Caller:
    """`role` is the token's, or that of the member it belongs to if that is the lesser one."""

    token: ApiToken
    workspace: Workspace
    role: Role

    def needs(self, role: Role) -> None:
        """Raises Refused."""
        if not self.role.allows(role):
            raise Refused(
                403,
                f"The token {self.token.name} has the role {self.role.label.lower()} in {self.workspace}; "
                f"this takes the role {role.label.lower()}.",
            )

    def own(self, rows: QuerySet[Row], number: int, what: str) -> Row:
        """The row with this id among the workspace's `rows`. Raises Refused (404)."""
        row = rows.filter(pk=number).first()
        if row is None:
            raise Refused(404, f"There is no {what} {number} in {self.workspace}.")
        return row

    @property
    def actor(self) -> Actor:
        """As whom it changes something: the audit log names the token."""
        user = self.token.user
        return Actor(self.workspace, user, f"{self.token.name}, a token of {user.email}")


def caller_of(request: HttpRequest) -> Caller:
    """Two queries, and one more once a minute. Raises Refused (401)."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise _unknown("Send a token of the workspace: Authorization: Bearer TOKEN.")
    rows = ApiToken.objects.filter(digest=digest(secret.strip())).select_related("workspace", "user")
    token = rows.first()
    if token is None:
        raise _unknown("There is no such token. It may have been revoked: an owner can make another.")
    membership = Membership.objects.filter(workspace=token.workspace, user=token.user).first()
    if membership is None or not token.user.is_active:
        raise _unknown(f"{token.user.email} is no member of {token.workspace} any more, nor is the token.")
    _note_use(token)
    return Caller(token, token.workspace, max(Role(token.role), Role(membership.role), key=_rank))


def _unknown(sentence: str) -> Refused:
    return Refused(401, sentence, www_authenticate='Bearer realm="Jetbridge"')


def _rank(role: Role) -> int:
    """The lesser a role, the higher."""
    return list(Role).index(role)


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > USE_IS_NOTED:
        ApiToken.objects.filter(id=token.id).update(last_used_at=now)
