"""The page of an account, as several views show it: plain, with a key revealed, with a form that was refused."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest
from jetbridge.control.models import MailjetAccount
from jetbridge.integrations.mailjet import provision
from jetbridge.integrations.mailjet.accounts import masked
from jetbridge.integrations.mailjet.console import picker
from jetbridge.integrations.mailjet.console.blocks import blocks_of
from jetbridge.integrations.mailjet.console.forms import EventsForm, events_initial
from jetbridge.integrations.mailjet.contacts_lists import LISTS
from jetbridge.integrations.setting import MASK
from jetbridge.services.destination_settings import values_of


def show(
    request: MemberRequest,
    account: MailjetAccount,
    *,
    revealed: int | None = None,
    ask: bool = False,
    query: str = "",
    events_form: EventsForm | None = None,
    status: int = 200,
) -> HttpResponse:
    LISTS.forget(account)  # who opens the page wants to know what is there now
    blocks = blocks_of(account, revealed=revealed, ask=ask, query=query)
    context = {
        "account": account,
        "api_key": masked(account.api_key),
        "blocks": blocks,
        "new_list": picker.asked(account, None, query) if ask else picker.unasked(account),
        **events_context(account, events_form),
    }
    return render(request, "mailjet/app_connections/account.html", context, status=status)


def events_context(account: MailjetAccount, form: EventsForm | None = None) -> dict[str, Any]:
    """For the part about email events: the form, and the destinations behind it."""
    found = provision.event_destinations(account)
    first = found[0] if found else None
    stored = values_of(first) if first else None
    initial = {**events_initial(stored), "enabled": bool(first and first.enabled)}
    has_write_key = bool(stored and stored.get("writeKey"))
    form = form or EventsForm(initial=initial)
    if has_write_key:
        form.fields["write_key"].widget.attrs["placeholder"] = MASK
    return {
        "events_form": form,
        "event_destination": first,
        "other_event_destinations": found[1:],
        "has_write_key": has_write_key,
    }
