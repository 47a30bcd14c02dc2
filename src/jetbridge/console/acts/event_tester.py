"""Really sending a call from the Event Tester."""

from jetbridge.console.audit import Actor
from jetbridge.console.log import event_log
from jetbridge.control.models import Destination, Source
from jetbridge.destinations import trial


def send(actor: Actor, row: Destination, source: Source, text: str) -> tuple[str, int]:
    """Through its source, to every destination that gets its messages: the messageId, and a position before it.

    Raises MessageRejected or Backpressure, having sent nothing.
    """
    with event_log() as log:
        message_id, before = trial.send(log, source.id, text)
    actor.audit("destination.test-sent", row, {"messageId": message_id, "source": source.name})
    return message_id, before
