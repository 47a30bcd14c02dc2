"""Trace: what became of a message, or of all about a person, at each destination of the workspace."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.paging import After, Limit, number_of
from jetbridge.console.api.refusal import Refused
from jetbridge.console.log import event_log
from jetbridge.control.directory import destinations_of
from jetbridge.delivery import trace
from jetbridge.delivery.trace import Traceable
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, EventLog, Record
from jetbridge.eventlog.look_back import Budget, Looked, Stretch, look_back
from jetbridge.eventlog.search import Search, about, with_message_id
from jetbridge.spec.identity import Identity
from jetbridge.spec.message import Message, decode

#: What one answer may cost: a program asks again where a person would wait.
BUDGET = Budget(records=500_000, seconds=1.0)

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class TraceQuery(msgspec.Struct, forbid_unknown_fields=True):
    """One of both: the messageId, or a person's userId or address."""

    message_id: Text | None = None
    person: Text | None = None
    limit: Limit = 20
    after: After = ""


class Fate(msgspec.Struct):
    """What became of a message at one destination."""

    destination: str
    outcome: str
    reason: str
    sentences: list[str]

    @classmethod
    def of(cls, fate: trace.Fate) -> "Fate":
        return cls(fate.destination, fate.outcome, fate.reason, fate.sentences)


class Traced(msgspec.Struct):
    """A record of the event log. `error` is why an item failed on ingest; it and raw email events have no fates."""

    position: int
    received_at: datetime
    source: int
    type: str
    message_id: str | None
    error: str | None
    fates: list[Fate]


class Trace(msgspec.Struct):
    """A page may hold fewer than `limit`, or none, and not be the last: `next` is null when all was looked at."""

    items: list[Traced]
    next: str | None


@endpoint("GET", "trace")
def get_trace(caller: Caller, query: TraceQuery) -> Trace:
    """The way of a message, or of everything about a person, newest first.

    Reads the event log backwards, half a million records to a page at the most.
    """
    search = _search(query, set(caller.workspace.sources.values_list("id", flat=True)))
    with event_log() as log:
        before = number_of(query.after) if query.after else log.counts().end + 1
        found = _look(log, search, before, query.limit)
    refs = [ref for ref in destinations_of(caller.workspace.id) if ref.kind in DEFINITIONS]
    known = [DEFINITIONS[ref.kind].traceable(ref) for ref in refs] if found.records else []
    items = [_shape(record, known) for record in found.records]
    return Trace(items, str(found.before) if found.before else None)


def _search(query: TraceQuery, sources: set[int]) -> Search:
    if query.message_id is not None and query.person is None:
        return with_message_id(sources, query.message_id)
    if query.person is not None and query.message_id is None:
        return about(sources, Identity.of_name(query.person))
    raise Refused(422, "Say what to trace: message_id or person.")


def _look(log: EventLog, search: Search, before: int, limit: int) -> Looked:
    oldest = log.read(0, limit=1)
    stretch = Stretch(oldest[0].position - 1 if oldest else before, before)
    return look_back(log, search, [stretch], limit=limit, budget=BUDGET)


def _shape(record: Record, known: Iterable[Traceable]) -> Traced:
    message = None if record.type in {INVALID, EMAIL_EVENT} else decode(record.body)
    return Traced(
        record.position,
        datetime.fromtimestamp(record.received_at / 1000, UTC),
        record.source,
        record.type,
        message.message_id if message else None,
        record.error,
        _fates(record, message, known) if message else [],
    )


def _fates(record: Record, message: Message, known: Iterable[Traceable]) -> list[Fate]:
    fates = [fate for each in known if (fate := each.fate(record, message))]
    return [Fate.of(each) for each in fates]
