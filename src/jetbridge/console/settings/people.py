"""Who belongs to the workspace, and in which role."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control import mail
from jetbridge.control.membership import LastOwner
from jetbridge.control.people import Membership, Role
from jetbridge.services import members


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    return page(request)


def page(request: MemberRequest, status: int = 200, **more: object) -> HttpResponse:
    """The page of people, with what a view has to say beside it."""
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
            "text": f"{row.user.email} can no longer see {request.workspace}, and their API tokens here end.",
            "action": "Remove",
        }
        return render(request, "console/settings/confirm.html", context)
    try:
        members.remove(request.actor, row)
    except LastOwner as error:
        messages.error(request, str(error))
        return redirect("people", request.workspace.id)
    messages.success(request, f"{row.user} is no member any more.")
    return redirect("home") if row.user_id == request.user.id else redirect("people", request.workspace.id)


def _member(request: MemberRequest, number: int) -> Membership:
    rows = Membership.objects.filter(workspace=request.workspace).select_related("user", "workspace")
    return get_object_or_404(rows, id=number)
