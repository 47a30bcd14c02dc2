"""Backfill: adds the email events that callbacks have missed, from Mailjet's message history.

One call lists 1,000 messages, and one call per message reads its events. A message that was only sent, or blocked, and whose event
the log has, needs no call. Missing events are appended to the log as email events and take the same way as all others: opt-outs are
learned and track calls made. An event that is in the log, by message, type and second, is the same event. Its messageId would
be the same, too, so a receiver that deduplicates keeps it once.

A worker that is killed continues after the last message that it has stored; what it had added since is found in the log.
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil
from threading import Event
from typing import Any, NamedTuple, TypeVar

import msgspec
from django.db import IntegrityError, transaction

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import MailjetAccount
from jetbridge.delivery.isolation import is_environmental
from jetbridge.delivery.log_reader import position_before
from jetbridge.delivery.pauses import PROBE_SECONDS
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import (
    Backpressure,
    ConfigurationError,
    ConflictError,
    JetbridgeError,
    PauseError,
    PermanentError,
    TransientError,
)
from jetbridge.eventlog.base import EMAIL_EVENT, Entry, EventLog
from jetbridge.heartbeat import beat
from jetbridge.integrations.mailjet.api import resources as rows
from jetbridge.integrations.mailjet.api.client import PAGE_ROWS, MailjetClient
from jetbridge.integrations.mailjet.api.errors import INVALID_RESPONSE
from jetbridge.integrations.mailjet.api.resources import MESSAGE
from jetbridge.integrations.mailjet.events import message_history
from jetbridge.integrations.mailjet.events.known_events import KnownEvents
from jetbridge.integrations.mailjet.models import Backfill, State
from jetbridge.integrations.mailjet.sync.remote import PER_SECOND, Reads
from jetbridge.privacy.suppression import WorkspaceSuppressed
from jetbridge.spec.emails import normalise_or_keep
from jetbridge.spec.untrusted import whole_number

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How far back it reads by default.
DEFAULT_DAYS = 30
#: Mailjet was founded in 2010.
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
#: How often missing events are appended and the progress is stored, and after how many events at the latest.
SAVE_SECONDS, SAVE_EVENTS = 1.0, 500
#: How often a history that cannot be read is requested before its message is skipped.
UNREADABLE_TRIES = 3
#: Campaigns that are cached.
CACHED_CAMPAIGNS = 1_000
#: A message has no event before it arrives at Mailjet, whose clock may differ by so much.
CLOCK_SKEW = timedelta(hours=1)
#: The code of a call that this Mailjet does not have.
INVALID_URL = "INVALID_URL"
#: Anonymised contacts have addresses of this domain at Mailjet (RFC 2606: it is nobody's).
ANONYMISED = "@domain.invalid"
#: How long an ended backfill is listed.
KEPT = timedelta(days=90)

_DISABLED = (
    "The event source of the account is disabled and takes no events. Enable the source, and start again."
)


class Stopped(Exception):
    """It was cancelled, or the worker stops: then it continues when the next worker starts."""


class Estimate(NamedTuple):
    """What a backfill would cost. `calls` at the most, apart from a few per campaign and clicked message. `log_since`: the
    log retains events from then on, older ones are added again, under the same messageIds; None: it has them all.
    """

    since: datetime
    until: datetime
    messages: int
    calls: int
    seconds: int
    log_since: datetime | None


def estimate(
    client: MailjetClient, event_log: EventLog, since: datetime | None, until: datetime | None
) -> Estimate:
    """Count messages at Mailjet: one call, or two. Raises DeliveryError, or ConfigurationError for a time that cannot be."""
    now = datetime.now(UTC)
    log_since = retained_since(event_log)
    until = min(until or now, now)
    since = since or max(now - timedelta(days=DEFAULT_DAYS), log_since or EARLIEST)
    if since < EARLIEST:
        raise ConfigurationError("Mailjet has no messages from before 2010. Name a later time for since.")
    if since >= until:
        raise ConfigurationError("Since has to lie before until, and before now.")
    messages = client.count(MESSAGE, **_window(since, until))
    calls = messages + ceil(messages / PAGE_ROWS) + 1
    older = log_since if log_since and since < log_since else None
    return Estimate(since, until, messages, calls, ceil(calls / PER_SECOND), older)


def start(account: MailjetAccount, plan: Estimate) -> Backfill:
    """Have the worker do it. Raises ConflictError while one of the account runs, or if its event source is disabled."""
    if not account.event_source.enabled:
        raise ConflictError(_DISABLED)
    Backfill.objects.filter(account=account, ended_at__lt=datetime.now(UTC) - KEPT).delete()
    try:
        with transaction.atomic():
            return Backfill.objects.create(
                account=account, since=plan.since, until=plan.until, messages=plan.messages
            )
    except IntegrityError:
        raise ConflictError(
            f"A backfill of {account.name} is running. Wait for its end, or cancel it first."
        ) from None


def cancel(row: Backfill) -> bool:
    """End it; False if it had ended. The events that it has added stay."""
    return _end(row.id, State.CANCELLED)


def retained_since(event_log: EventLog) -> datetime | None:
    """Since when the log has all messages; None: since the first one."""
    first = event_log.read(0, limit=1)
    if first:
        return datetime.fromtimestamp(first[0].received_at / 1000, UTC) if first[0].position > 1 else None
    return datetime.now(UTC) if event_log.counts().end else None


def threads(
    event_log: EventLog, accounts: list[AccountRef]
) -> dict[str, tuple[object, Callable[[Event], None]]]:
    """One per running backfill; a new one when the keys of its account change."""
    known = {account.id: account for account in accounts}
    running = Backfill.objects.filter(state=State.RUNNING, account_id__in=known).order_by("id")
    return {
        f"backfill {row.id} ({known[row.account_id].name})": (
            (row.id, known[row.account_id]),
            Job(row.id, known[row.account_id], event_log).run,
        )
        for row in running
    }


@dataclass
class Job:
    """One running backfill: `run(stop)` for a thread."""

    id: int
    account: AccountRef
    event_log: EventLog
    #: Seconds since 1970.
    clock: Callable[[], float] = time.time
    per_second: float = PER_SECOND
    #: Events that are to be appended with the next `_save`.
    _events: list[dict[str, Any]] = field(default_factory=list)
    _was_skipped: bool = False

    def run(self, stop: Event) -> None:
        self._stop = stop
        self._client = MailjetClient(self.account.api_url, self.account.api_key, self.account.secret_key)
        self._reads = Reads(self._client, per_second=self.per_second, sleep=stop.wait, tries=1)
        self._suppressed = WorkspaceSuppressed(self.account.workspace)
        self._campaign = lru_cache(CACHED_CAMPAIGNS)(
            lambda campaign_id: self._call(lambda: self._client.campaign(campaign_id))
        )
        row = Backfill.objects.filter(id=self.id, state=State.RUNNING).first()
        if row is None:
            return
        self._row = row
        self._saved_at = time.monotonic()
        row.begun_at = row.begun_at or datetime.now(UTC)
        try:
            after = position_before(self.event_log, int((row.since - CLOCK_SKEW).timestamp() * 1000))
            with closing(KnownEvents(self.event_log, self.account.event_source, after)) as self._known:
                self._save()
                self._read_messages()
                self._save()
        except Stopped:
            return
        except JetbridgeError as error:
            if is_environmental(error):
                raise
            _end(self.id, State.FAILED, problem=str(error))
        except Exception as error:
            if is_environmental(error):
                raise  # no fault of this backfill: the thread starts again
            log.exception("backfill %s raised an exception", self.id)
            _end(self.id, State.FAILED, problem="It failed for a reason that is in the worker's log.")
        else:
            _end(self.id, State.ENDED, waits_for="")

    def _read_messages(self) -> None:
        """By rising ID, after the last one that was read."""
        filters = _window(self._row.since, self._row.until) | {
            "ShowContactAlt": "true",
            "ShowCustomID": "true",
        }
        backoff = Backoff()
        while True:
            # One page back: rows that Mailjet has removed since move the others.
            offset = max(0, self._row.done - PAGE_ROWS)
            after = self._row.last_message
            try:
                for page in self._client.pages(MESSAGE, call=self._call, offset=offset, **filters):
                    beat()
                    for message in page:
                        if message.id <= after:
                            continue
                        self._add_events(message)
                        self._row.done += 1
                        self._row.last_message = message.id
                        is_due = time.monotonic() - self._saved_at >= SAVE_SECONDS
                        if is_due or len(self._events) >= SAVE_EVENTS:
                            self._save()
            except TransientError as error:  # the list of messages broke off
                self._wait(error, backoff.next_wait(error))
            else:
                return

    def _add_events(self, message: rows.Message) -> None:
        """Read the history of a message, and note the events that the log does not have."""
        # A message that was only sent, or blocked, has one event.
        is_known = message.status in ("sent", "blocked") and self._known.has_first(message.id, message.status)
        if message.status == "queued" or is_known:
            return
        history = self._call_once(lambda: self._client.messagehistory(message.id))
        if history is None:
            self._row.unreadable += 1
            return
        events = message_history.events_in(history, int(self.clock() * 1000))
        missing = [event for event in events if not self._known.has(message.id, event[0], event[1])]
        self._row.known += len(events) - len(missing)
        if not missing:
            return
        # Without its campaign, an unsubscribe would be one from every list.
        campaign_id = whole_number(message.campaign_id)
        campaign = self._campaign(campaign_id) if campaign_id else None

        # The links that were clicked, by second. A click without its link is added, too.
        urls_at: dict[int, list[str]] = {}
        if any(event_type == "click" for event_type, _, _ in missing):
            clicks = self._call_once(lambda: self._client.clickstatistics(message.id))
            for at, url in message_history.links(clicks or []):
                urls_at.setdefault(at, []).append(url)

        for event_type, at, row in missing:
            urls = urls_at.get(at) if event_type == "click" else None
            link = urls.pop(0) if urls else None
            self._events.append(
                message_history.event_of(message, event_type, at, row, campaign=campaign, url=link)
            )

    def _call_once(self, call: Callable[[], T]) -> T | None:
        """None if Mailjet rejects the call, or its response cannot be read after several tries: one message must not delay
        the others. Several in a row are a fault of Mailjet, and waited for.
        """
        tries = 0

        def call_or_skip() -> T | None:
            nonlocal tries
            try:
                return call()
            except PermanentError:
                return None
            except PauseError as error:
                if error.code == INVALID_URL:  # "Unknown resource": this call alone
                    return None
                raise
            except TransientError as error:
                tries += 1
                if (
                    error.code == INVALID_RESPONSE.code
                    and tries >= UNREADABLE_TRIES
                    and not self._was_skipped
                ):
                    return None
                raise

        response = self._call(call_or_skip)
        self._was_skipped = response is None
        return response

    def _call(self, call: Callable[[], T]) -> T:
        """The response of Mailjet, however long that takes. Raises Stopped, or PermanentError."""
        backoff = Backoff()
        while True:
            if self._stop.is_set():
                raise Stopped
            try:
                response = self._reads.read(call)
            except TransientError as error:
                self._wait(error, backoff.next_wait(error))
            except PauseError as error:
                self._wait(error, PROBE_SECONDS)
            else:
                self._row.calls += 1
                if self._row.waits_for:
                    self._row.waits_for = ""
                    self._save()
                return response

    def _wait(self, error: JetbridgeError, seconds: float) -> None:
        if self._row.waits_for != str(error):
            self._row.waits_for = str(error)
            self._save()
        self._stop.wait(seconds)

    def _save(self) -> None:
        """Append the missing events, then store the progress. Raises Stopped if the backfill has ended meanwhile."""
        self._known.catch_up()
        self._suppressed.refresh()
        events, self._events = self._events, []
        known, skipped, missing = 0, 0, {}
        for event in events:
            key = event["MessageID"], event["event"], event["time"], event.get("url")
            # Without an address, or of a person who was forgotten, here or at Mailjet.
            email = normalise_or_keep(event.get("email", ""))
            if key in missing or self._known.has(*key[:3]):
                known += 1
            elif not email or email.endswith(ANONYMISED) or self._suppressed.covers_email(email):
                skipped += 1
            else:
                missing[key] = event

        events = list(missing.values())
        for begin in range(0, len(events), SAVE_EVENTS):
            self._append(events[begin : begin + SAVE_EVENTS])
        self._row.added += len(missing)
        self._row.known += known
        self._row.skipped += skipped
        fields = ("begun_at", "done", "last_message", "calls", "added", "known", "skipped", "unreadable")
        values = {name: getattr(self._row, name) for name in (*fields, "waits_for")}
        if not Backfill.objects.filter(id=self.id, state=State.RUNNING).update(**values):
            raise Stopped
        self._saved_at = time.monotonic()

    def _append(self, events: list[dict[str, Any]]) -> None:
        running = Backfill.objects.filter(id=self.id, state=State.RUNNING)
        is_enabled = running.values_list("account__event_source__enabled", flat=True).first()
        if is_enabled is None:
            raise Stopped
        if not is_enabled:
            raise ConflictError(_DISABLED)
        at = int(self.clock() * 1000)
        source = self.account.event_source
        entries = [Entry(source, EMAIL_EVENT, at, msgspec.json.encode(event)) for event in events]
        while True:
            try:
                self.event_log.append(entries)
            except Backpressure as error:
                log.warning("backfill %s waits: %s", self.id, error)
                if self._stop.wait(error.retry_after_seconds):
                    raise Stopped from None
            else:
                return


def _window(since: datetime, until: datetime) -> dict[str, Any]:
    """Filters of Mailjet's list of messages. FromTS is exclusive."""
    return {"FromTS": int(since.timestamp()) - 1, "ToTS": int(until.timestamp())}


def _end(backfill: int, state: State, **fields: str) -> bool:
    running = Backfill.objects.filter(id=backfill, state=State.RUNNING)
    return bool(running.update(state=state, ended_at=datetime.now(UTC), **fields))
