"""The destinations that a message has passed, carried along in its context.

What goes on to other tools may come back by them: over a source of Segment, a webhook's receiver, a second Jetbridge. A
destination puts its tag into what it sends, and gets no message that has its tag.
"""

from typing import Any

import msgspec

from jetbridge.spec.message import Message

#: In the context: {"jetbridge": {"passed": ["5f0c…"]}}.
OWNER, PASSED = "jetbridge", "passed"
#: Of more, the first ones are dropped: no sane path is as long, and strangers write here too.
MOST = 50


def has_passed(message: Message, tag: str) -> bool:
    return tag in _tags(message)


def pass_on(message: Message, tag: str) -> Message:
    """The same message, with the tag of a destination that sends it on."""
    if not tag:
        return message
    tags = [each for each in _tags(message) if each != tag]
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
