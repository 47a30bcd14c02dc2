"""The Event Delivery tab: filtered and failed messages by reason, with samples; and retries."""

import json
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import NoReverseMatch, reverse

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.console.pager import page_of
from jetbridge.control import directory
from jetbridge.control.models import Destination
from jetbridge.delivery import delivery_records, retry_queue
from jetbridge.delivery.base import FAILED, FILTERED
from jetbridge.delivery.delivery_records import NO_SOURCE, Choice
from jetbridge.delivery.models import DeliveryRecordRow, Outcome
from jetbridge.errors import DeliveryError
from jetbridge.integrations import reasons
from jetbridge.services import deliveries
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.log import event_log
from jetbridge.services.queries import reason_figures, record_detail, sample_messages
from jetbridge.services.queries.destination_figures import DEFAULT, PERIODS, period_named
from jetbridge.services.queries.sample_messages import SampleMessage
from jetbridge.spec.message import CALL_TYPES
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted, whole_number
from jetbridge.text import pluralize

#: How many of the newest messages are routed again to list filtered ones, and how many are shown.
SCANNED, SHOWN = 1_000, 50


@destination_view()
def event_delivery(request: MemberRequest, row: Destination) -> HttpResponse:
    period = period_named(request.GET.get("period", DEFAULT))
    by_outcome = reason_figures.reasons_of(row, period)
    context = {
        "period": period,
        "periods": PERIODS,
        "failed": by_outcome[FAILED],
        "filtered": by_outcome[FILTERED],
        "failures": sum(figure.total for figure in by_outcome[FAILED]),
        "waiting": retry_queue.waiting(row.id),
    }
    return show(request, "console/destinations/event_delivery.html", row, context)


@destination_view()
def reason(request: MemberRequest, row: Destination, outcome: str, code: str) -> HttpResponse:
    """The messages with one reason, newest first. Messages that routing filters have no record: recent ones are routed again."""
    if outcome not in {FILTERED, FAILED}:
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
        "filtered_messages": [] if page.rows or outcome == FAILED else _filtered_messages(row, code),
        "scanned": SCANNED,
        "total": counted.total if counted else 0,
        **_help(row, outcome, code),
        "sources": list(row.sources.order_by("name")),
        "can_retry": outcome == FAILED,
    }
    return show(request, "console/destinations/event_delivery_reason.html", row, context)


@destination_view()
def sample(request: MemberRequest, row: Destination, record: int) -> HttpResponse:
    """One message: as it was sent to Jetbridge, the request, the response."""
    stored = get_object_or_404(DeliveryRecordRow, id=record, destination_id=row.id)
    with event_log() as log:
        message = delivery_records.message_of(stored, log)
        detail = record_detail.of(stored, log)
    context = {
        "delivery_record": stored,
        "sent": json.dumps(detail.message, indent=2, ensure_ascii=False) if detail.message else "",
        "request_text": _indented(detail.request),
        "response_text": _indented(detail.response),
        "message_url": _message_url(request, message.source if message else NO_SOURCE, stored.position),
        **_help(row, stored.outcome, stored.reason),
        "can_retry": stored.outcome == FAILED,
    }
    return show(request, "console/destinations/event_delivery_sample.html", row, context)


@destination_view()
def retry(request: MemberRequest, row: Destination) -> HttpResponse:
    """GET shows how many of `?id=`, of `?reason=` or of all; POST retries them. 404 for an id that is no number."""
    given = {**request.GET.dict(), **request.POST.dict()}
    number = whole_number(given.get("id"))
    if given.get("id") and number is None:
        raise Http404
    choice = Choice(ids=() if number is None else [number], reason=given.get("reason") or None)
    if request.method == "POST":
        return _retry(request, row, choice)
    failures = retry_queue.failures(row.id, choice)
    lost = 0 if choice.ids else delivery_records.no_longer_kept(row.id, FAILED, choice.reason)
    context = {
        "failures": failures,
        "messages_found": sum(failure.messages for failure in failures),
        "no_longer_kept": lost,
        "choice": choice,
        "query": request.GET.urlencode(),
    }
    return show(request, "console/destinations/event_delivery_retry.html", row, context)


def _help(row: Destination, outcome: str, code: str) -> dict[str, Any]:
    """What a reason means, and the page where something can be done about it."""
    reason_help = reasons.reason(integration_of(row), outcome, code)
    url = reason_help.link.url(row.workspace_id, row.id) if reason_help.link else ""
    return {"reason_help": reason_help, "reason_url": url}


def _retry(request: MemberRequest, row: Destination, choice: Choice) -> HttpResponse:
    done = deliveries.retry(request.actor, row, choice)
    if done.messages:
        messages.success(request, f"{pluralize(done.messages, 'message is', 'messages are')} pending again.")
    else:
        messages.info(request, "There was nothing to retry.")
    if done.lost:
        stay = pluralize(done.lost, "stays", "stay")
        messages.warning(
            request, f"{stay} failed: the message is neither in the event log nor stored with the failure."
        )
    return redirect("destination-event-delivery", request.workspace.id, row.id)


def _indented(text: str) -> str:
    """JSON with indentation; anything else as it is."""
    try:
        value = read_untrusted(text.encode())
    except JSON_ERRORS:
        return text
    return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict | list) else text


def _message_url(request: MemberRequest, source: int, position: int) -> str:
    """The page of the message, below its source; "" if the event log no longer has it."""
    if source == NO_SOURCE:
        return ""
    try:
        return reverse("source-message", args=[request.workspace.id, source, position])
    except NoReverseMatch:
        return ""


class FilteredMessage(NamedTuple):
    sample: SampleMessage
    detail: str


def _filtered_messages(row: Destination, reason: str) -> list[FilteredMessage]:
    """Newest first; none where the settings cannot be read: then the destination is paused for it."""
    ref = directory.destination(row.id)
    assert ref
    try:
        traceable = integration_of(row).traceable(ref)
    except DeliveryError:
        return []
    with event_log() as log:
        recent = sample_messages.recent(log, row, CALL_TYPES, SCANNED)
    decided = ((sample, traceable.filter_reason(sample.record, sample.message)) for sample in recent)
    filtered = [
        FilteredMessage(sample, " ".join(why[1])) for sample, why in decided if why and why[0] == reason
    ]
    return filtered[:SHOWN]
