"""Notices that email events were missed, and reports it until a backfill has read Mailjet's message history.

Mailjet repeats a callback for a day. Then it suspends the URL and drops what follows; `callbacks.CallbackRegistrar` sees that. Where
callbacks stay away for another reason, Mailjet's list of messages shows it. The status of a message is its last event, so a message
that arrived at Mailjet after the last callback, and was sent, should have made one. That is one call per hour, and only while no
callback comes.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import MailjetAccount
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import source_consumer
from jetbridge.eventlog.base import EMAIL_EVENT, EventLog
from jetbridge.eventlog.search import everything
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.api.resources import MESSAGE
from jetbridge.integrations.mailjet.models import Backfill, CallbackWatch, State

#: Code of the light.
EVENTS_MISSED: Final = "EMAIL_EVENTS_MISSED"
#: How often Mailjet's list of messages is read, at most, and how late a callback may be.
HISTORY_EVERY: Final = timedelta(hours=1)
#: By how much Mailjet's clock and this machine's may differ.
CLOCK_SKEW: Final = timedelta(minutes=5)
#: Mailjet repeats a callback for so long before it suspends the URL: events of that time may be lost.
REPEATED_FOR: Final = timedelta(days=1)
#: How far back events may be missing where the time since when is unknown.
LONGEST_UNKNOWN: Final = timedelta(days=30)
#: Records of the log in which the last callback is searched. If it is not among them, the oldest of them stands for it.
SEARCHED_RECORDS: Final = 200_000

#: The events that a message with this status has had, apart from opens and clicks before the last one.
_EVENTS_OF_STATUS: Final = {
    "sent": {"sent"},
    "opened": {"open", "sent"},
    "clicked": {"click", "sent"},
    "bounce": {"bounce"},
    "hardbounced": {"bounce"},
    "softbounced": {"bounce"},
    "spam": {"spam", "sent"},
    "unsub": {"unsub", "sent"},
    "blocked": {"blocked"},
}


def record_callbacks(
    account: int, *, suspended: Collection[str], connected: Collection[str], now: datetime
) -> None:
    """Remember which event types had a suspended callback URL, and which ones send their events here now."""
    watch, _ = CallbackWatch.objects.get_or_create(account_id=account, defaults={"watched_since": now})
    if suspended:
        since = (watch.ok_at or now - LONGEST_UNKNOWN) - REPEATED_FOR
        types = ", ".join(name for name in EVENT_TYPES if name in suspended)
        _record_missed(watch, since, now, f"Mailjet had suspended the callback URLs of {types} events")
    if connected:
        CallbackWatch.objects.filter(account_id=account).update(ok_at=now)


def check_messages(
    client: MailjetClient, event_log: EventLog, account: AccountRef, connected: Collection[str], now: datetime
) -> None:
    """Look in Mailjet's list of messages for events of the connected types while no callback comes. Raises DeliveryError."""
    watch = CallbackWatch.objects.get(account_id=account.id)
    last = last_event_at(event_log, account.event_source)
    since = max(filter(None, (last, watch.watched_since, watch.checked_until)))
    is_due = watch.checked_at is None or now - watch.checked_at >= HISTORY_EVERY
    until = now - HISTORY_EVERY
    if not connected or not is_due or since + CLOCK_SKEW >= until:
        return
    CallbackWatch.objects.filter(account_id=account.id).update(checked_at=now)
    window = {"FromTS": int((since + CLOCK_SKEW).timestamp()), "ToTS": int(until.timestamp())}
    statuses = [row.status for row in client.page(MESSAGE, 0, **window) if isinstance(row.status, str)]
    if any(_EVENTS_OF_STATUS.get(status, set()) & set(connected) for status in statuses):
        reason = "Mailjet has sent messages, and no callback has come of them"
        _record_missed(watch, since, now, reason, checked_until=until)


def last_event_at(event_log: EventLog, source: int) -> datetime | None:
    """When the last email event of a source was received; no earlier than the records that are searched."""
    end = event_log.counts().end
    down_to = max(0, end - SEARCHED_RECORDS)
    search = everything([source], [EMAIL_EVENT])
    records = event_log.read_before(end + 1, down_to=down_to, search=search, limit=1)
    if not records and down_to:
        records = event_log.read(down_to, limit=1)
    return datetime.fromtimestamp(records[0].received_at / 1_000, UTC) if records else None


def lights() -> Iterator[Light]:
    """One for each account of which events were missed, until a backfill that was started since has ended."""
    watches = CallbackWatch.objects.exclude(noticed_at=None).select_related("account__event_source")
    for watch in watches.filter(account__event_source__enabled=True).order_by("account_id"):
        if _is_backfilled(watch):
            continue
        since = watch.missed_since or watch.watched_since
        account: MailjetAccount = watch.account
        yield Light(
            EVENTS_MISSED, "fail", source_consumer(account.event_source_id),
            f"{account.event_source}: email events were missed since {since:%Y-%m-%d %H:%M} UTC. {watch.reason}",
            f"See that {account.name}'s callbacks get here (`jetbridge doctor`). Then `jetbridge destinations backfill --account "
            f"{account.id} --since {since:%Y-%m-%dT%H:%M}`, or *Missed events* on the page of the account, adds them. The light goes out when a backfill "
            "has ended.",
            since, workspace=account.workspace_id,
        )  # fmt: skip


def _is_backfilled(watch: CallbackWatch) -> bool:
    ended = Backfill.objects.filter(account_id=watch.account_id, state=State.ENDED)
    return ended.filter(requested_at__gte=watch.noticed_at).exists()


def _record_missed(
    watch: CallbackWatch, since: datetime, now: datetime, reason: str, checked_until: datetime | None = None
) -> None:
    """The earliest time counts until a backfill has ended."""
    if watch.noticed_at and watch.missed_since and not _is_backfilled(watch):
        since = min(since, watch.missed_since)
    CallbackWatch.objects.filter(account_id=watch.account_id).update(
        missed_since=since,
        noticed_at=now,
        reason=reason,
        checked_until=checked_until or watch.checked_until,
    )
