"""The sources of a workspace: their list, the overview of one with code for its first message, and its settings."""

from typing import NamedTuple

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.sources import chart
from jetbridge.console.sources.page import source_view
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


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=200,
        help_text="The sender of its messages: Website, Shop backend, iOS app.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class Snippet(NamedTuple):
    """`install` comes before the code, in a shell."""

    id: str
    label: str
    install: str
    code: str


_PYTHON = """\
from segment.analytics import Client

analytics = Client("{write_key}", host="{host}")
analytics.identify("user-1", {{"email": "ada@example.com", "plan": "pro"}})
analytics.track("user-1", "Order Completed", {{"total": 9.5}})
analytics.shutdown()  # sends queued calls"""

_NODE = """\
import {{ Analytics }} from '@segment/analytics-node'

const analytics = new Analytics({{
  writeKey: '{write_key}',
  host: '{host}',
}})
analytics.identify({{ userId: 'user-1', traits: {{ email: 'ada@example.com', plan: 'pro' }} }})
analytics.track({{ userId: 'user-1', event: 'Order Completed', properties: {{ total: 9.5 }} }})
await analytics.closeAndFlush()  // sends queued calls"""

_BROWSER = """\
import {{ AnalyticsBrowser }} from '@segment/analytics-next'

const analytics = AnalyticsBrowser.load({{
  writeKey: '{write_key}',
  cdnURL: '{host}',
}})
analytics.identify('user-1', {{ email: 'ada@example.com', plan: 'pro' }})
analytics.track('Order Completed', {{ total: 9.5 }})"""

_CURL = """\
curl {host}/v1/identify -u {write_key}: \\
     -d '{{"userId": "user-1", "traits": {{"email": "ada@example.com", "plan": "pro"}}}}'"""

#: The same calls are in docs/ingest.md; tests run them with Segment's own libraries.
_SNIPPETS = (
    Snippet("curl", "curl", "", _CURL),
    Snippet("python", "Python", "pip install segment-analytics-python", _PYTHON),
    Snippet("node", "Node", "npm install @segment/analytics-node", _NODE),
    Snippet("browser", "Browser", "npm install @segment/analytics-next", _BROWSER),
)


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    sources_by_name = list(request.workspace.sources.order_by("name").prefetch_related("destinations"))
    ids = [row.id for row in sources_by_name]
    lately = volumes.lately(ids) if ids else {}
    last = volumes.last_received(ids) if ids else {}
    rows = [(row, lately.get(row.id, Lately()), last.get(row.id)) for row in sources_by_name]
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
            messages.success(request, f"{row.name} is added. It accepts messages now.")
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
        "snippets": [
            snippet._replace(
                code=snippet.code.format(host=settings.CONFIG.public_url, write_key=source.current_key)
            )
            for snippet in _SNIPPETS
            if source.kind == SourceKind.HTTP
        ],
        "destinations": destinations,
        "has_no_destination": not connected,
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
    row = request.workspace.destinations.filter(id=whole_number(request.POST.get("destination")) or 0).first()
    if row is None:
        messages.error(request, "Nothing was changed: that destination was removed.")
        return redirect("source", request.workspace.id, source.id)
    is_connected = request.POST.get("connected") == "yes"
    try:
        (sources.connect if is_connected else sources.disconnect)(request.actor, source, row)
    except ConfigurationError as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        change = "receives the messages of" if is_connected else "no longer receives the messages of"
        messages.success(request, f"{row.name} {change} {source.name}.")
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
    is_enabled = request.POST.get("enabled") == "yes"
    try:
        sources.change(request.actor, source, enabled=is_enabled)
    except ConfigurationError as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        state = "enabled." if is_enabled else "disabled. Its senders get 401."
        messages.success(request, f"{source.name} is {state}")
    return redirect("source-settings", request.workspace.id, source.id)


@source_view
@require_POST
def remove(request: MemberRequest, source: Source) -> HttpResponse:
    """Its name must be typed, because it cannot be undone."""
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
