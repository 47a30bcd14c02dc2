"""The people and events that every row uses: seeded, so that two runs measure the same bytes."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from jetbridge.spec.message import Message

SEED = 20_250_101
DAY = datetime(2025, 1, 1, tzinfo=UTC)

_FIRST = ("Ada", "Björn", "Chloé", "Dmitri", "Élodie", "Farid", "Grace", "Hana", "Ivo", "Jun")
_LAST = ("Lovelace", "Åkesson", "Durand", "Iwanow", "Petit", "Nasser", "Hopper", "Novák", "Tanaka", "Vidal")
_CITIES = (("Paris", "FR"), ("Berlin", "DE"), ("Lyon", "FR"), ("Gent", "BE"), ("Praha", "CZ"))
_PLANS = ("free", "starter", "business", "enterprise")


def traits(number: int) -> dict[str, Any]:
    """Twelve contact properties of every kind, and the address; one person in four has a nested trait."""
    chance = random.Random(SEED + number)
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    city, country = chance.choice(_CITIES)
    place = {"city": city, "country": country}
    return {
        "email": f"person.{number}@example.com",
        "firstName": first,
        "lastName": last,
        "name": f"{first} {last}",
        "phone": f"+33 1 {chance.randrange(10**8):08d}",
        "plan": chance.choice(_PLANS),
        "age": chance.randrange(18, 95),
        "orders": chance.randrange(40),
        "lifetimeValue": chance.randrange(1, 10**6) / 100,
        "newsletter": chance.random() < 0.7,
        "createdAt": (DAY - timedelta(seconds=chance.randrange(10**8))).isoformat(),
        **({"address": place} if number % 4 == 0 else place),
    }


def identify_bodies(count: int, *, later: int = 0) -> list[bytes]:
    """Messages as the event log holds them. `later` seconds shift the time at which they were said."""
    at = DAY + timedelta(seconds=later)
    return [
        msgspec.json.encode(
            Message(
                type="identify",
                message_id=f"bench-{later}-{number}",
                timestamp=at + timedelta(milliseconds=number),
                received_at=at + timedelta(milliseconds=number),
                user_id=f"user-{number}",
                traits=traits(number),
                context=_CONTEXT,
                channel="server",
            )
        )
        for number in range(count)
    ]


def call(number: int) -> dict[str, Any]:
    """An identify call as Segment's Python library writes it into a batch."""
    return {
        "type": "identify",
        "messageId": f"call-{number}",
        "timestamp": DAY.isoformat(),
        "userId": f"user-{number}",
        "traits": traits(number),
        "context": _CONTEXT,
        "integrations": {},
    }


def batch_bodies(numbers: range, *, write_key: str, size: int = 100, label: str = "") -> list[bytes]:
    """Bodies for POST /v1/batch; `label` makes the message ids of a second sending differ."""
    now = datetime.now(UTC).isoformat()
    calls = [
        call(number) | {"messageId": f"call-{label}{number}", "timestamp": now, "sentAt": now}
        for number in numbers
    ]
    return [
        msgspec.json.encode({"writeKey": write_key, "sentAt": now, "batch": calls[start : start + size]})
        for start in range(0, len(calls), size)
    ]


def news(calls: list[dict[str, Any]], number: int, *, write_key: str) -> bytes:
    """A body for POST /v1/batch in which these people have so many orders by now."""
    now = datetime.now(UTC).isoformat()
    batch = [
        call
        | {
            "messageId": f"{number}-{call['userId']}",
            "timestamp": now,
            "traits": call["traits"] | {"orders": number},
        }
        for call in calls
    ]
    return msgspec.json.encode({"writeKey": write_key, "sentAt": now, "batch": batch})


def email_events(count: int) -> list[bytes]:
    """Mailjet's events, one JSON object each, in the mix of a campaign."""
    return [msgspec.json.encode(email_event(number)) for number in range(count)]


def email_event(number: int) -> dict[str, Any]:
    """One of them, in the same mix."""
    kinds = ("sent", "open", "sent", "click", "open", "sent", "bounce", "unsub", "sent", "spam")
    kind = kinds[number % 10]
    event = {
        "event": kind,
        "time": int(DAY.timestamp()) + number,
        "MessageID": 1_152_921_530_000_000_000 + number,
        "Message_GUID": f"1ab23cd4-e567-8901-2345-{number:012d}",
        "email": f"person.{number % 20_000}@example.com",
        "mj_campaign_id": 7_173_560_000 + number % 7,
        "mj_contact_id": 1_000_000 + number % 20_000,
        "customcampaign": "mj.nl=4917",
        "CustomID": f"order-{number}",
        "Payload": "",
    }
    return event | _EVENT_DETAILS[kind]


_AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_PLACE = {"ip": "203.0.113.9", "geo": "FR", "agent": _AGENT}
_EVENT_DETAILS: dict[str, dict[str, Any]] = {
    "sent": {"smtp_reply": "sent (250 2.0.0 OK 1640000000 x1si1234567qtf.123 - gsmtp)"},
    "open": _PLACE,
    "click": {"url": "https://shop.example.com/spring?utm_source=mailjet", **_PLACE},
    "bounce": {
        "blocked": False,
        "hard_bounce": True,
        "error_related_to": "recipient",
        "error": "user unknown",
        "comment": "550 5.1.1 The email account that you tried to reach does not exist.",
    },
    "spam": {"source": "JMRPP"},
    "unsub": {"mj_list_id": 4917, **_PLACE},
}

_CONTEXT = {"library": {"name": "analytics-python", "version": "2.3.3"}}
