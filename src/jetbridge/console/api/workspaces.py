"""The workspace itself: what is left to set up, its name, another one, its end."""

import msgspec

from jetbridge.console.acts import api_tokens, workspaces
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Name
from jetbridge.console.checklist.steps import steps_of
from jetbridge.control.people import Role


class ChecklistStep(msgspec.Struct):
    title: str
    what: str
    done: bool
    #: What is in the way; "" if nothing is.
    trouble: str


class Checklist(msgspec.Struct):
    """What a workspace needs until a contact arrives. Each step looks by itself whether it is done."""

    steps: list[ChecklistStep]


class WorkspaceName(msgspec.Struct, forbid_unknown_fields=True):
    name: Name


class WorkspaceRef(msgspec.Struct):
    id: int
    name: str


class MadeWorkspace(msgspec.Struct):
    """`token` belongs to the new workspace, has the role owner, and is told only here."""

    id: int
    name: str
    token: str


@endpoint("GET", "workspace/checklist")
def get_checklist(caller: Caller) -> Checklist:
    """What is left to do until the first contact arrives."""
    return Checklist(
        [ChecklistStep(each.title, each.what, each.done, each.trouble) for each in steps_of(caller.workspace)]
    )


@endpoint("PATCH", "workspace", Role.OWNER)
def rename_workspace(caller: Caller, body: WorkspaceName) -> WorkspaceRef:
    """Rename the workspace of the token."""
    workspaces.rename(caller.actor, body.name)
    return WorkspaceRef(caller.workspace.id, caller.workspace.name)


@endpoint("DELETE", "workspace", Role.OWNER)
def delete_workspace(caller: Caller) -> WorkspaceRef:
    """Delete the workspace of the token with all that is in it, the token included.

    Nothing in it may be enabled: no destination, no source, no Mailjet account. The user whose token it is needs
    another workspace, whose audit log tells of it.
    """
    deleted = WorkspaceRef(caller.workspace.id, caller.workspace.name)
    workspaces.delete(caller.actor)
    return deleted


@endpoint("POST", "workspaces", Role.OWNER, status=201)
def create_workspace(caller: Caller, body: WorkspaceName) -> MadeWorkspace:
    """Make another workspace, owned by the user whose token it is."""
    owner = workspaces.add(caller.actor, body.name)
    _, token = api_tokens.make(owner, caller.token.name, Role.OWNER)
    return MadeWorkspace(owner.workspace.id, owner.workspace.name, token)
