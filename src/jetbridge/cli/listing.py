"""Single messages of the account, each with its reason, for `jetbridge outcomes`.

What the state of a contact decided is recorded in the state database; what routing decided is decided
again from the event log, by the same Route, as far back as the log is retained.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Source
from jetbridge.delivery import ledger, span
from jetbridge.delivery.batch import is_received
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.models import DeliveryRecordRow, Outcome, RetryEntry
from jetbridge.delivery.readings import Readings
from jetbridge.delivery.span import Span
from jetbridge.eventlog.base import INVALID, EventLog, Record
from jetbridge.integrations.base import Destination
from jetbridge.routing.route import REASONS, UNSUPPORTED_EVENT_TYPE, Route
from jetbridge.spec.message import decode, decode_or_none


class Line(NamedTuple):
    """`of` is the destination's name, or the source's for a message that failed on ingest.

    `total` is more than 1 where messages about one person merged, or replays read one again; `at` is when it
    was received or settled; `id` is that of the delivery record.
    """

    of: str
    outcome: str
    reason: str
    sentence: str
    message_id: str
    person: str
    position: int
    total: int
    at: str
    id: int | None = None


def settled(ref: DestinationRef, outcome: str, choice: Choice) -> Iterator[tuple[Line, DeliveryRecordRow]]:
    """What the destination itself filtered or failed, newest first."""
    for row in choice.of(ref.id, outcome).order_by("-id").iterator(500):
        line = Line(
            ref.name,
            outcome,
            row.reason,
            row.detail,
            row.message_id,
            row.person,
            row.position,
            row.total,
            row.at.isoformat(timespec="seconds"),
            row.id,
        )
        yield line, row


def routed(
    ref: DestinationRef, integration: Destination, event_log: EventLog, choice: Choice
) -> Iterator[Line]:
    """What routing kept from the destination, oldest first, as far as the log is retained.

    Reads no further than the last of them: the ledger knows how many there are.
    """
    left = _counted_by_routing(ref.id, choice.reason)
    if not left:
        return
    route = integration.route(ref)
    route.suppressed.refresh()
    upto = ledger.position(ledger.destination_consumer(ref.id))
    after, end = _window(event_log, choice, upto)
    readings = Readings(ref.id)
    for record in _messages(event_log, route, Span(after, end)):
        times = readings.of(record)
        reason = times and _why_not(route, record)
        if reason and choice.reason in {None, reason}:
            yield from _fitting([_line(ref.name, ledger.FILTERED, reason, record, times)], choice)
            left -= times
            if left <= 0:
                return


def pending(
    ref: DestinationRef, integration: Destination, event_log: EventLog, choice: Choice
) -> Iterator[Line]:
    """What is to be tried again, then what the destination holds (in one line), then what it has not read yet,
    oldest first.
    """
    reading = ledger.reading(ledger.destination_consumer(ref.id))
    position = reading.position
    for row in RetryEntry.objects.filter(destination_id=ref.id).order_by("id").iterator(500):
        message = decode_or_none(bytes(row.body))
        message_id, person = (message.message_id, message.person) if message else ("", "")
        line = Line(ref.name, "pending", "RETRY_QUEUED", "", message_id, person, row.position, row.total, "")
        yield from _fitting([line], choice)
    if held := ledger.in_flight(ref.id):
        paused_for = f"; paused: {reading.pause_reason}" if reading.pause_code else ""
        sentence = f"read by the destination and not confirmed yet{paused_for}"
        yield from _fitting(
            [Line(ref.name, "pending", "IN_FLIGHT", sentence, "", "", position, held, "")], choice
        )
    after, end = _window(event_log, choice, event_log.counts().end)
    route = integration.route(ref)
    unread = _messages(event_log, route, Span(max(position, after), end))
    yield from _fitting((_line(ref.name, "pending", "UNREAD", record) for record in unread), choice)


def failed_on_ingest(event_log: EventLog, choice: Choice) -> Iterator[Line]:
    """Items that no endpoint could take as a message, oldest first."""
    names = dict(Source.objects.values_list("id", "name"))
    after, end = _window(event_log, choice, event_log.counts().end)
    for record in _records(event_log, Span(after, end)):
        if record.type == INVALID:
            code, _, sentence = (record.error or "").partition(": ")
            name = names.get(record.source, str(record.source))
            line = Line(name, INVALID, code, sentence, "", "", record.position, 1, _at(record))
            yield from _fitting([line], choice)


def _fitting(lines: Iterable[Line], choice: Choice) -> Iterator[Line]:
    """Lines made from the log; the window in time has been applied."""
    return (
        line
        for line in lines
        if choice.reason in {None, line.reason} and choice.person in {None, line.person}
    )


def _window(event_log: EventLog, choice: Choice, upto: int) -> Span:
    """The part of the log, up to a position, that was received in the time that is asked for."""
    after = span.position_before(event_log, _ms(choice.since)) if choice.since else 0
    end = span.position_before(event_log, _ms(choice.until)) if choice.until else upto
    return Span(after, min(end, upto))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _counted_by_routing(destination: int, reason: str | None) -> int:
    """Messages that it filtered, for this reason or for any."""
    reasons = [each for each in REASONS if reason in {None, each}]
    rows = Outcome.objects.filter(destination_id=destination, outcome=ledger.FILTERED, reason__in=reasons)
    return sum(rows.values_list("total", flat=True))


def _messages(event_log: EventLog, route: Route, part: Span) -> Iterator[Record]:
    return (record for record in _records(event_log, part) if is_received(record, route))


def _records(event_log: EventLog, part: Span) -> Iterator[Record]:
    for records in span.read(event_log, part):
        yield from records


def _why_not(route: Route, record: Record) -> str | None:
    if record.type not in route.accepts:
        return UNSUPPORTED_EVENT_TYPE
    if not record.body:
        return None
    try:
        return route.decide(decode(record.body), record.source).reason
    except Exception:  # noqa: BLE001 - it has failed, and `outcomes failed` lists it
        return None


def _line(of: str, outcome: str, reason: str, record: Record, total: int = 1) -> Line:
    """A record without a body was emptied: its person was forgotten."""
    message = decode_or_none(record.body) if record.body else None
    message_id, person = (message.message_id, message.person) if message else ("", "")
    return Line(of, outcome, reason, "", message_id, person, record.position, total, _at(record))


def _at(record: Record) -> str:
    return datetime.fromtimestamp(record.received_at / 1000, UTC).isoformat(timespec="seconds")
