"""Reads the email events of one Mailjet account from the log and appends them as track calls.

At least once: the track calls are durable before the position moves, so a crash in between appends the
same calls again, under the same messageIds. Mailjet's own repetitions are passed on alike; whoever keeps
messages (Segment, a warehouse) tells them apart by messageId.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from threading import Event
from typing import Any, NamedTuple

from jetbridge.delivery import ledger
from jetbridge.destinations.mailjet.consent import OptOut
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, Entry, EventLog, LogUnavailable, Record
from jetbridge.mailjet.events import EmailEvent, NoEmailEvent, parse
from jetbridge.sources.mailjet.consent import opt_out
from jetbridge.sources.mailjet.names import NameLookup
from jetbridge.sources.mailjet.track import email_event_to_track
from jetbridge.spec.emails import normalise
from jetbridge.spec.message import encode

log = logging.getLogger(__name__)

#: How often an idle reader looks for news.
IDLE_SECONDS = 0.02
#: Records per batch: small, because names are looked up per batch and events should not wait for them.
BATCH_RECORDS = 1_000
#: How often the position is stored while there is nothing for us; retention waits for it.
STORE_SECONDS = 5.0

#: Where a reader begins that nobody began when its account was set up: it must not miss an event.
_START = Counts(0, {})

#: The userId that came with Identify, by address in its one spelling.
UserIds = Callable[[Iterable[str]], dict[str, str]]


#: Remembers who wants no mail any more.
Learn = Callable[[list[OptOut]], None]


class _Read(NamedTuple):
    record: Record
    event: EmailEvent
    raw: dict[str, Any]
    email: str


class EmailEventReader:
    """`run(stop)` works until `stop` is set; it may die anywhere."""

    def __init__(
        self, *, event_log: EventLog, source: int, user_ids: UserIds, learn: Learn, names: NameLookup
    ) -> None:
        self._log = event_log
        self._source = source
        self._reader = ledger.source_reader(source)
        self._user_ids = user_ids
        self._learn = learn
        self._names = names

    def run(self, stop: Event) -> None:
        ledger.begin(self._reader, _START)
        position = stored = ledger.position(self._reader)
        stored_at = time.monotonic()
        while not stop.is_set():
            records = self._log.read(position, limit=BATCH_RECORDS)
            try:
                taken = self._take(records)
            except LogUnavailable as error:
                log.warning("Mailjet events of source %s wait: %s", self._source, error)
                stop.wait(error.retry_after_seconds)
                continue
            position = records[-1].position if records else position
            if taken or (position != stored and time.monotonic() - stored_at > STORE_SECONDS):
                ledger.move(self._reader, position)
                stored, stored_at = position, time.monotonic()
            if not records:
                stop.wait(IDLE_SECONDS)

    def _take(self, records: Sequence[Record]) -> bool:
        """Append what becomes of our records; False if none was ours."""
        ours = [row for row in records if row.source == self._source and row.type == EMAIL_EVENT and row.body]
        if not ours:
            return False
        found = [_read(record) for record in ours]
        events = [row for row in found if isinstance(row, _Read)]
        refused = [row for row in found if isinstance(row, Entry)]
        opt_outs = [opt_out(row.event, row.email, row.record.received_at) for row in events]
        self._learn([each for each in opt_outs if each])
        self._log.append([*self._tracks(events), *refused])
        return True

    def _tracks(self, events: list[_Read]) -> list[Entry]:
        user_ids = self._user_ids({row.email for row in events})
        self._names.fetch(row.event for row in events)
        return [self._track(row, user_ids.get(row.email)) for row in events]

    def _track(self, read: _Read, user_id: str | None) -> Entry:
        record, event, raw, email = read
        message = email_event_to_track(
            event,
            raw,
            email=email,
            user_id=user_id,
            received_at=datetime.fromtimestamp(record.received_at / 1000, UTC),
            names=self._names.of(event),
        )
        return Entry(record.source, message.type, record.received_at, encode(message))


def _read(record: Record) -> _Read | Entry:
    """The event of a record, or the entry that says why there is none."""
    try:
        event, raw = parse(record.body)
    except NoEmailEvent as error:
        return _invalid(record, "bad_request", str(error))
    if email := normalise(event.email) or (event.email or "").strip():
        return _Read(record, event, raw, email)
    return _invalid(
        record,
        "no_user_anon_id",
        "The event names no email address, so it belongs to nobody. Mailjet's test button sends such events.",
    )


def _invalid(record: Record, code: str, sentence: str) -> Entry:
    return Entry(record.source, INVALID, record.received_at, record.body, f"{code}: {sentence}")
