"""The Segment block: which list, and the authentication key. Every change is a POST that leads back to the page."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.control.people import Role
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.integrations.mailjet import contacts_lists, key_rotation
from jetbridge.integrations.mailjet.console import account_page
from jetbridge.integrations.mailjet.console.access import account_view, connection_view
from jetbridge.integrations.mailjet.services import app_connections
from jetbridge.spec.untrusted import whole_number


class ListForm(forms.Form):
    """A list from the drop-down, or the name of a new one."""

    list = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    new_name = forms.CharField(required=False, max_length=contacts_lists.NAME_LENGTH)


@account_view(Role.EDITOR)
@require_POST
def connect(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """A new app connection, for the chosen list."""
    try:
        row = app_connections.connect(request.actor, account, **_list_choice(request))
    except (DeliveryError, ConfigurationError) as error:
        messages.error(request, str(error))
        return _back(request, account)
    messages.success(request, f"{row.list_name} is connected. Its Authentication key and List ID are below.")
    return _back(request, account, row)


@connection_view()
@require_POST
def choose(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    """Another list for this app connection."""
    try:
        followers = app_connections.choose(request.actor, connection, **_list_choice(request))
    except (DeliveryError, ConfigurationError) as error:
        messages.error(request, str(error))
    else:
        text = f"{connection.list_name} is the contact list now. Its List ID is {connection.list_id}."
        if followers:
            names = ", ".join(row.name for row in followers)
            text += f" {names} {'uses' if len(followers) == 1 else 'use'} it from now on."
        messages.success(request, text)
    return _back(request, connection.account, connection)


def _list_choice(request: MemberRequest) -> dict[str, Any]:
    """The list that the form names: one that is there, or a new one."""
    form = ListForm(request.POST)
    form.is_valid()
    return {"list_id": form.cleaned_data.get("list"), "new_name": form.cleaned_data.get("new_name", "")}


@connection_view()
@require_POST
def reveal(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    """The block, or without JavaScript the page, with the key to be read and copied."""
    app_connections.reveal(request.actor, connection)
    if not request.htmx:
        return account_page.show(request, connection.account, revealed=connection.id)
    picker = account_page.empty_picker(connection.account, connection)
    block = account_page.block_of(connection, picker, connection.authentication_key)
    context = {"block": block, "account": connection.account}
    return render(request, "mailjet/app_connections/_block.html", context)


class GraceForm(forms.Form):
    hours = forms.ChoiceField(
        label="The old key stays valid for",
        choices=[("24", "24 hours"), ("168", "7 days"), ("1", "1 hour"), ("0", "no longer: it has leaked")],
        initial="24",
    )


@connection_view()
def rotate(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    form = GraceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        app_connections.rotate(request.actor, connection, int(form.cleaned_data["hours"]))
        messages.success(
            request, "There is a new Authentication key. Paste it wherever the old one is in use."
        )
        return _back(request, connection.account, connection)
    context = {
        "form": form,
        "connection": connection,
        "account": connection.account,
        "uses": key_rotation.destinations_with(connection),
    }
    return render(request, "mailjet/app_connections/rotate.html", context)


@connection_view()
@require_POST
def end_grace(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    app_connections.end_grace(request.actor, connection)
    messages.success(request, "The old key is no longer valid.")
    return _back(request, connection.account, connection)


@connection_view()
@require_POST
def align(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    """Give a destination that holds the key the List ID of the app connection."""
    destination = whole_number(request.POST.get("destination")) or 0
    row = app_connections.align(request.actor, connection, destination)
    if row is None:
        raise Http404
    messages.success(request, f"{row.name} uses {connection.list_name} ({connection.list_id}) now.")
    return _back(request, connection.account, connection)


@connection_view()
def remove(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    if request.method != "POST":
        uses = key_rotation.destinations_with(connection)
        context = {"connection": connection, "account": connection.account, "uses": uses}
        return render(request, "mailjet/app_connections/disconnect.html", context)
    app_connections.remove(request.actor, connection)
    messages.success(request, f"The app connection of {connection.list_name} was removed.")
    return _back(request, connection.account)


def _back(
    request: MemberRequest, account: MailjetAccount, connection: AppConnection | None = None
) -> HttpResponse:
    response = redirect("account", request.workspace.id, account.id)
    if connection:
        response["Location"] += f"#connection-{connection.id}"
    return response
