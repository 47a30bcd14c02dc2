"""The first page of all: one person creates the owner's account, and a workspace if there is none."""

from django import forms
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.auth import bootstrap_link
from jetbridge.console.auth.forms import AddressField, check_password, new_password
from jetbridge.console.auth.login import enter_as
from jetbridge.control.audit import Actor
from jetbridge.control.factories import new_workspace
from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role, User


class FirstRunForm(forms.Form):
    name = forms.CharField(
        max_length=200,
        label="Your name",
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
    )
    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = new_password()
    workspace = forms.CharField(
        max_length=200,
        initial="Main",
        help_text="Everything that belongs together, e.g. a company or a brand.",
    )

    def clean(self) -> None:
        values = self.cleaned_data
        check_password(self, User(email=values.get("email", ""), name=values.get("name", "")))


@sensitive_post_parameters()
def first_run(request: HttpRequest, token: str) -> HttpResponse:
    if not bootstrap_link.is_valid(token):
        raise Http404
    if not bootstrap_link.is_open():
        return redirect("login")
    workspaces = list(Workspace.objects.order_by("name"))
    form = FirstRunForm(request.POST or None)
    if workspaces:
        del form.fields["workspace"]
    if request.method != "POST" or not form.is_valid():
        context = {"form": form, "workspaces": workspaces}
        return render(request, "console/auth/first_run.html", context, status=422 if form.errors else 200)
    values = form.cleaned_data
    # The transaction takes the write lock at once: of two people with the link, one is first.
    with transaction.atomic():
        if not bootstrap_link.is_open():
            return redirect("login")
        user = User.objects.create_user(values["email"], values["password"], values["name"])
        workspaces = list(Workspace.objects.order_by("id")) or [new_workspace(values["workspace"])]
        for workspace in workspaces:
            Membership.objects.create(user=user, workspace=workspace, role=Role.OWNER)
            Actor(workspace, user).audit("member.first-owner", user)
    return enter_as(request, user, redirect("checklist", workspaces[0].id))
