"""What a replay asks, counts and lists, for `jetbridge destinations replay` and the console."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from jetbridge.control.directory import DestinationRef, load_destinations
from jetbridge.control.models import Destination
from jetbridge.delivery import batch, replay
from jetbridge.delivery.models import Replay
from jetbridge.delivery.replay import ReplayCount
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import PositionRange
from jetbridge.integrations import registry
from jetbridge.services.log import event_log
from jetbridge.text import pluralize


class Question(NamedTuple):
    """What is to be read again, as it was requested."""

    destination: int
    since: datetime | None = None
    until: datetime | None = None
    after: int = 0
    upto: int | None = None
    source: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a replay would read."""

    destination: int
    name: str
    span: PositionRange
    source: int | None
    count: ReplayCount

    def messages(self) -> Iterator[str]:
        if not self.count.messages:
            yield f"{self.name}: there is nothing to replay. The event log retains no messages that it has read there."
            return
        types = ", ".join(f"{total:,} {kind}" for kind, total in sorted(self.count.by_type.items()))
        yield f"{self.name}: {pluralize(self.count.messages, 'message')} after position {self.span.after} up to {self.span.upto}: {types}."
        yield f"Routing would let {self.count.let_through:,} of them through."


class ReplayLine(NamedTuple):
    """`state` is open, ended or cancelled."""

    id: int
    destination: str
    state: str
    after: int
    upto: int
    position: int
    messages: int
    done: int
    requested_at: str

    def text(self) -> str:
        return (
            f"#{self.id}  {self.requested_at}  {self.destination}  {self.state}  "
            f"{self.done:,} of {pluralize(self.messages, 'message')}, positions {self.after} to {self.upto}"
        )


def plan(
    question: Question, on_span: Callable[[int], object] = int, on_records: Callable[[int], object] = int
) -> Plan:
    """Count; reads the whole span. Raises ConfigurationError.

    `on_span` is told how many positions there are to read, `on_records` how many records of each batch were.
    """
    ref = _destination(question.destination)
    if question.source is not None and question.source not in ref.source_kinds:
        known = ", ".join(map(str, ref.source_kinds))
        raise ConfigurationError(f"{ref.name} has no source {question.source}; it has {known}.")
    route = batch.of_source(registry.destination(ref.kind).route(ref), question.source)
    with event_log() as log:
        part = replay.replayable(
            log,
            ref.id,
            since=question.since,
            until=question.until,
            after=question.after,
            upto=question.upto,
        )
        on_span(max(0, part.upto - part.after))
        count = replay.count(log, part, route, on_records)
        return Plan(ref.id, ref.name, part, question.source, count)


def all_replays() -> Iterator[ReplayLine]:
    """Newest first."""
    names = dict(Destination.objects.values_list("id", "name"))
    for row in Replay.objects.order_by("-id"):
        yield ReplayLine(
            row.id,
            names.get(row.destination_id, str(row.destination_id)),
            state_of(row),
            row.after,
            row.upto,
            row.position,
            row.messages,
            row.done,
            row.requested_at.isoformat(timespec="seconds"),
        )


def state_of(row: Replay) -> str:
    if row.ended_at is None:
        return "open"
    return "ended" if row.position == row.upto else "cancelled"


def _destination(id_: int) -> DestinationRef:
    for ref in load_destinations():
        if ref.id == id_:
            return ref
    raise ConfigurationError(f"There is no enabled destination {id_}: see `jetbridge status --json`.")
