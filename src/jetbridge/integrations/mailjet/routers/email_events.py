"""Email events of a Mailjet account: whether they go on to Segment, whether Mailjet sends them here, and backfills of missed ones."""

from collections.abc import Iterable
from typing import Annotated, Literal

from ninja import Query
from pydantic import Field

from jetbridge.api.masks import unmasked
from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routers.tasks import CancelledOut
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, Moment, OutSchema, QuerySchema, Timestamp, aware, example
from jetbridge.control import processes
from jetbridge.control.models import MailjetAccount
from jetbridge.integrations.mailjet.accounts import accounts_of, event_destinations, event_settings
from jetbridge.integrations.mailjet.events import message_history
from jetbridge.integrations.mailjet.events.callbacks import CallbackState
from jetbridge.integrations.mailjet.models import Backfill
from jetbridge.integrations.mailjet.services import backfills, email_events
from jetbridge.integrations.setting import MASK
from jetbridge.services import destination_settings
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.spec.outgoing import US

router = ApiRouter(tags=["Mailjet accounts"])
backfills_router = ApiRouter(tags=["Backfills"])
EventName = Annotated[str, Field(max_length=200)]


class EmailEventsPatch(InSchema):
    """What is absent stays. `endpoint` is us, eu or the address of a Tracking API; `events` are Segment's names."""

    enabled: bool | None = None
    endpoint: Annotated[str | None, Field(min_length=1, max_length=200, examples=["eu"])] = None
    events: Annotated[
        list[EventName] | None, Field(min_length=1, max_length=len(EVENT_NAMES), examples=[["Email Opened"]])
    ] = None
    write_key: Annotated[
        str | None, Field(max_length=200, examples=["the write key of a Segment source"])
    ] = None


class EmailEventsOut(OutSchema):
    """Behind it is a Segment destination, once it was enabled; `others` get the events, too, both by id.
    `write_key` is masked, and can be sent back so.
    """

    enabled: bool
    destination: Annotated[int | None, example(3)]
    endpoint: Annotated[str, example("https://events.eu1.segmentapis.com")]
    events: Annotated[list[str], example(["Email Opened"])]
    has_write_key: bool
    write_key: Annotated[str, example(MASK)]
    others: Annotated[list[int], example([])]


class EventCallbackOut(OutSchema):
    """Where Mailjet sends one type of email event. `host`: to which they go if another URL is registered."""

    event: Annotated[str, example("open")]
    state: Literal[
        "registered",
        "updated",
        "unchanged",
        "taken",
        "rejected",
        "unreachable",
        "suspended",
        "outdated",
        "missing",
    ]
    message: Annotated[str, example("Mailjet sends them here.")]
    host: Annotated[str, example("")]


class EventCallbacksOut(OutSchema):
    items: list[EventCallbackOut]


@router.get("/mailjet-accounts/{int:account}/email-events", response=EmailEventsOut)
def get_email_events(request: ApiRequest, account: Id) -> EmailEventsOut:
    """Whether the email events of a Mailjet account go on to Segment, where to, and which."""
    return _email_events(_find_account(request.auth, account))


@router.patch("/mailjet-accounts/{int:account}/email-events", auth=editor, response=EmailEventsOut)
def change_email_events(request: ApiRequest, account: Id, body: EmailEventsPatch) -> EmailEventsOut:
    """Send the email events of a Mailjet account to Segment, or no longer."""
    row = _find_account(request.auth, account)
    enabled = body.enabled
    if enabled is None:
        enabled = any(destination.enabled for destination in event_destinations(row)[:1])
    values = event_settings(body.endpoint, body.events, unmasked("write_key", body.write_key, MASK))
    email_events.send(request.auth.actor, row, values, enabled=enabled)
    return _email_events(row)


@router.get("/mailjet-accounts/{int:account}/event-callbacks", response=EventCallbacksOut)
def list_event_callbacks(request: ApiRequest, account: Id) -> EventCallbacksOut:
    """Where Mailjet sends each type of email event now. Asks Mailjet."""
    return _event_callbacks(email_events.callback_states(_find_account(request.auth, account)))


@router.post(
    "/mailjet-accounts/{int:account}/event-callbacks/repair", auth=editor, response=EventCallbacksOut
)
def repair_event_callbacks(request: ApiRequest, account: Id) -> EventCallbacksOut:
    """Have Mailjet send its email events here, as far as no other URL is registered for them."""
    return _event_callbacks(
        email_events.repair_callbacks(request.auth.actor, _find_account(request.auth, account))
    )


def _email_events(row: MailjetAccount) -> EmailEventsOut:
    destinations = event_destinations(row)
    values = destination_settings.values_of(destinations[0]) if destinations else {}
    events = [name for part in values.get("events", "").split(",") if (name := part.strip())]
    return EmailEventsOut(
        enabled=bool(destinations and destinations[0].enabled),
        destination=destinations[0].id if destinations else None,
        endpoint=values.get("endpoint", US),
        events=events or list(EVENT_NAMES.values()),
        has_write_key="writeKey" in values,
        write_key=MASK if "writeKey" in values else "",
        others=[destination.id for destination in destinations[1:]],
    )


def _event_callbacks(states: Iterable[CallbackState]) -> EventCallbacksOut:
    return EventCallbacksOut(
        items=[
            EventCallbackOut(
                event=callback.event_type,
                state=callback.state,  # type: ignore[arg-type]
                message=callback.message,
                host=callback.host,
            )
            for callback in states
        ]
    )


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


@backfills_router.get(
    "/mailjet-accounts/{int:account}/backfills/preview", auth=editor, response=BackfillPreviewOut
)
def preview_backfill(request: ApiRequest, account: Id, query: Query[BackfillQuery]) -> BackfillPreviewOut:
    """How many messages and calls to Mailjet a backfill would take, and how long. Asks Mailjet, and changes nothing."""
    plan = backfills.estimate(_find_account(request.auth, account), aware(query.since), aware(query.until))
    return BackfillPreviewOut(**plan._asdict(), missing_fields=message_history.missing_fields())


@backfills_router.get("/mailjet-accounts/{int:account}/backfills", response=Page[BackfillOut])
def list_backfills(request: ApiRequest, account: Id, paging: Query[Paging]) -> Page[BackfillOut]:
    """Backfills of a Mailjet account, newest first."""
    rows = Backfill.objects.filter(account=_find_account(request.auth, account))
    return page_of(rows, paging, _backfill)


@backfills_router.post("/mailjet-accounts/{int:account}/backfills", auth=editor, response={202: BackfillOut})
def start_backfill(request: ApiRequest, account: Id, body: BackfillIn) -> BackfillOut:
    """Read Mailjet's message history, and add the email events that callbacks have missed. One at a time per account."""
    row = _find_account(request.auth, account)
    return _backfill(backfills.start(request.auth.actor, row, aware(body.since), aware(body.until)))


@backfills_router.get("/mailjet-accounts/{int:account}/backfills/{int:backfill}", response=BackfillOut)
def get_backfill(request: ApiRequest, account: Id, backfill: Id) -> BackfillOut:
    """How far a backfill is."""
    _, row = _find_backfill(request.auth, account, backfill)
    return _backfill(row)


@backfills_router.post(
    "/mailjet-accounts/{int:account}/backfills/{int:backfill}/cancel", auth=editor, response=CancelledOut
)
def cancel_backfill(request: ApiRequest, account: Id, backfill: Id) -> CancelledOut:
    """Cancel a backfill. The events that it has added stay."""
    account_row, row = _find_backfill(request.auth, account, backfill)
    return CancelledOut(cancelled=backfills.cancel(request.auth.actor, account_row, row))


def _find_backfill(caller: Caller, account: int, backfill: int) -> tuple[MailjetAccount, Backfill]:
    """Raises HTTPError (404)."""
    row = _find_account(caller, account)
    return row, caller.find(Backfill.objects.filter(account=row), backfill, "backfill")


def _backfill(row: Backfill) -> BackfillOut:
    fields = BackfillOut.model_fields.keys() - {"worker_runs"}
    return BackfillOut(
        **{name: getattr(row, name) for name in fields},
        worker_runs=processes.worker_runs(),
    )


def _find_account(caller: Caller, account: int) -> MailjetAccount:
    """Raises HTTPError (404)."""
    return caller.find(accounts_of(caller.workspace), account, "Mailjet account")
