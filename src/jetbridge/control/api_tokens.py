"""API tokens are made here: shown once, kept as digests."""

import secrets

from jetbridge.control import names
from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, Role, User
from jetbridge.control.secret_field import digest

#: So that people, and scanners for lost secrets, see what it is.
PREFIX = "jbt_"


def make(workspace: Workspace, user: User, name: str, role: Role) -> tuple[ApiToken, str]:
    """The row, and the token, which nobody can find out again. Raises ConfigurationError."""
    wanted = names.checked("a token", name)
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        workspace=workspace, user=user, name=wanted, role=role, digest=digest(token), ending=token[-4:]
    )
    return row, token
