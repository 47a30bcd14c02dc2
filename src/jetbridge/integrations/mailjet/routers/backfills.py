"""Backfills: email events that callbacks have missed, added from Mailjet's message history. First look what one costs."""

from typing import Annotated

from ninja import Query
from pydantic import Field

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routers.tasks import CancelledOut
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, Moment, OutSchema, QuerySchema, Timestamp, aware, example
from jetbridge.control import processes
from jetbridge.control.models import MailjetAccount
from jetbridge.integrations.mailjet.events import message_history
from jetbridge.integrations.mailjet.models import Backfill
from jetbridge.integrations.mailjet.routers.mailjet_accounts import find_account
from jetbridge.integrations.mailjet.services import backfills as acts

router = ApiRouter(tags=["Backfills"])

Since = Annotated[Moment | None, Field(description="Messages that arrived at Mailjet since then.")]
Until = Annotated[Moment | None, Field(description="Up to now, if absent.")]


class BackfillQuery(QuerySchema):
    """Without `since`: 30 days, but no further back than the event log reaches."""

    since: Since = None
    until: Until = None


class BackfillIn(InSchema):
    """Messages that arrived at Mailjet in this time are looked at, with all that happened to them until now.

    Without `since`: 30 days, but no further back than the event log reaches.
    """

    since: Since = None
    until: Annotated[Until, example(None)] = None


class BackfillPreviewOut(OutSchema):
    """`calls` to Mailjet at the most, but for one per campaign and per message with a click that is missing; `seconds` is how
    long they take. `log_since` null: the log knows all events. Else it knows none from before, and those are added again,
    under the same messageIds. `missing_fields` of added events, by type of event.
    """

    since: Timestamp
    until: Timestamp
    messages: Annotated[int, example(2297)]
    calls: Annotated[int, example(2301)]
    seconds: Annotated[int, example(461)]
    log_since: Annotated[Timestamp | None, example(None)]
    missing_fields: Annotated[dict[str, list[str]], example({"open": ["ip", "geo", "Payload"]})]


class BackfillOut(OutSchema):
    """`done` of `messages` were gone through, by so many `calls`. Of the events that were found, `added` were missing, `known`
    were there, and `skipped` have no address or belong to people who were forgotten. `unreadable` are messages.

    `state` is running, ended, failed (`problem` says why) or cancelled. `waits_for` says why it does not get on now.
    """

    id: Id
    state: Annotated[str, example("running")]
    since: Timestamp
    until: Timestamp
    messages: Annotated[int, example(2297)]
    done: Annotated[int, example(1200)]
    calls: Annotated[int, example(1204)]
    added: Annotated[int, example(310)]
    known: Annotated[int, example(2085)]
    skipped: Annotated[int, example(0)]
    unreadable: Annotated[int, example(0)]
    waits_for: Annotated[str, example("")]
    problem: Annotated[str, example("")]
    worker_runs: bool
    requested_at: Timestamp
    begun_at: Timestamp | None
    ended_at: Annotated[Timestamp | None, example(None)]


@router.get("/mailjet-accounts/{int:account}/backfills/preview", auth=editor, response=BackfillPreviewOut)
def preview_backfill(request: ApiRequest, account: Id, query: Query[BackfillQuery]) -> BackfillPreviewOut:
    """How many messages and calls to Mailjet a backfill would take, and how long. Asks Mailjet, and changes nothing."""
    plan = acts.estimate(find_account(request.auth, account), aware(query.since), aware(query.until))
    return BackfillPreviewOut(**plan._asdict(), missing_fields=message_history.missing_fields())


@router.get("/mailjet-accounts/{int:account}/backfills", response=Page[BackfillOut])
def list_backfills(request: ApiRequest, account: Id, paging: Query[Paging]) -> Page[BackfillOut]:
    """Backfills of a Mailjet account, newest first."""
    rows = Backfill.objects.filter(account=find_account(request.auth, account))
    return page_of(rows, paging, _backfill)


@router.post("/mailjet-accounts/{int:account}/backfills", auth=editor, response={202: BackfillOut})
def start_backfill(request: ApiRequest, account: Id, body: BackfillIn) -> BackfillOut:
    """Read Mailjet's message history, and add the email events that callbacks have missed. One at a time per account."""
    row = find_account(request.auth, account)
    return _backfill(acts.start(request.auth.actor, row, aware(body.since), aware(body.until)))


@router.get("/mailjet-accounts/{int:account}/backfills/{int:backfill}", response=BackfillOut)
def get_backfill(request: ApiRequest, account: Id, backfill: Id) -> BackfillOut:
    """How far a backfill is."""
    _, row = _find(request.auth, account, backfill)
    return _backfill(row)


@router.post(
    "/mailjet-accounts/{int:account}/backfills/{int:backfill}/cancel", auth=editor, response=CancelledOut
)
def cancel_backfill(request: ApiRequest, account: Id, backfill: Id) -> CancelledOut:
    """Cancel a backfill. The events that it has added stay."""
    of, row = _find(request.auth, account, backfill)
    return CancelledOut(cancelled=acts.cancel(request.auth.actor, of, row))


def _find(caller: Caller, account: int, backfill: int) -> tuple[MailjetAccount, Backfill]:
    """Raises HTTPError (404)."""
    of = find_account(caller, account)
    return of, caller.find(Backfill.objects.filter(account=of), backfill, "backfill")


def _backfill(row: Backfill) -> BackfillOut:
    fields = BackfillOut.model_fields.keys() - {"worker_runs"}
    return BackfillOut(
        **{name: getattr(row, name) for name in fields},
        worker_runs=processes.worker_runs(),
    )
