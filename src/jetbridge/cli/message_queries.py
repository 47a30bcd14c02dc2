"""Single messages with their outcome and reason, for `jetbridge messages`.

What a destination decided is recorded in the state database. What routing decided is decided again from the event log,
by the same Route, as far back as the log is retained.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Source
from jetbridge.delivery import ledger, log_reader
from jetbridge.delivery.base import FILTERED
from jetbridge.delivery.batch import is_received
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.ledger import ReadCounter
from jetbridge.delivery.models import DeliveryRecordRow, Outcome, RetryEntry, destination_consumer
from jetbridge.eventlog.base import INVALID, EventLog, PositionRange, Record
from jetbridge.integrations import registry
from jetbridge.integrations.base import Destination
from jetbridge.routing.route import REASONS, UNSUPPORTED_EVENT_TYPE, Route
from jetbridge.services.queries import record_detail
from jetbridge.services.queries.record_detail import RecordDetail
from jetbridge.spec.message import decode, decode_or_none


class Line(NamedTuple):
    """`of` is the destination's name, or the source's for a message that failed on ingest.

    `total` is more than 1 where messages about one person merged, or replays read one again; `at` is when it was
    received, filtered or failed; `id` is that of the delivery record.
    """

    of: str
    outcome: str
    reason: str
    detail: str
    message_id: str
    person: str
    position: int
    total: int
    at: str
    id: int | None = None


#: A message, and of a failure what was sent and what came back.
Detailed = tuple[Line, RecordDetail | None]


def listed(
    event_log: EventLog,
    refs: Iterable[DestinationRef],
    outcomes: Sequence[str],
    choice: Choice,
    *,
    full: bool,
) -> Iterator[Detailed]:
    """The messages of destinations with these outcomes. `full`: with what was sent and what came back."""
    for ref in refs:
        integration = registry.destination(ref.kind)
        for outcome in outcomes:
            if outcome == "pending":
                yield from ((line, None) for line in pending(ref, integration, event_log, choice))
                continue
            for line, row in recorded(ref, outcome, choice):
                yield line, record_detail.of(row, event_log) if full else None
            if outcome == "filtered":
                yield from ((line, None) for line in routed(ref, integration, event_log, choice))


def recorded(ref: DestinationRef, outcome: str, choice: Choice) -> Iterator[tuple[Line, DeliveryRecordRow]]:
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
    codes = [code for code in REASONS if choice.reason in {None, code}]
    rows = Outcome.objects.filter(destination_id=ref.id, outcome=FILTERED, reason__in=codes)
    left = sum(rows.values_list("total", flat=True))
    if not left:
        return
    route = integration.route(ref)
    route.suppressed.refresh()
    upto = ledger.position(destination_consumer(ref.id))
    after, end = _window(event_log, choice, upto)
    readings = ReadCounter(ref.id)
    for record in _messages(event_log, route, PositionRange(after, end)):
        times = readings.of(record)
        reason = times and _filter_reason(route, record)
        if reason and choice.reason in {None, reason}:
            yield from _matching([_line(ref.name, FILTERED, reason, record, times)], choice)
            left -= times
            if left <= 0:
                return


def pending(
    ref: DestinationRef, integration: Destination, event_log: EventLog, choice: Choice
) -> Iterator[Line]:
    """What is to be tried again, then what the destination holds (in one line), then what it has not read yet,
    oldest first.
    """
    reading = ledger.offset(destination_consumer(ref.id))
    position = reading.position
    for row in RetryEntry.objects.filter(destination_id=ref.id).order_by("id").iterator(500):
        message = decode_or_none(bytes(row.body))
        message_id, person = (message.message_id, message.person) if message else ("", "")
        line = Line(ref.name, "pending", "RETRY_QUEUED", "", message_id, person, row.position, row.total, "")
        yield from _matching([line], choice)
    if in_flight := ledger.in_flight(ref.id):
        paused_for = f"; paused: {reading.pause_reason}" if reading.pause_code else ""
        detail = f"read by the destination and not confirmed yet{paused_for}"
        line = Line(ref.name, "pending", "IN_FLIGHT", detail, "", "", position, in_flight, "")
        yield from _matching([line], choice)
    after, end = _window(event_log, choice, event_log.counts().end)
    route = integration.route(ref)
    unread = _messages(event_log, route, PositionRange(max(position, after), end))
    yield from _matching((_line(ref.name, "pending", "UNREAD", record) for record in unread), choice)


def rejected(event_log: EventLog, choice: Choice) -> Iterator[Line]:
    """Items that no endpoint could take as a message, oldest first."""
    names = dict(Source.objects.values_list("id", "name"))
    after, end = _window(event_log, choice, event_log.counts().end)
    for record in _records(event_log, PositionRange(after, end)):
        if record.type == INVALID:
            code, _, detail = (record.error or "").partition(": ")
            name = names.get(record.source, str(record.source))
            line = Line(name, INVALID, code, detail, "", "", record.position, 1, _at(record))
            yield from _matching([line], choice)


def _matching(lines: Iterable[Line], choice: Choice) -> Iterator[Line]:
    """Lines made from the log; the window in time has been applied."""
    return (
        line
        for line in lines
        if choice.reason in {None, line.reason} and choice.person in {None, line.person}
    )


def _window(event_log: EventLog, choice: Choice, upto: int) -> PositionRange:
    """The part of the log, up to a position, that was received within the times of `choice`."""
    after = log_reader.position_before(event_log, _ms(choice.since)) if choice.since else 0
    end = log_reader.position_before(event_log, _ms(choice.until)) if choice.until else upto
    return PositionRange(after, min(end, upto))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _messages(event_log: EventLog, route: Route, part: PositionRange) -> Iterator[Record]:
    return (record for record in _records(event_log, part) if is_received(record, route))


def _records(event_log: EventLog, part: PositionRange) -> Iterator[Record]:
    for records in log_reader.read_range(event_log, part):
        yield from records


def _filter_reason(route: Route, record: Record) -> str | None:
    if record.type not in route.accepts:
        return UNSUPPORTED_EVENT_TYPE
    if not record.body:
        return None
    try:
        return route.decide(decode(record.body), record.source).reason
    except Exception:  # noqa: BLE001 - it has failed, and `messages list --outcome failed` lists it
        return None


def _line(of: str, outcome: str, reason: str, record: Record, total: int = 1) -> Line:
    """A record without a body was emptied: its person was deleted."""
    message = decode_or_none(record.body) if record.body else None
    message_id, person = (message.message_id, message.person) if message else ("", "")
    return Line(of, outcome, reason, "", message_id, person, record.position, total, _at(record))


def _at(record: Record) -> str:
    return datetime.fromtimestamp(record.received_at / 1000, UTC).isoformat(timespec="seconds")
