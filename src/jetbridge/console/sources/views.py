"""The sources of a workspace, and the first page of each."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.sources import chart
from jetbridge.console.sources.forms import NameForm
from jetbridge.console.sources.page import source_view
from jetbridge.console.sources.snippets import snippets
from jetbridge.control.models import Source, SourceKind
from jetbridge.delivery import ledger
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import INVALID
from jetbridge.integrations import registry
from jetbridge.integrations.base import SourceOwner
from jetbridge.services import removal, sources
from jetbridge.services.log import event_log
from jetbridge.source_schema import volumes
from jetbridge.source_schema.volumes import Lately
from jetbridge.spec.untrusted import whole_number


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    found = list(request.workspace.sources.order_by("name").prefetch_related("destinations"))
    ids = [row.id for row in found]
    lately = volumes.lately(ids) if ids else {}
    last = volumes.last_received(ids) if ids else {}
    rows = [(row, lately.get(row.id, Lately()), last.get(row.id)) for row in found]
    return render(request, "console/sources/index.html", {"rows": rows})


@workspace_view()
def add(request: MemberRequest) -> HttpResponse:
    form = NameForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = sources.add(request.actor, form.cleaned_data["name"])
        except ConfigurationError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"{row.name} takes messages now.")
            return redirect("source", request.workspace.id, row.id)
    return render(request, "console/sources/add.html", {"form": form}, status=422 if form.errors else 200)


@source_view
def overview(request: MemberRequest, source: Source) -> HttpResponse:
    with event_log() as log:
        counts = log.counts()
    connected = set(source.destinations.values_list("id", flat=True))
    destinations = [(row, row.id in connected) for row in request.workspace.destinations.order_by("name")]
    context = {
        "source": source,
        "owner": _owner(source),
        "snippets": snippets(settings.CONFIG.public_url, source.write_key)
        if source.kind == SourceKind.HTTP
        else [],
        "destinations": destinations,
        "leads_nowhere": not connected,
        "is_engage": source.kind == SourceKind.ENGAGE,
        "lately": volumes.lately([source.id]).get(source.id, Lately()),
        "last_at": volumes.last_received([source.id]).get(source.id),
        "incomplete": counts.incomplete.get(source.id, 0),
        "repeated": ledger.repeated_events(source.id),
        "invalid": counts.by_source_and_type.get((source.id, INVALID), 0),
        "chart": chart.of_a_day(source.id),
    }
    return render(request, "console/sources/overview.html", context)


@source_view
@require_POST
def connect(request: MemberRequest, source: Source) -> HttpResponse:
    """`destination` and `connected=yes` or no."""
    row = request.workspace.destinations.filter(id=_number(request.POST.get("destination"))).first()
    if row is None:
        messages.error(request, "That destination is not there any more. Nothing was changed.")
        return redirect("source", request.workspace.id, source.id)
    wanted = request.POST.get("connected") == "yes"
    try:
        (sources.connect if wanted else sources.disconnect)(request.actor, source, row)
    except ConfigurationError as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        told = "gets the messages of" if wanted else "gets no more messages of"
        messages.success(request, f"{row.name} {told} {source.name} from now on.")
    return redirect("source", request.workspace.id, source.id)


@source_view
def change(request: MemberRequest, source: Source) -> HttpResponse:
    """The settings: its name."""
    form = NameForm(request.POST or None, initial={"name": source.name})
    if request.method == "POST" and form.is_valid():
        try:
            sources.change(request.actor, source, name=form.cleaned_data["name"])
        except ConfigurationError as error:
            form.add_error("name", str(error))
            source.refresh_from_db(fields=["name"])
        else:
            messages.success(request, "Saved.")
            return redirect("source-settings", request.workspace.id, source.id)
    with event_log() as log:
        obstacles = removal.source_obstacles(source, log.counts())
    context = {"source": source, "form": form, "owner": _owner(source), "obstacles": obstacles}
    return render(request, "console/sources/settings.html", context, status=422 if form.errors else 200)


@source_view
@require_POST
def enable(request: MemberRequest, source: Source) -> HttpResponse:
    """`enabled=yes` or no."""
    wanted = request.POST.get("enabled") == "yes"
    try:
        sources.change(request.actor, source, enabled=wanted)
    except ConfigurationError as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        told = "takes messages now." if wanted else "takes no more messages. Its senders get 401."
        messages.success(request, f"{source.name} {told}")
    return redirect("source-settings", request.workspace.id, source.id)


@source_view
@require_POST
def remove(request: MemberRequest, source: Source) -> HttpResponse:
    """Its name must be typed: there is no way back."""
    if request.POST.get("name", "").strip() != source.name:
        messages.error(request, f"Nothing was removed: type {source.name} to remove it.")
        return redirect("source-settings", request.workspace.id, source.id)
    try:
        with event_log() as log:
            sources.remove(request.actor, source, log.counts())
    except ConfigurationError as error:
        messages.error(request, f"Nothing was removed. {error}")
        return redirect("source-settings", request.workspace.id, source.id)
    messages.success(request, f"{source.name} is removed.")
    return redirect("sources", request.workspace.id)


def _owner(source: Source) -> SourceOwner | None:
    return registry.source_owners(source.workspace_id).get(source.id)


def _number(text: str | None) -> int:
    return whole_number(text) or 0
