"""The seven kinds of email event: what Mailjet sends, and what it leaves behind in the account.

Field names and samples: https://dev.mailjet.com/email/guides/webhooks/ and recorded events.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mailjet_sandbox import subscriptions
from mailjet_sandbox.messagestates import State
from mailjet_sandbox.model import Campaign, Contact, Happening, Message
from mailjet_sandbox.store import Store

#: What each event calls itself in ``/messagehistory``, and the Status that it leaves on ``/message``.
HISTORY = {
    "sent": "sent",
    "open": "opened",
    "click": "clicked",
    "bounce": "bounced",
    "blocked": "blocked",
    "spam": "spam",
    "unsub": "unsub",
}
#: The fields that an event has beside the common ones [D].
OWN_FIELDS = {
    "sent": ("mj_message_id", "smtp_reply"),
    "open": ("ip", "geo", "agent"),
    "click": ("url", "ip", "geo", "agent"),
    "bounce": ("blocked", "hard_bounce", "error_related_to", "error", "comment"),
    "blocked": ("error_related_to", "error"),
    "spam": ("source",),
    "unsub": ("mj_list_id", "ip", "geo", "agent"),
}
STATUS = {**HISTORY, "bounce": "bounce"}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happens to a message."""

    event: str
    message: Message
    #: The event's own fields beside the common ones.
    details: dict[str, Any] = field(default_factory=dict)
    state: State | None = None


def happen(store: Store, occurrence: Occurrence) -> dict[str, Any] | None:
    """Carry an occurrence out and return the event to send; None if contact or message are gone."""
    message = occurrence.message
    contact = store.contacts.get(message.contact_id)
    if contact is None or store.messages.get(message.id) is not message:
        return None
    _remember(store, occurrence)
    effect = _EFFECTS.get(occurrence.event)
    if effect:
        effect(store, contact, message)
    return common_fields(store, occurrence.event, message, contact) | occurrence.details


def common_fields(store: Store, event: str, message: Message, contact: Contact) -> dict[str, Any]:
    campaign = store.campaigns.get(message.campaign_id)
    return {
        "event": event,
        "time": store.now(),
        "MessageID": message.id,
        "Message_GUID": message.uuid,
        "email": contact.email,
        "mj_campaign_id": message.campaign_id,
        "mj_contact_id": contact.id,
        "customcampaign": campaign.custom_value if campaign else "",
        "CustomID": message.custom_id,
        "Payload": message.payload,
    }


def _remember(store: Store, occurrence: Occurrence) -> None:
    message, state = occurrence.message, occurrence.state
    details = occurrence.details
    message.status = STATUS[occurrence.event]
    message.state_id = state.id if state else message.state_id
    message.history.append(
        Happening(
            HISTORY[occurrence.event],
            store.now(),
            comment=details.get("comment", ""),
            state=state.text if state else "",
            agent=details.get("agent", ""),
            url=details.get("url", ""),
        )
    )


def _count_delivery(_store: Store, contact: Contact, _message: Message) -> None:
    contact.delivered += 1


def _note_activity(store: Store, contact: Contact, _message: Message) -> None:
    contact.last_activity_at = store.now()


def _note_complaint(_store: Store, contact: Contact, _message: Message) -> None:
    contact.complaining = True


def _unsubscribe(store: Store, contact: Contact, message: Message) -> None:
    """Really unsubscribe the member from the list that the campaign went to."""
    campaign: Campaign | None = store.campaigns.get(message.campaign_id)
    row = store.living_list(campaign.list_id) if campaign else None
    if row is not None:
        subscriptions.unsubscribe(store, row, contact)


_EFFECTS: Mapping[str, Callable[[Store, Contact, Message], None]] = {
    "sent": _count_delivery,
    "open": _note_activity,
    "click": _note_activity,
    "spam": _note_complaint,
    "unsub": _unsubscribe,
}
