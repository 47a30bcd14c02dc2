"""Sources that come and go with a Mailjet account: its email events, and the Segment workspaces of its app connections."""

from django.urls import reverse

from jetbridge.control.models import MailjetAccount
from jetbridge.integrations.base import SourceOwner


def owned_sources(workspace: int) -> dict[int, SourceOwner]:
    """By id. Two queries."""
    owners = {}
    for account in MailjetAccount.objects.filter(workspace_id=workspace).prefetch_related("app_connections"):
        url = reverse("account", args=[workspace, account.id])
        owners[account.event_source_id] = SourceOwner(
            "Mailjet account",
            account.name,
            url,
            "Mailjet sends its email events here. Which ones, and whether Mailjet knows our address, is at the account.",
            "brings the email events of a Mailjet account: remove the account.",
        )
        for connection in account.app_connections.all():
            owners[connection.source_id] = SourceOwner(
                "Mailjet account",
                account.name,
                url,
                "A Segment workspace sends here. What it presents, and where to paste it, is at the app connection.",
                "belongs to an app connection: remove the app connection.",
            )
    return owners
