"""Inviting people: the link is shown once to the owner, and sent by mail if there is a mail server."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.audit import audit
from jetbridge.console.settings import people
from jetbridge.control import mail, membership
from jetbridge.control.people import INVITATION_DAYS, Invitation, Role
from jetbridge.errors import ConfigurationError, TransientError

_LETTER = """{who} invites you to the workspace {workspace} of Jetbridge, as {role}.

Open this link to join. It is good for {days} days, and for you alone:

{link}
"""


class InvitationForm(forms.Form):
    email = forms.EmailField(widget=forms.EmailInput(attrs={"autocomplete": "off"}))
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
    """The old link is good no longer."""
    row = _invitation(request, invitation)
    form = InvitationForm({"email": row.email, "role": row.role})
    return _invite(request, form) if form.is_valid() else redirect("people", request.workspace.id)


@workspace_view(change=Role.OWNER)
@require_POST
def revoke(request: MemberRequest, invitation: int) -> HttpResponse:
    row = _invitation(request, invitation)
    with transaction.atomic():
        row.delete()
        audit(request, "invitation.revoked", row.email)
    messages.success(request, f"The link of {row.email} is good no longer.")
    return redirect("people", request.workspace.id)


def _invite(request: MemberRequest, form: InvitationForm) -> HttpResponse:
    """Answers with a page instead of a redirect: the link is nowhere to be found again."""
    role = Role(form.cleaned_data["role"])
    try:
        with transaction.atomic():
            row, token = membership.invite(request.workspace, form.cleaned_data["email"], role, request.user)
            audit(request, "invitation.made", row.email, {"role": role})
    except ConfigurationError as error:
        form.add_error("email", str(error))
        return people.page(request, 422, form=form)
    link = settings.CONFIG.public_url + reverse("invitation", args=[token])
    sent, trouble = _send(request, row, link)
    return people.page(request, invited=row, link=link, sent=sent, trouble=trouble)


def _send(request: MemberRequest, row: Invitation, link: str) -> tuple[bool, str]:
    """Whether it was sent, and why not if it should have been."""
    if not mail.is_configured():
        return False, ""
    letter = _LETTER.format(
        who=request.user,
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


def _invitation(request: MemberRequest, number: int) -> Invitation:
    return get_object_or_404(Invitation.objects.filter(workspace=request.workspace), id=number)
