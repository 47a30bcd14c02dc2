"""A message of Mailjet's message history as the email events that callbacks send of it. Pure functions.

What the history leaves out is in MISSING; docs/mailjet-events.md shows it to users.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from jetbridge.integrations.mailjet.api import resources as rows
from jetbridge.integrations.mailjet.api.events import RELATED_TO, STATES, time_ms
from jetbridge.spec.times import parse_time
from jetbridge.spec.untrusted import whole_number

#: The event of each EventType of the history.
EVENT_TYPE: Final = {
    "sent": "sent",
    "opened": "open",
    "clicked": "click",
    "bounced": "bounce",
    "blocked": "blocked",
    "spam": "spam",
    "unsub": "unsub",
}
#: Fields of a callback that an event from the history never has: of all events, and of each type.
MISSING_OF_ALL: Final = ("Payload",)
MISSING: Final = {
    "sent": ("mj_message_id", "smtp_reply"),
    "open": ("ip", "geo"),
    "click": ("ip", "geo"),
    "bounce": ("blocked",),
    "blocked": (),
    "spam": ("source",),
    "unsub": ("ip", "geo"),
}


def missing_fields() -> dict[str, list[str]]:
    """By type of event."""
    return {event_type: [*fields, *MISSING_OF_ALL] for event_type, fields in MISSING.items()}


#: What marks an event that comes from the history, in a field that callbacks do not have: `origin`.
ORIGIN: Final = "messagehistory"
#: Characters of a text that are copied.
TEXT_LENGTH = 2_000


def events_in(history: Iterable[rows.MessageHistory], now: int) -> list[tuple[str, int, rows.MessageHistory]]:
    """The events of a history that can be read: event type, Unix seconds, row. `now` is in ms."""
    events = []
    for row in history:
        event_type = EVENT_TYPE.get(row.event_type) if isinstance(row.event_type, str) else None
        at = time_ms(row.event_at, now)
        if event_type and at:
            events.append((event_type, at // 1000, row))
    return events


def event_of(
    message: rows.Message,
    event_type: str,
    at: int,
    row: rows.MessageHistory,
    *,
    campaign: rows.Campaign | None,
    url: str | None = None,
) -> dict[str, Any]:
    """The event as a callback would bring it, as far as it is known. `url` is that of a click.

    An unsubscribe names the list that its campaign went to; without a campaign it is one from all lists, as in callbacks.
    """
    fields: dict[str, Any] = {
        "event": event_type,
        "time": at,
        "MessageID": message.id,
        "Message_GUID": _text(message.uuid),
        "email": _text(message.contact_alt),
        "mj_campaign_id": whole_number(message.campaign_id) or 0,
        "mj_contact_id": whole_number(message.contact_id) or 0,
        "customcampaign": _text(campaign.custom_value) if campaign else None,
        "CustomID": _text(message.custom_id),
        "origin": ORIGIN,
    }
    if event_type in {"open", "click", "unsub"}:
        fields["agent"] = _text(row.useragent)
    if event_type == "click":
        fields["url"] = url
    elif event_type == "unsub":
        fields["mj_list_id"] = campaign.list_id if campaign else 0
    elif event_type in {"bounce", "blocked"}:
        known = STATES.get(whole_number(message.state_id) or 0)
        message_state = known.text if known else None
        state = _text(row.state) or message_state
        fields |= {"error_related_to": RELATED_TO.get(state or ""), "error": state}
        if event_type == "bounce":
            fields["comment"] = _text(row.comment)
            # Whether a bounce is final: the message has this of its latest state alone.
            if message.status in ("hardbounced", "softbounced"):
                fields["hard_bounce"] = message.status == "hardbounced"
            elif message.status == "bounce" and state == (message_state or state):
                is_permanent = message.state_permanent
                fields["hard_bounce"] = is_permanent if isinstance(is_permanent, bool) else None
    return {name: value for name, value in fields.items() if value is not None}


def links(clicks: Iterable[rows.ClickStatistic]) -> Iterator[tuple[int, str]]:
    """Unix seconds and URL of the clicks that can be read."""
    for click in clicks:
        moment = parse_time(click.clicked_at) if isinstance(click.clicked_at, str) else None
        if moment and (url := _text(click.url)):
            yield int(moment.timestamp()), url


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value[:TEXT_LENGTH].encode("utf-8", "replace").decode()  # halves of surrogate pairs are no text
