"""Reads the email events of one Mailjet account from the log and appends them as track calls.

They are the person's whose userId is the CustomID, if the account's setting says that it is one; else whom Identify named with
the address; else they belong to the address alone. Consent is the address's in any case.

What Mailjet sends again becomes no second call (`recent.py`). The calls are durable before the position moves: after a crash in
between the reader finds them behind the end that the log had when the position was stored, and appends none of them twice. So
each email event is a call, repeated or failed (`delivery.models.Reading`).
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from threading import Event
from typing import Any, NamedTuple

from django.db import transaction

from jetbridge.delivery import isolation, ledger
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.pauses import PROBE_SECONDS, PauseRegistry
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import PauseError, TransientError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, RETRIED, Counts, Entry, EventLog, Record
from jetbridge.eventlog.search import everything
from jetbridge.integrations.mailjet.api.events import EmailEvent, InvalidEmailEvent, parse
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.events.name_lookup import NameLookup
from jetbridge.integrations.mailjet.events.opt_out import opt_out
from jetbridge.integrations.mailjet.events.recent import RecentEvents, key_of
from jetbridge.integrations.mailjet.events.track import ID_PREFIX, email_event_to_track, message_id_of
from jetbridge.spec.email_events import user_id_of_custom_id
from jetbridge.spec.emails import normalise_or_keep
from jetbridge.spec.message import Message, decode_or_none, encode

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


#: Remembers who wants no mail any more; returns what could not be remembered (`consent.learn`).
Learn = Callable[[list[OptOut]], list[OptOut]]

_UNREADABLE = (
    "It says that somebody wants no mail, and the stored state of that contact cannot be read. Run `jetbridge contacts verify --repair`, "
    "then `jetbridge destinations retry --email-events`."
)


class _Read(NamedTuple):
    record: Record
    event: EmailEvent
    raw: dict[str, Any]
    email: str


@dataclass
class _EventCounts:
    repeated: int = 0
    failed: int = 0
    retried: int = 0


class EmailEventReader:
    """`run(stop)` works until `stop` is set; it may die anywhere."""

    def __init__(
        self,
        *,
        event_log: EventLog,
        source: int,
        user_ids: UserIds,
        learn: Learn,
        names: NameLookup,
        custom_id_is_user_id: Callable[[], bool] = lambda: False,
    ) -> None:
        self._log = event_log
        self._source = source
        self._reader = ledger.source_consumer(source)
        self._user_ids = user_ids
        self._learn = learn
        self._names = names
        self._recent = RecentEvents()
        #: What became of events since the position was stored.
        self._counts = _EventCounts()
        #: What a process before this one has appended and did not store the position of: keys of calls, digests of events that failed.
        self._appended: set[int | bytes] = set()
        self._knows_appended = False
        #: Asked after a batch is read: what was acknowledged after a change was confirmed follows it.
        self._custom_id_is_user_id = custom_id_is_user_id
        self._pauses = PauseRegistry()
        self._backoff = Backoff()

    def run(self, stop: Event) -> None:
        ledger.begin(self._reader, _START)
        ledger.resume(self._reader)
        self._pauses.inherit([self._reader])
        log_reader = LogReader(self._log, self._reader)
        stored, stored_at = log_reader.position, time.monotonic()
        while not stop.is_set():
            try:
                if not self._knows_appended:
                    self._appended, self._knows_appended = self._find_appended(), True
                records = log_reader.read(BATCH_RECORDS)
                taken = self._take(records)
                if records:
                    log_reader.moved(records[-1].position, log_reader.place_of(records[-1]))
                position = log_reader.position
                if taken or (position != stored and time.monotonic() - stored_at > STORE_SECONDS):
                    self._store(log_reader)
                    stored, stored_at = position, time.monotonic()
            except PauseError as error:
                self._pauses.pause(self._reader, error)
                self._pauses.wait(stop, PROBE_SECONDS)
                continue
            except Exception as error:
                if not (isinstance(error, TransientError) or isolation.is_environmental(error)):
                    raise
                trouble = error if isinstance(error, TransientError) else isolation.as_transient(error)
                log.warning("Mailjet events of source %s wait: %s", self._source, trouble)
                self._pauses.record_error([self._reader], trouble)
                stop.wait(self._backoff.next_wait(trouble))
                continue
            self._backoff.reset()
            self._pauses.resume(self._reader)
            self._pauses.clear_error()
            if not records:
                stop.wait(IDLE_SECONDS)

    @transaction.atomic
    def _store(self, log_reader: LogReader) -> None:
        ledger.move(self._reader, log_reader.position, log_reader.place)
        ledger.count_events(
            self._reader,
            repeated=self._counts.repeated,
            failed=self._counts.failed,
            retried=self._counts.retried,
            made_upto=self._log.counts().end,  # nobody else appends what this source makes
        )
        self._counts = _EventCounts()

    def _find_appended(self) -> set[int | bytes]:
        """Raises PauseError if the log is damaged there."""
        upto = ledger.reading(self._reader).made_upto
        if upto is None:
            return set()
        records = list(self._log.find(everything([self._source], ["track", INVALID]), after=upto))
        failed = {_digest(row.body) for row in records if row.type == INVALID and row.body}
        calls = [decode_or_none(row.body) for row in records if row.type != INVALID]
        return failed | {
            key_of(call.message_id) for call in calls if call and call.message_id.startswith(ID_PREFIX)
        }

    def _take(self, records: Sequence[Record]) -> bool:
        """Append what becomes of our records; False if none was ours. One that raises alone is appended as invalid."""
        ours = [row for row in records if row.source == self._source and row.type == EMAIL_EVENT and row.body]
        try:
            self._take_together(ours)
        except TransientError:
            raise
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"Source {self._source}")
            for record in ours:
                self._take_alone(record)
        return bool(ours)

    def _take_alone(self, record: Record) -> None:
        try:
            self._take_together([record])
        except TransientError:
            raise
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"Source {self._source}")
            sentence = isolation.bug_message(error, retry="run `jetbridge destinations retry --email-events`")
            refused = [_invalid(record, INTERNAL_ERROR.lower(), sentence)]
            self._append({}, refused)
            self._count([record], repeated=0, failed=1)

    def _take_together(self, ours: Sequence[Record]) -> None:
        if not ours:
            return
        found = [_read(record) for record in ours]
        events = [row for row in found if isinstance(row, _Read)]
        refused = [row for row in found if isinstance(row, Entry)]
        opt_outs = [opt_out(row.event, row.email, row.record.received_at) for row in events]
        not_learned = set(self._learn([each for each in opt_outs if each]))
        learned = []
        for row, said in zip(events, opt_outs, strict=True):
            if self._has_failed(row, is_learned=said not in not_learned):
                refused.append(_invalid(row.record, INTERNAL_ERROR.lower(), _UNREADABLE))
            else:
                learned.append(row)
        tracks = self._tracks(learned)
        self._append(tracks, refused)
        self._recent.add(tracks)
        self._count(ours, repeated=len(learned) - len(tracks), failed=len(refused))

    def _has_failed(self, row: _Read, *, is_learned: bool) -> bool:
        """What an earlier process has appended of it says so, if it has."""
        if self._appended and _digest(row.record.body) in self._appended:
            return True
        if self._appended and key_of(message_id_of(row.event, row.email)) in self._appended:
            return False
        return not is_learned

    def _count(self, records: Sequence[Record], *, repeated: int, failed: int) -> None:
        self._counts.repeated += repeated
        self._counts.failed += failed
        self._counts.retried += sum(record.error == RETRIED for record in records)

    def _append(self, tracks: Mapping[int, Entry], refused: Sequence[Entry]) -> None:
        """Append what is not in the log already."""
        failed = [(_digest(entry.body), entry) for entry in refused]
        entries = [(key, entry) for key, entry in (*tracks.items(), *failed) if key not in self._appended]
        self._log.append([entry for _, entry in entries])
        self._appended -= {*tracks, *(digest for digest, _ in failed)}

    def _fetch_names(self, events: list[_Read]) -> None:
        """Raises TransientError: it is worth waiting for them."""
        missing = None
        try:
            missing = self._names.fetch(row.event for row in events)
        except Exception as error:  # noqa: BLE001 - names adorn events, and must not cost any
            isolation.note(error, "A look-up of names")
        if missing:
            raise TransientError(
                missing.code, f"Mailjet has not sent the names of a campaign or list yet. {missing}"
            )

    def _tracks(self, events: list[_Read]) -> dict[int, Entry]:
        """The calls of those that are no repetitions, by their keys."""
        self._fetch_names(events)
        user_ids = self._user_ids({row.email for row in events})
        is_custom = self._custom_id_is_user_id()
        tracks: dict[int, Entry] = {}
        for row in events:
            custom_id = user_id_of_custom_id(row.event.custom_id) if is_custom else None
            message = self._track(row, custom_id or user_ids.get(row.email))
            if (key := key_of(message.message_id)) not in self._recent:
                tracks.setdefault(key, _entry(row.record, message))
        return tracks

    def _track(self, read: _Read, user_id: str | None) -> Message:
        record, event, raw, email = read
        return email_event_to_track(
            event,
            raw,
            email=email,
            user_id=user_id,
            received_at=datetime.fromtimestamp(record.received_at / 1000, UTC),
            names=self._names.of(event),
        )


def _entry(record: Record, message: Message) -> Entry:
    is_incomplete = message.dropped is not None
    return Entry(
        record.source, message.type, record.received_at, encode(message), is_incomplete=is_incomplete
    )


def _read(record: Record) -> _Read | Entry:
    """The event of a record, or the entry that says why there is none."""
    try:
        event, raw = parse(record.body)
    except InvalidEmailEvent as error:
        return _invalid(record, "bad_request", str(error))
    if email := normalise_or_keep(event.email or ""):
        return _Read(record, event, raw, email)
    return _invalid(
        record,
        "no_user_anon_id",
        "The event names no email address, so it belongs to nobody. Mailjet's test button sends such events.",
    )


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _invalid(record: Record, code: str, sentence: str) -> Entry:
    return Entry(record.source, INVALID, record.received_at, record.body, f"{code}: {sentence}")
