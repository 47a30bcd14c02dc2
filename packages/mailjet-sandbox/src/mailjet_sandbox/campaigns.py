"""Sends a campaign to a list: messages to its active members, and the events that follow."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from mailjet_sandbox.campaign_simulator import Behaviour, Timed, simulate
from mailjet_sandbox.events import HISTORY, apply_event
from mailjet_sandbox.model import Campaign, Contact, Message
from mailjet_sandbox.state import State

#: Messages or events handled before other requests are.
_CHUNK = 500


class CampaignRequest(Behaviour, frozen=True, kw_only=True):
    """The body of ``POST /sandbox/campaigns``."""

    list_id: int
    subject: str
    title: str = ""
    from_email: str = "newsletter@example.com"
    from_name: str = "Example"
    #: Spread the events over this time instead of sending all at once.
    duration_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0


def recipients(state: State, list_id: int) -> list[Contact]:
    """Return the active members who have not unsubscribed, complained or been excluded."""
    store = state.store
    members = (
        member for member in store.members[list_id].values() if member.active and not member.unsubscribed
    )
    contacts = (store.contacts[member.contact_id] for member in members)
    return [c for c in contacts if not (c.excluded or c.complaining or c.anonymized)]


async def send_campaign(state: State, request: CampaignRequest) -> dict[str, Any]:
    """Send, and return the number of events by type. Without a duration all of them have been emitted."""
    campaign = _add_campaign(state, request)
    messages = await _add_messages(state, campaign, recipients(state, request.list_id))
    timed = simulate(messages, request, request.list_id)
    if request.duration_seconds:
        state.run(_emit(state, timed, request.duration_seconds))
    else:
        await _emit(state, timed, 0.0)
    counts = Counter(email_event.type for _, email_event in timed)
    return {
        "campaign_id": campaign.id,
        "messages": len(messages),
        "events": {event: counts[event] for event in HISTORY},
    }


def _add_campaign(state: State, request: CampaignRequest) -> Campaign:
    store = state.store
    newsletter_id = store.new_id("newsletter")
    campaign = Campaign(
        store.new_id("campaign"),
        newsletter_id,
        request.list_id,
        request.subject,
        store.now(),
        title=request.title or request.subject,
        from_email=request.from_email,
        from_name=request.from_name,
        custom_value=f"mj.nl={newsletter_id}",
    )
    store.campaigns[campaign.id] = campaign
    return campaign


async def _add_messages(state: State, campaign: Campaign, contacts: Iterable[Contact]) -> list[Message]:
    messages: list[Message] = []
    for contact in contacts:
        message = state.store.add_message(contact, campaign.subject, campaign.id)
        campaign.first_message_id = campaign.first_message_id or message.id
        messages.append(message)
        if not len(messages) % _CHUNK:
            await asyncio.sleep(0)
    return messages


async def _emit(state: State, timed: list[Timed], duration_seconds: float) -> None:
    started = asyncio.get_running_loop().time()
    for number, (share, email_event) in enumerate(timed):
        if duration_seconds:
            wait = started + share * duration_seconds - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, wait))
        elif not number % _CHUNK:
            await asyncio.sleep(0)
        event = apply_event(state.store, email_event)
        if event is not None:
            state.callbacks.emit(event)
