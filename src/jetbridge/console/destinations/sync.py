"""Sync: what is on its way, what would be told, whether it is really there, and reading messages again."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations import sync_state
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.control import directory, processes
from jetbridge.control.models import Destination
from jetbridge.delivery.models import Replay
from jetbridge.errors import ConfigurationError
from jetbridge.jobs.models import Task
from jetbridge.services import deliveries
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.task_types import COUNT
from jetbridge.text import pluralize


class SpanForm(forms.Form):
    """What to read again. Times are UTC."""

    since = forms.DateTimeField(required=False, help_text="UTC. Empty: all that the log retains.")
    until = forms.DateTimeField(required=False, help_text="UTC. Empty: up to now.")
    source = forms.ChoiceField(required=False)

    def __init__(self, row: Destination, data: Any = None) -> None:
        super().__init__(data)
        sources = [(str(id_), name) for id_, name in row.sources.order_by("name").values_list("id", "name")]
        self.fields["source"].choices = [("", "All sources"), *sources]  # type: ignore[attr-defined]
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateTimeInput(attrs={"type": "datetime-local"})

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        since, until = found.get("since"), found.get("until")
        if since and until and until <= since:
            self.add_error("until", "It has to be later than the beginning.")
        if since and since > timezone.now():
            self.add_error("since", "Nothing was received then yet.")
        return found

    def options(self) -> dict[str, Any]:
        """Of the task that counts."""
        found = {name: self.cleaned_data[name] for name in ("since", "until") if self.cleaned_data[name]}
        options: dict[str, Any] = {name: moment.isoformat() for name, moment in found.items()}
        if self.cleaned_data["source"]:
            options["source"] = int(self.cleaned_data["source"])
        return options


@destination_view()
def sync(request: MemberRequest, row: Destination) -> HttpResponse:
    return _page(request, row, SpanForm(row))


@destination_view()
@require_POST
def ask(request: MemberRequest, row: Destination, kind: str) -> HttpResponse:
    """Have the worker do one of the tasks that the kind has."""
    if kind not in {each.kind for each in integration_of(row).task_types}:
        raise Http404
    deliveries.ask(request.actor, row, kind)
    return _back(request, row, kind)


@destination_view()
@require_POST
def cancel_task(request: MemberRequest, row: Destination, task: int) -> HttpResponse:
    found = get_object_or_404(Task, id=task, destination_id=row.id)
    deliveries.cancel(request.actor, row, found)
    return _back(request, row, found.kind)


@destination_view()
@require_POST
def count(request: MemberRequest, row: Destination) -> HttpResponse:
    """Have the worker count what a replay would read. Changes nothing."""
    form = SpanForm(row, request.POST)
    if not form.is_valid():
        return _page(request, row, form, status=422)
    deliveries.ask(request.actor, row, COUNT, form.options())
    return _back(request, row, "replay")


@destination_view()
@require_POST
def ask_replay(request: MemberRequest, row: Destination, task: int) -> HttpResponse:
    """Read again what was counted. Once: the count is used up by it."""
    counted = get_object_or_404(Task, id=task, destination_id=row.id, kind=COUNT)
    try:
        asked = deliveries.ask_replay(request.actor, row, counted)
    except ConfigurationError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{pluralize(asked.messages, 'message is', 'messages are')} replayed.")
    return _back(request, row, "replay")


@destination_view()
@require_POST
def cancel_replay(request: MemberRequest, row: Destination, replay_id: int) -> HttpResponse:
    found = get_object_or_404(Replay, id=replay_id, destination_id=row.id)
    deliveries.cancel_replay(request.actor, row, found)
    messages.success(request, "It reads no further. What it has read stays delivered.")
    return _back(request, row, "replay")


def _page(request: MemberRequest, row: Destination, form: SpanForm, status: int = 200) -> HttpResponse:
    integration, ref = integration_of(row), directory.destination(row.id)
    book = integration.contact_book(ref) if ref else None
    last = sync_state.last_tasks(row.id)
    sources = dict(row.sources.values_list("id", "name"))
    replays = sync_state.replays(row.id, sources)
    is_busy = any(each.is_open for each in last.values()) or any(each.state == "open" for each in replays)
    context = {
        "form": form,
        "figures": book.figures() if book else None,
        "jobs": book.open_jobs() if book else [],
        "pace": sync_state.pace(row.id),
        "pace_minutes": sync_state.PACE_MINUTES,
        "tasks": [(each, last.get(each.kind)) for each in integration.task_types],
        "last": last,
        "replays": replays,
        "every": "1s" if is_busy else "5s",
        "pauses": sync_state.pauses(row.id),
        "worker_runs": processes.worker_runs(),
        "retention_days": settings.CONFIG.retention_days,
    }
    return show(request, "console/destinations/sync.html", row, context, status)


def _back(request: MemberRequest, row: Destination, part: str) -> HttpResponse:
    answer = redirect("destination-sync", request.workspace.id, row.id)
    answer["Location"] += f"#{part}"
    return answer
