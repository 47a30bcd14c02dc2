"""An email event of Mailjet as a track call of Segment's Email spec. A pure function; docs/mailjet-events.md
is its description for users.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from jetbridge import __version__
from jetbridge.mailjet.events import EmailEvent, Flag, happened_at_ms, id_text
from jetbridge.spec import email_events as spec
from jetbridge.spec.message import Message


class Names(NamedTuple):
    """What Mailjet's events leave out and its API tells; None where it is not known."""

    subject: str | None = None
    campaign: str | None = None
    list: str | None = None


NO_NAMES: Final = Names()

EVENT_NAMES: Final = {
    "sent": spec.EMAIL_DELIVERED,  # Mailjet's "sent": the recipient's server has taken the message
    "open": spec.EMAIL_OPENED,
    "click": spec.EMAIL_LINK_CLICKED,
    "bounce": spec.EMAIL_BOUNCED,
    "blocked": spec.EMAIL_BLOCKED,
    "spam": spec.EMAIL_MARKED_AS_SPAM,
    "unsub": spec.UNSUBSCRIBED,
}

_INTEGRATION: Final = {"name": "Mailjet", "version": __version__}


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
    return Message(
        type="track",
        event=EVENT_NAMES[event.event],
        message_id=_message_id(event, email_id, email),
        user_id=user_id,
        anonymous_id=None if user_id else email,
        timestamp=_happened_at(event, received_at),
        received_at=received_at,
        properties=_properties(event, email_id, names),
        context=_context(event, raw, email_id, email),
        channel="server",
    )


def _message_id(event: EmailEvent, email_id: str | None, email: str) -> str:
    """The same for the same event sent twice. Mailjet gives events no id, so all that tells two apart counts."""
    parts = (
        f"{event.event}\n{email_id or event.message_guid}\n{event.time}\n{email}\n{event.url}\n{event.ip}"
        f"\n{event.agent}\n{event.mj_list_id}"
    )
    return "mailjet-" + blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _happened_at(event: EmailEvent, received_at: datetime) -> datetime:
    at = happened_at_ms(event, round(received_at.timestamp() * 1000))
    return datetime.fromtimestamp(at / 1000, UTC)


def _properties(event: EmailEvent, email_id: str | None, names: Names) -> dict[str, Any]:
    """Only what is known: an absent property overwrites nothing downstream, an empty one would."""
    found: dict[str, Any] = {}
    if email_id:
        found["email_id"] = email_id
    if names.subject:
        found["email_subject"] = names.subject
    if campaign_id := id_text(event.mj_campaign_id):
        found["campaign_id"] = campaign_id
    if campaign := names.campaign or _campaign_tag(event):
        found["campaign_name"] = campaign
    _keep(event, found)
    if details := _DETAILS.get(event.event):
        details(event, names, found)
    return found


def _keep(event: EmailEvent, found: dict[str, Any]) -> None:
    if event.message_guid:
        found["message_guid"] = event.message_guid
    if event.customcampaign:
        found["custom_campaign"] = event.customcampaign
    if event.custom_id:
        found["custom_id"] = event.custom_id
    if event.payload:
        found["payload"] = event.payload
    if event.geo:
        found["geo"] = event.geo


def _campaign_tag(event: EmailEvent) -> str | None:
    """The tag a sender gave to transactional messages; "mj.nl=..." is Mailjet's own for its campaigns."""
    tag = str(event.customcampaign or "")
    return None if tag.startswith("mj.nl=") else tag


def _sent(event: EmailEvent, _: Names, found: dict[str, Any]) -> None:
    if event.smtp_reply:
        found["smtp_reply"] = event.smtp_reply


def _click(event: EmailEvent, _: Names, found: dict[str, Any]) -> None:
    if event.url:
        found["link_url"] = url = str(event.url)
        found["link_id"] = _link_id(url)


@lru_cache(maxsize=4096)
def _link_id(url: str) -> str:
    """Mailjet does not number links; the same address has the same id."""
    return blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _bounce(event: EmailEvent, names: Names, found: dict[str, Any]) -> None:
    _blocked(event, names, found)
    if (hard := truth(event.hard_bounce)) is not None:
        found["hard_bounce"] = hard
    if (blocked := truth(event.blocked)) is not None:
        found["blocked"] = blocked
    if event.comment:
        found["comment"] = event.comment


def _blocked(event: EmailEvent, _: Names, found: dict[str, Any]) -> None:
    if event.error_related_to:
        found["error_related_to"] = event.error_related_to
    if event.error:
        found["error"] = event.error


def _spam(event: EmailEvent, _: Names, found: dict[str, Any]) -> None:
    if event.source:
        found["source"] = event.source


def _unsub(event: EmailEvent, names: Names, found: dict[str, Any]) -> None:
    if list_id := id_text(event.mj_list_id):
        found["list_id"] = list_id
        if names.list:
            found["list_name"] = names.list


_DETAILS: Final[dict[str, Callable[[EmailEvent, Names, dict[str, Any]], None]]] = {
    "sent": _sent,
    "click": _click,
    "bounce": _bounce,
    "blocked": _blocked,
    "spam": _spam,
    "unsub": _unsub,
}


def truth(value: Flag) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
    return None if value is None else bool(value)


def _context(event: EmailEvent, raw: dict[str, Any], email_id: str | None, email: str) -> dict[str, Any]:
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
    return context
