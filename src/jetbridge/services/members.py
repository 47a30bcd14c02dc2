"""Who belongs to the workspace, and in which role."""

from django.db import transaction

from jetbridge.control import membership
from jetbridge.control.audit import Actor
from jetbridge.control.people import Membership, Role


def change_role(actor: Actor, member: Membership, role: Role) -> bool:
    """False if it is the role already. A workspace always has an owner."""
    if role == member.role:
        return False
    with transaction.atomic():
        membership.change_role(member, role)
        actor.audit("member.role-changed", member.user, {"before": member.role, "after": role})
    return True


def remove(actor: Actor, member: Membership) -> None:
    """With their API tokens here. A workspace always has an owner."""
    with transaction.atomic():
        membership.remove(member)
        actor.audit("member.removed", member.user, {"role": member.role})
