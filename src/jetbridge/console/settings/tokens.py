"""API tokens of a workspace. A token is shown once, on the answer to the form that made it."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control.people import ApiToken, Role
from jetbridge.errors import ConfigurationError
from jetbridge.services import api_tokens


class TokenForm(forms.Form):
    name = forms.CharField(max_length=200, help_text="What uses it, e.g. “nightly export”.")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER, help_text="What it may do here.")


@workspace_view(change=Role.OWNER)
def index(request: MemberRequest) -> HttpResponse:
    form = TokenForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form)
    name, role = form.cleaned_data["name"], Role(form.cleaned_data["role"])
    try:
        row, token = api_tokens.make(request.actor, name, role)
    except ConfigurationError as error:
        form.add_error("name", str(error))
        return _page(request, form)
    return _page(request, TokenForm(), made=row, token=token)


@workspace_view(Role.OWNER)
def revoke(request: MemberRequest, token_id: int) -> HttpResponse:
    row = get_object_or_404(ApiToken.objects.filter(workspace=request.workspace), id=token_id)
    if request.method != "POST":
        context = {
            "title": f"Revoke {row}",
            "text": "Whatever uses this token is refused from then on. There is no way back.",
            "action": "Revoke",
        }
        return render(request, "console/settings/confirm.html", context)
    api_tokens.revoke(request.actor, row)
    messages.success(request, f"{row} was revoked.")
    return redirect("api-tokens", request.workspace.id)


def _page(request: MemberRequest, form: TokenForm, **more: object) -> HttpResponse:
    rows = request.workspace.api_tokens.select_related("user").order_by("-id")
    context = {"tokens": list(rows), "form": form, **more}
    return render(request, "console/settings/tokens.html", context, status=422 if form.errors else 200)
