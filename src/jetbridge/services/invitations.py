"""Inviting people: the link is told once, and sent by mail if there is a mail server."""

from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from jetbridge.control import mail, membership
from jetbridge.control.audit import Actor
from jetbridge.control.people import INVITATION_DAYS, Invitation, Role
from jetbridge.errors import TransientError

_LETTER = """{who} invites you to the workspace {workspace} of Jetbridge, as {role}.

Open this link to join. It is good for {days} days, and for you alone:

{link}
"""


class Invited(NamedTuple):
    """`sent`: a mail server took the letter. `problem`: why not, if there is one."""

    invitation: Invitation
    link: str
    sent: bool
    problem: str


def invite(actor: Actor, email: str, role: Role) -> Invited:
    """An earlier link of this address is good no longer."""
    with transaction.atomic():
        row, token = membership.invite(actor.workspace, email, role, actor.person)
        actor.audit("invitation.made", row.email, {"role": role})
    link = settings.CONFIG.public_url + reverse("invitation", args=[token])
    return Invited(row, link, *_send(actor, row, link))


def revoke(actor: Actor, row: Invitation) -> None:
    """The link is good no longer."""
    with transaction.atomic():
        row.delete()
        actor.audit("invitation.revoked", row.email)


def _send(actor: Actor, row: Invitation, link: str) -> tuple[bool, str]:
    """Whether it was sent, and why not if it should have been."""
    if not mail.is_configured():
        return False, ""
    letter = _LETTER.format(
        who=actor.person or "The operator",
        workspace=row.workspace,
        role=Role(row.role).label.lower(),
        days=INVITATION_DAYS,
        link=link,
    )
    try:
        mail.send([row.email], f"Join {row.workspace} in Jetbridge", letter)
    except TransientError as error:
        return False, str(error)
    return True, ""
