"""Sends a campaign to a list: messages to its active members, and the events that follow.

Rates are exact to rounding, not probabilities, so that a test can count: a rate of 1 means everybody.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from mailjet_sandbox.events import BLOCKS, HARD_BOUNCES, HISTORY, SMTP_COMMENTS, SOFT_BOUNCES, EmailEvent
from mailjet_sandbox.model import Campaign, Contact, Message
from mailjet_sandbox.state import State

Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]

_URLS = (
    "https://www.example.com/new?utm_source=mailjet&utm_medium=email",
    "https://www.example.com/offers/this-week",
    "https://www.example.com/account",
)

#: Countries with an address range each; the ranges are those reserved for documentation (RFC 5737).
_PLACES = (("FR", "192.0.2."), ("DE", "198.51.100."), ("US", "203.0.113."), ("", "198.51.100."))

_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
)


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of one campaign. ``open`` to ``unsub`` are shares of the delivered messages."""

    open: Rate = 0.0
    click: Rate = 0.0
    spam: Rate = 0.0
    unsub: Rate = 0.0
    #: Shares of all messages.
    bounce: Rate = 0.0
    blocked: Rate = 0.0
    urls: tuple[str, ...] = _URLS
    seed: int = 0


#: The moment, from 0 at the start to 1 at the end, and the event.
Timed = tuple[float, EmailEvent]


def simulate(messages: Sequence[Message], behaviour: Behaviour, list_id: int) -> list[Timed]:
    """Return the events in order of time. The same seed and number of messages give the same events."""
    chance = random.Random(behaviour.seed)  # noqa: S311 - repeatable, not secret
    shuffled = list(messages)
    chance.shuffle(shuffled)
    blocked, rest = _split(shuffled, behaviour.blocked, len(shuffled))
    bounced, arrived = _split(rest, behaviour.bounce, len(shuffled))
    sent_at = {message.id: chance.uniform(0, 0.1) for message in shuffled}
    timed: list[Timed] = []
    for message in blocked:
        state = chance.choice(BLOCKS)
        details = {"error_related_to": state.related_to, "error": state.text}
        timed.append((sent_at[message.id], EmailEvent("blocked", message, details, state)))
    timed += [(sent_at[message.id], _bounce(message, chance)) for message in bounced]
    for message in arrived:
        reply = f"250 2.0.0 OK {chance.getrandbits(64):016x} - gsmtp"
        details = {"mj_message_id": str(message.id), "smtp_reply": reply}
        timed.append((sent_at[message.id], EmailEvent("sent", message, details)))

    readers: dict[int, dict[str, Any]] = {}
    for message in arrived:
        geo, network = chance.choice(_PLACES)
        ip = f"{network}{chance.randint(1, 254)}"
        readers[message.id] = {"ip": ip, "geo": geo, "agent": chance.choice(_AGENTS)}
    for message in _split(arrived, behaviour.open)[0]:
        timed.append((_later(0.1, chance), EmailEvent("open", message, readers[message.id])))
    for message in _split(arrived, behaviour.click)[0]:
        at, url = _later(0.5, chance), chance.choice(behaviour.urls)
        timed.append((at, EmailEvent("click", message, {"url": url, **readers[message.id]})))
    for message in _split(chance.sample(arrived, len(arrived)), behaviour.unsub)[0]:
        left = {"mj_list_id": list_id, **readers[message.id]}
        timed.append((_later(0.9, chance), EmailEvent("unsub", message, left)))
    for message in _split(chance.sample(arrived, len(arrived)), behaviour.spam)[0]:
        timed.append((_later(0.9, chance), EmailEvent("spam", message, {"source": "JMRPP"})))
    return sorted(timed, key=lambda moment_and_event: moment_and_event[0])


def _split(
    messages: list[Message], rate: float, of: int | None = None
) -> tuple[list[Message], list[Message]]:
    size = round(rate * (len(messages) if of is None else of))
    return messages[:size], messages[size:]


def _later(start: float, chance: random.Random) -> float:
    return chance.uniform(start, min(start + 0.4, 1.0))


def _bounce(message: Message, chance: random.Random) -> EmailEvent:
    """Three of four bounces are hard."""
    hard = chance.random() < 0.75
    state = chance.choice(HARD_BOUNCES if hard else SOFT_BOUNCES)
    details = {
        "blocked": False,
        "hard_bounce": hard,
        "error_related_to": state.related_to,
        "error": state.text,
        "comment": SMTP_COMMENTS[state.text],
    }
    return EmailEvent("bounce", message, details, state)


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
    messages: list[Message] = []
    for contact in recipients(state, request.list_id):
        message = store.add_message(contact, campaign.subject, campaign.id)
        campaign.first_message_id = campaign.first_message_id or message.id
        messages.append(message)
        if not len(messages) % _CHUNK:
            await asyncio.sleep(0)

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


async def _emit(state: State, timed: list[Timed], duration_seconds: float) -> None:
    started = asyncio.get_running_loop().time()
    for number, (share, email_event) in enumerate(timed):
        if duration_seconds:
            wait = started + share * duration_seconds - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, wait))
        elif not number % _CHUNK:
            await asyncio.sleep(0)
        state.callbacks.emit(email_event)
