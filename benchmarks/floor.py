"""The floors: what the same work costs with bare orjson and no checking, state or accounting at all."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

BODY_CONTACTS = 5_000


def bulk_bodies(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Identify JSON in, managemanycontacts bodies out."""
    contacts: list[dict[str, Any]] = []
    for message in messages:
        contacts.append(_contact(orjson.loads(message)["traits"]))
        if len(contacts) == BODY_CONTACTS:
            yield orjson.dumps({"Action": "addnoforce", "Contacts": contacts})
            contacts = []
    if contacts:
        yield orjson.dumps({"Action": "addnoforce", "Contacts": contacts})


def _contact(traits: dict[str, Any]) -> dict[str, Any]:
    email = traits.pop("email")
    properties: dict[str, Any] = {}
    for name, value in traits.items():
        if type(value) is dict:
            for inner, each in value.items():
                properties[f"{name}_{inner}".lower()] = each
        else:
            properties[name.lower()] = value
    return {"Email": email, "Name": properties.get("name"), "Properties": properties}


def track(body: bytes) -> bytes:
    """A Mailjet event in, a track call out."""
    event = orjson.loads(body)
    return orjson.dumps(
        {
            "type": "track",
            "event": event["event"],
            "messageId": str(event["MessageID"]),
            "timestamp": event["time"],
            "anonymousId": event["email"],
            "properties": {"email_id": str(event["MessageID"]), "campaign_id": str(event["mj_campaign_id"])},
            "context": {"traits": {"email": event["email"]}, "mailjet": event},
        }
    )
