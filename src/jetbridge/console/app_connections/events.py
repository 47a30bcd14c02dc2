"""Email events on their way to Segment: the switch, and where Mailjet sends them."""

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.app_connections import asking, page
from jetbridge.console.app_connections.access import account_view
from jetbridge.console.app_connections.forms import EventsForm
from jetbridge.console.audit import audit
from jetbridge.console.log import event_log
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role
from jetbridge.destinations.changes import Change
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.sources.mailjet import callbacks, joining
from jetbridge.sources.mailjet.callbacks import CallbackState


@sensitive_post_parameters()
@account_view(Role.EDITOR)
@require_POST
def send(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    form = EventsForm(request.POST)
    if not form.is_valid():
        return page.show(request, account, events_form=form, status=422)
    enabled = form.cleaned_data["enabled"]
    if not enabled and not joining.event_destinations(account):
        messages.info(request, "Email events stay in Jetbridge, as before.")
        return redirect("account", request.workspace.id, account.id)
    try:
        _save(request, account, form.settings, enabled=enabled)
    except ConfigurationError as error:
        form.add_error("write_key" if "Write key" in str(error) else None, str(error))
        return page.show(request, account, events_form=form, status=422)
    return redirect("account", request.workspace.id, account.id)


def _save(request: MemberRequest, account: MailjetAccount, values: dict[str, str], *, enabled: bool) -> None:
    with event_log() as log, transaction.atomic():
        is_new = not joining.event_destinations(account)
        row, changed = joining.send_events(log, account, values, enabled=enabled)
        if is_new:
            audit(request, "destination.added", row, {"endpoint": values["endpoint"]})
        elif changed:
            audit(request, "destination.changed", row, _told(changed))
    said = (
        "Email events go to Segment from now on."
        if enabled
        else "Email events stay in Jetbridge from now on."
    )
    messages.success(request, said if is_new or changed else "Nothing was different.")


def _told(changed: list[Change]) -> dict[str, str]:
    """Masked, as `Change` is."""
    return {change.what: change.after for change in changed}


@account_view()
def callback_urls(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """How the event callback URLs stand at Mailjet. POST mends what it safely can."""
    context: dict[str, object] = {"account": account}
    try:
        states = _mend(request, account) if request.method == "POST" else _look(account)
        context["states"] = states
        context["can_be_mended"] = any(state.can_be_mended for state in states)
    except DeliveryError as error:
        context["error"] = str(error)
    template = "_callbacks.html" if request.htmx else "callbacks.html"
    return render(request, f"console/app_connections/{template}", context)


def _look(account: MailjetAccount) -> list[CallbackState]:
    return callbacks.look(asking.client_of(account), _url(account))


def _mend(request: MemberRequest, account: MailjetAccount) -> list[CallbackState]:
    """Raises DeliveryError."""
    states = callbacks.ensure(asking.client_of(account), _url(account))
    mended = [row.event_type for row in states if row.state in {"registered", "updated"}]
    if mended:
        audit(request, "account.callback-urls-mended", account, {"event types": mended})
    return states


def _url(account: MailjetAccount) -> str:
    return callbacks.events_url(settings.CONFIG.public_url, account.events_token)
