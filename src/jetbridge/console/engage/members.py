"""Who is in an audience: a search, pages, a file for a spreadsheet, and one person explained. For editors."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST

from jetbridge.api.download import Download
from jetbridge.console.access import MemberRequest
from jetbridge.console.engage.page import computation_view, show_computation
from jetbridge.control.people import Role
from jetbridge.engage import explaining, memberships
from jetbridge.engage.memberships import MemberPage
from jetbridge.engage.models import Computation
from jetbridge.engage.store import QueryTimeoutError
from jetbridge.services import computations
from jetbridge.spec.untrusted import whole_number

#: Characters of a search, and of a person's name.
_LONGEST = 500


@computation_view(Role.EDITOR)
def index(request: MemberRequest, row: Computation) -> HttpResponse:
    """`?q=` is the beginning of an identifier, `?after=` where the page before ended, `?person=` somebody to be explained."""
    search = request.GET.get("q", "").strip()[:_LONGEST]
    person = request.GET.get("person", "").strip()[:_LONGEST]
    after = whole_number(request.GET.get("after", "")) or 0
    page, explained, problem = MemberPage((), None), None, ""
    try:
        page = memberships.page(row, after=after, search=search)
        explained = explaining.explain(row.space, person, of=row) if person else None
    except QueryTimeoutError as error:
        problem = str(error)
    context = {
        "page": page,
        "search": search,
        "after": after,
        "person": person,
        "explained": {
            "membership": explained,
            "problem": "" if explained else "Engage knows nobody of this name.",
        }
        if person and not problem
        else None,
        "problem": problem,
    }
    return show_computation(request, "console/engage/members.html", row, context)


@computation_view(Role.EDITOR)
@require_POST
def export(request: MemberRequest, row: Computation) -> HttpResponseBase:
    """All of them as CSV; the audit log says who took it."""
    computations.note_export(request.actor, row, "csv")
    return Download(memberships.csv_parts(row), f"{row.key}.csv")
