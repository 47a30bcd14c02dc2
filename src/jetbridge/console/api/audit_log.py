"""The audit log: who changed what, when."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Id
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.settings.audit_log import filtered
from jetbridge.control.people import AuditEntry


class AuditQuery(Paging):
    """`who` is an email address: changes by that member's API tokens count. `thing` is a kind such as destination,
    `thing_id` its number.
    """

    who: Annotated[str, Meta(max_length=254)] = ""
    thing: Annotated[str, Meta(max_length=60)] = ""
    thing_id: Id | None = None


class AuditChange(msgspec.Struct):
    """`action` is the kind of the thing and what was done. `who` and `thing` are as they were named then."""

    id: int
    at: datetime
    who: str
    action: str
    thing: str
    thing_id: int | None
    details: dict[str, Any]


@endpoint("GET", "audit")
def list_changes(caller: Caller, query: AuditQuery) -> Page[AuditChange]:
    """Who changed what in the workspace, newest first."""
    rows = AuditEntry.objects.filter(workspace=caller.workspace)
    return page_of(filtered(rows, query.who, query.thing, query.thing_id), query, _shape)


def _shape(row: AuditEntry) -> AuditChange:
    return AuditChange(row.id, row.at, row.who, row.action, row.thing, row.thing_id, row.details)
