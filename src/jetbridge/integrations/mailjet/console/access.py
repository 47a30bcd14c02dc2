"""Views of one account or one app connection: found through the workspace, or not there."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from jetbridge.console.access import AnyView, MemberRequest, View, workspace_view
from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.control.people import Role


def account_view(role: Role = Role.VIEWER) -> Callable[[AnyView], View]:
    """As `workspace_view`; the view gets the account's row instead of its number."""

    def decorate(view: AnyView) -> View:
        @workspace_view(role)
        @wraps(view)
        def wrapped(request: MemberRequest, account: int, **kwargs: Any) -> HttpResponseBase:
            rows = request.workspace.mailjet_accounts.select_related("event_source")
            row = get_object_or_404(rows, id=account)
            row.workspace = request.workspace
            response: HttpResponseBase = view(request, row, **kwargs)
            return response

        return wrapped

    return decorate


def connection_view(role: Role = Role.EDITOR) -> Callable[[AnyView], View]:
    """As `account_view`; the view gets the app connection's row, with its account."""

    def decorate(view: AnyView) -> View:
        @account_view(role)
        @wraps(view)
        def wrapped(
            request: MemberRequest, account: MailjetAccount, connection: int, **kwargs: Any
        ) -> HttpResponseBase:
            row: AppConnection = get_object_or_404(account.app_connections, id=connection)
            row.account = account
            response: HttpResponseBase = view(request, row, **kwargs)
            return response

        return wrapped

    return decorate
