"""Email events of a Mailjet account: whether they go on to Segment, and whether Mailjet sends them here."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from jetbridge.api.masks import unmasked
from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, example
from jetbridge.control.models import MailjetAccount
from jetbridge.integrations.mailjet import provision
from jetbridge.integrations.mailjet.events.callbacks import CallbackState
from jetbridge.integrations.mailjet.routers.mailjet_accounts import find_account
from jetbridge.integrations.mailjet.services import email_events
from jetbridge.integrations.setting import MASK
from jetbridge.services import destination_settings
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.spec.outgoing import US

router = ApiRouter(tags=["Mailjet accounts"])

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
    return _email_events(find_account(request.auth, account))


@router.patch("/mailjet-accounts/{int:account}/email-events", auth=editor, response=EmailEventsOut)
def change_email_events(request: ApiRequest, account: Id, body: EmailEventsPatch) -> EmailEventsOut:
    """Send the email events of a Mailjet account to Segment, or no longer."""
    row = find_account(request.auth, account)
    enabled = body.enabled
    if enabled is None:
        enabled = any(destination.enabled for destination in provision.event_destinations(row)[:1])
    values = email_events.settings_of(body.endpoint, body.events, unmasked("write_key", body.write_key, MASK))
    email_events.send(request.auth.actor, row, values, enabled=enabled)
    return _email_events(row)


@router.get("/mailjet-accounts/{int:account}/event-callbacks", response=EventCallbacksOut)
def list_event_callbacks(request: ApiRequest, account: Id) -> EventCallbacksOut:
    """Where Mailjet sends each type of email event now. Asks Mailjet."""
    return _event_callbacks(email_events.callback_states(find_account(request.auth, account)))


@router.post(
    "/mailjet-accounts/{int:account}/event-callbacks/repair", auth=editor, response=EventCallbacksOut
)
def repair_event_callbacks(request: ApiRequest, account: Id) -> EventCallbacksOut:
    """Have Mailjet send its email events here, as far as no other URL is registered for them."""
    return _event_callbacks(
        email_events.repair_callbacks(request.auth.actor, find_account(request.auth, account))
    )


def _email_events(row: MailjetAccount) -> EmailEventsOut:
    destinations = provision.event_destinations(row)
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
