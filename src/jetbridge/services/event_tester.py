"""Sending a call from the Event Tester: through its source, or to one destination alone as a test.

Through its source it enters the event log like every other call: a shortcut to the destination would prove nothing about the
way there, and would send Mailjet what the contact state does not know.
"""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from jetbridge.control import directory
from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, Source
from jetbridge.control.people import AuditEntry
from jetbridge.control.sources import reject_engage
from jetbridge.errors import Backpressure
from jetbridge.eventlog.base import Entry, EventLog
from jetbridge.integrations.exchange import Exchange
from jetbridge.services import destination_settings
from jetbridge.services.log import event_log
from jetbridge.services.queries import dry_run
from jetbridge.services.queries.dry_run import accepted
from jetbridge.spec.message import Message, decode

#: Test calls of one destination within a minute: they are no way to send many messages.
TEST_CALLS_PER_MINUTE = 10
_CALLED = "destination.test-called"


def send(actor: Actor, row: Destination, source: Source, text: str) -> tuple[str, int]:
    """Through its source, to every destination that gets its messages: the messageId, and a position before it.

    Raises MessageRejected, ConfigurationError or Backpressure, having sent nothing.
    """
    reject_engage(source, "Send the test through another source.")
    with event_log() as log:
        message_id, before = _append(log, source.id, text)
    actor.audit("destination.test-sent", row, {"messageId": message_id, "source": source.name})
    return message_id, before


def call(actor: Actor, row: Destination, source: int, message: Message) -> tuple[str, Exchange]:
    """Send it to this destination alone, marked as a test: its new messageId, and what came back. It enters no event log.

    Raises ConfigurationError or DeliveryError, having sent nothing; Backpressure for more than TEST_CALLS_PER_MINUTE.
    """
    ref, integration = directory.destination(row.id), destination_settings.integration_of(row)
    assert ref
    message = dry_run.marked_as_test(ref, integration, message, source)
    with (
        transaction.atomic()
    ):  # takes the write lock at once: of calls at the same time, one counts after the other
        recent = AuditEntry.objects.filter(
            workspace=actor.workspace,
            action=_CALLED,
            thing_id=row.id,
            at__gt=timezone.now() - timedelta(minutes=1),
        )
        if recent.count() >= TEST_CALLS_PER_MINUTE:
            limit = (
                f"{row} was sent {TEST_CALLS_PER_MINUTE} test calls within a minute, as many as there can be."
            )
            raise Backpressure(f"{limit} Try again in a minute.", retry_after_seconds=60)
        actor.audit(_CALLED, row, {"type": message.type, "messageId": message.message_id})
    return message.message_id, integration.test_call(ref, message)


def _append(event_log: EventLog, source: int, text: str) -> tuple[str, int]:
    """Append the call as if its source had sent it now, under a new messageId; the id, and a position before it.

    Raises MessageRejected or LogUnavailable.
    """
    call = accepted(text, is_new=True)
    before = event_log.counts().end
    event_log.append([Entry(source, call.type, int(datetime.now(UTC).timestamp() * 1000), call.body)])
    return decode(call.body).message_id, before
