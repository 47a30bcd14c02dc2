"""The Mapping tab of a Mailjet destination: edited by row or as text, with a preview on a real message beside it."""

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.control.models import Destination
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.mailjet import mapping_table
from jetbridge.integrations.mailjet.contacts.mapping import WrongMapping
from jetbridge.integrations.mailjet.sync.preview import PreviewResult, preview_with_settings
from jetbridge.services import destinations
from jetbridge.services.log import event_log
from jetbridge.services.queries import sample_messages
from jetbridge.services.queries.sample_messages import SampleMessage

IDENTIFY = frozenset({"identify"})


@destination_view(kind="mailjet")
def mapping(request: MemberRequest, row: Destination) -> HttpResponse:
    """`form` says what was sent: rows of the table, the text, or which traits become properties.

    `?preview=1` with the preview, of the call at `?position=`: it may have to wait for Mailjet.
    """
    if request.method == "POST":
        return _save(request, row)
    return _page(request, row, mapping_table.text_of(row))


@destination_view(kind="mailjet")
@require_POST
def look(request: MemberRequest, row: Destination) -> HttpResponse:
    """The preview under the mapping that is typed so far. Changes nothing."""
    try:
        values = _typed(request, row)
    except WrongMapping as error:
        return _preview(request, PreviewResult(None, problem=str(error)))
    with event_log() as log:
        sample = sample_messages.at(log, row, request.POST.get("position"))
    return _preview(request, _preview_of(row, sample, values))


def _preview_of(row: Destination, sample: SampleMessage | None, values: Mapping[str, str]) -> PreviewResult:
    if sample is None:
        return PreviewResult(None)
    return preview_with_settings(row, sample.message, values, sample.record.source)


def _page(request: MemberRequest, row: Destination, text: str, error: str = "") -> HttpResponse:
    with event_log() as log:
        recent = sample_messages.recent(log, row, IDENTIFY)
        sample = sample_messages.at(log, row, request.GET.get("position")) or next(iter(recent), None)
    query = request.GET.get("q", "").strip()
    try:
        table = mapping_table.table(row, query, request.GET.get("after", ""))
    except WrongMapping as wrong:  # the destination is paused for it
        table, error = None, error or str(wrong)
    if table and request.POST.get("form") == "rows":
        table = mapping_table.as_typed(table, request.POST)
    context = {
        "table": table,
        "text": text,
        "error": error,
        "q": query,
        "is_listed": mapping_table.only_listed(row),
        "recent": recent,
        "sample": sample,
        "previewed": _preview_of(row, sample, {}) if "preview" in request.GET else None,
    }
    status = 422 if request.method == "POST" else 200
    return show(request, "mailjet/mapping.html", row, context, status)


def _save(request: MemberRequest, row: Destination) -> HttpResponse:
    try:
        values = _typed(request, row)
        changes = destinations.change(request.actor, row, values)
    except (WrongMapping, ConfigurationError) as error:
        return _page(request, row, request.POST.get("mapping", mapping_table.text_of(row)), str(error))
    notes = " ".join(note for change in changes for note in change.notes)
    text = (
        "Saved. It is for calls that have not been read yet."
        if changes
        else "Nothing changed: it was so already."
    )
    messages.success(request, f"{text} {notes}".strip())
    return redirect(request.get_full_path())


def _typed(request: MemberRequest, row: Destination) -> dict[str, str]:
    """Raises WrongMapping."""
    match request.POST.get("form"):
        case "text":
            return {"mapping": request.POST.get("mapping", "").replace("\r\n", "\n")}
        case "properties":
            return {"properties": request.POST.get("properties", "")}
        case _:
            return {"mapping": mapping_table.edited_text(row, request.POST)}


def _preview(request: MemberRequest, previewed: PreviewResult) -> HttpResponse:
    return render(request, "mailjet/_preview.html", {"previewed": previewed})
