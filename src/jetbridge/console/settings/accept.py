"""Where the link of an invitation leads: make an account and join, or join with the one you have."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.entry.login import enter_as
from jetbridge.console.entry.password_field import check_password, new_password
from jetbridge.control import membership
from jetbridge.control.audit import Actor
from jetbridge.control.people import Invitation, User


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


@sensitive_post_parameters()
def accept(request: HttpRequest, token: str) -> HttpResponse:
    invitation = membership.find_invitation(token)
    if invitation is None:
        return _gone(request)
    known = User.objects.filter(email=invitation.email).first()
    if known is not None:
        return _join(request, invitation, known)
    form = JoinForm(request.POST or None, email=invitation.email)
    if request.method == "POST" and form.is_valid():
        return _begin(request, invitation, form.cleaned_data)
    context = {"invitation": invitation, "form": form}
    return render(request, "console/settings/accept.html", context, status=422 if form.errors else 200)


def _join(request: HttpRequest, invitation: Invitation, known: User) -> HttpResponse:
    """The link does not let anybody in as somebody who is there already: they log in first."""
    if request.user == known and request.method == "POST":
        return _enter(request, invitation, known)
    context = {"invitation": invitation, "known": known, "is_known": request.user == known}
    return render(request, "console/settings/accept.html", context)


def _begin(request: HttpRequest, invitation: Invitation, values: dict[str, str]) -> HttpResponse:
    with (
        transaction.atomic()
    ):  # takes the write lock at once: of two who press at the same time, one is first
        if User.objects.filter(email=invitation.email).exists():
            return redirect(request.path)
        user = User.objects.create_user(invitation.email, values["password"], values["name"])
        return _enter(request, invitation, user, new=True)


def _enter(request: HttpRequest, invitation: Invitation, user: User, *, new: bool = False) -> HttpResponse:
    with transaction.atomic():
        if not membership.accept(invitation, user):
            transaction.set_rollback(True)
            return _gone(request)
        Actor(invitation.workspace, user).audit("member.joined", user, {"role": invitation.role})
    response: HttpResponse = redirect("workspace", invitation.workspace_id)
    if new:
        response = enter_as(request, user, response)
    messages.success(
        request, f"You are {invitation.get_role_display().lower()} of {invitation.workspace} now."
    )
    return response


def _gone(request: HttpRequest) -> HttpResponse:
    return render(request, "console/settings/invitation_gone.html", status=404)
