"""Who changed what, when. Newest first, by person and by thing."""

from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.pager import page_of
from jetbridge.control.people import AuditEntry
from jetbridge.services.queries.audit_log import KINDS, filtered
from jetbridge.spec.untrusted import whole_number


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
