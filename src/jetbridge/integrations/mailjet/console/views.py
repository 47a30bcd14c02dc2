"""The Mailjet accounts of a workspace, and the page of one."""

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.integrations.mailjet.accounts import masked
from jetbridge.integrations.mailjet.console import blocks, page, picker
from jetbridge.integrations.mailjet.console.access import account_view
from jetbridge.spec.untrusted import whole_number


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    connections = Prefetch("app_connections", AppConnection.objects.order_by("id"))
    rows = request.workspace.mailjet_accounts.order_by("name").prefetch_related(connections)
    accounts = [(row, masked(row.api_key)) for row in rows]
    return render(request, "mailjet/app_connections/index.html", {"accounts": accounts})


@account_view()
def account(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """`?ask=1` asks Mailjet while the page is made; without it the page's parts ask by themselves."""
    return page.show(request, account, ask="ask" in request.GET, query=request.GET.get("q", "")[:100])


@account_view()
def lists(request: MemberRequest, account: MailjetAccount) -> HttpResponse:
    """The drop-down alone. `?connection=ID` is for the Segment block of that one, `?q=` searches."""
    wanted = whole_number(request.GET.get("connection"))
    connection = account.app_connections.filter(id=wanted).first() if wanted else None
    found = picker.asked(account, connection, request.GET.get("q", "")[:100])
    block = blocks.block_of(connection, found) if connection else None
    context = {"picker": found, "account": account, "block": block}
    return render(request, "mailjet/app_connections/_lists.html", context)
