"""The seven types of email event: the payload that Mailjet sends, and what changes in the account.

Field names and samples: https://dev.mailjet.com/email/guides/webhooks/ and recorded events.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mailjet_sandbox import subscriptions
from mailjet_sandbox.messagestates import MessageState
from mailjet_sandbox.model import Campaign, Contact, Message, MessageEvent
from mailjet_sandbox.store import Store

#: The EventType in ``/messagehistory``, by type of event.
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
#: The Status in ``/message``, by type of event.
STATUS = {**HISTORY, "bounce": "bounce"}


@dataclass(frozen=True, slots=True)
class EmailEvent:
    """An event of one message: sent, open, click, bounce, blocked, spam or unsub."""

    type: str
    message: Message
    #: The event's own fields beside the common ones.
    details: dict[str, Any] = field(default_factory=dict)
    state: MessageState | None = None


def apply_event(store: Store, email_event: EmailEvent) -> dict[str, Any] | None:
    """Change the account and return the payload for callback URLs; None if the contact or the message was deleted."""
    message = email_event.message
    contact = store.contacts.get(message.contact_id)
    if contact is None or store.messages.get(message.id) is not message:
        return None
    _add_to_history(store, email_event)
    effect = _EFFECTS.get(email_event.type)
    if effect:
        effect(store, contact, message)
    return common_fields(store, email_event.type, message, contact) | email_event.details


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


def _add_to_history(store: Store, email_event: EmailEvent) -> None:
    message, state = email_event.message, email_event.state
    details = email_event.details
    message.status = STATUS[email_event.type]
    message.state_id = state.id if state else message.state_id
    message.history.append(
        MessageEvent(
            HISTORY[email_event.type],
            store.now(),
            comment=details.get("comment", ""),
            state=state.text if state else "",
            agent=details.get("agent", ""),
            url=details.get("url", ""),
        )
    )


def _count_delivery(_store: Store, contact: Contact, _message: Message) -> None:
    contact.delivered += 1


def _set_last_activity(store: Store, contact: Contact, _message: Message) -> None:
    contact.last_activity_at = store.now()


def _set_complaining(_store: Store, contact: Contact, _message: Message) -> None:
    contact.complaining = True


def _unsubscribe(store: Store, contact: Contact, message: Message) -> None:
    """Unsubscribe the member from the list that the campaign was sent to."""
    campaign: Campaign | None = store.campaigns.get(message.campaign_id)
    row = store.active_list(campaign.list_id) if campaign else None
    if row is not None:
        subscriptions.unsubscribe(store, row, contact)


_EFFECTS: Mapping[str, Callable[[Store, Contact, Message], None]] = {
    "sent": _count_delivery,
    "open": _set_last_activity,
    "click": _set_last_activity,
    "spam": _set_complaining,
    "unsub": _unsubscribe,
}
