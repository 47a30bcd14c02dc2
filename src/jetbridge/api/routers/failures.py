"""Failures: which messages failed at a destination, what is known of each, and retrying them."""

from typing import Annotated, Any

from ninja import Query
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import Id, InSchema, Moment, OutSchema, Timestamp, aware, example
from jetbridge.control.people import Role
from jetbridge.delivery import delivery_records
from jetbridge.delivery.base import FAILED
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.services import deliveries
from jetbridge.services.log import event_log
from jetbridge.services.queries import record_detail

router = ApiRouter(tags=["Failures"])

ReasonCode = Annotated[str, Field(max_length=1000, examples=["INVALID_EMAIL"])]
Person = Annotated[str, Field(max_length=1000, examples=["ada@example.com"])]


class FailuresQuery(Paging):
    """Times are when it failed. `person` is a userId or the address of a contact."""

    reason: ReasonCode | None = None
    since: Moment | None = None
    until: Moment | None = None
    person: Person | None = None


class FailureOut(OutSchema):
    """`messages` is more than 1 where messages about one person merged."""

    id: Id
    reason: ReasonCode
    detail: Annotated[str, example("ada@ is no email address.")]
    message_id: Annotated[str, example("ajs-42")]
    person: Person
    position: Annotated[int, example(42)]
    messages: Annotated[int, example(1)]
    at: Timestamp


class FailureDetailOut(OutSchema):
    """`message` is null where it is not kept any more; the last one where several merged. Secrets are masked.

    `response` is for editors: viewers get it empty.
    """

    failure: FailureOut
    message: Annotated[dict[str, Any] | None, example({"type": "identify", "userId": "u-1"})]
    request: Annotated[str, example("POST /v3/REST/contactslist/10001/managecontact …")]
    response: Annotated[str, example("400 …")]


class RetryIn(InSchema):
    """Those that fit everything that is given. `all` is needed to mean all of them."""

    ids: Annotated[list[Id], Field(max_length=10_000, examples=[[7]])] = []
    reason: Annotated[ReasonCode | None, example(None)] = None
    since: Annotated[Moment | None, example(None)] = None
    until: Annotated[Moment | None, example(None)] = None
    person: Annotated[Person | None, example(None)] = None
    all: bool = False


class RetriedOut(OutSchema):
    """Messages that are `pending` again; those that are `lost`, in the log and as failures; and those counted,
    but `no_longer_kept` one by one: a replay reads them again.
    """

    pending: Annotated[int, example(1)]
    lost: int
    no_longer_kept: int


@router.get("/destinations/{int:destination}/failures", response=Page[FailureOut])
def list_failures(request: ApiRequest, destination: Id, query: Query[FailuresQuery]) -> Page[FailureOut]:
    """Messages that failed at a destination, newest first. The last 10,000 of each reason are kept."""
    row = request.auth.destination(destination)
    choice = Choice((), query.reason, aware(query.since), aware(query.until), query.person)
    return page_of(choice.of(row.id, FAILED), query, _failure)


@router.get("/destinations/{int:destination}/failures/{int:failure}", response=FailureDetailOut)
def get_failure(request: ApiRequest, destination: Id, failure: Id) -> FailureDetailOut:
    """All that is known of one failure: the message, the request, and the response to it."""
    row = request.auth.destination(destination)
    failed = request.auth.find(Choice().of(row.id, FAILED), failure, "failure")
    with event_log() as log:
        detail = record_detail.of(failed, log)
    response = detail.response if request.auth.role.allows(Role.EDITOR) else ""
    return FailureDetailOut(
        failure=_failure(failed), message=detail.message, request=detail.request, response=response
    )


@router.post("/destinations/{int:destination}/retry", auth=editor, response=RetriedOut)
def retry_failures(
    request: ApiRequest,
    destination: Id,
    body: RetryIn = RetryIn(),  # noqa: B008 - ninja's way to say that a body is optional
) -> RetriedOut:
    """Retry failures, after their cause was fixed."""
    row = request.auth.destination(destination)
    choice = Choice(tuple(body.ids), body.reason, aware(body.since), aware(body.until), body.person)
    if not (body.all or any(choice)):
        raise HTTPError(
            "INVALID_REQUEST",
            "Nothing says which failures are meant.",
            fix="Choose them by ids, reason, since, until or person; or all of them by all: true.",
        )
    done = deliveries.retry(request.auth.actor, row, choice)
    gone = 0 if body.ids else delivery_records.no_longer_kept(row.id, FAILED, body.reason)
    return RetriedOut(pending=done.messages, lost=done.lost, no_longer_kept=gone)


def _failure(row: DeliveryRecordRow) -> FailureOut:
    return FailureOut(
        id=row.id,
        reason=row.reason,
        detail=row.detail,
        message_id=row.message_id,
        person=row.person,
        position=row.position,
        messages=row.total,
        at=row.at,
    )
