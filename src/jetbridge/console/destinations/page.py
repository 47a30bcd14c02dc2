"""What all pages of one destination share: who may see it, its name, its state, and why it is paused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from zlib import crc32

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render

from jetbridge.console.access import AnyView, MemberRequest, View, workspace_view
from jetbridge.control import directory
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.delivery import report
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import ConsumerOffset, destination_consumer
from jetbridge.delivery.syncs import SyncState
from jetbridge.errors import ConfigurationError
from jetbridge.integrations import base, reasons
from jetbridge.integrations.base import PauseReason, Tab
from jetbridge.services import schedules
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.log import event_log
from jetbridge.services.queries import health
from jetbridge.services.queries.health import Backlog


@dataclass(frozen=True)
class Head:
    """`pause` None: it is not paused. `last_error`: why it retries. `waiting`: messages that wait while it is paused or
    disabled.
    """

    row: Destination
    integration: base.Destination
    state: str
    paused_at: datetime | None = None
    pause_code: str = ""
    pause_reason: str = ""
    pause: PauseReason | None = None
    waiting: int = 0
    last_error: str = ""
    retrying_since: datetime | None = None
    #: Other reasons why it stops or is late, the worst first.
    lights: Sequence[Light] = ()
    backlog: Backlog = field(default_factory=Backlog)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: None: it delivers continuously.
    sync: SyncState | None = None

    @property
    def sync_words(self) -> str:
        """When it syncs next; "" for one that does not now, or delivers continuously."""
        is_active = self.row.enabled and not self.pause
        return schedules.in_words(self.sync, self.at) if self.sync and is_active else ""

    @property
    def pause_url(self) -> str:
        """The page where the cause of the pause is fixed."""
        return self.pause.link.url(self.row.workspace_id, self.row.id) if self.pause else ""

    @property
    def tabs(self) -> list[Tab]:
        contacts = [Tab("Contacts", "destination-contacts")] if self.integration.has_contacts else []
        return [
            Tab("Overview", "destination"),
            Tab("Event Delivery", "destination-event-delivery"),
            *self.integration.tabs,
            Tab("Filters", "destination-filters"),
            Tab("Event Tester", "destination-tester"),
            *contacts,
            Tab("Sync", "destination-sync"),
            Tab("Settings", "destination-settings"),
        ]

    @property
    def etag(self) -> str:
        """Changes when the header shows something else."""
        lights = [light.message for light in self.lights]
        shown = (
            self.row.name,
            self.state,
            self.pause_code,
            self.pause_reason,
            self.last_error,
            self.waiting,
            lights,
            self.sync_words,
        )
        return f"{crc32(repr(shown).encode()):08x}"


def destination_view(
    role: Role = Role.VIEWER, *, change: Role = Role.EDITOR, kind: str = ""
) -> Callable[[AnyView], View]:
    """As `workspace_view`; the view gets the destination's row instead of its number.

    404 for one of another workspace, of a kind that this Jetbridge does not know, or of another kind than `kind`.
    """

    def decorate(view: AnyView) -> View:
        @workspace_view(role, change=change)
        @wraps(view)
        def wrapped(request: MemberRequest, destination: int, **kwargs: Any) -> HttpResponseBase:
            row: Destination = get_object_or_404(request.workspace.destinations, id=destination)
            if kind and row.kind != kind:
                raise Http404
            try:
                integration_of(row)
            except ConfigurationError as error:
                raise Http404 from error
            response: HttpResponseBase = view(request, row, **kwargs)
            return response

        return wrapped

    return decorate


def show(
    request: MemberRequest,
    template: str,
    row: Destination,
    context: Mapping[str, Any],
    status: int = 200,
    *,
    head: Head | None = None,
) -> HttpResponse:
    """A page that extends console/destinations/page.html."""
    return render(request, template, {"head": head or head_of(row), **context}, status=status)


def head_of(row: Destination) -> Head:
    """Some twenty quick queries, however many destinations there are."""
    integration = integration_of(row)
    with event_log() as log:
        reports = report.report(log.counts)
        now = health.read(log, reports)
    waiting = next(
        (destination_report.pending for destination_report in reports if destination_report.id == row.id), 0
    )
    if not row.enabled:
        sync = schedules.state_of(row.id)
        return Head(
            row, integration, report.DISABLED, waiting=waiting, sync=sync
        )  # it stands still on purpose
    offset = ConsumerOffset.objects.filter(consumer=destination_consumer(row.id)).first() or ConsumerOffset()
    state = report.state_of(row, offset)
    ref = directory.destination(row.id) if offset.pause_code else None
    return Head(
        row,
        integration,
        now.shown(row.id, state),
        offset.paused_at,
        offset.pause_code,
        offset.pause_reason,
        reasons.pause_reason(integration, ref, offset.pause_code, offset.pause_reason) if ref else None,
        waiting,
        offset.last_error,
        offset.retrying_since,
        [light for light in now.of(row.id) if light.code not in {offset.pause_code, health.RETRYING}],
        now.backlog(row.id),
        now.at,
        now.syncs.get(row.id),
    )
