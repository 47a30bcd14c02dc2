"""Message: one Segment call, normalised. What the event log holds and every destination reads.

Source of the shape: Segment's "Common fields" page and its partner spec (the processed event).
"""

from datetime import datetime
from typing import Any

import msgspec

CALL_TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias", "delete"})


class Message(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """One call as the spec has it after ingest: ids are text or absent, times are UTC.

    `timestamp` is corrected for the sender's clock; `original_timestamp` is what was sent, word for word.
    `settings` are destination settings that came with the call (the subscription webhook's
    X-Segment-Settings); they go to destinations with the call and are no part of Segment's spec.
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


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Message).decode
