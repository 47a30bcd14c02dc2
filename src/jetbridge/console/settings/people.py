"""Who belongs to the workspace, in which role; inviting people, and accepting an invitation.

The link of an invitation is shown once to the owner, and sent by email if an email server is configured.
"""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.auth.forms import AddressField, check_password, new_password
from jetbridge.console.auth.login import enter_as
from jetbridge.control import mail, membership
from jetbridge.control.audit import Actor
from jetbridge.control.membership import LastOwner
from jetbridge.control.people import Invitation, Membership, Role, User
from jetbridge.errors import ConfigurationError
from jetbridge.services import invitations, members


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class InvitationForm(forms.Form):
    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(
        choices=Role.choices,
        initial=Role.EDITOR,
        help_text="A viewer sees everything but secrets. An editor changes things. An owner manages people, too.",
    )


class JoinForm(forms.Form):
    name = forms.CharField(
        max_length=200, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = new_password()

    def __init__(self, *args: object, email: str) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._email = email

    def clean(self) -> None:
        check_password(self, User(email=self._email, name=self.cleaned_data.get("name", "")))


@workspace_view()
def settings(request: MemberRequest) -> HttpResponse:
    """The first page of a workspace's settings."""
    return redirect("people", request.workspace.id)


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    return _page(request)


@workspace_view(change=Role.OWNER)
@require_POST
def change_role(request: MemberRequest, member: int) -> HttpResponse:
    row, form = _member(request, member), RoleForm(request.POST)
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            if members.change_role(request.actor, row, role):
                messages.success(request, f"{row.user} is {role.label.lower()} now.")
        except LastOwner as error:
            messages.error(request, str(error))
    return redirect("people", request.workspace.id)


@workspace_view(Role.OWNER)
def remove(request: MemberRequest, member: int) -> HttpResponse:
    row = _member(request, member)
    if request.method != "POST":
        context = {
            "title": f"Remove {row.user}",
            "text": f"{row.user.email} can no longer see {request.workspace}. Their API tokens of it are revoked.",
            "action": "Remove",
        }
        return render(request, "console/settings/confirm.html", context)
    try:
        members.remove(request.actor, row)
    except LastOwner as error:
        messages.error(request, str(error))
        return redirect("people", request.workspace.id)
    messages.success(request, f"{row.user} is no longer a member.")
    return redirect("home") if row.user_id == request.user.id else redirect("people", request.workspace.id)


@workspace_view(Role.OWNER, change=Role.OWNER)
def invite(request: MemberRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None)
    if request.method != "POST":
        return _page(request, form=form)
    if not form.is_valid():
        return _page(request, 422, form=form)
    return _invite(request, form)


@workspace_view(change=Role.OWNER)
@require_POST
def renew(request: MemberRequest, invitation: int) -> HttpResponse:
    """Creates a new link; the old one no longer works."""
    row = _invitation(request, invitation)
    form = InvitationForm({"email": row.email, "role": row.role})
    return _invite(request, form) if form.is_valid() else redirect("people", request.workspace.id)


@workspace_view(change=Role.OWNER)
@require_POST
def revoke(request: MemberRequest, invitation: int) -> HttpResponse:
    row = _invitation(request, invitation)
    invitations.revoke(request.actor, row)
    messages.success(request, f"The link of {row.email} was revoked.")
    return redirect("people", request.workspace.id)


@sensitive_post_parameters()
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link leads: create an account and join, or join with the account that is there.

    The link does not log anybody in as somebody who has an account: they log in first.
    """
    invitation = membership.find_invitation(token)
    if invitation is None:
        return _invitation_expired(request)
    account = User.objects.filter(email=invitation.email).first()
    if account is not None:
        if request.user == account and request.method == "POST":
            return _join(request, invitation, account)
        context = {"invitation": invitation, "account": account, "is_logged_in": request.user == account}
        return render(request, "console/settings/accept.html", context)
    form = JoinForm(request.POST or None, email=invitation.email)
    if request.method != "POST" or not form.is_valid():
        context = {"invitation": invitation, "form": form}
        return render(request, "console/settings/accept.html", context, status=422 if form.errors else 200)
    # The transaction takes the write lock at once: of two requests with one link, one is first.
    with transaction.atomic():
        if User.objects.filter(email=invitation.email).exists():
            return redirect(request.path)
        values = form.cleaned_data
        user = User.objects.create_user(invitation.email, values["password"], values["name"])
        return _join(request, invitation, user, new=True)


def _join(request: HttpRequest, invitation: Invitation, user: User, *, new: bool = False) -> HttpResponse:
    with transaction.atomic():
        if not membership.accept(invitation, user):
            transaction.set_rollback(True)
            return _invitation_expired(request)
        Actor(invitation.workspace, user).audit("member.joined", user, {"role": invitation.role})
    response: HttpResponse = redirect("workspace", invitation.workspace_id)
    if new:
        response = enter_as(request, user, response)
    messages.success(
        request, f"You are {invitation.get_role_display().lower()} of {invitation.workspace} now."
    )
    return response


def _invitation_expired(request: HttpRequest) -> HttpResponse:
    return render(request, "console/settings/invitation_gone.html", status=404)


def _invite(request: MemberRequest, form: InvitationForm) -> HttpResponse:
    """Responds with a page instead of a redirect: the link is shown this once."""
    email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
    try:
        invited = invitations.invite(request.actor, email, role)
    except ConfigurationError as error:
        form.add_error("email", str(error))
        return _page(request, 422, form=form)
    return _page(
        request, invited=invited.invitation, link=invited.link, sent=invited.sent, problem=invited.problem
    )


def _page(request: MemberRequest, status: int = 200, **more: object) -> HttpResponse:
    """The list of people, with what a view has to show beside it."""
    members = list(request.workspace.memberships.select_related("user").order_by("user__email"))
    owners = [row.id for row in members if row.role == Role.OWNER]
    context = {
        "members": members,
        "only_owner": owners[0] if len(owners) == 1 else None,
        "invitations": list(request.workspace.invitations.select_related("invited_by").order_by("email")),
        "roles": Role.choices,
        "now": timezone.now(),
        "sends_mail": mail.is_configured(),
        **more,
    }
    return render(request, "console/settings/people.html", context, status=status)


def _member(request: MemberRequest, number: int) -> Membership:
    rows = Membership.objects.filter(workspace=request.workspace).select_related("user", "workspace")
    return get_object_or_404(rows, id=number)


def _invitation(request: MemberRequest, number: int) -> Invitation:
    return get_object_or_404(Invitation.objects.filter(workspace=request.workspace), id=number)
