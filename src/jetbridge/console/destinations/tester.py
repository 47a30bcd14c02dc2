"""The Event Tester: a dry run of a call, and sending it after a confirmation."""

from typing import NamedTuple

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.control import directory
from jetbridge.control.models import Destination, SourceKind
from jetbridge.delivery.trace import PENDING, DeliveryStatus
from jetbridge.errors import Backpressure, ConfigurationError, DeliveryError, MessageRejected
from jetbridge.eventlog.base import EventLog, Record
from jetbridge.eventlog.search import with_message_id
from jetbridge.integrations import registry
from jetbridge.integrations.exchange import Exchange
from jetbridge.services import destination_settings, event_tester
from jetbridge.services.log import event_log
from jetbridge.services.queries import dry_run, sample_messages
from jetbridge.services.queries.sample_messages import SampleMessage
from jetbridge.spec.message import CALL_TYPES, Message, decode
from jetbridge.spec.untrusted import LARGEST, whole_number


@destination_view()
def tester(request: MemberRequest, row: Destination) -> HttpResponse:
    """GET loads a message by `position` or `message_id`, else the newest one it accepts; with `tested` it is tried, too:
    that may have to wait for Mailjet. POST tries what is typed. Sends nothing.
    """
    return _page(request, row, is_tested=request.method == "POST" or "tested" in request.GET)


@destination_view()
@require_POST
def send(request: MemberRequest, row: Destination) -> HttpResponse:
    """Send it. Needs `confirmed`; a call that is not sent stays typed."""
    source = get_object_or_404(
        row.sources.exclude(kind=SourceKind.ENGAGE), id=whole_number(request.POST.get("source")) or 0
    )
    if request.POST.get("confirmed") != "yes":
        messages.error(request, "Nothing was sent: confirm that it should be sent.")
        return _page(request, row, is_tested=True)
    try:
        text = request.POST.get("text", "")
        message_id, before = event_tester.send(request.actor, row, source, text)
    except (MessageRejected, Backpressure) as error:
        messages.error(request, f"Nothing was sent: {error}")
        return _page(request, row, is_tested=True)
    query = urlencode({"id": message_id, "after": str(before)})
    return redirect(f"{reverse('destination-tester-sent', args=[request.workspace.id, row.id])}?{query}")


@destination_view()
@require_POST
def call(request: MemberRequest, row: Destination) -> HttpResponse:
    """Send what is typed to this destination alone, marked as a test, and show what comes back."""
    source = get_object_or_404(
        row.sources.exclude(kind=SourceKind.ENGAGE), id=whole_number(request.POST.get("source")) or 0
    )
    try:
        message = dry_run.message_of(request.POST.get("text", ""))
        message_id, exchange = event_tester.call(request.actor, row, source.id, message)
    except (MessageRejected, ConfigurationError, DeliveryError, Backpressure) as error:
        messages.error(request, f"Nothing was sent: {error}")
        return _page(request, row, is_tested=True)
    return _page(request, row, is_tested=True, called=Called(message_id, exchange))


@destination_view()
def sent(request: MemberRequest, row: Destination) -> HttpResponse:
    """The delivery of a call that was sent from here; it renews itself until nothing is pending."""
    with event_log() as log:
        record = _sent_record(log, row, request.GET.get("id", ""), request.GET.get("after", ""))
    statuses = _statuses(row, record, decode(record.body))
    context = {
        "record": record,
        "message": decode(record.body),
        "statuses": statuses,
        "is_pending": any(status.outcome == PENDING for status in statuses),
    }
    if request.htmx:
        return render(request, "console/destinations/_statuses.html", context)
    return show(request, "console/destinations/tester_sent.html", row, context)


class Called(NamedTuple):
    """A test call that was sent, and what came back."""

    message_id: str
    exchange: Exchange

    @property
    def tone(self) -> str:
        return {"delivered": "good", "retried": "warn"}.get(self.exchange.outcome, "bad")

    @property
    def duration(self) -> str:
        seconds = self.exchange.seconds
        return f"{seconds:.1f} s" if seconds >= 1 else f"{max(1, round(seconds * 1_000))} ms"


def _page(
    request: MemberRequest, row: Destination, *, is_tested: bool, called: Called | None = None
) -> HttpResponse:
    sources = row.chosen_sources
    with event_log() as log:
        recent = sample_messages.recent(log, row, CALL_TYPES)
        sample, note = _sample(request, log, row, recent)
    text = request.POST.get("text") or (dry_run.readable(sample.message) if sample else "")
    source_id = request.POST.get("source") or str(sample.record.source if sample else "")
    source = next((source for source in sources if str(source.id) == source_id), next(iter(sources), None))
    query = request.GET.copy()
    query["tested"] = "1"
    context = {
        "recent": recent,
        "sample": sample,
        "note": note,
        "text": text,
        "sources": sources,
        "source": source,
        "dry_run_url": f"?{query.urlencode()}",
        "called": called,
        "has_test_call": destination_settings.integration_of(row).has_test_call,
        "tested": dry_run.run(row, text, source) if is_tested and text and source else None,
    }
    return show(request, "console/destinations/tester.html", row, context)


def _sample(
    request: MemberRequest, log: EventLog, row: Destination, recent: list[SampleMessage]
) -> tuple[SampleMessage | None, str]:
    """The message to begin with, and a note if the one that was asked for is not there."""
    if message_id := request.GET.get("message_id", "").strip():
        sample = sample_messages.by_message_id(log, row, message_id)
        scanned = f"{sample_messages.FAR.records:,}"
        note = f"None of the newest {scanned} records of its sources has the messageId {message_id[:100]}."
        return sample, "" if sample else note
    if position := request.GET.get("position"):
        return sample_messages.at(log, row, position), ""
    accepts = destination_settings.integration_of(row).accepts
    accepted = [sample for sample in recent if sample.message.type in accepts]
    return next(iter(accepted or recent), None), ""


def _sent_record(log: EventLog, row: Destination, message_id: str, after: str) -> Record:
    """Right behind the position before it; 404 if it is not there (any more)."""
    position = whole_number(after, most=LARGEST - 20_000)
    if position is None:
        raise Http404
    search = with_message_id(row.sources.values_list("id", flat=True), message_id)
    for record in log.find(search, after=position, upto=position + 20_000):
        return record
    raise Http404


def _statuses(row: Destination, record: Record, message: Message) -> list[DeliveryStatus]:
    """At this destination first."""
    refs = [ref for ref in directory.destinations_of(row.workspace_id) if ref.kind in registry.destinations()]
    refs.sort(key=lambda ref: ref.id != row.id)
    statuses = [registry.destination(ref.kind).traceable(ref).status(record, message) for ref in refs]
    return [status for status in statuses if status]
