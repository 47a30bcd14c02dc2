"""Which messages wait for a contact to be settled, and what a job was told about it."""

import msgspec

from jetbridge.destinations.mailjet.state import Delivered


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """Messages of one destination that merged into a contact: how many, the last one's place and id, and the
    first one's place.
    """

    total: int
    position: int
    message_id: str
    first: int = 0


#: By destination id.
Pending = dict[int, Waiting]


class Sent(msgspec.Struct, gc=False):
    """What Mailjet is told, and the messages that are settled when it confirms."""

    told: Delivered
    pending: Pending


encode = msgspec.json.Encoder().encode
decode_pending = msgspec.json.Decoder(Pending).decode
decode_sent = msgspec.json.Decoder(Sent).decode


def add(pending: Pending, destination: int, waiting: Waiting) -> None:
    known = pending.get(destination)
    if known is None:
        pending[destination] = waiting
    else:
        pending[destination] = Waiting(
            known.total + waiting.total, waiting.position, waiting.message_id, known.first
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
