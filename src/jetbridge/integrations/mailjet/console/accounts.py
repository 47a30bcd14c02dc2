"""Adding, editing and removing Mailjet accounts."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role
from jetbridge.control.secret_field import seal, unseal
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.integrations.mailjet import provision
from jetbridge.integrations.mailjet.accounts import masked
from jetbridge.integrations.mailjet.api.client import SwappedKeys
from jetbridge.integrations.mailjet.console.access import account_view
from jetbridge.integrations.mailjet.console.forms import AddAccountForm, EditAccountForm
from jetbridge.integrations.mailjet.services import accounts

#: How long a person may think about a pair that works the other way round.
SWAP_SECONDS = 600


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
def add(request: MemberRequest) -> HttpResponse:
    form, swapped = AddAccountForm(_posted(request)), ""
    if request.method == "POST" and form.is_valid():
        try:
            row = accounts.add(request.actor, **form.cleaned_data)
        except SwappedKeys:
            swapped = _swapped(request, form.cleaned_data)
            form = AddAccountForm(initial=_without_keys(form.cleaned_data))
        except (DeliveryError, ConfigurationError) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{row.name} was added. Now choose the contact list.")
            return redirect("account", request.workspace.id, row.id)
    status = 422 if form.errors or swapped else 200
    context = {"form": form, "swapped": swapped}
    return render(request, "mailjet/app_connections/add.html", context, status=status)


@sensitive_post_parameters()
@account_view(Role.EDITOR)
def edit(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    swapped = ""
    initial = {
        "name": account.name,
        "api_url": account.api_url,
        "custom_id_is_user_id": account.custom_id_is_user_id,
    }
    form = EditAccountForm(_posted(request), initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            is_new_pair = accounts.edit(request.actor, account, **form.cleaned_data)
        except SwappedKeys:
            swapped = _swapped(request, form.cleaned_data)
            form = EditAccountForm(initial=_without_keys(form.cleaned_data))
        except (DeliveryError, ConfigurationError) as error:
            form.add_error(None, str(error))
        else:
            done = "Mailjet takes the key pair; it is in use from now on." if is_new_pair else "Saved."
            messages.success(request, done)
            return redirect("account", request.workspace.id, account.id)
    context = {"form": form, "account": account, "api_key": masked(account.api_key), "swapped": swapped}
    status = 422 if form.errors or swapped else 200
    return render(request, "mailjet/app_connections/edit.html", context, status=status)


def _swapped(request: MemberRequest, values: Mapping[str, str]) -> str:
    """The form with the two keys exchanged, sealed: it comes back when the person says yes."""
    pair = {"api_key": values["secret_key"], "secret_key": values["api_key"]}
    return seal(json.dumps({**values, **pair, "path": request.path, "user": request.user.pk}))


def _without_keys(values: Mapping[str, str]) -> dict[str, str]:
    """What was typed as the API key is the secret one: it is not shown."""
    return {name: value for name, value in values.items() if name not in {"api_key", "secret_key"}}


def _posted(request: MemberRequest) -> Mapping[str, Any] | None:
    """What the form holds: what was typed, or what was sealed for this person and this page."""
    if request.method != "POST":
        return None
    sealed = unseal(request.POST.get("swapped", ""), SWAP_SECONDS)
    values: dict[str, Any] = json.loads(sealed) if sealed else {}
    is_ours = (values.get("path"), values.get("user")) == (request.path, request.user.pk)
    return values if is_ours else request.POST


@account_view(Role.EDITOR)
def remove(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    if request.method != "POST":
        context = {
            "account": account,
            "connections": account.app_connections.order_by("id"),
            "dependents": provision.dependents(account),
        }
        return render(request, "mailjet/app_connections/remove.html", context)
    switched_off, left_to_do = accounts.remove(request.actor, account)
    said = [f"{account.name} was removed."]
    said += [f"Switched off: {', '.join(row.name for row in switched_off)}."] if switched_off else []
    messages.success(request, " ".join([*said, left_to_do]).strip())
    return redirect("app-connections", request.workspace.id)
