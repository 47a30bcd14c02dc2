"""API tokens: made here, shown once, kept as digests, and recognised when a request presents one."""

import secrets
from datetime import timedelta

from django.utils import timezone

from jetbridge.control import names
from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, Membership, Role, User
from jetbridge.control.secret_field import digest
from jetbridge.errors import JetbridgeError

#: So that people, and scanners for lost secrets, see what it is.
PREFIX = "jbt_"
#: `last_used_at` is written at most once in this time.
LAST_USED_RESOLUTION = timedelta(minutes=1)


class InvalidToken(JetbridgeError):
    """No token was presented, or one that is not valid."""


def make(workspace: Workspace, user: User, name: str, role: Role) -> tuple[ApiToken, str]:
    """The row, and the token, which nobody can find out again. Raises ConfigurationError."""
    name = names.checked("a token", name)
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        workspace=workspace, user=user, name=name, role=role, digest=digest(token), ending=token[-4:]
    )
    return row, token


def authenticate(authorization: str) -> tuple[ApiToken, Role]:
    """The token in an `Authorization` header, and its role: its own, or that of its member if that is the lesser one.

    Two queries, and one more once a minute. Raises InvalidToken.
    """
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise InvalidToken("The request presents no API token.")
    rows = ApiToken.objects.filter(digest=digest(secret.strip())).select_related("workspace", "user")
    token = rows.first()
    if token is None:
        raise InvalidToken("There is no such API token. It may have been revoked.")
    member = Membership.objects.filter(workspace=token.workspace, user=token.user).first()
    if member is None or not token.user.is_active:
        raise InvalidToken(
            f"The token ended with its membership: {token.user.email} is no longer a member of {token.workspace}."
        )
    _record_use(token)
    return token, Role(token.role) if member.may(Role(token.role)) else Role(member.role)


def _record_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USED_RESOLUTION:
        ApiToken.objects.filter(id=token.id).update(last_used_at=now)
