"""Where an audience is sent: its destinations, what activating one means, and how far a first sync is."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.engage.page import address, computation_view, possible_destinations, show_computation
from jetbridge.control.models import Destination, SourceKind
from jetbridge.control.people import Role
from jetbridge.engage import queries
from jetbridge.engage.models import Activation, Computation
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.services import computations


@computation_view()
def index(request: MemberRequest, row: Computation) -> HttpResponse:
    active = set(row.activations.values_list("destination_id", flat=True))
    others = [other for other in possible_destinations(row.space) if other.id not in active]
    return show_computation(request, "console/engage/sync.html", row, {"others": others})


@computation_view(Role.EDITOR)
def activate(request: MemberRequest, row: Computation, destination: int) -> HttpResponse:
    """What sending it there means; POST begins it, or changes how it is sent. `?next=` are destinations that follow."""
    other = _destination(row, destination)
    activation = row.activations.filter(destination=other).first()
    error = _activate(request, row, other) if request.method == "POST" else None
    if request.method == "POST" and error is None:
        changed = f"{row} is sent to {other}" + (
            " as you chose." if activation else ": the first sync begins."
        )
        messages.success(request, changed)
        return redirect(next_page(row, request.GET.getlist("next")))
    return _page(request, row, other, activation, error or "")


def next_page(row: Computation, chosen: list[str]) -> str:
    """Where to activate it next; where it is sent, if there is nothing to activate."""
    known = {str(other.id) for other in possible_destinations(row.space)}
    rest = [id_ for id_ in chosen if id_ in known]
    if not rest:
        return address(row, "sync")
    query = f"?{urlencode([('next', id_) for id_ in rest[1:]])}" if rest[1:] else ""
    return f"{address(row, 'activate', int(rest[0]))}{query}"


@computation_view(Role.EDITOR)
@require_POST
def deactivate(request: MemberRequest, row: Computation, destination: int) -> HttpResponse:
    other = _destination(row, destination)
    if computations.deactivate(request.actor, row, other):
        messages.success(request, f"{row} is sent to {other} no more. What was sent stays there.")
    return redirect(address(row, "sync"))


def _activate(request: MemberRequest, row: Computation, other: Destination) -> str | None:
    """What is in the way; None if it was done."""
    adds = {"add": True, "property": False}.get(request.POST.get("members", ""))
    follows = request.POST.get("list") == "yes" if "has_list" in request.POST else None
    try:
        computations.activate(request.actor, row, other, adds_members=adds, contacts_list=follows)
    except (ConfigurationError, DeliveryError) as error:
        return str(error)
    return None


def _page(
    request: MemberRequest, row: Computation, other: Destination, activation: Activation | None, error: str
) -> HttpResponse:
    # Before its figures: one that is computed meanwhile is still shown as computing, and the page comes again.
    item = queries.computation(row)
    preview = computations.preview_activation(row, other)
    context = {
        "other": other,
        "activation": activation,
        "preview": preview,
        "adds_members": activation.adds_members if activation else preview.adds_members,
        "has_sources": other.sources.exclude(kind=SourceKind.ENGAGE).exists(),
        "error": error,
    }
    return show_computation(
        request, "console/engage/activate.html", row, context, 422 if error else 200, item=item
    )


def _destination(row: Computation, id_: int) -> Destination:
    """Raises Http404."""
    found: Destination = get_object_or_404(row.space.workspace.destinations, id=id_)
    return found
