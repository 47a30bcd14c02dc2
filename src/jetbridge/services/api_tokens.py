"""API tokens. A token is told once, when it is made."""

from django.db import transaction

from jetbridge.control import api_tokens
from jetbridge.control.audit import Actor
from jetbridge.control.people import ApiToken, Role


def make(actor: Actor, name: str, role: Role) -> tuple[ApiToken, str]:
    """The row, and the token, which nobody can find out again. It ends with the membership of who makes it."""
    with transaction.atomic():
        row, token = api_tokens.make(actor.workspace, actor.user, name, role)
        actor.audit("api-token.made", row, {"role": role})
    return row, token


def revoke(actor: Actor, row: ApiToken) -> None:
    """Whatever uses it is refused from now on."""
    with transaction.atomic():
        actor.audit("api-token.revoked", row)
        row.delete()
