"""People: who belongs to the workspace, in which role, and who is invited."""

from typing import Annotated

from ninja import Query
from pydantic import Field

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, owner
from jetbridge.api.schemas import Id, InSchema, OutSchema, RoleName, Timestamp, example
from jetbridge.control import people
from jetbridge.control.people import Role
from jetbridge.services import invitations as invitation_services
from jetbridge.services import members as member_services
from jetbridge.services.invitations import Invited

router = ApiRouter(tags=["Members"])

Email = Annotated[str, example("ada@example.com")]


class MemberOut(OutSchema):
    id: Id
    email: Email
    name: Annotated[str, example("Ada")]
    role: RoleName
    since: Timestamp


class MemberPatch(InSchema):
    role: RoleName


class InvitationIn(InSchema):
    email: Annotated[Email, Field(min_length=3, max_length=254)]
    role: RoleName = Role.EDITOR


class InvitationOut(OutSchema):
    """Valid until `expires_at`, for one person."""

    id: Id
    email: Email
    role: RoleName
    invited_by: Annotated[str | None, example("olga@example.com")]
    created_at: Timestamp
    expires_at: Timestamp


class NewInvitationOut(OutSchema):
    """`link` is shown only here. `sent`: a mail server took the letter; else `problem` says why, if it should have."""

    invitation: InvitationOut
    link: Annotated[str, example("https://events.example.com/invitation/…")]
    sent: bool
    problem: Annotated[str, example("")]


@router.get("/members", response=Page[MemberOut])
def list_members(request: ApiRequest, paging: Query[Paging]) -> Page[MemberOut]:
    """The members of the workspace with their roles, newest first."""
    return page_of(request.auth.workspace.memberships.select_related("user"), paging, _member)


@router.patch("/members/{int:member}", auth=owner, response=MemberOut)
def change_member(request: ApiRequest, member: Id, body: MemberPatch) -> MemberOut:
    """Give a member another role. Their API tokens never do more than they may."""
    row = _find_member(request.auth, member)
    member_services.change_role(request.auth.actor, row, body.role)
    row.role = body.role
    return _member(row)


@router.delete("/members/{int:member}", auth=owner, response=MemberOut)
def remove_member(request: ApiRequest, member: Id) -> MemberOut:
    """Remove a member from the workspace, with their API tokens here."""
    row = _find_member(request.auth, member)
    member_services.remove(request.auth.actor, row)
    return _member(row)


@router.get("/invitations", response=Page[InvitationOut])
def list_invitations(request: ApiRequest, paging: Query[Paging]) -> Page[InvitationOut]:
    """Invitations that nobody has accepted yet, newest first."""
    return page_of(request.auth.workspace.invitations.select_related("invited_by"), paging, _invitation)


@router.post("/invitations", auth=owner, response={201: NewInvitationOut})
def create_invitation(request: ApiRequest, body: InvitationIn) -> NewInvitationOut:
    """Invite somebody. An earlier link of the same address is revoked."""
    return _new_invitation(invitation_services.invite(request.auth.actor, body.email, body.role))


@router.post("/invitations/{int:invitation}/renew", auth=owner, response=NewInvitationOut)
def renew_invitation(request: ApiRequest, invitation: Id) -> NewInvitationOut:
    """Create a new link for an invitation. The old one is revoked."""
    row = _find_invitation(request.auth, invitation)
    return _new_invitation(invitation_services.invite(request.auth.actor, row.email, Role(row.role)))


@router.delete("/invitations/{int:invitation}", auth=owner, response=InvitationOut)
def revoke_invitation(request: ApiRequest, invitation: Id) -> InvitationOut:
    """Revoke an invitation with its link."""
    row = _find_invitation(request.auth, invitation)
    revoked = _invitation(row)
    invitation_services.revoke(request.auth.actor, row)
    return revoked


def _find_member(caller: Caller, member: int) -> people.Membership:
    rows = caller.workspace.memberships.select_related("user", "workspace")
    return caller.find(rows, member, "member")


def _find_invitation(caller: Caller, invitation: int) -> people.Invitation:
    return caller.find(caller.workspace.invitations.select_related("invited_by"), invitation, "invitation")


def _member(row: people.Membership) -> MemberOut:
    return MemberOut(
        id=row.id, email=row.user.email, name=row.user.name, role=Role(row.role), since=row.since
    )


def _new_invitation(invited: Invited) -> NewInvitationOut:
    return NewInvitationOut(
        invitation=_invitation(invited.invitation),
        link=invited.link,
        sent=invited.sent,
        problem=invited.problem,
    )


def _invitation(row: people.Invitation) -> InvitationOut:
    return InvitationOut(
        id=row.id,
        email=row.email,
        role=Role(row.role),
        invited_by=row.invited_by.email if row.invited_by else None,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
