"""People: who belongs to the workspace, in which role, and who is invited."""

from datetime import datetime
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from jetbridge.console.acts import invitations as invitation_acts
from jetbridge.console.acts import members as acts
from jetbridge.console.acts.invitations import Invited
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import RoleName
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.control import people
from jetbridge.control.people import Role


class Member(msgspec.Struct):
    id: int
    email: str
    name: str
    role: RoleName
    since: datetime


class MemberChange(msgspec.Struct, forbid_unknown_fields=True):
    role: RoleName


class Invitation(msgspec.Struct):
    """Good until `expires_at`, for one person."""

    id: int
    email: str
    role: RoleName
    invited_by: str | None
    created_at: datetime
    expires_at: datetime


class NewInvitation(msgspec.Struct, forbid_unknown_fields=True):
    email: Annotated[str, Meta(min_length=3, max_length=254)]
    role: RoleName = "editor"


class MadeInvitation(msgspec.Struct):
    """`link` is told only here. `sent`: a mail server took the letter; else `trouble` says why, if it should have."""

    invitation: Invitation
    link: str
    sent: bool
    trouble: str


@endpoint("GET", "members")
def list_members(caller: Caller, query: Paging) -> Page[Member]:
    """The members of the workspace with their roles, newest first."""
    return page_of(caller.workspace.memberships.select_related("user"), query, _member)


@endpoint("PATCH", "members/<int:member>", Role.OWNER)
def change_member(caller: Caller, member: int, body: MemberChange) -> Member:
    """Give a member another role. Their API tokens never do more than they may."""
    row = _own_member(caller, member)
    acts.change_role(caller.actor, row, Role(body.role))
    row.role = body.role
    return _member(row)


@endpoint("DELETE", "members/<int:member>", Role.OWNER)
def remove_member(caller: Caller, member: int) -> Member:
    """Remove a member from the workspace, with their API tokens here."""
    row = _own_member(caller, member)
    acts.remove(caller.actor, row)
    return _member(row)


@endpoint("GET", "invitations")
def list_invitations(caller: Caller, query: Paging) -> Page[Invitation]:
    """Invitations that nobody has accepted yet, newest first."""
    return page_of(caller.workspace.invitations.select_related("invited_by"), query, _invitation)


@endpoint("POST", "invitations", Role.OWNER, status=201)
def create_invitation(caller: Caller, body: NewInvitation) -> MadeInvitation:
    """Invite somebody. An earlier link of the same address is good no longer."""
    return _made(invitation_acts.invite(caller.actor, body.email, Role(body.role)))


@endpoint("POST", "invitations/<int:invitation>/renew", Role.OWNER)
def renew_invitation(caller: Caller, invitation: int) -> MadeInvitation:
    """Make a new link for an invitation. The old one is good no longer."""
    row = _own_invitation(caller, invitation)
    return _made(invitation_acts.invite(caller.actor, row.email, Role(row.role)))


@endpoint("DELETE", "invitations/<int:invitation>", Role.OWNER)
def revoke_invitation(caller: Caller, invitation: int) -> Invitation:
    """Take an invitation back. Its link is good no longer."""
    row = _own_invitation(caller, invitation)
    told = _invitation(row)
    invitation_acts.revoke(caller.actor, row)
    return told


def _own_member(caller: Caller, member: int) -> people.Membership:
    return caller.own(caller.workspace.memberships.select_related("user", "workspace"), member, "member")


def _own_invitation(caller: Caller, invitation: int) -> people.Invitation:
    return caller.own(caller.workspace.invitations.select_related("invited_by"), invitation, "invitation")


def _member(row: people.Membership) -> Member:
    return Member(row.id, row.user.email, row.user.name, cast("RoleName", row.role), row.since)


def _made(invited: Invited) -> MadeInvitation:
    return MadeInvitation(_invitation(invited.invitation), invited.link, invited.sent, invited.trouble)


def _invitation(row: people.Invitation) -> Invitation:
    by = row.invited_by.email if row.invited_by else None
    return Invitation(row.id, row.email, cast("RoleName", row.role), by, row.created_at, row.expires_at)
