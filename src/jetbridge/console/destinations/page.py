"""What all pages of one destination share: who may see it, its name, its state, and the hold that nobody may miss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any
from zlib import crc32

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render

from jetbridge.console.access import AnyView, MemberRequest, View, workspace_view
from jetbridge.console.destinations import holds
from jetbridge.console.destinations.holds import Advice
from jetbridge.console.log import event_log
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.delivery import ledger, report
from jetbridge.delivery.models import Reading
from jetbridge.destinations.changes import definition_of
from jetbridge.destinations.definition import Definition
from jetbridge.errors import ConfigurationError


@dataclass(frozen=True)
class Head:
    """`advice` None: it is not held. `trouble`: why it waits and tries again. `waiting`: messages that wait for it
    while it stands still.
    """

    row: Destination
    definition: Definition
    state: str
    held_at: datetime | None = None
    hold_code: str = ""
    hold_reason: str = ""
    advice: Advice | None = None
    waiting: int = 0
    trouble: str = ""
    troubled_at: datetime | None = None

    @property
    def mark(self) -> str:
        """Another one when there is something else to be said."""
        said = (self.row.name, self.state, self.hold_code, self.hold_reason, self.trouble, self.waiting)
        return f"{crc32(repr(said).encode()):08x}"


def destination_view(role: Role = Role.VIEWER, *, change: Role = Role.EDITOR) -> Callable[[AnyView], View]:
    """As `workspace_view`; the view gets the destination's row instead of its number.

    404 for one of another workspace, or of a kind that this Jetbridge does not know.
    """

    def decorate(view: AnyView) -> View:
        @workspace_view(role, change=change)
        @wraps(view)
        def wrapped(request: MemberRequest, destination: int, **kwargs: Any) -> HttpResponseBase:
            row: Destination = get_object_or_404(request.workspace.destinations, id=destination)
            try:
                definition_of(row)
            except ConfigurationError as error:
                raise Http404 from error
            answer: HttpResponseBase = view(request, row, **kwargs)
            return answer

        return wrapped

    return decorate


def show(
    request: MemberRequest, template: str, row: Destination, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    """A page that extends console/destinations/page.html."""
    return render(request, template, {"head": head_of(row), **context}, status=status)


def head_of(row: Destination) -> Head:
    """One query; a few more for one that stands still."""
    definition = definition_of(row)
    if not row.enabled:
        return Head(row, definition, report.DISABLED, waiting=_waiting(row))
    reading = Reading.objects.filter(reader=ledger.destination_reader(row.id)).first()
    if reading is None or not (reading.hold_code or reading.trouble):
        return Head(row, definition, report.RUNNING)
    if not reading.hold_code:
        return Head(
            row,
            definition,
            report.RUNNING,
            waiting=_waiting(row),
            trouble=reading.trouble,
            troubled_at=reading.troubled_at,
        )
    return Head(
        row,
        definition,
        report.HELD,
        reading.held_at,
        reading.hold_code,
        reading.hold_reason,
        holds.advice(row, reading.hold_code, reading.hold_reason),
        _waiting(row),
    )


def _waiting(row: Destination) -> int:
    with event_log() as log:
        reports = report.report(log.counts)
    return next((each.pending for each in reports if each.id == row.id), 0)
