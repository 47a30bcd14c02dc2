"""Messages to try things on: the newest of a destination's sources, one by its place, one by its messageId."""

from dataclasses import dataclass

from jetbridge.control.models import Destination
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, EventLog, PositionRange, Record, Search
from jetbridge.eventlog.scan_backwards import ScanLimit, scan_backwards
from jetbridge.eventlog.search import everything, with_message_id
from jetbridge.spec.message import Message, decode_or_none
from jetbridge.spec.person import address_of
from jetbridge.spec.untrusted import whole_number

#: How many are offered.
RECENT = 20
#: How far back a messageId is looked for: a person waits.
FAR = ScanLimit(records=200_000, seconds=1.0)


@dataclass(frozen=True)
class SampleMessage:
    """A record of the log and the message in it."""

    record: Record
    message: Message

    @property
    def label(self) -> str:
        message = self.message
        who = message.person or "nobody"
        address = address_of(message)
        about = message.event or message.name or (address[1] if address else "")
        return " · ".join(str(part)[:60] for part in (message.type, who, about) if part)


def recent(
    event_log: EventLog, row: Destination, types: frozenset[str], limit: int = RECENT
) -> list[SampleMessage]:
    """The newest messages of these types that people may still look at."""
    return _newest(event_log, everything(_sources(row), types), limit, ScanLimit())


def by_message_id(event_log: EventLog, row: Destination, message_id: str) -> SampleMessage | None:
    """The newest with this messageId, among the last of the log (`FAR`)."""
    samples = _newest(event_log, with_message_id(_sources(row), message_id), 1, FAR)
    return samples[0] if samples else None


def at(event_log: EventLog, row: Destination, position: str | None) -> SampleMessage | None:
    """The message at a place of the log, if it is one of the destination's own sources."""
    place = whole_number(position)
    if not place:
        return None
    records = event_log.read(place - 1, limit=1)
    records = [record for record in records if record.position == place and record.source in _sources(row)]
    return _sample(records[0]) if records else None


def _newest(event_log: EventLog, search: Search, limit: int, scan_limit: ScanLimit) -> list[SampleMessage]:
    if not search.sources:
        return []
    end = event_log.counts().end
    scan = scan_backwards(event_log, search, [PositionRange(0, end)], limit=limit, scan_limit=scan_limit)
    return [sample for record in scan.records if (sample := _sample(record))]


def _sample(record: Record) -> SampleMessage | None:
    if not record.body or record.type in {INVALID, EMAIL_EVENT}:
        return None
    message = decode_or_none(record.body)
    return SampleMessage(record, message) if message else None


def _sources(row: Destination) -> set[int]:
    return set(row.sources.values_list("id", flat=True))
