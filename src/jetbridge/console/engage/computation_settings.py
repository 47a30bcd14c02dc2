"""The name of an audience or computed trait, whether it is computed, the definitions that it has had, and its end."""

from typing import Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.engage.page import address, address_of_all, computation_view, show_computation
from jetbridge.control.names import LONGEST
from jetbridge.control.people import Role
from jetbridge.engage import queries
from jetbridge.engage.models import Computation
from jetbridge.errors import ConfigurationError
from jetbridge.services import computations

#: Former definitions that are shown.
_SHOWN: Final = 50


class NameForm(forms.Form):
    name = forms.CharField(max_length=LONGEST, help_text="The key stays as it is.")


class DeleteForm(forms.Form):
    members = forms.ChoiceField(choices=[("keep", ""), ("false", "")])
    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, data: object, name: str) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self._name = name

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"] != self._name:
            raise forms.ValidationError(f"Type the name as it is: {self._name}")
        return self._name


@computation_view()
def index(request: MemberRequest, row: Computation) -> HttpResponse:
    """POST: another name, or `enabled`."""
    if request.method != "POST":
        return _page(request, row)
    if (enabled := request.POST.get("enabled")) in {"yes", "no"}:
        try:
            computations.change(request.actor, row, enabled=enabled == "yes")
        except ConfigurationError as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request, f"{row} is computed anew." if row.enabled else f"{row} is neither computed nor sent."
            )
        return redirect(address(row, "settings"))
    form = NameForm(request.POST)
    if form.is_valid():
        try:
            is_changed = computations.change(request.actor, row, name=form.cleaned_data["name"])
        except ConfigurationError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, "Saved." if is_changed else "Nothing changed.")
            return redirect(address(row, "settings"))
    return _page(request, row, name=form)


@computation_view(Role.EDITOR)
@require_POST
def delete(request: MemberRequest, row: Computation) -> HttpResponse:
    form = DeleteForm(request.POST, row.name)
    if not form.is_valid():
        return _page(request, row, deletion=form)
    members = form.cleaned_data["members"]
    try:
        computations.delete(request.actor, row, members=members)
    except ConfigurationError as error:
        form.add_error(None, str(error))
        return _page(request, row, deletion=form)
    rest = (
        "Those who were sent true are sent false." if members == "false" else "What was sent stays as it is."
    )
    messages.success(request, f"{row} was deleted. {rest}")
    return redirect(address_of_all(row.computation_class, row.space.workspace_id))


def _page(
    request: MemberRequest,
    row: Computation,
    *,
    name: NameForm | None = None,
    deletion: DeleteForm | None = None,
) -> HttpResponse:
    context = {
        "form": name or NameForm(initial={"name": row.name}),
        "deletion": deletion,
        "versions": queries.versions(row, limit=_SHOWN),
    }
    return show_computation(
        request, "console/engage/computation_settings.html", row, context, 422 if name or deletion else 200
    )
