"""The audiences, or the computed traits, of a workspace: how large each is, what changed today, how it does, where it is sent."""

from django.http import HttpResponse
from django.urls import reverse

from jetbridge.console import charts
from jetbridge.console.access import MemberRequest
from jetbridge.console.engage.builder import RECIPES
from jetbridge.console.engage.page import PREFIXES, engage_view, show
from jetbridge.engage import queries
from jetbridge.engage.models import ComputationClass, Space


@engage_view()
def index(request: MemberRequest, space: Space, of: ComputationClass) -> HttpResponse:
    items = queries.computations(space, of)
    context = {
        "lines": [(item, charts.spark([day.size for day in item.week])) for item in items],
        "is_trait": of == ComputationClass.TRAIT,
        "new_url": reverse(f"{PREFIXES[of]}-new", args=[space.workspace_id]),
        "recipes": RECIPES,
    }
    return show(request, "console/engage/computations.html", space, context)
