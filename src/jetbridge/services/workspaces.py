"""The workspace itself: its name and time zone, another one, and its end."""

from django.db import transaction

from jetbridge.control import membership, names, time_zones
from jetbridge.control.audit import Actor
from jetbridge.control.factories import new_workspace
from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role
from jetbridge.errors import ConflictError
from jetbridge.services import computations, removal


def rename(actor: Actor, name: str) -> str:
    """The name that it had; "" if it is this one already."""
    workspace, before = actor.workspace, actor.workspace.name
    with transaction.atomic():
        name = _free(name, workspace)
        if name == before:
            return ""
        workspace.name = name
        workspace.save(update_fields=["name"])
        actor.audit("workspace.renamed", workspace, {"before": before})
    return before


def set_time_zone(actor: Actor, time_zone: str) -> str:
    """The one that it had; "" if it is this one already. A running worker takes it up within a second."""
    workspace, before = actor.workspace, actor.workspace.time_zone
    zone = time_zones.checked(time_zone)
    if zone == before:
        return ""
    with transaction.atomic():
        workspace.time_zone = zone
        workspace.save(update_fields=["time_zone"])
        actor.audit("workspace.time-zone-changed", workspace, {"before": before, "after": zone})
    return before


def add(actor: Actor, name: str) -> Actor:
    """Another workspace, owned by the actor's user: the same actor in it."""
    with transaction.atomic():
        workspace = new_workspace(_free(name))
        Membership.objects.create(user=actor.user, workspace=workspace, role=Role.OWNER)
        owner = actor.elsewhere(workspace)
        owner.audit("workspace.added", workspace)
    return owner


def delete(actor: Actor) -> Workspace:
    """With all that is in it, if nothing of that is enabled. Another one of the user, whose audit log tells of it."""
    other = membership.another_workspace(actor.user, actor.workspace)
    if other is None:
        raise ConflictError(
            f"{actor.workspace} is the only workspace of {actor.user.email}, who could not even make another "
            "one without it. Add another workspace first."
        )
    with transaction.atomic():
        actor.elsewhere(other).audit("workspace.deleted", actor.workspace)
        computations.remove_space(actor.workspace)
        removal.remove_workspace(actor.workspace)
    return other


def _free(name: str, but: Workspace | None = None) -> str:
    name = names.checked("a workspace", name)
    others = Workspace.objects.exclude(id=but.id) if but else Workspace.objects.all()
    if others.filter(name=name).exists():
        raise ConflictError("Another workspace has this name.")
    return name
