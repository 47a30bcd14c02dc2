"""The audit log: who changed what, when."""

from typing import Annotated, Any

from ninja import Query
from pydantic import Field

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter
from jetbridge.api.schemas import Id, OutSchema, Timestamp, example
from jetbridge.control.people import AuditEntry
from jetbridge.services.queries.audit_log import filtered

router = ApiRouter(tags=["Audit log"])


class AuditQuery(Paging):
    """`who` is an email address: changes by that member's API tokens count. `thing` is a kind such as destination,
    `thing_id` its number.
    """

    who: Annotated[str, Field(max_length=254, examples=["olga@example.com"])] = ""
    thing: Annotated[str, Field(max_length=60, examples=["destination"])] = ""
    thing_id: Id | None = None


class AuditEntryOut(OutSchema):
    """`action` is the kind of the thing and what was done. `who` and `thing` are as they were named then."""

    id: Id
    at: Timestamp
    who: Annotated[str, example("deploy, a token of olga@example.com")]
    action: Annotated[str, example("destination.changed")]
    thing: Annotated[str, example("Mailjet")]
    thing_id: Annotated[int | None, example(2)]
    details: Annotated[dict[str, Any], example({"listId": ["10001", "10002"]})]


@router.get("/audit", response=Page[AuditEntryOut])
def list_changes(request: ApiRequest, query: Query[AuditQuery]) -> Page[AuditEntryOut]:
    """Who changed what in the workspace, newest first."""
    rows = AuditEntry.objects.filter(workspace=request.auth.workspace)
    return page_of(filtered(rows, query.who, query.thing, query.thing_id), query, _entry)


def _entry(row: AuditEntry) -> AuditEntryOut:
    return AuditEntryOut(
        id=row.id,
        at=row.at,
        who=row.who,
        action=row.action,
        thing=row.thing,
        thing_id=row.thing_id,
        details=row.details,
    )
