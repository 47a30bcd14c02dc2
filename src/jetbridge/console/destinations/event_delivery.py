"""Event Delivery: what was filtered or failed, why, with samples; and trying failures again."""

import json
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import NoReverseMatch, reverse

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.left_out import LOOKED, left_out
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.console.pager import page_of
from jetbridge.control.models import Destination
from jetbridge.delivery import delivery_records, ledger, retry_queue
from jetbridge.delivery.delivery_records import NO_SOURCE, Choice
from jetbridge.delivery.models import DeliveryRecordRow, Outcome
from jetbridge.integrations import reasons
from jetbridge.services import deliveries
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.log import event_log
from jetbridge.services.queries import reason_figures, record_detail
from jetbridge.services.queries.destination_figures import DEFAULT, PERIODS, period_named
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted, whole_number
from jetbridge.text import pluralize


@destination_view()
def event_delivery(request: MemberRequest, row: Destination) -> HttpResponse:
    period = period_named(request.GET.get("period", DEFAULT))
    by_outcome = reason_figures.reasons_of(row, period)
    context = {
        "period": period,
        "periods": PERIODS,
        "failed": by_outcome[ledger.FAILED],
        "filtered": by_outcome[ledger.FILTERED],
        "failures": sum(each.total for each in by_outcome[ledger.FAILED]),
        "waiting": retry_queue.waiting(row.id),
    }
    return show(request, "console/destinations/event_delivery.html", row, context)


@destination_view()
def reason(request: MemberRequest, row: Destination, outcome: str, code: str) -> HttpResponse:
    """The messages with one reason, newest first; of what routing filters, recent ones."""
    if outcome not in {ledger.FILTERED, ledger.FAILED}:
        raise Http404
    person = request.GET.get("person", "").strip()
    kept = Choice(reason=code, person=person or None).of(row.id, outcome)
    page = page_of(kept.defer("body", "request", "response"), request)
    counted = Outcome.objects.filter(destination_id=row.id, outcome=outcome, reason=code).first()
    context = {
        "outcome": outcome,
        "code": code,
        "person": person,
        "page": page,
        "left_out": [] if page.rows or outcome == ledger.FAILED else left_out(row, code),
        "looked_at": LOOKED,
        "total": counted.total if counted else 0,
        **_help(row, outcome, code),
        "sources": list(row.sources.order_by("name")),
        "can_retry": outcome == ledger.FAILED,
    }
    return show(request, "console/destinations/event_delivery_reason.html", row, context)


@destination_view()
def sample(request: MemberRequest, row: Destination, record: int) -> HttpResponse:
    """You sent, the request, the response."""
    found = get_object_or_404(DeliveryRecordRow, id=record, destination_id=row.id)
    with event_log() as log:
        kept = delivery_records.message_of(found, log)
        seen = record_detail.of(found, log)
    context = {
        "delivery_record": found,
        "sent": json.dumps(seen.message, indent=2, ensure_ascii=False) if seen.message else "",
        "request_text": _pretty(seen.request),
        "answer_text": _pretty(seen.response),
        "message_url": _message_url(request, kept.source if kept else NO_SOURCE, found.position),
        **_help(row, found.outcome, found.reason),
        "can_retry": found.outcome == ledger.FAILED,
    }
    return show(request, "console/destinations/event_delivery_sample.html", row, context)


@destination_view()
def retry(request: MemberRequest, row: Destination) -> HttpResponse:
    """First says how many, of `?id=`, of `?reason=` or all; then does it."""
    choice = _choice(request)
    if request.method == "POST":
        return _retry(request, row, choice)
    found = retry_queue.failures(row.id, choice)
    lost = 0 if choice.ids else delivery_records.no_longer_kept(row.id, ledger.FAILED, choice.reason)
    context = {
        "found": found,
        "messages_found": sum(each.messages for each in found),
        "no_longer_kept": lost,
        "choice": choice,
        "query": request.GET.urlencode(),
    }
    return show(request, "console/destinations/event_delivery_retry.html", row, context)


def _help(row: Destination, outcome: str, code: str) -> dict[str, Any]:
    """What a reason means, and the page where something can be done about it."""
    found = reasons.reason(integration_of(row), outcome, code)
    url = found.link.url(row.workspace_id, row.id) if found.link else ""
    return {"reason_help": found, "reason_url": url}


def _retry(request: MemberRequest, row: Destination, choice: Choice) -> HttpResponse:
    done = deliveries.retry(request.actor, row, choice)
    if done.messages:
        messages.success(request, f"{pluralize(done.messages, 'message is', 'messages are')} pending again.")
    else:
        messages.info(request, "There was nothing to try again.")
    if done.lost:
        stay = pluralize(done.lost, "stays", "stay")
        sentence = f"{stay} failed: neither the event log nor the failure has kept the message."
        messages.warning(request, sentence)
    return redirect("destination-event-delivery", request.workspace.id, row.id)


def _choice(request: HttpRequest) -> Choice:
    """Raises Http404 for what is no number."""
    given = {**request.GET.dict(), **request.POST.dict()}
    number = whole_number(given.get("id"))
    if given.get("id") and number is None:
        raise Http404
    return Choice(ids=() if number is None else [number], reason=given.get("reason") or None)


def _pretty(text: str) -> str:
    """JSON with one value to a line; anything else as it is."""
    try:
        found = read_untrusted(text.encode())
    except JSON_ERRORS:
        return text
    return json.dumps(found, indent=2, ensure_ascii=False) if isinstance(found, dict | list) else text


def _message_url(request: MemberRequest, source: int, position: int) -> str:
    """The trace of the message, which is a page of its source; empty if the log does not hold it any more."""
    if source == NO_SOURCE:
        return ""
    try:
        return reverse("source-message", args=[request.workspace.id, source, position])
    except NoReverseMatch:
        return ""
