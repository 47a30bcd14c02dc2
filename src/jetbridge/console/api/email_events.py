"""Email events of a Mailjet account: whether they go on to Segment, and whether Mailjet sends them here."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from jetbridge.console.acts import email_events as acts
from jetbridge.console.api.accounts import own_account
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role
from jetbridge.destinations import changes
from jetbridge.destinations.segment.definition import US
from jetbridge.sources.mailjet import joining
from jetbridge.sources.mailjet.callbacks import CallbackState
from jetbridge.sources.mailjet.track import EVENT_NAMES


class EmailEvents(msgspec.Struct):
    """Behind it is a Segment destination, once it was switched on; `others` get the events, too, both by id."""

    enabled: bool
    destination: int | None
    endpoint: str
    events: list[str]
    has_write_key: bool
    others: list[int]


class EmailEventsChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is absent stays. `endpoint` is us, eu or the address of a Tracking API; `events` are Segment's names."""

    enabled: bool | None = None
    endpoint: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    events: Annotated[list[str], Meta(min_length=1, max_length=len(EVENT_NAMES))] | None = None
    write_key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class EventCallback(msgspec.Struct):
    """Where Mailjet sends one type of email event. `host` is where those go that somebody else has taken."""

    event: str
    state: Literal[
        "registered",
        "updated",
        "unchanged",
        "taken",
        "refused",
        "unreachable",
        "suspended",
        "outdated",
        "missing",
    ]
    sentence: str
    host: str


class EventCallbacks(msgspec.Struct):
    items: list[EventCallback]


@endpoint("GET", "mailjet-accounts/<int:account>/email-events")
def get_email_events(caller: Caller, account: int) -> EmailEvents:
    """Whether the email events of a Mailjet account go on to Segment, where to, and which."""
    return _shape(own_account(caller, account))


@endpoint("PATCH", "mailjet-accounts/<int:account>/email-events", Role.EDITOR)
def change_email_events(caller: Caller, account: int, body: EmailEventsChange) -> EmailEvents:
    """Send the email events of a Mailjet account to Segment, or no longer."""
    row = own_account(caller, account)
    enabled = _is_enabled(row) if body.enabled is None else body.enabled
    values = acts.settings_of(body.endpoint, body.events, body.write_key or "")
    acts.send(caller.actor, row, values, enabled=enabled)
    return _shape(row)


@endpoint("GET", "mailjet-accounts/<int:account>/event-callbacks")
def list_event_callbacks(caller: Caller, account: int) -> EventCallbacks:
    """Where Mailjet sends each type of email event now. Asks Mailjet."""
    return _callbacks(acts.look(own_account(caller, account)))


@endpoint("POST", "mailjet-accounts/<int:account>/event-callbacks/mend", Role.EDITOR)
def mend_event_callbacks(caller: Caller, account: int) -> EventCallbacks:
    """Have Mailjet send its email events here, as far as their places are free or ours."""
    return _callbacks(acts.mend(caller.actor, own_account(caller, account)))


def _is_enabled(row: MailjetAccount) -> bool:
    return any(each.enabled for each in joining.event_destinations(row)[:1])


def _shape(row: MailjetAccount) -> EmailEvents:
    found = joining.event_destinations(row)
    values = changes.values_of(found[0]) if found else {}
    named = [name for each in values.get("events", "").split(",") if (name := each.strip())]
    return EmailEvents(
        bool(found and found[0].enabled),
        found[0].id if found else None,
        values.get("endpoint", US),
        named or list(EVENT_NAMES.values()),
        "writeKey" in values,
        [each.id for each in found[1:]],
    )


def _callbacks(states: Iterable[CallbackState]) -> EventCallbacks:
    return EventCallbacks(
        [EventCallback(each.event_type, each.state, each.sentence, each.host) for each in states]  # type: ignore[arg-type]
    )
