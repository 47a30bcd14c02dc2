"""Who changed what, when. Newest first, by person and by thing."""

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.pager import page_of
from jetbridge.control.people import AuditEntry

#: First part of `action` -> how the filter names it.
KINDS = {
    "destination": "Destinations",
    "source": "Sources",
    "account": "Mailjet accounts",
    "app-connection": "App connections",
    "member": "Members",
    "invitation": "Invitations",
    "api-token": "API tokens",
    "alert-rule": "Alert rules",
    "workspace": "Workspace",
    "person": "Forgotten people",
}


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    who, thing = request.GET.get("who", "")[:254], request.GET.get("thing", "")[:80]
    rows = AuditEntry.objects.filter(workspace=request.workspace)
    emails = request.workspace.memberships.order_by("user__email").values_list("user__email", flat=True)
    page = page_of(_filtered(rows, who, thing), request)
    context = {
        "page": page,
        "entries": [(row, row.action.partition(".")[0]) for row in page.rows],
        "people": sorted({*emails, *filter(None, [who])}),
        "who": who,
        "thing": thing,
        "kind": thing.partition(":")[0],
        "kinds": KINDS,
    }
    return render(request, "console/settings/audit.html", context)


def _filtered(rows: QuerySet[AuditEntry], who: str, thing: str) -> QuerySet[AuditEntry]:
    """`thing` is a kind, or one thing of a kind: "destination:3"."""
    if who:
        rows = rows.filter(Q(who=who) | Q(user__email=who))  # the second: changes by their API tokens
    kind, _, number = thing.partition(":")
    if kind:
        rows = rows.filter(action__startswith=f"{kind}.")
    if number.isdecimal() and len(number) < 19:
        rows = rows.filter(thing_id=int(number))
    return rows
