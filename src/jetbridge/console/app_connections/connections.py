"""The Segment block: which list, and the authentication key. Every change is a POST that leads back to the page."""

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.app_connections import asking, page
from jetbridge.console.app_connections.access import account_view, connection_view
from jetbridge.console.app_connections.blocks import blocks_of
from jetbridge.console.app_connections.forms import ListForm
from jetbridge.console.audit import audit
from jetbridge.control import accounts, authentication_keys
from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.control.people import Role
from jetbridge.destinations import changes
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.mailjet.resources import ContactsList


@account_view(Role.EDITOR)
@require_POST
def connect(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """A new app connection, for the chosen list."""
    try:
        chosen = _chosen(request, account)
        with transaction.atomic():
            row = accounts.connect_list(account, chosen.id, chosen.name)
            audit(request, "app-connection.added", row, {"list": chosen.id})
    except (DeliveryError, ConfigurationError) as error:
        messages.error(request, str(error))
        return _back(request, account)
    messages.success(request, f"{chosen.name} is connected. Its Authentication key and List ID are below.")
    return _back(request, account, row)


@connection_view()
@require_POST
def choose(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    """Another list for this app connection."""
    try:
        chosen = _chosen(request, connection.account)
        with transaction.atomic():
            accounts.choose_list(connection, chosen.id, chosen.name)
            audit(request, "app-connection.list-chosen", connection, {"list": chosen.id})
    except (DeliveryError, ConfigurationError) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{chosen.name} is the contact list now. Its List ID is {chosen.id}.")
    return _back(request, connection.account, connection)


def _chosen(request: MemberRequest, account: MailjetAccount) -> ContactsList:
    """The list that the form names, made if it is new. Raises ConfigurationError or DeliveryError."""
    form = ListForm(request.POST)
    if not form.is_valid():
        raise ConfigurationError("Choose a contact list, or give a new one a name.")
    if name := form.cleaned_data["new_name"]:
        return asking.create_list(account, name)
    return asking.list_of(account, form.cleaned_data["list"])


@connection_view()
@require_POST
def reveal(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    """The block, or without JavaScript the page, with the key to be read and copied."""
    audit(request, "app-connection.key-revealed", connection)
    if not request.htmx:
        return page.show(request, connection.account, revealed=connection.id)
    blocks = blocks_of(connection.account, revealed=connection.id)
    [block] = [each for each in blocks if each.connection.id == connection.id]
    context = {"block": block, "account": connection.account}
    return render(request, "console/app_connections/_block.html", context)


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
        hours = int(form.cleaned_data["hours"])
        with transaction.atomic():
            changed = authentication_keys.rotate(connection, timedelta(hours=hours))
            audit(request, "app-connection.key-rotated", connection, {"grace hours": hours})
            for row in changed:
                audit(request, "destination.key-replaced", row)
        messages.success(
            request, "There is a new Authentication key. Paste it wherever the old one is in use."
        )
        return _back(request, connection.account, connection)
    context = {
        "form": form,
        "connection": connection,
        "account": connection.account,
        "uses": authentication_keys.destinations_with(connection),
    }
    return render(request, "console/app_connections/rotate.html", context)


@connection_view()
@require_POST
def end_grace(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    with transaction.atomic():
        authentication_keys.end_grace(connection)
        audit(request, "app-connection.old-key-ended", connection)
    messages.success(request, "The old key is refused from now on.")
    return _back(request, connection.account, connection)


@connection_view()
@require_POST
def align(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    """Give a destination that holds the key the List ID of the app connection."""
    wanted = request.POST.get("destination", "")
    found = [row for row in authentication_keys.destinations_with(connection) if str(row.id) == wanted]
    if not found:
        raise Http404
    with transaction.atomic():
        changed = changes.change(found[0].id, {"listId": str(connection.list_id)})
        if changed:
            audit(request, "destination.changed", found[0], {"listId": str(connection.list_id)})
    messages.success(request, f"{found[0].name} uses {connection.list_name} ({connection.list_id}) now.")
    return _back(request, connection.account, connection)


@connection_view()
def remove(request: MemberRequest, connection: AppConnection) -> HttpResponse:
    uses = authentication_keys.destinations_with(connection)
    if request.method != "POST":
        context = {"connection": connection, "account": connection.account, "uses": uses}
        return render(request, "console/app_connections/disconnect.html", context)
    with transaction.atomic():
        audit(request, "app-connection.removed", connection, {"list": connection.list_id})
        for row in uses:
            if changes.change(row.id, {}, enabled=False):
                audit(request, "destination.disabled", row, {"because": "its app connection was removed"})
        accounts.disconnect(connection)
    messages.success(request, f"The app connection of {connection.list_name} was removed.")
    return _back(request, connection.account)


def _back(
    request: MemberRequest, account: MailjetAccount, connection: AppConnection | None = None
) -> HttpResponse:
    answer = redirect("account", request.workspace.id, account.id)
    if connection:
        answer["Location"] += f"#connection-{connection.id}"
    return answer
