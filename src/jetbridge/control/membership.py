"""Who belongs to a workspace, in which role, and how one comes to belong: by invitation.

A workspace always has an owner. The transactions take SQLite's write lock at once, so of two owners who remove
each other at the same time, one is refused.
"""

import secrets

from django.db import transaction
from django.utils import timezone

from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, Invitation, Membership, Role, User, invitation_end
from jetbridge.control.secret_field import digest
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.spec.emails import normalise, spellings


class LastOwner(ConflictError):
    def __init__(self, member: Membership) -> None:
        super().__init__(
            f"{member.user} is the only owner of {member.workspace}. Make somebody else owner first."
        )


def change_role(member: Membership, role: Role) -> None:
    """Raises LastOwner."""
    with transaction.atomic():
        if role != Role.OWNER:
            _need_another_owner(member)
        Membership.objects.filter(id=member.id).update(role=role)


def remove(member: Membership) -> None:
    """With their API tokens here. The account stays. Raises LastOwner."""
    with transaction.atomic():
        _need_another_owner(member)
        ApiToken.objects.filter(workspace_id=member.workspace_id, user_id=member.user_id).delete()
        Membership.objects.filter(id=member.id).delete()


def another_workspace(user: User, but: Workspace) -> Workspace | None:
    """One more that the user belongs to, by name; None if there is none."""
    rows = Workspace.objects.filter(memberships__user=user).exclude(id=but.id)
    return rows.order_by("name").first()


def invite(workspace: Workspace, email: str, role: Role, by: User | None) -> tuple[Invitation, str]:
    """The invitation and its token, which nobody can find out again. An earlier one of this address ends.

    Raises ConfigurationError if they are a member already, or it is no address.
    """
    address = normalise(email)
    if address is None:
        raise ConfigurationError(f"{email[:100]!r} is no email address.")
    if Membership.objects.filter(workspace=workspace, user__email__in=spellings(address)).exists():
        raise ConflictError(f"{address} is a member already.")
    token = secrets.token_urlsafe(32)
    row, _ = Invitation.objects.update_or_create(
        workspace=workspace,
        email=address,
        defaults={
            "role": role,
            "token_digest": digest(token),
            "invited_by": by,
            "created_at": timezone.now(),
            "expires_at": invitation_end(),
        },
    )
    return row, token


def find_invitation(token: str) -> Invitation | None:
    """None if there is none, or no longer."""
    rows = Invitation.objects.filter(token_digest=digest(token), expires_at__gt=timezone.now())
    return rows.select_related("workspace", "invited_by").first()


def accept(invitation: Invitation, user: User) -> bool:
    """Make them a member. False if the invitation has gone meanwhile."""
    with transaction.atomic():
        gone, _ = Invitation.objects.filter(id=invitation.id, token_digest=invitation.token_digest).delete()
        if gone:
            Membership.objects.get_or_create(
                user=user, workspace=invitation.workspace, defaults={"role": invitation.role}
            )
        return bool(gone)


def _need_another_owner(member: Membership) -> None:
    owners = Membership.objects.filter(workspace_id=member.workspace_id, role=Role.OWNER)
    if list(owners.values_list("id", flat=True)) == [member.id]:
        raise LastOwner(member)
