"""Notices that email events were missed, and says so until a backfill has read Mailjet's message history for them.

Mailjet repeats a callback for a day, then suspends its URL and drops what follows. Who keeps the URLs registered sees that they were
suspended. Where callbacks stay away for another reason, the list of messages tells: the status of a message is what happened to
it last, so a message that arrived at Mailjet after the last callback, and was sent, should have made one. That is one call in an
hour, and only while no callback comes.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import MailjetAccount
from jetbridge.delivery import ledger
from jetbridge.delivery.light import Light
from jetbridge.eventlog.base import EMAIL_EVENT, EventLog
from jetbridge.eventlog.search import everything
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.api.resources import MESSAGE
from jetbridge.integrations.mailjet.events.callbacks import CallbackState
from jetbridge.integrations.mailjet.models import Backfill, CallbackWatch, State

#: Code of the light.
EVENTS_MISSED: Final = "EMAIL_EVENTS_MISSED"
#: How often Mailjet's list of messages is read, at most, and how late a callback may be.
HISTORY_EVERY: Final = timedelta(hours=1)
#: Mailjet's clock is not ours.
CLOCKS_DIFFER: Final = timedelta(minutes=5)
#: Mailjet repeats a callback for so long before it suspends the URL: events of that time may be lost.
REPEATED_FOR: Final = timedelta(days=1)
#: How far back events may be missing where nobody knows since when.
LONGEST_UNKNOWN: Final = timedelta(days=30)
#: Records of the log that are looked at for the last callback. If it is not among them, the oldest of them stands for it.
LOOKED_AT: Final = 200_000

#: The event that the status of a message tells of; others tell of none.
_EVENT_OF: Final = {
    "sent": "sent",
    "opened": "open",
    "clicked": "click",
    "bounce": "bounce",
    "hardbounced": "bounce",
    "softbounced": "bounce",
    "spam": "spam",
    "unsub": "unsub",
    "blocked": "blocked",
}
#: What follows a message that was sent.
_SENT_BEFORE: Final = frozenset({"sent", "open", "click", "spam", "unsub"})


def note_states(account: int, states: Sequence[CallbackState], now: datetime) -> None:
    """Remember how the callback URLs were found, before they were corrected."""
    watch, _ = CallbackWatch.objects.get_or_create(account_id=account, defaults={"watched_since": now})
    suspended = {row.event_type for row in states if row.was_suspended}
    if suspended:
        since = (watch.ok_at or now - LONGEST_UNKNOWN) - REPEATED_FOR
        types = ", ".join(name for name in EVENT_TYPES if name in suspended)
        _note(watch, since, now, f"Mailjet had suspended the callback URLs of {types} events")
    if any(row.ours for row in states):
        CallbackWatch.objects.filter(account_id=account).update(ok_at=now)


def look_at_messages(
    client: MailjetClient, event_log: EventLog, account: AccountRef, ours: Collection[str], now: datetime
) -> None:
    """See whether Mailjet knows of events of the types that come here, while no callback came. Raises DeliveryError."""
    watch = CallbackWatch.objects.get(account_id=account.id)
    last = last_event_at(event_log, account.event_source)
    since = max(filter(None, (last, watch.watched_since, watch.seen_upto)))
    is_due = watch.looked_at is None or now - watch.looked_at >= HISTORY_EVERY
    until = now - HISTORY_EVERY
    if not ours or not is_due or since + CLOCKS_DIFFER >= until:
        return
    CallbackWatch.objects.filter(account_id=account.id).update(looked_at=now)
    window = {"FromTS": int((since + CLOCKS_DIFFER).timestamp()), "ToTS": int(until.timestamp())}
    messages = client.page(MESSAGE, 0, **window)
    if any(_events(row.status) & set(ours) for row in messages):
        what = "Mailjet has sent messages, and no callback has come of them"
        _note(watch, since, now, what, seen_upto=until)


def last_event_at(event_log: EventLog, source: int) -> datetime | None:
    """When the last email event of a source was received; no earlier than the records that are looked at."""
    end = event_log.counts().end
    down_to = max(0, end - LOOKED_AT)
    search = everything([source], [EMAIL_EVENT])
    records = event_log.read_before(end + 1, down_to=down_to, search=search, limit=1)
    if not records and down_to:
        records = event_log.read(down_to, limit=1)
    return datetime.fromtimestamp(records[0].received_at / 1_000, UTC) if records else None


def lights() -> Iterator[Light]:
    """One for each account of which events were missed, until a backfill that began since has ended."""
    watches = CallbackWatch.objects.exclude(noticed_at=None).select_related("account__event_source")
    for watch in watches.filter(account__event_source__enabled=True).order_by("account_id"):
        backfills = Backfill.objects.filter(account_id=watch.account_id, state=State.ENDED)
        if backfills.filter(asked_at__gte=watch.noticed_at).exists():
            continue
        since = watch.missed_since or watch.watched_since
        account: MailjetAccount = watch.account
        yield Light(
            EVENTS_MISSED, "fail", ledger.source_consumer(account.event_source_id),
            f"{account.event_source}: email events were missed since {since:%Y-%m-%d %H:%M} UTC. {watch.reason}",
            f"See that {account.name}'s callbacks get here (`jetbridge doctor`). Then `jetbridge destinations backfill --account "
            f"{account.id} --since {since:%Y-%m-%dT%H:%M}`, or *Missed events* on the page of the account, adds them. The light goes out when a backfill "
            "has ended.",
            since, workspace=account.workspace_id,
        )  # fmt: skip


def _events(status: object) -> set[str]:
    event = _EVENT_OF.get(status) if isinstance(status, str) else None
    if event is None:
        return set()
    return {event, "sent"} if event in _SENT_BEFORE else {event}


def _note(
    watch: CallbackWatch, since: datetime, now: datetime, reason: str, seen_upto: datetime | None = None
) -> None:
    """The earliest time counts until a backfill has ended."""
    is_open = (
        watch.noticed_at
        and not watch.account.backfills.filter(state=State.ENDED, asked_at__gte=watch.noticed_at).exists()
    )
    if is_open and watch.missed_since:
        since = min(since, watch.missed_since)
    CallbackWatch.objects.filter(account_id=watch.account_id).update(
        missed_since=since, noticed_at=now, reason=reason, seen_upto=seen_upto or watch.seen_upto
    )
