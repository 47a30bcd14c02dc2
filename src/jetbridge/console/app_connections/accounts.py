"""Adding, editing and removing Mailjet accounts."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.acts import mailjet_accounts
from jetbridge.console.app_connections.access import account_view
from jetbridge.console.app_connections.blocks import masked
from jetbridge.console.app_connections.forms import AddAccountForm, EditAccountForm
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.sources.mailjet import joining


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
def add(request: MemberRequest) -> HttpResponse:
    form = AddAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = mailjet_accounts.add(request.actor, **form.cleaned_data)
        except (DeliveryError, ConfigurationError) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{row.name} was added. Now choose the contact list.")
            return redirect("account", request.workspace.id, row.id)
    return render(
        request, "console/app_connections/add.html", {"form": form}, status=422 if form.errors else 200
    )


@sensitive_post_parameters()
@account_view(Role.EDITOR)
def edit(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    form = EditAccountForm(request.POST or None, initial={"name": account.name, "api_url": account.api_url})
    if request.method == "POST" and form.is_valid():
        try:
            is_new_pair = mailjet_accounts.edit(request.actor, account, **form.cleaned_data)
        except (DeliveryError, ConfigurationError) as error:
            form.add_error(None, str(error))
        else:
            done = "Mailjet takes the key pair; it is in use from now on." if is_new_pair else "Saved."
            messages.success(request, done)
            return redirect("account", request.workspace.id, account.id)
    context = {"form": form, "account": account, "api_key": masked(account.api_key)}
    return render(request, "console/app_connections/edit.html", context, status=422 if form.errors else 200)


@account_view(Role.EDITOR)
def remove(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    if request.method != "POST":
        context = {
            "account": account,
            "connections": account.app_connections.order_by("id"),
            "dependents": joining.dependents(account),
        }
        return render(request, "console/app_connections/remove.html", context)
    switched_off, left_to_do = mailjet_accounts.remove(request.actor, account)
    said = [f"{account.name} was removed."]
    said += [f"Switched off: {', '.join(row.name for row in switched_off)}."] if switched_off else []
    messages.success(request, " ".join([*said, left_to_do]).strip())
    return redirect("app-connections", request.workspace.id)
