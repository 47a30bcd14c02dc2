"""The workspace itself: its name and time zone, another one, and its end."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control import time_zones
from jetbridge.control.names import LONGEST
from jetbridge.control.people import Role
from jetbridge.errors import ConfigurationError
from jetbridge.services import removal, workspaces


class NameForm(forms.Form):
    name = forms.CharField(max_length=LONGEST)


class WorkspaceForm(NameForm):
    time_zone = forms.CharField(
        max_length=64,
        help_text="Schedules of destinations are on its clock: Europe/Paris, America/New_York, UTC.",
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_time_zone(self) -> str:
        try:
            return time_zones.checked(self.cleaned_data["time_zone"])
        except ConfigurationError as error:
            raise forms.ValidationError(str(error)) from error


class DeleteForm(forms.Form):
    typed = forms.CharField(
        label="Name of the workspace", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args: object, name: str) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._name = name

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"] != self._name:
            raise forms.ValidationError(f"Type the name as it is: {self._name}")
        return self._name


@workspace_view(change=Role.OWNER)
def index(request: MemberRequest) -> HttpResponse:
    workspace = request.workspace
    stored = {"name": workspace.name, "time_zone": workspace.time_zone}
    form = WorkspaceForm(request.POST or None, initial=stored)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form)
    try:
        with transaction.atomic():
            before = workspaces.rename(request.actor, form.cleaned_data["name"])
            zone = workspaces.set_time_zone(request.actor, form.cleaned_data["time_zone"])
    except ConfigurationError as error:
        form.add_error("name", str(error))
        return _page(request, form)
    if before:
        messages.success(request, f"{before} is named {workspace.name} now.")
    if zone:
        messages.success(request, f"The time zone is {workspace.time_zone} now.")
    return redirect("workspace-settings", workspace.id)


@workspace_view(Role.OWNER)
def add(request: MemberRequest) -> HttpResponse:
    form = NameForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            workspace = workspaces.add(request.actor, form.cleaned_data["name"]).workspace
        except ConfigurationError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"{workspace} is there, and you own it.")
            return redirect("checklist", workspace.id)
    status = 422 if form.errors else 200
    return render(request, "console/settings/workspace_add.html", {"form": form}, status=status)


@workspace_view(Role.OWNER)
def delete(request: MemberRequest) -> HttpResponse:
    workspace = request.workspace
    form = DeleteForm(request.POST or None, name=workspace.name)
    if request.method == "POST" and form.is_valid():
        try:
            other = workspaces.delete(request.actor)
        except ConfigurationError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{form.cleaned_data['typed']} was deleted.")
            return redirect("workspace", other.id)
    context = {
        "form": form,
        "is_only_one": len(request.memberships) == 1,
        "in_the_way": removal.in_the_way(workspace),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "console/settings/workspace_delete.html", context, status=status)


def _page(request: MemberRequest, form: WorkspaceForm) -> HttpResponse:
    if not request.membership.may(Role.OWNER):
        for field in form.fields.values():
            field.disabled = True
    status = 422 if form.errors else 200
    context = {"form": form, "time_zones": time_zones.known()}
    return render(request, "console/settings/workspace.html", context, status=status)
