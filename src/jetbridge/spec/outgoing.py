"""A message as Segment's Tracking API takes it: without the fields that Segment makes itself."""

from datetime import datetime
from typing import Any

import msgspec

from jetbridge.spec.message import Message

#: Where Segment's Tracking API is, for workspaces in the US and in the EU.
US, EU = "https://api.segment.io", "https://events.eu1.segmentapis.com"


class Call(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """`timestamp` is our corrected one: with a `sentAt` of now, Segment's own correction leaves it alone.

    Left out: receivedAt, originalTimestamp, projectId and version, which Segment makes; sentAt, which belongs
    to the batch; settings that a Segment workspace addressed to us.
    """

    type: str
    message_id: str
    timestamp: datetime
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
    channel: str | None = None
    metadata: dict[str, Any] | None = msgspec.field(name="_metadata", default=None)


_FIELDS = Call.__struct_fields__
_encode = msgspec.json.Encoder().encode


def render(message: Message) -> bytes:
    return _encode(Call(**{name: getattr(message, name) for name in _FIELDS}))
