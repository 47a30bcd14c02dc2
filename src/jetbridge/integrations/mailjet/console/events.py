"""Email events on their way to Segment: the switch, and where Mailjet sends them."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.integrations.mailjet.accounts import event_destinations
from jetbridge.integrations.mailjet.console import account_page
from jetbridge.integrations.mailjet.console.access import account_view
from jetbridge.integrations.mailjet.console.account_page import EventsForm
from jetbridge.integrations.mailjet.services import email_events


@sensitive_post_parameters()
@account_view(Role.EDITOR)
@require_POST
def send(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    is_on = any(row.enabled for row in event_destinations(account))
    form = EventsForm(request.POST, is_on=is_on)
    if not form.is_valid():
        return account_page.show(request, account, events_form=form, status=422)
    enabled = form.cleaned_data["enabled"]
    try:
        delivery = email_events.send(request.actor, account, form.settings, enabled=enabled)
    except ConfigurationError as error:
        form.add_error("write_key" if "Write key" in str(error) else None, str(error))
        return account_page.show(request, account, events_form=form, status=422)
    if delivery.destination is None:
        messages.info(request, "Email events stay in Jetbridge, as before.")
    elif not delivery.has_changed:
        messages.success(request, "Nothing was different.")
    else:
        verb = "go to Segment" if enabled else "stay in Jetbridge"
        messages.success(request, f"Email events {verb} from now on.")
    return redirect("account", request.workspace.id, account.id)


@account_view()
def callback_urls(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """The registrations of the event callback URLs at Mailjet. POST repairs them."""
    context: dict[str, object] = {"account": account}
    try:
        if request.method == "POST":
            states = email_events.repair_callbacks(request.actor, account)
        else:
            states = email_events.callback_states(account)
        context["states"] = states
        context["is_repairable"] = any(state.is_repairable for state in states)
    except DeliveryError as error:
        context["error"] = str(error)
    template = "_callbacks.html" if request.htmx else "callbacks.html"
    return render(request, f"mailjet/app_connections/{template}", context)
