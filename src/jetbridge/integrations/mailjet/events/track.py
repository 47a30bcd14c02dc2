"""An email event of Mailjet as a track call of Segment's Email spec. A pure function; docs/mailjet-events.md
is its description for users.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from jetbridge import __version__
from jetbridge.integrations.mailjet.api.events import DROPPED, EmailEvent, Flag, happened_at_ms, id_text
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.spec.message import Message
from jetbridge.spec.untrusted import whole_number


class Names(NamedTuple):
    """What Mailjet's events leave out and its API has; None where it is not known."""

    subject: str | None = None
    campaign: str | None = None
    list: str | None = None


NO_NAMES: Final = Names()

_INTEGRATION: Final = {"name": "Mailjet", "version": __version__}

#: What messageIds of email events begin with.
ID_PREFIX: Final = "mailjet-"


def email_event_to_track(
    event: EmailEvent,
    raw: dict[str, Any],
    *,
    email: str,
    user_id: str | None,
    received_at: datetime,
    names: Names = NO_NAMES,
) -> Message:
    """The track call. `email` is the address in its one spelling; `raw` becomes part of the call."""
    email_id = id_text(event.message_id)
    happened_at = happened_at_ms(event, round(received_at.timestamp() * 1000))

    dropped = raw.pop(DROPPED, None)  # fields that the event came without
    if email_id:
        raw["MessageID"] = email_id  # text: JavaScript rounds numbers beyond 2^53
    context: dict[str, Any] = {"integration": _INTEGRATION, "traits": {"email": email}, "mailjet": raw}
    if event.ip:
        context["ip"] = event.ip
    if event.agent:
        # Segment's Email spec says user_agent, its common fields say userAgent.
        context["userAgent"] = context["user_agent"] = event.agent
    if event.geo:
        context["location"] = {"country": event.geo}

    return Message(
        type="track",
        event=EVENT_NAMES[event.event],
        message_id=message_id_of(event, email),
        user_id=user_id,
        anonymous_id=None if user_id else email,
        timestamp=datetime.fromtimestamp(happened_at / 1000, UTC),
        received_at=received_at,
        properties=_properties(event, email_id, names),
        context=context,
        channel="server",
        dropped=[f"context.mailjet.{path}" for path in dropped] if isinstance(dropped, list) else None,
    )


def message_id_of(event: EmailEvent, email: str) -> str:
    """The same for an event that Mailjet sends twice, or by a callback and in its message history. Mailjet gives events
    no id, and the history has neither IP address nor list. So an event is identified by message, type and second, and a click
    by its link as well.
    """
    time = whole_number(event.time) or event.time
    if email_id := id_text(event.message_id):
        parts = f"{event.event}\n{email_id}\n{time}\n{email}\n{event.url if event.event == 'click' else ''}"
    else:
        parts = (
            f"{event.event}\n{event.message_guid}\n{time}\n{email}\n{event.url}\n{event.ip}"
            f"\n{event.agent}\n{event.mj_list_id}"
        )
    return ID_PREFIX + blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


#: Properties that are copied, by the field of Mailjet's event; the specification has no names for them. Of all events.
COPIED: Final = {
    "Message_GUID": "message_guid",
    "customcampaign": "custom_campaign",
    "CustomID": "custom_id",
    "Payload": "payload",
    "geo": "geo",
}
#: Those of one type of event. `url` and `mj_list_id` bring a second property along (`_properties`).
COPIED_OF: Final[dict[str, dict[str, str]]] = {
    "sent": {"smtp_reply": "smtp_reply"},
    "open": {},
    "click": {"url": "link_url"},
    "bounce": {
        "error_related_to": "error_related_to",
        "error": "error",
        "hard_bounce": "hard_bounce",
        "blocked": "blocked",
        "comment": "comment",
    },
    "blocked": {"error_related_to": "error_related_to", "error": "error"},
    "spam": {"source": "source"},
    "unsub": {"mj_list_id": "list_id"},
}
#: Places of fields in a call, beside `context.mailjet`, which has every field, and the properties above.
PLACES: Final = {
    "event": ("event",),
    "time": ("timestamp",),
    "MessageID": ("properties.email_id",),
    "email": ("context.traits.email",),
    "mj_campaign_id": ("properties.campaign_id",),
    "customcampaign": ("properties.campaign_name",),
    "ip": ("context.ip",),
    "geo": ("context.location.country",),
    "agent": ("context.userAgent", "context.user_agent"),
    "url": ("properties.link_id",),
}


def places(field: str, event_type: str) -> list[str]:
    """Where a field of an event of this type stands in its call, as paths."""
    copied = COPIED | COPIED_OF[event_type]
    own = [f"properties.{copied[field]}"] if field in copied else []
    return [*PLACES.get(field, ()), *own, f"context.mailjet.{field}"]


def _properties(event: EmailEvent, email_id: str | None, names: Names) -> dict[str, Any]:
    """Only what is known: an absent property overwrites nothing downstream, an empty one would."""
    properties: dict[str, Any] = {}
    if email_id:
        properties["email_id"] = email_id
    if names.subject:
        properties["email_subject"] = names.subject
    if campaign_id := id_text(event.mj_campaign_id):
        properties["campaign_id"] = campaign_id
    # The tag that a sender gave to transactional messages; "mj.nl=..." is Mailjet's own for its campaigns.
    tag = str(event.customcampaign or "")
    if campaign := names.campaign or ("" if tag.startswith("mj.nl=") else tag):
        properties["campaign_name"] = campaign
    for attribute, name, convert in _COPIES[event.event]:
        value = getattr(event, attribute)
        if value is None or value == "":
            continue
        if (value := convert(value) if convert else value) is not None:
            properties[name] = value
    if "link_url" in properties:
        properties["link_id"] = _link_id(properties["link_url"])
    if names.list and "list_id" in properties:
        properties["list_name"] = names.list
    return properties


@lru_cache(maxsize=4096)
def _link_id(url: str) -> str:
    """Mailjet does not number links; the same address has the same id."""
    return blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def parse_flag(value: Flag) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
    return None if value is None else bool(value)


#: By type of event: attribute, property, and what makes the one of the other.
_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    "hard_bounce": parse_flag,
    "blocked": parse_flag,
    "mj_list_id": id_text,
    "url": str,
}
_ATTRIBUTES: Final = {field.encode_name: field.name for field in msgspec.structs.fields(EmailEvent)}
_COPIES: Final = {
    event_type: tuple(
        (_ATTRIBUTES[field], name, _CONVERT.get(field)) for field, name in (COPIED | of_type).items()
    )
    for event_type, of_type in COPIED_OF.items()
}
