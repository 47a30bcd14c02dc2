from django.http import HttpResponse

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.control.models import Destination


@destination_view(kind="lighthouse")
def crew(request: MemberRequest, row: Destination) -> HttpResponse:
    return show(request, "lighthouse/crew.html", row, {})
