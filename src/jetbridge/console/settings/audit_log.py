"""Who changed what, when. Newest first, by person and by thing."""

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.pager import page_of
from jetbridge.control.people import AuditEntry
from jetbridge.spec.numbers import whole_number

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
    "audience": "Audiences",
    "computed-trait": "Computed traits",
    "engage": "Engage",
    "workspace": "Workspace",
    "person": "Forgotten people",
}


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    who, thing = request.GET.get("who", "")[:254], request.GET.get("thing", "")[:80]
    rows = AuditEntry.objects.filter(workspace=request.workspace)
    emails = request.workspace.memberships.order_by("user__email").values_list("user__email", flat=True)
    kind, _, number = thing.partition(":")  # of one thing: "destination:3"
    one = whole_number(number)
    page = page_of(filtered(rows, who, kind, one), request)
    context = {
        "page": page,
        "entries": [(row, row.action.partition(".")[0]) for row in page.rows],
        "people": sorted({*emails, *filter(None, [who])}),
        "who": who,
        "thing": thing,
        "kind": kind,
        "kinds": KINDS,
    }
    return render(request, "console/settings/audit.html", context)


def filtered(rows: QuerySet[AuditEntry], who: str, kind: str, number: int | None) -> QuerySet[AuditEntry]:
    """By a member, of a kind of thing, of one thing; what is empty is not asked for."""
    if who:
        rows = rows.filter(Q(who=who) | Q(user__email=who))  # the second: changes by their API tokens
    if kind:
        rows = rows.filter(action__startswith=f"{kind}.")
    if number is not None:
        rows = rows.filter(thing_id=number)
    return rows
