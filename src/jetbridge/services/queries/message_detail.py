"""One record of the log, opened: what it says, and its way to every destination."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.urls import reverse

from jetbridge.control.directory import DestinationRef, destinations_of
from jetbridge.control.models import Source
from jetbridge.delivery.trace import PENDING, DeliveryStatus
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import EMAIL_EVENT, EventLog, Record
from jetbridge.eventlog.search import with_message_id
from jetbridge.integrations import registry
from jetbridge.services.queries import record_detail
from jetbridge.services.queries.json_format import pretty, raw
from jetbridge.services.queries.message_rows import Row, is_message, message_of, row_of
from jetbridge.spec.message import Message
from jetbridge.spec.person import identity_of

#: Records after an email event among which its track call is looked for.
NEAR = 20_000


@dataclass(frozen=True)
class Stop:
    """One destination on the way. `contacts` is where its contacts of this person are shown; "" if it has none."""

    destination: DestinationRef
    status: DeliveryStatus
    contacts: str = ""


@dataclass(frozen=True)
class MessageDetail:
    """`pretty` is empty for what is no message; `mailjet` is the email event that a track call was made of."""

    record: Record
    row: Row
    message: Message | None
    raw: str
    pretty: str = ""
    mailjet: str = ""
    stops: list[Stop] = field(default_factory=list)
    #: Position of the track call that was made of an email event; 0 if it is not known.
    track: int = 0

    @property
    def is_forgotten(self) -> bool:
        return not self.record.body


def find(event_log: EventLog, source: Source, position: int) -> Record | None:
    """None if there is no such record of this source, or no more."""
    if not 0 < position < 2**63:
        return None
    for record in event_log.read(position - 1, limit=1):
        if record.position == position and record.source == source.id:
            return record
    return None


def detail_of(event_log: EventLog, source: Source, record: Record) -> MessageDetail:
    message = message_of(record)
    context = (message.context or {}) if message else {}
    return MessageDetail(
        record=record,
        row=row_of(record, message, {}),
        message=message,
        raw=raw(msgspec.json.encode(record_detail.readable(record.body)) if message else record.body),
        pretty=pretty(message) if message else "",
        mailjet=raw(msgspec.json.encode(context["mailjet"])) if "mailjet" in context else "",
        stops=_stops(source, record, message) if record.body and is_message(record) else [],
        track=_track(event_log, record) if record.type == EMAIL_EVENT and record.body else 0,
    )


def _stops(source: Source, record: Record, message: Message | None) -> list[Stop]:
    refs = [ref for ref in destinations_of(source.workspace_id) if ref.kind in registry.destinations()]
    statuses = [(ref, _status(ref, record, message)) for ref in refs]
    return [Stop(ref, status, _contacts(ref, message)) for ref, status in statuses if status]


def _status(ref: DestinationRef, record: Record, message: Message | None) -> DeliveryStatus | None:
    try:
        return registry.destination(ref.kind).traceable(ref).status(record, message)
    except PauseError as error:
        return (
            DeliveryStatus(ref.name, PENDING, error.code, [str(error)])
            if record.source in ref.source_kinds
            else None
        )


def _contacts(ref: DestinationRef, message: Message | None) -> str:
    if message is None:
        return ""
    identity = identity_of(message)
    names = [*sorted(identity.emails), *filter(None, [message.user_id])]
    if not names or registry.destination(ref.kind).status_explainer(ref) is None:
        return ""
    return f"{reverse('destinations', args=[ref.workspace])}{ref.id}/contacts?{urlencode({'q': names[0]})}"


def _track(event_log: EventLog, record: Record) -> int:
    """The calls of one event have the same messageId, however often they are made."""
    made = next(filter(None, (source.call_of_event(record) for source in registry.sources().values())), None)
    if made is None:
        return 0
    upto = min(record.position + NEAR, event_log.counts().end)
    search = with_message_id([record.source], made.message_id)
    return next(
        (later.position for later in event_log.find(search, after=record.position, upto=upto)),
        0,
    )


def facts(shown: MessageDetail) -> list[tuple[str, Any]]:
    """Names and values for a person; those that are not there are left out."""
    message = shown.message
    if message is None:
        return []
    fields = [
        ("userId", message.user_id),
        ("anonymousId", message.anonymous_id),
        ("messageId", message.message_id),
        ("Happened", message.timestamp),
    ]
    return [(name, value) for name, value in fields if value]
