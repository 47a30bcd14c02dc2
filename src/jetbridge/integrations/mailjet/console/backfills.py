"""Missed events: what callbacks have not brought is read from Mailjet's message history. Count, then start, then watch."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from jetbridge.console.access import MemberRequest
from jetbridge.control import processes
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.integrations.mailjet.console.access import account_view
from jetbridge.integrations.mailjet.events import backfill, message_history
from jetbridge.integrations.mailjet.models import Backfill, State
from jetbridge.integrations.mailjet.services import backfills
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.text import duration, pluralize

#: So many are listed.
SHOWN = 10


class TimesForm(forms.Form):
    """When the messages arrived at Mailjet. Times are UTC."""

    since = forms.DateTimeField(required=False)
    until = forms.DateTimeField(required=False, help_text="UTC. Empty: up to now.")

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.fields[
            "since"
        ].help_text = (
            f"UTC. Empty: {backfill.DEFAULT_DAYS} days ago, but no further than the event log reaches."
        )
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateTimeInput(attrs={"type": "datetime-local"})

    @property
    def times(self) -> tuple[datetime | None, datetime | None]:
        return self.cleaned_data["since"], self.cleaned_data["until"]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        since, until = values.get("since"), values.get("until")
        if since and until and until <= since:
            self.add_error("until", "It has to be later than the beginning.")
        if since and since >= timezone.now():
            self.add_error("since", "Nothing was sent then yet.")
        return values


@account_view()
@require_safe
def index(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    return _page(request, account, TimesForm())


@account_view(Role.EDITOR)
@require_POST
def count(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """What it would cost. Asks Mailjet, and changes nothing."""
    form = TimesForm(request.POST)
    if not form.is_valid():
        return _page(request, account, form, status=422)
    try:
        plan = backfills.estimate(account, *form.times)
    except (ConfigurationError, DeliveryError) as error:
        form.add_error(None, str(error))
        return _page(request, account, form, status=422)
    return _page(request, account, form, plan=plan, takes=duration(plan.seconds))


@account_view(Role.EDITOR)
@require_POST
def start(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    form = TimesForm(request.POST)
    if not form.is_valid():
        return _page(request, account, form, status=422)
    try:
        row = backfills.start(request.actor, account, *form.times)
    except (ConfigurationError, DeliveryError) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{pluralize(row.messages, 'message is', 'messages are')} looked at.")
    return redirect("account-backfill", request.workspace.id, account.id)


@account_view(Role.EDITOR)
@require_POST
def cancel(request: MemberRequest, account: MailjetAccount, number: int) -> HttpResponse:
    row = get_object_or_404(Backfill, account=account, id=number)
    if backfills.cancel(request.actor, account, row):
        messages.success(request, "It reads no further. The events that it has added stay.")
    return redirect("account-backfill", request.workspace.id, account.id)


def _page(
    request: MemberRequest, account: MailjetAccount, form: TimesForm, status: int = 200, **more: Any
) -> HttpResponse:
    rows = list(Backfill.objects.filter(account=account).order_by("-id")[:SHOWN])
    running = next((row for row in rows if row.state == State.RUNNING), None)
    share = min(100, 100 * running.done // running.messages) if running and running.messages else 0
    context = {
        "account": account,
        "form": form,
        "running": running,
        "share": share,
        "ended": [row for row in rows if row is not running],
        "missing_fields": [
            (EVENT_NAMES[event_type], fields)
            for event_type, fields in message_history.missing_fields().items()
        ],
        "worker_runs": processes.worker_runs(),
        **more,
    }
    return render(request, "mailjet/app_connections/backfill.html", context, status=status)
