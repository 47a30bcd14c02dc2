"""Backfill: Mailjet's message history, read for the email events that callbacks have missed.

One call lists 1,000 messages, and one per message reads what happened to it; a message that was only sent, or blocked,
and is known to be so, needs none. What is missing goes into the log as an email event, and from there the way of all
events: opt-outs are learned and track calls made. An event that is in the log, by message, type and second, is the same
event. Its messageId would be the same, too, so whoever keeps messages keeps it once.

A worker that dies goes on after the last message that it has noted; what it had added since is found in the log.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from threading import Event
from typing import Any, NamedTuple, TypeVar

import msgspec
from django.db import IntegrityError, transaction

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import MailjetAccount
from jetbridge.delivery.isolation import is_environmental
from jetbridge.delivery.pauses import PROBE_SECONDS
from jetbridge.delivery.retry import Backoff
from jetbridge.delivery.span import position_before
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
#: How often what was found is appended and the place is noted, and after how many events at the latest.
SAVE_SECONDS, SAVE_EVENTS = 1.0, 500
#: How often a history that cannot be read is asked for, before its message is passed over.
UNREADABLE_TRIES = 3
#: Campaigns that are remembered.
KEPT_CAMPAIGNS = 1_000
#: Nothing happens to a message before it arrives at Mailjet, whose clock is not ours.
CLOCKS_DIFFER = timedelta(hours=1)
#: The code of a call that this Mailjet does not have.
WRONG_ADDRESS = "WRONG_ADDRESS"
#: Anonymised contacts have addresses of this domain at Mailjet (RFC 2606: it is nobody's).
ANONYMISED = "@domain.invalid"
#: How long it is remembered that there was a backfill.
REMEMBERED = timedelta(days=90)

_DISABLED = (
    "The event source of the account is disabled and takes no events. Enable the source, and start again."
)


class Stopped(Exception):
    """Somebody has cancelled it, or the worker stops: it goes on when the next one starts."""


class Estimate(NamedTuple):
    """What a backfill would cost. `calls` at the most, but for a few per campaign and clicked message; `log_since`: the
    log retains events from then on, older ones are added again, under the same messageIds. None: it has them all.
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
    """Have the worker do it. Raises ConflictError while one of the account runs, or if its event source takes nothing."""
    if not account.event_source.enabled:
        raise ConflictError(_DISABLED)
    Backfill.objects.filter(account=account, ended_at__lt=datetime.now(UTC) - REMEMBERED).delete()
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
    """Read no further; False if it had ended. What it has added stays."""
    return _end(row.id, State.CANCELLED)


def retained_since(event_log: EventLog) -> datetime | None:
    """From when on the log holds what came; None: all that ever came."""
    first = event_log.read(0, limit=1)
    if first:
        return datetime.fromtimestamp(first[0].received_at / 1000, UTC) if first[0].position > 1 else None
    return datetime.now(UTC) if event_log.counts().end else None


def threads(
    event_log: EventLog, accounts: list[AccountRef]
) -> dict[str, tuple[object, Callable[[Event], None]]]:
    """One per backfill that runs; another one when the keys of its account change."""
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
    """One backfill at work: `run(stop)` for a thread."""

    id: int
    account: AccountRef
    event_log: EventLog
    #: Seconds since 1970.
    clock: Callable[[], float] = time.time
    per_second: float = PER_SECOND
    _campaigns: "OrderedDict[int, rows.Campaign | None]" = field(default_factory=OrderedDict)
    _found: list[dict[str, Any]] = field(default_factory=list)
    _passed_over: bool = False

    def run(self, stop: Event) -> None:
        self._stop = stop
        self._client = MailjetClient(self.account.api_url, self.account.api_key, self.account.secret_key)
        self._reads = Reads(self._client, per_second=self.per_second, sleep=stop.wait, tries=1)
        self._suppressed = WorkspaceSuppressed(self.account.workspace)
        row = Backfill.objects.filter(id=self.id, state=State.RUNNING).first()
        if row is None:
            return
        self._row = row
        self._saved_at = time.monotonic()
        row.begun_at = row.begun_at or datetime.now(UTC)
        try:
            after = position_before(self.event_log, int((row.since - CLOCKS_DIFFER).timestamp() * 1000))
            with closing(KnownEvents(self.event_log, self.account.event_source, after)) as self._known:
                self._save()
                self._read()
                self._save()
        except Stopped:
            return
        except JetbridgeError as error:
            if is_environmental(error):
                raise
            _end(self.id, State.FAILED, problem=str(error))
        except Exception as error:
            if is_environmental(error):
                raise  # it is nobody's fault: the thread begins again
            log.exception("backfill %s broke", self.id)
            _end(self.id, State.FAILED, problem="It broke for a reason that stands in the worker's log.")
        else:
            _end(self.id, State.ENDED, waits_for="")

    def _read(self) -> None:
        backoff = Backoff()
        while True:
            try:
                for message in self._messages():
                    if self._needs_history(message):
                        self._take(message)
                    self._row.done += 1
                    self._row.last_message = message.id
                    if len(self._found) >= SAVE_EVENTS or time.monotonic() - self._saved_at >= SAVE_SECONDS:
                        self._save()
            except TransientError as error:  # the list of messages broke off
                self._wait(error, backoff.next_wait(error))
            else:
                return

    def _messages(self) -> Iterator[rows.Message]:
        """By rising ID, after the last one that was gone through."""
        window = _window(self._row.since, self._row.until)
        shown: dict[str, Any] = {"ShowContactAlt": "true", "ShowCustomID": "true"}
        # One page back: rows that Mailjet has removed since move the others.
        offset = max(0, self._row.done - PAGE_ROWS)
        after = self._row.last_message
        for page in self._client.pages(MESSAGE, call=self._ask, offset=offset, **window, **shown):
            beat()
            yield from (message for message in page if message.id > after)

    def _needs_history(self, message: rows.Message) -> bool:
        """Not of a message to which nothing has happened, or only what is known."""
        if message.status == "queued":
            return False
        return not (
            message.status in ("sent", "blocked") and self._known.has_first(message.id, message.status)
        )

    def _take(self, message: rows.Message) -> None:
        events = self._ask_briefly(lambda: self._client.messagehistory(message.id))
        if events is None:
            self._row.unreadable += 1
            return
        seen = message_history.happenings(events, int(self.clock() * 1000))
        missing = [each for each in seen if not self._known.has(message.id, each[0], each[1])]
        self._row.known += len(seen) - len(missing)
        if not missing:
            return
        campaign = self._campaign(whole_number(message.campaign_id) or 0)
        is_clicked = any(event_type == "click" for event_type, _, _ in missing)
        clicks = self._clicks(message.id) if is_clicked else {}
        for event_type, at, row in missing:
            urls = clicks.get(at) if event_type == "click" else None
            url = urls.pop(0) if urls else None
            self._found.append(
                message_history.event_of(message, event_type, at, row, campaign=campaign, url=url)
            )

    def _clicks(self, message_id: int) -> dict[int, list[str]]:
        """The links that were clicked, by second. Empty if Mailjet does not give them: a click without its link is one, too."""
        found: dict[int, list[str]] = {}
        clicks = self._ask_briefly(lambda: self._client.clickstatistics(message_id))
        for at, url in message_history.links(clicks or []):
            found.setdefault(at, []).append(url)
        return found

    def _campaign(self, campaign_id: int) -> rows.Campaign | None:
        """Waited for: without it an unsubscribe would be one from every list."""
        if not campaign_id:
            return None
        if campaign_id not in self._campaigns:
            self._campaigns[campaign_id] = self._ask(lambda: self._client.campaign(campaign_id))
            if len(self._campaigns) > KEPT_CAMPAIGNS:
                self._campaigns.popitem(last=False)
        return self._campaigns[campaign_id]

    def _ask_briefly(self, call: Callable[[], T]) -> T | None:
        """None if Mailjet rejects, or its answer cannot be read, however often: that of one message must not hold up the
        others. Several in a row are Mailjet's trouble, and waited for.
        """
        tries = 0

        def ask() -> T | None:
            nonlocal tries
            try:
                return call()
            except PermanentError:
                return None
            except PauseError as error:
                if error.code == WRONG_ADDRESS:  # "Unknown resource": this call alone
                    return None
                raise
            except TransientError as error:
                tries += 1
                if (
                    error.code == INVALID_RESPONSE.code
                    and tries >= UNREADABLE_TRIES
                    and not self._passed_over
                ):
                    return None
                raise

        found = self._ask(ask)
        self._passed_over = found is None
        return found

    def _ask(self, call: Callable[[], T]) -> T:
        """The result of a call to Mailjet, however long that takes. Raises Stopped, or PermanentError."""
        backoff = Backoff()
        while True:
            self._check()
            try:
                found = self._reads.read(call)
            except TransientError as error:
                self._wait(error, backoff.next_wait(error))
            except PauseError as error:
                self._wait(error, PROBE_SECONDS)
            else:
                self._row.calls += 1
                if self._row.waits_for:
                    self._row.waits_for = ""
                    self._save()
                return found

    def _wait(self, error: JetbridgeError, seconds: float) -> None:
        if self._row.waits_for != str(error):
            self._row.waits_for = str(error)
            self._save()
        self._stop.wait(seconds)

    def _save(self) -> None:
        """Append what was found, and then note how far it is. Raises Stopped if it has ended meanwhile."""
        self._known.catch_up()
        self._suppressed.refresh()
        found, self._found = self._found, []
        known, left_out, missing = 0, 0, {}
        for event in found:
            key = event["MessageID"], event["event"], event["time"], event.get("url")
            if key in missing or self._known.has(*key[:3]):
                known += 1
            elif self._is_nobody(event.get("email", "")):
                left_out += 1
            else:
                missing[key] = event
        events = list(missing.values())
        for begin in range(0, len(events), SAVE_EVENTS):
            self._append(events[begin : begin + SAVE_EVENTS])
        self._row.added += len(missing)
        self._row.known += known
        self._row.left_out += left_out
        fields = ("begun_at", "done", "last_message", "calls", "added", "known", "left_out", "unreadable")
        values = {name: getattr(self._row, name) for name in (*fields, "waits_for")}
        if not Backfill.objects.filter(id=self.id, state=State.RUNNING).update(**values):
            raise Stopped
        self._saved_at = time.monotonic()

    def _is_nobody(self, email: str) -> bool:
        """Whether there is no address, or it is of somebody who was forgotten, here or at Mailjet."""
        address = normalise_or_keep(email)
        return not address or address.endswith(ANONYMISED) or self._suppressed.covers_email(address)

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

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped


def _window(since: datetime, until: datetime) -> dict[str, Any]:
    """Filters of Mailjet's list of messages. FromTS is exclusive."""
    return {"FromTS": int(since.timestamp()) - 1, "ToTS": int(until.timestamp())}


def _end(backfill: int, state: State, **fields: str) -> bool:
    running = Backfill.objects.filter(id=backfill, state=State.RUNNING)
    return bool(running.update(state=state, ended_at=datetime.now(UTC), **fields))
