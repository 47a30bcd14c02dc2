"""The audiences of a workspace: how large each is, what changed today, how it does, and where it is sent."""

from django.http import HttpResponse

from jetbridge.console import charts
from jetbridge.console.access import MemberRequest
from jetbridge.console.engage.page import engage_view, show
from jetbridge.engage import queries
from jetbridge.engage.models import ComputationClass, Space


@engage_view()
def index(request: MemberRequest, space: Space) -> HttpResponse:
    items = queries.computations(space, ComputationClass.AUDIENCE)
    lines = [(item, charts.spark([day.size for day in item.week])) for item in items]
    return show(request, "console/engage/audiences.html", space, {"lines": lines})
