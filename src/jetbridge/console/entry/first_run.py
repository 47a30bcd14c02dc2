"""The first page of all: one person makes the owner's account, and a workspace if there is none."""

from django import forms
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.address_field import AddressField
from jetbridge.console.entry import link
from jetbridge.console.entry.login import enter_as
from jetbridge.console.entry.password_field import check_password, new_password
from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.control.new_rows import new_workspace
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

    def without_workspace(self) -> "FirstRunForm":
        del self.fields["workspace"]
        return self

    def clean(self) -> None:
        values = self.cleaned_data
        check_password(self, User(email=values.get("email", ""), name=values.get("name", "")))


@sensitive_post_parameters()
def first_run(request: HttpRequest, token: str) -> HttpResponse:
    if not link.is_right(token):
        raise Http404
    if not link.is_open():
        return redirect("login")
    workspaces = list(Workspace.objects.order_by("name"))
    form = FirstRunForm(request.POST or None)
    form = form.without_workspace() if workspaces else form
    if request.method == "POST" and form.is_valid():
        return _begin(request, form.cleaned_data)
    context = {"form": form, "workspaces": workspaces}
    return render(request, "console/entry/first_run.html", context, status=422 if form.errors else 200)


def _begin(request: HttpRequest, values: dict[str, str]) -> HttpResponse:
    with (
        transaction.atomic()
    ):  # takes the write lock at once: of two who press at the same time, one is first
        if not link.is_open():
            return redirect("login")
        user = User.objects.create_user(values["email"], values["password"], values["name"])
        workspaces = list(Workspace.objects.order_by("id")) or [new_workspace(values["workspace"])]
        for workspace in workspaces:
            Membership.objects.create(user=user, workspace=workspace, role=Role.OWNER)
            Actor(workspace, user).audit("member.first-owner", user)
    return enter_as(request, user, redirect("checklist", workspaces[0].id))
