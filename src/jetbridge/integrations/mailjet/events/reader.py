"""Reads the email events of one Mailjet account from the log and appends them as track calls.

An event belongs to the person whose userId is the CustomID, if the account's setting says that it is one; else to the userId that
Identify gave with the address; else to the address alone. Consent belongs to the address in any case.

Events that Mailjet sends again become no second call (`RecentEvents`). The calls are durable before the position moves. After a
crash in between, the reader finds them behind the end that the log had when the position was stored, and appends none of them
twice. So each email event is a call, repeated or failed (`delivery.models.Reading`).
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from threading import Event
from typing import Any, Final, NamedTuple

from django.db import transaction

from jetbridge.delivery import isolation, ledger, pauses
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.models import source_consumer
from jetbridge.delivery.pauses import PROBE_SECONDS, PauseRegistry
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import PauseError, TransientError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, RETRIED, Counts, Entry, EventLog, Record
from jetbridge.eventlog.search import everything
from jetbridge.integrations.mailjet.api.events import EmailEvent, InvalidEmailEvent, happened_at_ms, parse
from jetbridge.integrations.mailjet.contacts import consent
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.contact import now_ms
from jetbridge.integrations.mailjet.events.name_lookup import NameLookup
from jetbridge.integrations.mailjet.events.track import (
    ID_PREFIX,
    email_event_to_track,
    message_id_of,
    parse_flag,
)
from jetbridge.privacy.suppression import WorkspaceSuppressed
from jetbridge.spec.email_events import user_id_of_custom_id
from jetbridge.spec.emails import normalise_or_keep, written
from jetbridge.spec.message import decode_or_none, encode
from jetbridge.spec.untrusted import whole_number

log = logging.getLogger(__name__)

#: How often an idle reader looks for new records.
IDLE_SECONDS = 0.02
#: Records per batch: few, because names are looked up per batch and events should not wait for them.
BATCH_RECORDS = 1_000
#: How often the position is stored while the log has no events of this account; retention waits for it.
STORE_SECONDS = 5.0
#: `RecentEvents` has so many at the least, and twice as many at the most; each takes some 60 bytes. Mailjet repeats a call after 30 s.
RECENT_EVENTS: Final = 100_000
#: Entries per append when failed events are retried.
RETRY_CHUNK = 500

#: Where a reader begins that had no position when its account was set up: it must not miss an event.
_START = Counts(0, {})

#: The userId that came with Identify, by address in its one spelling.
UserIds = Callable[[Iterable[str]], dict[str, str]]


#: Remembers opt-outs; returns those that could not be remembered (`learn_opt_outs`).
Learn = Callable[[list[OptOut]], list[OptOut]]

_UNREADABLE_CONTACT = (
    "It says that somebody wants no mail, and the stored state of that contact cannot be read. Run `jetbridge contacts verify --repair`, "
    "then `jetbridge destinations retry --email-events`."
)


class RecentEvents:
    """Keys of the last events that became track calls; the older half is dropped at once. Used by one thread.

    In memory: after a restart, an event that Mailjet repeats goes on once more, under the same messageId.
    """

    def __init__(self) -> None:
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def __contains__(self, key: int) -> bool:
        return key in self._newer or key in self._older

    def add(self, keys: Iterable[int]) -> None:
        self._newer.update(keys)
        if len(self._newer) >= RECENT_EVENTS:
            self._older, self._newer = self._newer, set()


def key_of(message_id: str) -> int:
    """64 bits of an id that `track` made: that a new event has the key of a known one has a chance of one in 10^14."""
    return int(message_id[-16:], 16)


class _ParsedEvent(NamedTuple):
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
    """`run(stop)` works until `stop` is set. The process may be killed at any moment."""

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
        self._reader = source_consumer(source)
        self._user_ids = user_ids
        self._learn = learn
        self._names = names
        self._recent = RecentEvents()
        #: Of the events since the position was stored.
        self._counts = _EventCounts()
        #: What an earlier process has appended without storing its position: keys of calls, digests of events that failed.
        self._appended: set[int | bytes] = set()
        self._knows_appended = False
        #: Called after a batch is read: events that were acknowledged after the setting changed follow the new one.
        self._custom_id_is_user_id = custom_id_is_user_id
        self._pauses = PauseRegistry()
        self._backoff = Backoff()

    def run(self, stop: Event) -> None:
        ledger.begin(self._reader, _START)
        pauses.resume(self._reader)
        self._pauses.inherit([self._reader])
        log_reader = LogReader(self._log, self._reader)
        stored, stored_at = log_reader.position, time.monotonic()
        while not stop.is_set():
            try:
                if not self._knows_appended:
                    self._appended, self._knows_appended = self._find_appended(), True
                records = log_reader.read(BATCH_RECORDS)
                own = [
                    row
                    for row in records
                    if row.source == self._source and row.type == EMAIL_EVENT and row.body
                ]
                if own:
                    self._process(own)
                if records:
                    log_reader.moved(records[-1].position, log_reader.place_of(records[-1]))
                position = log_reader.position
                if own or (position != stored and time.monotonic() - stored_at > STORE_SECONDS):
                    self._store(log_reader)
                    stored, stored_at = position, time.monotonic()
            except PauseError as error:
                self._pauses.pause(self._reader, error)
                self._pauses.wait(stop, PROBE_SECONDS)
                continue
            except Exception as error:
                if not (isinstance(error, TransientError) or isolation.is_environmental(error)):
                    raise
                transient = error if isinstance(error, TransientError) else isolation.as_transient(error)
                log.warning("Mailjet events of source %s wait: %s", self._source, transient)
                self._pauses.record_error([self._reader], transient)
                stop.wait(self._backoff.next_wait(transient))
                continue
            self._backoff.reset()
            self._pauses.resume(self._reader)
            self._pauses.clear_error()
            if not records:
                stop.wait(IDLE_SECONDS)

    def _find_appended(self) -> set[int | bytes]:
        """Raises PauseError if the log is damaged there."""
        upto = ledger.offset(self._reader).made_upto
        if upto is None:
            return set()
        records = list(self._log.find(everything([self._source], ["track", INVALID]), after=upto))
        failed = {_digest(row.body) for row in records if row.type == INVALID and row.body}
        calls = [decode_or_none(row.body) for row in records if row.type != INVALID]
        return failed | {
            key_of(call.message_id) for call in calls if call and call.message_id.startswith(ID_PREFIX)
        }

    @transaction.atomic
    def _store(self, log_reader: LogReader) -> None:
        ledger.move(self._reader, log_reader.position, log_reader.place)
        ledger.count_events(
            self._reader,
            repeated=self._counts.repeated,
            failed=self._counts.failed,
            retried=self._counts.retried,
            made_upto=self._log.counts().end,  # no other thread appends track calls of this source
        )
        self._counts = _EventCounts()

    def _process(self, records: Sequence[Record]) -> None:
        """Append the calls of these events. An event that raises an exception alone is appended as invalid."""
        try:
            self._process_batch(records)
        except Exception as error:
            if isinstance(error, TransientError) or isolation.is_environmental(error):
                raise
            isolation.note(error, f"Source {self._source}")
            if len(records) > 1:
                for record in records:
                    self._process([record])
                return
            message = isolation.bug_message(error, retry="run `jetbridge destinations retry --email-events`")
            self._append({}, [_invalid(records[0], INTERNAL_ERROR.lower(), message)])
            self._count(records, repeated=0, failed=1)

    def _process_batch(self, records: Sequence[Record]) -> None:
        parsed = [_parse(record) for record in records]
        events = [row for row in parsed if isinstance(row, _ParsedEvent)]
        invalid = [row for row in parsed if isinstance(row, Entry)]

        opt_outs = [opt_out_of(row.event, row.email, row.record.received_at) for row in events]
        not_learned = set(self._learn([row for row in opt_outs if row]))
        learned = []
        for row, opt_out in zip(events, opt_outs, strict=True):
            has_failed = opt_out in not_learned
            if self._appended:  # what an earlier process has appended decides
                has_failed = _digest(row.record.body) in self._appended or (
                    has_failed and key_of(message_id_of(row.event, row.email)) not in self._appended
                )
            if has_failed:
                invalid.append(_invalid(row.record, INTERNAL_ERROR.lower(), _UNREADABLE_CONTACT))
            else:
                learned.append(row)

        tracks = self._tracks(learned)
        self._append(tracks, invalid)
        self._recent.add(tracks)
        self._count(records, repeated=len(learned) - len(tracks), failed=len(invalid))

    def _tracks(self, events: list[_ParsedEvent]) -> dict[int, Entry]:
        """The calls of the events that are not repeated, by their keys. Raises TransientError: the events wait for names."""
        error = None
        try:
            error = self._names.fetch(row.event for row in events)
        except Exception as exception:  # noqa: BLE001 - an event goes on without names rather than not at all
            isolation.note(exception, "A look-up of names")
        if error:
            raise TransientError(
                error.code, f"Mailjet has not sent the names of a campaign or list yet. {error}"
            )

        user_ids = self._user_ids({row.email for row in events})
        is_custom = self._custom_id_is_user_id()
        tracks: dict[int, Entry] = {}
        for record, event, raw, email in events:
            custom_id = user_id_of_custom_id(event.custom_id) if is_custom else None
            message = email_event_to_track(
                event,
                raw,
                email=email,
                user_id=custom_id or user_ids.get(email),
                received_at=datetime.fromtimestamp(record.received_at / 1000, UTC),
                names=self._names.of(event),
            )
            key = key_of(message.message_id)
            if key not in self._recent and key not in tracks:
                tracks[key] = Entry(
                    record.source,
                    message.type,
                    record.received_at,
                    encode(message),
                    is_incomplete=message.dropped is not None,
                )
        return tracks

    def _append(self, tracks: Mapping[int, Entry], invalid: Sequence[Entry]) -> None:
        """Append what is not in the log already."""
        failed = [(_digest(entry.body), entry) for entry in invalid]
        entries = [(key, entry) for key, entry in (*tracks.items(), *failed) if key not in self._appended]
        self._log.append([entry for _, entry in entries])
        self._appended -= {*tracks, *(digest for digest, _ in failed)}

    def _count(self, records: Sequence[Record], *, repeated: int, failed: int) -> None:
        self._counts.repeated += repeated
        self._counts.failed += failed
        self._counts.retried += sum(record.error == RETRIED for record in records)


def learn_opt_outs(account: int, suppressed: WorkspaceSuppressed, opt_outs: Sequence[OptOut]) -> list[OptOut]:
    """Remember opt-outs, except of people who are to be forgotten: they get no mail anyway. Returns what cannot be remembered."""
    suppressed.refresh()
    rest = [opt_out for opt_out in opt_outs if not suppressed.covers_email(opt_out.email)]
    return consent.learn(account, rest, now_ms())


def opt_out_of(event: EmailEvent, email: str, received_at: int) -> OptOut | None:
    """`unsub` (from one list, or from all when it names none), `spam`, and a bounce that is final.

    Times in ms. Source: Mailjet's Event API guide, fields `mj_list_id` and `hard_bounce`. Mailjet notes seconds: a consent
    of the same second counts as earlier.
    """
    time_ms = min(happened_at_ms(event, received_at) + 999, received_at)
    if event.event == "unsub":
        respelled = written(event.email or "") != email
        return OptOut(email, time_ms, whole_number(event.mj_list_id) or None, respelled=respelled)
    if event.event == "spam":
        return OptOut(email, time_ms)
    if event.event == "bounce" and parse_flag(event.hard_bounce):
        return OptOut(email, time_ms, bounced=True)
    return None


def retry_failed(event_log: EventLog, source: int) -> int:
    """Append events that failed as INTERNAL_ERROR to the log again, after the bug was fixed; returns how many.

    An event that was appended again since is left alone. Reads the whole log.
    """
    failed: dict[bytes, Entry] = {}
    for record in event_log.find(everything([source], [EMAIL_EVENT, INVALID])):
        digest = _digest(record.body)
        if record.type == EMAIL_EVENT:
            failed.pop(digest, None)
        elif record.body and (record.error or "").startswith(f"{INTERNAL_ERROR.lower()}: "):
            failed[digest] = Entry(source, EMAIL_EVENT, record.received_at, record.body, RETRIED)
    entries = list(failed.values())
    for start in range(0, len(entries), RETRY_CHUNK):
        event_log.append(entries[start : start + RETRY_CHUNK])
    return len(entries)


def _parse(record: Record) -> _ParsedEvent | Entry:
    """The event of a record, or an invalid entry with the reason why there is none."""
    try:
        event, raw = parse(record.body)
    except InvalidEmailEvent as error:
        return _invalid(record, "bad_request", str(error))
    if email := normalise_or_keep(event.email or ""):
        return _ParsedEvent(record, event, raw, email)
    return _invalid(
        record,
        "no_user_anon_id",
        "The event names no email address, so it belongs to nobody. Mailjet's test button sends such events.",
    )


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _invalid(record: Record, code: str, message: str) -> Entry:
    return Entry(record.source, INVALID, record.received_at, record.body, f"{code}: {message}")
