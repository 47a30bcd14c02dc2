"""People: who is known, and one person with all that is known, where it came from, and why something did not arrive."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from jetbridge.console.access import MemberRequest
from jetbridge.console.engage.page import engage_view, show
from jetbridge.console.engage.timeline import timeline
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.engage import people, queries, store
from jetbridge.engage.diagnosis import Diagnosis, diagnose
from jetbridge.engage.models import ComputationClass, Space
from jetbridge.engage.people import Person
from jetbridge.eventlog.base import EventLog
from jetbridge.identity.identifiers import EMAIL, USER_ID
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.log import event_log
from jetbridge.spec.untrusted import whole_number


@engage_view(Role.EDITOR)
def index(request: MemberRequest, space: Space) -> HttpResponse:
    """`?q=` an identifier: the person, or those of whom one begins like it."""
    text, problem = request.GET.get("q", "").strip()[: people.MAX_CHARACTERS], ""
    try:
        matches = people.search(space, text)
    except store.QueryTimeoutError as error:
        matches, problem = [], str(error)
    if text and len(matches) == 1 and matches[0].is_exact:
        return redirect("person", space.workspace_id, matches[0].segment_id)
    context = {"text": text, "matches": matches, "problem": problem, "shown": people.SHOWN}
    return show(request, "console/engage/people.html", space, context)


@engage_view(Role.EDITOR)
def person(request: MemberRequest, space: Space, segment_id: str) -> HttpResponse:
    """`?computation=` and `?destination=` ask why something did not arrive; `?before=` goes on in the timeline."""
    known = people.person(space, segment_id)
    if known is None:
        raise Http404
    if known.profile.segment_id != segment_id:  # it was merged
        return redirect("person", space.workspace_id, known.profile.segment_id)
    with event_log() as log:
        context = {"person": known, "timeline": timeline(log, request.workspace, known, request.GET)}
        if "part" in request.GET and request.htmx:
            return render(request, "console/engage/_timeline.html", context)
        context |= _why(request, space, log, known)
    context["forget"] = _forget(request, known)
    return show(request, "console/engage/person.html", space, context)


def _why(request: MemberRequest, space: Space, log: EventLog, known: Person) -> dict[str, Any]:
    """What can be chosen, and the answer if something is."""
    items = queries.computations(space)
    destinations = list(space.workspace.destinations.order_by("name"))
    computation = whole_number(request.GET.get("computation"))
    destination = whole_number(request.GET.get("destination"))
    row = next((item.row for item in items if item.row.id == computation), None)
    there = next((row for row in destinations if row.id == destination), None)
    active = [(item.row.id, place.id) for item in items for place in item.destinations]
    chosen = (row and row.id, there and there.id)
    diagnosis: Diagnosis | None = diagnose(log, known, row, there) if row and there else None
    return {
        "audiences": [item.row for item in items if item.row.computation_class == ComputationClass.AUDIENCE],
        "computed": [item.row for item in items if item.row.computation_class == ComputationClass.TRAIT],
        "destinations": destinations,
        "chosen": chosen if diagnosis else next(iter(active), (None, None)),
        "diagnosis": diagnosis,
        "engage_source": space.source_id,
    }


def _forget(request: MemberRequest, known: Person) -> tuple[Destination, str] | None:
    """The page that forgets people is one of a destination with contacts; and by which name it is asked."""
    names = [row.value for row in known.identifiers if row.type in {EMAIL, USER_ID}]
    for row in request.workspace.destinations.order_by("id"):
        if names and integration_of(row).has_contacts:
            return row, names[0]
    return None
