"""The audit log of a workspace: by who, by kind of thing, by one thing."""

from django.db.models import Q, QuerySet

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
    "audience": "Audiences",
    "computed-trait": "Computed traits",
    "engage": "Engage",
    "workspace": "Workspace",
    "person": "Forgotten people",
    "installation": "Installation",
}


def filtered(rows: QuerySet[AuditEntry], who: str, kind: str, number: int | None) -> QuerySet[AuditEntry]:
    """By a member, of a kind of thing, of one thing; what is empty is not asked for."""
    if who:
        rows = rows.filter(Q(who=who) | Q(user__email=who))  # the second: changes by their API tokens
    if kind:
        rows = rows.filter(action__startswith=f"{kind}.")
    if number is not None:
        rows = rows.filter(thing_id=number)
    return rows
