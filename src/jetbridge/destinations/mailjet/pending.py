"""Which messages wait for a contact to be settled, and what a job was told about it."""

from typing import TypeVar

import msgspec

from jetbridge.destinations.mailjet.state import Delivered


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """Messages of one destination that merged into a contact: how many, the last one's place and id, the first
    one's place, and since when they wait (ms; 0: not known).
    """

    total: int
    position: int
    message_id: str
    first: int = 0
    since: int = 0


#: By destination id.
Pending = dict[int, Waiting]


class Sent(msgspec.Struct, gc=False):
    """What Mailjet is told, and the messages that are settled when it confirms."""

    told: Delivered
    pending: Pending


encode = msgspec.json.Encoder().encode
decode_pending = msgspec.json.Decoder(Pending).decode
decode_sent = msgspec.json.Decoder(Sent).decode


Of = TypeVar("Of")


def add(pending: dict[Of, Waiting], of: Of, waiting: Waiting) -> None:
    known = pending.get(of)
    if known is None:
        pending[of] = waiting
    else:
        pending[of] = Waiting(
            known.total + waiting.total, waiting.position, waiting.message_id, known.first, known.since
        )


def without(pending: Pending, settled: Pending) -> Pending:
    """What still waits when the messages of `settled` are done."""
    return {
        destination: Waiting(
            waiting.total - done.total, waiting.position, waiting.message_id, done.position + 1
        )
        for destination, waiting in pending.items()
        if (done := settled.get(destination, _NONE)).total < waiting.total
    }


_NONE = Waiting(0, 0, "")
