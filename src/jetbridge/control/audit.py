"""Every change that somebody makes is written down: who, what, to which thing. Never a secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from jetbridge.control.models import Workspace
from jetbridge.control.people import AuditEntry, User


@dataclass(frozen=True)
class Actor:
    """Who changes something in a workspace: a person at a page, a program with a token of theirs, or who operates the
    machine, by a command.
    """

    workspace: Workspace
    #: None: a command, which `who` names.
    person: User | None
    #: How the person comes to it, if not in person: by which token.
    who: str = ""

    @property
    def user(self) -> User:
        """The person. No command does what belongs to one."""
        assert self.person, f"{self.who} is no person"
        return self.person

    @property
    def name(self) -> str:
        """As the audit log has it."""
        return (self.who or self.user.email)[:254]

    def audit(self, action: str, thing: Model | str = "", details: Mapping[str, Any] | None = None) -> None:
        """Write it down. `action` is "thing.what-was-done", e.g. "destination.enabled".

        Call it in the transaction of the change. `details` is JSON; secrets stay out of it.
        """
        AuditEntry.objects.create(
            workspace=self.workspace,
            user=self.person,
            who=self.name,
            action=action,
            thing_id=thing.pk if isinstance(thing, Model) else None,
            thing=str(thing)[:400],
            details=dict(details or {}),
        )

    def elsewhere(self, workspace: Workspace) -> "Actor":
        """The same in another workspace."""
        return Actor(workspace, self.person, self.who)
