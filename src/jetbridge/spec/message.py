"""Message: one Segment call, normalised. What the event log holds and every destination reads.

Source of the shape: Segment's "Common fields" page and its partner spec (the processed event).
"""

from datetime import datetime
from typing import Any

import msgspec

from jetbridge.spec.emails import visible
from jetbridge.spec.untrusted import JSON_ERRORS

CALL_TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias", "delete"})


class EngageTarget(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True, gc=False):
    """Where a call of Engage goes, and what may become there of people who are no contacts yet."""

    #: The id of the destination; the integrations object could not name one of two.
    destination: int
    #: Whether somebody who is no contact becomes one. Consent, exclusion and erasure win over it.
    adds_members: bool = False
    #: The Mailjet contacts list that follows the audience; None without one.
    list_id: int | None = None
    #: Whether the values are numbers with a fraction, though one of them may be whole, such as a sum.
    is_decimal: bool = False


class Message(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """One call as the spec has it after ingest: ids are text or absent, times are UTC.

    `timestamp` is corrected for the sender's clock; `original_timestamp` is what was sent, word for word.
    `settings` are destination settings that came with the call (the subscription webhook's
    X-Segment-Settings); they go to destinations with the call and are no part of Segment's spec.
    `dropped` are the values that could not be read and that the call was accepted without, as dotted paths
    ("traits.score", "properties.products.0.price"). They are not sent on.
    `engage` is set for calls that Engage has made, and for no others; it is not sent on.
    """

    type: str
    message_id: str
    timestamp: datetime
    received_at: datetime
    user_id: str | None = None
    anonymous_id: str | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    group_id: str | None = None
    previous_id: str | None = None
    traits: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    version: int = 2
    channel: str | None = None
    project_id: str | None = None
    metadata: dict[str, Any] | None = msgspec.field(name="_metadata", default=None)
    settings: dict[str, Any] | None = msgspec.field(name="_settings", default=None)
    dropped: list[str] | None = msgspec.field(name="_dropped", default=None)
    engage: EngageTarget | None = msgspec.field(name="_engage", default=None)

    @property
    def person(self) -> str:
        """By which name a person looks for it: the userId, else the anonymousId, else ""."""
        return self.user_id or self.anonymous_id or ""

    def dropped_note(self) -> str:
        """For a person: which values it came without, and what follows from that; "" if there are none."""
        values = [visible(path) for path in self.dropped or () if path not in TIMES]
        times = [path for path in self.dropped or () if path in TIMES]
        notes = []
        if values:
            notes.append(f"Accepted without {', '.join(values)}: the value could not be read.")
        if {"timestamp", "originalTimestamp"} & set(times):
            notes.append(f"{times[0]} is no time that can be read, so the message counts from its receipt.")
        if "sentAt" in times:
            notes.append("sentAt is no time that can be read, so the sender's clock was not corrected.")
        return " ".join(notes)


#: Fields with the times of a call. What they say is kept, also if it is no time.
TIMES = frozenset({"timestamp", "originalTimestamp", "sentAt"})

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Message).decode


def decode_or_none(body: bytes) -> Message | None:
    """For what must go on with a record that cannot be read: pages, traces, reports of failures."""
    try:
        return decode(body)
    except JSON_ERRORS:
        return None
