"""Inviting people: the link is shown once to the owner, and sent by mail if there is a mail server."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.address_field import AddressField
from jetbridge.console.settings import people
from jetbridge.control.people import Invitation, Role
from jetbridge.errors import ConfigurationError
from jetbridge.services import invitations


class InvitationForm(forms.Form):
    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(
        choices=Role.choices,
        initial=Role.EDITOR,
        help_text="A viewer sees everything but secrets; an editor changes things; an owner decides about people.",
    )


@workspace_view(Role.OWNER, change=Role.OWNER)
def invite(request: MemberRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None)
    if request.method != "POST":
        return people.page(request, form=form)
    if not form.is_valid():
        return people.page(request, 422, form=form)
    return _invite(request, form)


@workspace_view(change=Role.OWNER)
@require_POST
def renew(request: MemberRequest, invitation: int) -> HttpResponse:
    """The old link does not work any more."""
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


def _invite(request: MemberRequest, form: InvitationForm) -> HttpResponse:
    """Answers with a page instead of a redirect: the link is nowhere to be found again."""
    email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
    try:
        invited = invitations.invite(request.actor, email, role)
    except ConfigurationError as error:
        form.add_error("email", str(error))
        return people.page(request, 422, form=form)
    return people.page(
        request, invited=invited.invitation, link=invited.link, sent=invited.sent, trouble=invited.trouble
    )


def _invitation(request: MemberRequest, number: int) -> Invitation:
    return get_object_or_404(Invitation.objects.filter(workspace=request.workspace), id=number)
