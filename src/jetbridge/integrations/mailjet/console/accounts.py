"""The Mailjet accounts of a workspace: the list of them, the page of one; adding, editing and removing."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.control.people import Role
from jetbridge.control.secret_field import seal, unseal
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.integrations.mailjet.accounts import NAME_LENGTH, masked
from jetbridge.integrations.mailjet.api.client import SwappedKeys
from jetbridge.integrations.mailjet.console import account_page
from jetbridge.integrations.mailjet.console.access import account_view
from jetbridge.integrations.mailjet.console.account_page import KEY_FIELD, SECRET_FIELD
from jetbridge.integrations.mailjet.services import accounts
from jetbridge.spec.untrusted import whole_number

#: How long a person may think about a pair that works the other way round.
SWAP_SECONDS = 600


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    connections = Prefetch("app_connections", AppConnection.objects.order_by("id"))
    rows = request.workspace.mailjet_accounts.order_by("name").prefetch_related(connections)
    accounts = [(row, masked(row.api_key)) for row in rows]
    return render(request, "mailjet/app_connections/index.html", {"accounts": accounts})


@account_view()
def account(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """`?lists=1` loads the lists from Mailjet with the page; without it the page's parts load them."""
    return account_page.show(
        request, account, load_lists="lists" in request.GET, query=request.GET.get("q", "")[:100]
    )


@account_view()
def lists(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """The drop-down alone. `?connection=ID` is for the Segment block of that one, `?q=` searches."""
    connection_id = whole_number(request.GET.get("connection"))
    connection = account.app_connections.filter(id=connection_id).first() if connection_id else None
    picker = account_page.load_picker(account, connection, request.GET.get("q", "")[:100])
    block = account_page.block_of(connection, picker) if connection else None
    context = {"picker": picker, "account": account, "block": block}
    return render(request, "mailjet/app_connections/_lists.html", context)


def _custom_id_is_user_id() -> forms.BooleanField:
    return forms.BooleanField(
        label="The CustomID of messages is the userId",
        required=False,
        help_text="For senders that put the userId into CustomID (X-MJ-CustomID). Email events are that person's then; those "
        "without a CustomID are, as ever, of the user whom Identify named with the address.",
    )


class AddAccountForm(forms.Form):
    api_key = forms.CharField(label="API key", max_length=64, widget=forms.TextInput(attrs=KEY_FIELD))
    secret_key = forms.CharField(
        label="Secret key",
        max_length=200,
        widget=forms.PasswordInput(attrs=SECRET_FIELD),
        help_text="Both are at Mailjet under Account settings, REST API, API Key Management.",
    )
    name = forms.CharField(
        max_length=NAME_LENGTH, required=False, help_text="To tell accounts apart, e.g. the name of a shop."
    )
    api_url = forms.CharField(
        label="API address",
        max_length=200,
        initial="https://api.mailjet.com",
        widget=forms.URLInput(attrs=KEY_FIELD),
        help_text="Leave it, unless your account is at https://api.us.mailjet.com, or you try the sandbox.",
    )
    custom_id_is_user_id = _custom_id_is_user_id()


class EditAccountForm(forms.Form):
    """Keys stay when they are left empty."""

    name = forms.CharField(max_length=NAME_LENGTH)
    api_key = forms.CharField(
        label="API key", max_length=64, required=False, widget=forms.TextInput(attrs=KEY_FIELD)
    )
    secret_key = forms.CharField(
        label="Secret key", max_length=200, required=False, widget=forms.PasswordInput(attrs=SECRET_FIELD)
    )
    api_url = forms.CharField(
        label="API address",
        max_length=200,
        required=False,
        widget=forms.URLInput(attrs=KEY_FIELD),
        help_text="Another one takes both keys, too: those that are stored are sent to no other address.",
    )
    custom_id_is_user_id = _custom_id_is_user_id()


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
            "dependents": accounts.dependents(account),
        }
        return render(request, "mailjet/app_connections/remove.html", context)
    switched_off, left_to_do = accounts.remove(request.actor, account)
    parts = [f"{account.name} was removed."]
    if switched_off:
        parts.append(f"Switched off: {', '.join(row.name for row in switched_off)}.")
    messages.success(request, " ".join([*parts, left_to_do]).strip())
    return redirect("app-connections", request.workspace.id)
