"""Simulates the recipients of a campaign: who opens, clicks, bounces, complains and unsubscribes, and when.

Rates are exact to rounding, not probabilities, so that a test can count: a rate of 1 means everybody.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec

from mailjet_sandbox.events import EmailEvent
from mailjet_sandbox.messagestates import BLOCKS, HARD_BOUNCES, SMTP_COMMENTS, SOFT_BOUNCES
from mailjet_sandbox.model import Message

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
    return sorted(_draw(list(messages), behaviour, list_id, chance), key=lambda timed: timed[0])


def _draw(messages: list[Message], how: Behaviour, list_id: int, chance: random.Random) -> Iterator[Timed]:
    chance.shuffle(messages)
    blocked, rest = _split(messages, how.blocked, len(messages))
    bounced, arrived = _split(rest, how.bounce, len(messages))
    sent_at = {message.id: chance.uniform(0, 0.1) for message in messages}
    yield from ((sent_at[message.id], _block(message, chance)) for message in blocked)
    yield from ((sent_at[message.id], _bounce(message, chance)) for message in bounced)
    yield from ((sent_at[message.id], _send(message, chance)) for message in arrived)
    readers = {message.id: _reader(chance) for message in arrived}
    openers, clickers = _split(arrived, how.open)[0], _split(arrived, how.click)[0]
    yield from ((_later(0.1, chance), EmailEvent("open", m, readers[m.id])) for m in openers)
    yield from ((_later(0.5, chance), _click(m, readers[m.id], how.urls, chance)) for m in clickers)
    leavers = _split(chance.sample(arrived, len(arrived)), how.unsub)[0]
    yield from ((_later(0.9, chance), _unsub(m, readers[m.id], list_id)) for m in leavers)
    complainers = _split(chance.sample(arrived, len(arrived)), how.spam)[0]
    yield from ((_later(0.9, chance), EmailEvent("spam", m, {"source": "JMRPP"})) for m in complainers)


def _split(
    messages: list[Message], rate: float, of: int | None = None
) -> tuple[list[Message], list[Message]]:
    size = round(rate * (len(messages) if of is None else of))
    return messages[:size], messages[size:]


def _later(start: float, chance: random.Random) -> float:
    return chance.uniform(start, min(start + 0.4, 1.0))


def _reader(chance: random.Random) -> dict[str, Any]:
    geo, network = chance.choice(_PLACES)
    return {"ip": f"{network}{chance.randint(1, 254)}", "geo": geo, "agent": chance.choice(_AGENTS)}


def _send(message: Message, chance: random.Random) -> EmailEvent:
    reply = f"250 2.0.0 OK {chance.getrandbits(64):016x} - gsmtp"
    return EmailEvent("sent", message, {"mj_message_id": str(message.id), "smtp_reply": reply})


def _click(
    message: Message, reader: dict[str, Any], urls: Sequence[str], chance: random.Random
) -> EmailEvent:
    return EmailEvent("click", message, {"url": chance.choice(urls), **reader})


def _unsub(message: Message, reader: dict[str, Any], list_id: int) -> EmailEvent:
    return EmailEvent("unsub", message, {"mj_list_id": list_id, **reader})


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


def _block(message: Message, chance: random.Random) -> EmailEvent:
    state = chance.choice(BLOCKS)
    return EmailEvent("blocked", message, {"error_related_to": state.related_to, "error": state.text}, state)
