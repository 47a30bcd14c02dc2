"""New workspaces, with what every one begins with; new sources and destinations, under names that are still free."""

from django.db.models import Model, QuerySet

from jetbridge.control.alerts import AlertKind
from jetbridge.control.models import Destination, Source, SourceKind, Workspace


def new_workspace(name: str) -> Workspace:
    """Its owners get a mail when deliveries stand still."""
    workspace = Workspace.objects.create(name=name)
    workspace.alert_rules.create(kind=AlertKind.STALL, owners=True)
    return workspace


def new_source(workspace: Workspace, kind: SourceKind, name: str) -> Source:
    return workspace.sources.create(kind=kind, name=free_name(workspace.sources.all(), name))


def new_destination(workspace: Workspace, kind: str, name: str) -> Destination:
    """Not saved yet."""
    return Destination(workspace=workspace, kind=kind, name=free_name(workspace.destinations.all(), name))


def free_name(rows: QuerySet[Model], first_choice: str) -> str:
    """The name, or "name 2", "name 3" ... if others have it."""
    taken = set(rows.values_list("name", flat=True))
    name, number = first_choice[:190], 1
    while name in taken:
        number += 1
        name = f"{first_choice[:190]} {number}"
    return name
