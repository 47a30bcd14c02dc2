"""The Sync tab: tasks and replays of a destination, those under way and the last ones, and its pauses."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.control import directory, processes
from jetbridge.control.models import Destination
from jetbridge.delivery import metrics
from jetbridge.delivery.base import DELIVERED
from jetbridge.delivery.models import PauseRow, Replay, destination_consumer
from jetbridge.errors import ConfigurationError
from jetbridge.jobs import tasks
from jetbridge.jobs.models import Task
from jetbridge.services import deliveries
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.replays import state_of
from jetbridge.services.task_types import COUNT
from jetbridge.text import pluralize

#: Pauses and replays that are shown.
SHOWN = 20
#: Minutes in which the throughput is measured.
THROUGHPUT_MINUTES = 10


@dataclass(frozen=True)
class LastTask:
    """The last task of a kind. `result` None: it has not ended well, or not yet."""

    task: Task
    result: dict[str, Any] | None

    @property
    def is_open(self) -> bool:
        return self.task.ended_at is None

    @property
    def share(self) -> int | None:
        """How much is done, in percent; None if that is not known."""
        return _percent(self.task.done, self.task.expected)


@dataclass(frozen=True)
class ReplayLine:
    """`state` is open, ended or cancelled."""

    row: Replay
    state: str
    share: int | None
    source: str


class ReplayForm(forms.Form):
    """Which messages are replayed. Times are UTC."""

    since = forms.DateTimeField(required=False, help_text="UTC. Empty: everything in the event log.")
    until = forms.DateTimeField(required=False, help_text="UTC. Empty: up to now.")
    source = forms.ChoiceField(required=False)

    def __init__(self, row: Destination, data: Any = None) -> None:
        super().__init__(data)
        sources = [(str(id_), name) for id_, name in row.sources.order_by("name").values_list("id", "name")]
        self.fields["source"].choices = [("", "All sources"), *sources]  # type: ignore[attr-defined]
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateTimeInput(attrs={"type": "datetime-local"})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until <= since:
            self.add_error("until", "It must be later than the beginning.")
        if since and since > timezone.now():
            self.add_error("since", "It lies in the future.")
        return cleaned

    def options(self) -> dict[str, Any]:
        """Of the task that counts the messages."""
        times = {name: self.cleaned_data[name] for name in ("since", "until") if self.cleaned_data[name]}
        options: dict[str, Any] = {name: time.isoformat() for name, time in times.items()}
        if self.cleaned_data["source"]:
            options["source"] = int(self.cleaned_data["source"])
        return options


@destination_view()
def sync(request: MemberRequest, row: Destination) -> HttpResponse:
    return _page(request, row, ReplayForm(row))


@destination_view()
@require_POST
def start_task(request: MemberRequest, row: Destination, kind: str) -> HttpResponse:
    """Have the worker run one of the tasks of the kind."""
    if kind not in {task_type.kind for task_type in integration_of(row).task_types}:
        raise Http404
    deliveries.request_task(request.actor, row, kind)
    return _back(request, row, kind)


@destination_view()
@require_POST
def cancel_task(request: MemberRequest, row: Destination, task: int) -> HttpResponse:
    stored = get_object_or_404(Task, id=task, destination_id=row.id)
    deliveries.cancel(request.actor, row, stored)
    return _back(request, row, stored.kind)


@destination_view()
@require_POST
def count(request: MemberRequest, row: Destination) -> HttpResponse:
    """Have the worker count the messages of a replay. Changes nothing."""
    form = ReplayForm(row, request.POST)
    if not form.is_valid():
        return _page(request, row, form, status=422)
    deliveries.request_task(request.actor, row, COUNT, form.options())
    return _back(request, row, "replay")


@destination_view()
@require_POST
def replay_counted(request: MemberRequest, row: Destination, task: int) -> HttpResponse:
    """Replay the messages that were counted. Once: it uses the count up."""
    counted = get_object_or_404(Task, id=task, destination_id=row.id, kind=COUNT)
    try:
        replay = deliveries.request_replay(request.actor, row, counted)
    except ConfigurationError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{pluralize(replay.messages, 'message is', 'messages are')} replayed.")
    return _back(request, row, "replay")


@destination_view()
@require_POST
def cancel_replay(request: MemberRequest, row: Destination, replay_id: int) -> HttpResponse:
    stored = get_object_or_404(Replay, id=replay_id, destination_id=row.id)
    deliveries.cancel_replay(request.actor, row, stored)
    messages.success(request, "The replay is cancelled. Messages that it delivered stay delivered.")
    return _back(request, row, "replay")


def _page(request: MemberRequest, row: Destination, form: ReplayForm, status: int = 200) -> HttpResponse:
    integration, ref = integration_of(row), directory.destination(row.id)
    contact_queries = integration.contact_queries(ref) if ref else None
    last = _last_tasks(row.id)
    sources = dict(row.sources.values_list("id", "name"))
    replays = _replays(row.id, sources)
    is_busy = any(task.is_open for task in last.values()) or any(replay.state == "open" for replay in replays)
    pauses = PauseRow.objects.filter(consumer=destination_consumer(row.id))
    points = metrics.course(row.id, metrics.now() - THROUGHPUT_MINUTES + 1, 1)
    context = {
        "form": form,
        "figures": contact_queries.figures() if contact_queries else None,
        "jobs": contact_queries.open_jobs() if contact_queries else [],
        "throughput": sum(point.outcomes[DELIVERED] for point in points),
        "throughput_minutes": THROUGHPUT_MINUTES,
        "tasks": [(task_type, last.get(task_type.kind)) for task_type in integration.task_types],
        "last": last,
        "replays": replays,
        "every": "1s" if is_busy else "5s",
        "pauses": list(pauses.order_by("-id")[:SHOWN]),
        "worker_runs": processes.worker_runs(),
        "retention_days": settings.CONFIG.retention_days,
    }
    return show(request, "console/destinations/sync.html", row, context, status)


def _back(request: MemberRequest, row: Destination, part: str) -> HttpResponse:
    response = redirect("destination-sync", request.workspace.id, row.id)
    response["Location"] += f"#{part}"
    return response


def _last_tasks(destination: int) -> dict[str, LastTask]:
    """By kind. One query; tasks are kept for a month, and are few."""
    tasks_by_kind: dict[str, LastTask] = {}
    for row in Task.objects.filter(destination_id=destination).order_by("id"):
        tasks_by_kind[row.kind] = LastTask(row, tasks.result_of(row))
    return tasks_by_kind


def _replays(destination: int, sources: dict[int, str]) -> list[ReplayLine]:
    """Newest first."""
    return [
        ReplayLine(
            row,
            state_of(row),
            _percent(row.done, row.messages),
            "all" if row.source_id is None else sources.get(row.source_id, str(row.source_id)),
        )
        for row in Replay.objects.filter(destination_id=destination).order_by("-id")[:SHOWN]
    ]


def _percent(done: int, of: int | None) -> int | None:
    return min(100, 100 * done // of) if of else None
