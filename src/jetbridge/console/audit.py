"""Every change that a person makes is written down: who, what, to which thing. Never a secret."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from jetbridge.control.models import Workspace
from jetbridge.control.people import AuditEntry, User


def audit(
    request: HttpRequest, action: str, thing: Model | str = "", details: Mapping[str, Any] | None = None
) -> None:
    """Write it down for `request.workspace`. `action` is "thing.what-was-done", e.g. "destination.enabled".

    Call it in the transaction of the change. `details` is JSON; secrets stay out of it.
    """
    workspace: Workspace = request.workspace  # type: ignore[attr-defined]
    assert isinstance(request.user, User)
    write(workspace, request.user, action, thing, details)


def write(
    workspace: Workspace,
    user: User,
    action: str,
    thing: Model | str = "",
    details: Mapping[str, Any] | None = None,
    *,
    who: str = "",
) -> None:
    """`who` is how the user came to it, if not in person: by which token."""
    AuditEntry.objects.create(
        workspace=workspace,
        user=user,
        who=(who or user.email)[:254],
        action=action,
        thing_id=thing.pk if isinstance(thing, Model) else None,
        thing=str(thing)[:400],
        details=dict(details or {}),
    )
