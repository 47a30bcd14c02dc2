"""Adding, editing and removing Mailjet accounts. A key pair is tried at Mailjet before it is kept."""

from contextlib import suppress

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.app_connections import asking
from jetbridge.console.app_connections.access import account_view
from jetbridge.console.app_connections.blocks import masked
from jetbridge.console.app_connections.forms import AddAccountForm, EditAccountForm
from jetbridge.console.audit import audit
from jetbridge.console.log import event_log
from jetbridge.control import accounts
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.mailjet.client import MailjetClient
from jetbridge.sources.mailjet import callbacks, joining


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
def add(request: MemberRequest) -> HttpResponse:
    form = AddAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = _add(request, form.cleaned_data)
        except (DeliveryError, ConfigurationError) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{row.name} was added. Now choose the contact list.")
            return redirect("account", request.workspace.id, row.id)
    return render(
        request, "console/app_connections/add.html", {"form": form}, status=422 if form.errors else 200
    )


def _add(request: MemberRequest, values: dict[str, str]) -> MailjetAccount:
    """Raises DeliveryError if Mailjet refuses the pair, ConfigurationError if it is there already."""
    asking.new_client(values["api_url"], values["api_key"], values["secret_key"]).user()
    with event_log() as log, transaction.atomic():
        row = joining.add_account(
            log,
            request.workspace,
            values["api_url"],
            values["api_key"],
            values["secret_key"],
            name=values["name"],
        )
        audit(
            request,
            "account.added",
            row,
            {"api address": row.api_url, "api key": masked(row.api_key)},
        )
    return row


@sensitive_post_parameters()
@account_view(Role.EDITOR)
def edit(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    form = EditAccountForm(request.POST or None, initial={"name": account.name})
    if request.method == "POST" and form.is_valid():
        try:
            _edit(request, account, form.cleaned_data)
        except (DeliveryError, ConfigurationError) as error:
            form.add_error(None, str(error))
        else:
            return redirect("account", request.workspace.id, account.id)
    context = {"form": form, "account": account, "api_key": masked(account.api_key)}
    return render(request, "console/app_connections/edit.html", context, status=422 if form.errors else 200)


def _edit(request: MemberRequest, account: MailjetAccount, values: dict[str, str]) -> None:
    api_key = values["api_key"] or account.api_key
    secret_key = values["secret_key"] or account.secret_key
    is_new_pair = (api_key, secret_key) != (account.api_key, account.secret_key)
    if is_new_pair:
        _try(account, asking.new_client(account.api_url, api_key, secret_key))
    with transaction.atomic():
        if values["name"] != account.name:
            audit(request, "account.renamed", account, {"to": values["name"]})
            accounts.rename(account, values["name"])
        if is_new_pair:
            accounts.change_key_pair(account, api_key, secret_key)
            audit(request, "account.key-pair-changed", account, {"api key": masked(api_key)})
    asking.LISTS.forget(account)
    done = "Mailjet takes the new key pair; it is in use from now on." if is_new_pair else "Saved."
    messages.success(request, done)


def _try(account: MailjetAccount, client: MailjetClient) -> None:
    """A pair of another Mailjet account would send its contacts elsewhere, so the lists must be there.

    Raises DeliveryError or ConfigurationError.
    """
    client.user()
    wanted = {row.list_id: row.list_name for row in account.app_connections.all()}
    there = {row.id for row in client.contactslists()} if wanted else set()
    for list_id, name in wanted.items():
        if list_id not in there:
            raise ConfigurationError(
                f"This key pair sees no contacts list {list_id} ({name}), so it belongs to another Mailjet "
                "account. Add that one as an account of its own, or remove this app connection first."
            )


@account_view(Role.EDITOR)
def remove(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    if request.method != "POST":
        context = {
            "account": account,
            "connections": account.app_connections.order_by("id"),
            "dependents": joining.dependents(account),
        }
        return render(request, "console/app_connections/remove.html", context)
    left = _take_back_callbacks(account)
    with transaction.atomic():
        audit(request, "account.removed", account, {"api key": masked(account.api_key)})
        switched_off = joining.remove_account(account)
        for row in switched_off:
            audit(request, "destination.disabled", row, {"because": "its Mailjet account was removed"})
    said = [f"{account.name} was removed."]
    said += [f"Switched off: {', '.join(row.name for row in switched_off)}."] if switched_off else []
    messages.success(request, " ".join([*said, left]).strip())
    return redirect("app-connections", request.workspace.id)


def _take_back_callbacks(account: MailjetAccount) -> str:
    """Have Mailjet send its events here no more; "" or what is left to do there. The rest of a removal stands."""
    url = callbacks.events_url(settings.CONFIG.public_url, account.events_token)
    with suppress(DeliveryError):
        callbacks.remove(asking.client_of(account), url)
        return ""
    return "Mailjet could not be asked: remove the event callback URLs there yourself (Event notifications)."
