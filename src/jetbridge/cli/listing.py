"""Single messages of the account, each with its reason, for `jetbridge outcomes`.

What the state of a contact decided is exhibited in the state database; what routing decided is decided
again from the event log, by the same Route, as far back as the log is retained.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Source
from jetbridge.delivery import ledger
from jetbridge.delivery.models import ExhibitRow, ReadingSource
from jetbridge.destinations.definition import Definition
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, EventLog, Record
from jetbridge.routing.route import UNSUPPORTED_EVENT_TYPE, Route
from jetbridge.spec.message import decode


class Line(NamedTuple):
    """`of` is the destination's name, or the source's for a message that failed on ingest.

    `total` is more than 1 where messages about one person merged; `at` is when it was received or settled.
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


def settled(ref: DestinationRef, outcome: str) -> Iterator[Line]:
    """What the destination itself filtered or failed, newest first."""
    rows = ExhibitRow.objects.filter(destination_id=ref.id, outcome=outcome).order_by("-id")
    for row in rows.iterator(500):
        yield Line(
            ref.name,
            outcome,
            row.reason,
            row.sentence,
            row.message_id,
            row.person,
            row.position,
            row.total,
            row.at.isoformat(timespec="seconds"),
        )


def routed(ref: DestinationRef, definition: Definition, event_log: EventLog) -> Iterator[Line]:
    """What routing kept from the destination, oldest first, as far as the log is retained."""
    route = Route(definition.accepts, definition.names, ref.source_kinds)
    upto = ledger.position(ledger.destination_reader(ref.id))
    before = _before_baseline(ref, event_log)
    for record in _messages(event_log, ref):
        if record.position > upto:
            return
        if before[record.source] > 0:
            before[record.source] -= 1
        elif reason := _why_not(route, record):
            yield _line(ref.name, ledger.FILTERED, reason, record)


def pending(ref: DestinationRef, event_log: EventLog) -> Iterator[Line]:
    """What the destination has not read yet, oldest first; after what it holds, in one line."""
    position = ledger.position(ledger.destination_reader(ref.id))
    if held := ledger.held(ref.id):
        sentence = "read by the destination and not confirmed yet"
        yield Line(ref.name, "pending", "HELD", sentence, "", "", position, held, "")
    for record in _messages(event_log, ref, position):
        yield _line(ref.name, "pending", "UNREAD", record)


def failed_on_ingest(event_log: EventLog) -> Iterator[Line]:
    """Items that no door could take as a message, oldest first."""
    names = dict(Source.objects.values_list("id", "name"))
    for record in _records(event_log, 0):
        if record.type == INVALID:
            code, _, sentence = (record.error or "").partition(": ")
            name = names.get(record.source, str(record.source))
            yield Line(name, INVALID, code, sentence, "", "", record.position, 1, _at(record))


def _messages(event_log: EventLog, ref: DestinationRef, after: int = 0) -> Iterator[Record]:
    for record in _records(event_log, after):
        if record.source in ref.source_kinds and record.type not in {INVALID, EMAIL_EVENT}:
            yield record


def _records(event_log: EventLog, after: int) -> Iterator[Record]:
    while batch := event_log.read(after):
        yield from batch
        after = batch[-1].position


def _before_baseline(ref: DestinationRef, event_log: EventLog) -> Counter[int]:
    """Per source, how many messages still in the log came before the destination began."""
    baselines = ReadingSource.objects.filter(destination_id=ref.id).values_list("source_id", "baseline")
    counts = event_log.counts()
    retained = Counter(record.source for record in _messages(event_log, ref) if record.position <= counts.end)
    return Counter(
        {
            source: baseline - (ledger.accepted_messages(counts, source) - retained[source])
            for source, baseline in baselines
        }
    )


def _why_not(route: Route, record: Record) -> str | None:
    if record.type not in route.accepts:
        return UNSUPPORTED_EVENT_TYPE
    return route.why_not(decode(record.body), record.source)


def _line(of: str, outcome: str, reason: str, record: Record) -> Line:
    message = decode(record.body)
    person = message.user_id or message.anonymous_id or ""
    return Line(of, outcome, reason, "", message.message_id, person, record.position, 1, _at(record))


def _at(record: Record) -> str:
    return datetime.fromtimestamp(record.received_at / 1000, UTC).isoformat(timespec="seconds")
