"""The workspace itself: its name, another one, and its end."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from jetbridge.console import audit
from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role
from jetbridge.destinations import removing
from jetbridge.errors import ConfigurationError


class NameForm(forms.Form):
    name = forms.CharField(max_length=200)

    def __init__(self, *args: object, but: Workspace | None = None, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._but = but

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = Workspace.objects.exclude(id=self._but.id) if self._but else Workspace.objects.all()
        if others.filter(name=name).exists():
            raise forms.ValidationError("Another workspace has this name.")
        return name


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
    form = NameForm(request.POST or None, initial={"name": workspace.name}, but=workspace)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form)
    before, workspace.name = workspace.name, form.cleaned_data["name"]
    if before != workspace.name:
        with transaction.atomic():
            workspace.save(update_fields=["name"])
            audit.audit(request, "workspace.renamed", workspace, {"before": before})
        messages.success(request, f"{before} is named {workspace.name} now.")
    return redirect("workspace-settings", workspace.id)


@workspace_view(Role.OWNER)
def add(request: MemberRequest) -> HttpResponse:
    form = NameForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        status = 422 if form.errors else 200
        return render(request, "console/settings/workspace_add.html", {"form": form}, status=status)
    with transaction.atomic():
        workspace = Workspace.objects.create(name=form.cleaned_data["name"])
        Membership.objects.create(user=request.user, workspace=workspace, role=Role.OWNER)
        audit.write(workspace, request.user, "workspace.added", workspace)
    messages.success(request, f"{workspace} is there, and you own it.")
    return redirect("checklist", workspace.id)


@workspace_view(Role.OWNER)
def delete(request: MemberRequest) -> HttpResponse:
    workspace, others = request.workspace, _others(request)
    form = DeleteForm(request.POST or None, name=workspace.name)
    if request.method == "POST" and others and form.is_valid():
        try:
            with transaction.atomic():
                audit.write(others[0].workspace, request.user, "workspace.deleted", workspace)
                removing.remove_workspace(workspace)
        except ConfigurationError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{form.cleaned_data['typed']} was deleted.")
            return redirect("workspace", others[0].workspace_id)
    context = {"form": form, "others": others, "in_the_way": removing.in_the_way(workspace)}
    status = 422 if request.method == "POST" else 200
    return render(request, "console/settings/workspace_delete.html", context, status=status)


def _page(request: MemberRequest, form: NameForm) -> HttpResponse:
    if not request.membership.may(Role.OWNER):
        form.fields["name"].disabled = True
    status = 422 if form.errors else 200
    return render(request, "console/settings/workspace.html", {"form": form}, status=status)


def _others(request: MemberRequest) -> list[Membership]:
    """A person without a workspace could not even make another one."""
    return [row for row in request.memberships if row.workspace_id != request.workspace.id]
