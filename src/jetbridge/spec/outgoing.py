"""What goes on to other tools: a message as Segment's Tracking API takes it, and the tags of the destinations that it has passed.

A message may come back from the tool that it was sent to: over a source of Segment, a webhook's receiver, a second Jetbridge. So a
destination puts its tag into the context of what it sends, and gets no message that has its tag.
"""

from datetime import datetime
from typing import Any

import msgspec

from jetbridge.spec.message import Message

#: Where Segment's Tracking API is, for workspaces in the US and in the EU.
US, EU = "https://api.segment.io", "https://events.eu1.segmentapis.com"

#: In the context: {"jetbridge": {"passed": ["5f0c…"]}}.
OWNER, PASSED = "jetbridge", "passed"
#: Of more, the first ones are dropped: no sane path is as long, and strangers write here too.
MOST = 50


class OutgoingCall(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
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


_FIELDS = OutgoingCall.__struct_fields__
_encode = msgspec.json.Encoder().encode


def render(message: Message) -> bytes:
    """The JSON of one call."""
    return _encode(OutgoingCall(**{name: getattr(message, name) for name in _FIELDS}))


def has_passed(message: Message, tag: str) -> bool:
    return tag in _tags(message)


def pass_on(message: Message, tag: str) -> Message:
    """The same message, with the tag of a destination that sends it on."""
    if not tag:
        return message
    tags = [other for other in _tags(message) if other != tag]
    context = {**(message.context or {}), OWNER: {PASSED: [*tags[1 - MOST :], tag]}}
    return msgspec.structs.replace(message, context=context)


def keep_passed(message: Message, changed: Message) -> Message:
    """A message that properties were taken from, with the destinations that it has passed put back."""
    ours = (message.context or {}).get(OWNER)
    if ours is None or (changed.context or {}).get(OWNER) is ours:
        return changed
    return msgspec.structs.replace(changed, context={**(changed.context or {}), OWNER: ours})


def _tags(message: Message) -> list[Any]:
    ours = message.context and message.context.get(OWNER)
    tags = ours.get(PASSED) if isinstance(ours, dict) else None
    return tags if isinstance(tags, list) else []
