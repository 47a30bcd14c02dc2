"""Erasure: forget one person everywhere, to the end, and keep a receipt of what was done where.

Asked for by Segment's `delete` call or by `jetbridge people delete`. Suppression begins with the asking, so nothing
new is learned about the person; the rest is done by a thread of the worker, in steps that may be repeated:
wait until every reader has passed what it may have read before, have the destinations erase, scrub the log.
It is a duty, and no part of a sync: whatever is disabled or held, it goes on.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol

from django.db import transaction
from django.db.models import Q, QuerySet

from jetbridge.control.directory import custom_id_sources
from jetbridge.control.models import DeletedSource, Destination, Source
from jetbridge.delivery import batch, isolation, ledger, syncs
from jetbridge.delivery.base import DeliveryCounts, DeliveryItem
from jetbridge.delivery.models import (
    ConsumerOffset,
    DeliveryRecordRow,
    HeartbeatRow,
    PauseRow,
    RetryEntry,
    destination_consumer,
    source_consumer,
)
from jetbridge.errors import DeliveryError
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.search import about, is_about
from jetbridge.heartbeat import beat
from jetbridge.jobs import tasks
from jetbridge.privacy import suppression
from jetbridge.privacy.models import Erasure
from jetbridge.routing.route import USER_SUPPRESSED
from jetbridge.spec.person import Identity, identity_of
from jetbridge.text import for_viewers, pluralize

log = logging.getLogger(__name__)

#: How often the thread looks for something to do, and whether what it waits for has happened.
EVERY_SECONDS = 1.0

#: A thread has a heartbeat by then, if it runs. A disabled destination without one has ended its last batch; it reads on
#: when it is enabled, or when its next sync begins, and finds the person suppressed.
HEARTBEAT_IS_THERE = timedelta(seconds=5)


class ErasureHandler(Protocol):
    """A place that keeps data of people. Every method may be called again and again."""

    @property
    def readers(self) -> Sequence[str]:
        """Whose positions must have passed what was read before suppression began."""

    def known(self, identity: Identity) -> Identity:
        """By what else the person is known there."""

    def erase(self, identity: Identity, now: int) -> None:
        """Begin to erase, at `now` (ms)."""

    def erased(self, identity: Identity) -> str | None:
        """A sentence for the receipt once it is done; None while it is under way."""


#: The handlers of a workspace.
ErasureHandlers = Callable[[int], Sequence[ErasureHandler]]


def request(workspace: int, identity: Identity, *, destination: int | None = None) -> Erasure:
    """Ask for a person to be forgotten. In the caller's transaction, if there is one; suppression begins with it.

    `destination` holds the one message that asked, until all is done. Whoever asks again without one is given
    the erasure that is under way: a second one would find nothing, and say so too early.
    """
    with transaction.atomic():
        suppression.suppress(workspace, identity)
        digest = suppression.digests(identity)[0]
        rows = Erasure.objects.filter(workspace_id=workspace, digest=digest, ended_at=None)
        if destination is None and (erasure := rows.first()):
            return erasure
        return Erasure.objects.create(
            workspace_id=workspace,
            users=sorted(identity.users),
            emails=sorted(identity.emails),
            digest=digest,
            destination_id=destination,
        )


def request_by_calls(
    workspace: int, destination: int, items: Iterable[DeliveryItem], counts: DeliveryCounts
) -> None:
    """Have those forgotten of whom Segment's `delete` calls among the items are. Each is pending until that is done.

    Inside `Progress.commit`.
    """
    for item in items:
        if item.message.type == "delete":
            request(workspace, identity_of(item.message), destination=destination)
            counts.in_flight += item.total


def receipts(workspace: int, identity: Identity) -> QuerySet[Erasure]:
    """What was asked for by one of these names, newest first."""
    rows = Erasure.objects.filter(workspace_id=workspace, digest__in=suppression.digests(identity))
    return rows.order_by("-id")


def begun() -> QuerySet[Erasure]:
    """Those that wait for what handlers have begun, oldest first."""
    return Erasure.objects.filter(ended_at=None).exclude(begun_at=None).order_by("id")


def note_error(name: str, error: DeliveryError, *, what: str = "") -> None:
    """The erasures of this address or userId wait because of an error; `what` begins the sentence. What is kept of it does
    not name the person.
    """
    words = for_viewers(str(error)).partition(" (")[0].rstrip(".")
    note(name, f"{what}{words} ({error.code}).")


def note(name: str, waits_for: str) -> None:
    """Say what the erasures of this address or userId wait for, in a sentence that names nobody."""
    for row in begun():
        if name in row.emails or name in row.users:
            _note(row, waits_for)


def _note(row: Erasure, waits_for: str) -> None:
    if row.waits_for != waits_for:
        row.waits_for = waits_for
        row.save(update_fields=["waits_for"])


@dataclass(frozen=True)
class Eraser:
    """`run(stop)` carries out erasures until `stop` is set; it may die anywhere."""

    event_log: EventLog
    handlers: ErasureHandlers
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    #: The batches that were open when an erasure was looked at first: their messages may be of people who are suppressed since.
    _open_batches: dict[int, dict[int, object]] = field(default_factory=dict, init=False)

    def run(self, stop: Event) -> None:
        while not stop.wait(EVERY_SECONDS):
            for row in Erasure.objects.filter(ended_at=None).order_by("id"):
                beat()
                try:
                    self.step(row)
                except Exception as error:  # noqa: BLE001 - one must not stop the others
                    if isolation.is_environmental(error):
                        log.warning("erasure %s waits for the next round: %s", row.id, error)
                    else:
                        isolation.note(error, f"Erasure {row.id}")
                        _note(row, f"Jetbridge has a bug ({isolation.place_of(error)}): please report it.")

    def step(self, row: Erasure) -> bool:
        """Do what can be done now; True when the person is forgotten."""
        handlers = self.handlers(row.workspace_id)
        identity = self._widen(row, handlers)
        if row.log_end is None:
            row.log_end = self.event_log.counts().end
            row.save(update_fields=["log_end"])
        destinations = _destinations(row.workspace_id)
        # Whoever works on a batch that was read before suppression began, be it a replay or a retry, has to end it first.
        open_batches = self._open_batches.setdefault(row.id, batch.open_batches(destinations))
        behind = {
            *_behind(row, handlers, self.now()),
            *map(destination_consumer, batch.still_open(open_batches)),
        }
        if behind:
            names = ", ".join(sorted(behind))
            _note(row, f"It waits until {names} has read what was accepted before it was asked for.")
            return False
        if row.begun_at is None:
            with transaction.atomic():
                row.begun_at, row.waits_for = self.now(), ""
                row.save(update_fields=["begun_at", "waits_for"])
                for handler in handlers:
                    handler.erase(identity, int(row.begun_at.timestamp() * 1000))
        receipts = [handler.erased(identity) for handler in handlers]
        if None in receipts:
            return False
        custom = custom_id_sources(row.workspace_id)
        scrubbed = self.event_log.scrub(about(_sources(row.workspace_id), identity, custom))
        with transaction.atomic():
            deleted = _erase_failures(destinations, identity)
            tasks.forget(destinations, identity)
            _erase_in_pauses(destinations, identity)
            row.receipt = [
                *dict.fromkeys(filter(None, receipts)),  # two destinations may share an account
                f"Event log: {pluralize(scrubbed, 'record')} emptied.",
                f"Kept failures: {deleted:,} deleted.",
            ]
            row.users, row.emails, row.waits_for, row.ended_at = [], [], "", self.now()
            row.save()
            if row.destination_id is not None:
                ledger.add(row.destination_id, DeliveryCounts(delivered=1, in_flight=-1))
        self._open_batches.pop(row.id, None)
        return True

    def _widen(self, row: Erasure, handlers: Sequence[ErasureHandler]) -> Identity:
        """Everything the person is known by, suppressed as well."""
        requested = Identity(frozenset(row.users), frozenset(row.emails))
        identity = requested
        for handler in handlers:
            identity |= handler.known(requested)
        if identity != requested:
            with transaction.atomic():
                suppression.suppress(row.workspace_id, identity)
                row.users, row.emails = sorted(identity.users), sorted(identity.emails)
                row.save(update_fields=["users", "emails"])
            self._open_batches.pop(row.id, None)
        return identity


def _behind(row: Erasure, handlers: Sequence[ErasureHandler], now: datetime) -> list[str]:
    """Consumers that may still be at work on what they read before suppression began.

    One that is paused, or a destination that tries again, reads again what it works on, and finds it suppressed.
    """
    consumers = {consumer for handler in handlers for consumer in handler.readers}
    consumers |= {source_consumer(source) for source in _sources(row.workspace_id)}
    if now - row.requested_at > HEARTBEAT_IS_THERE:
        # Destinations that read nothing now: disabled ones whose threads have ended, and those between two syncs.
        disabled = Destination.objects.filter(workspace_id=row.workspace_id, enabled=False)
        heartbeats = HeartbeatRow.objects.filter(thread__startswith="destination ")
        threads = list(heartbeats.values_list("thread", flat=True))
        ended = {
            id_
            for id_ in disabled.values_list("id", flat=True)
            if not any(name.startswith(f"destination {id_} ") for name in threads)
        }
        consumers -= {destination_consumer(id_) for id_ in ended | syncs.waiting()}
    behind = ConsumerOffset.objects.filter(consumer__in=consumers, position__lt=row.log_end, pause_code="")
    behind = behind.filter(Q(last_error="") | ~Q(consumer__startswith="destination:"))
    return sorted(behind.values_list("consumer", flat=True))


def _sources(workspace: int) -> list[int]:
    """Those whose records the event log may hold."""
    here = Source.objects.filter(workspace_id=workspace).values_list("id", flat=True)
    gone = DeletedSource.objects.filter(workspace_id=workspace).values_list("source_id", flat=True)
    return [*here, *gone]


def _destinations(workspace: int) -> list[int]:
    return list(Destination.objects.filter(workspace_id=workspace).values_list("id", flat=True))


def _erase_failures(destinations: Sequence[int], identity: Identity) -> int:
    """Delete what was kept of the person's messages; those to be tried again are filtered. Returns how many."""
    total = 0
    for entry in RetryEntry.objects.filter(destination_id__in=destinations).iterator(500):
        if is_about(bytes(entry.body), identity):
            counts = DeliveryCounts()
            counts.filtered[USER_SUPPRESSED] += entry.total
            ledger.add(entry.destination_id, counts)
            entry.delete()
            total += 1
    names_them = Q(person__in=identity.users | identity.emails)
    for text in [*(f'"{name}"' for name in identity.users), *identity.emails]:
        names_them |= Q(request__icontains=text) | Q(response__icontains=text) | Q(detail__icontains=text)
    rows = DeliveryRecordRow.objects.filter(destination_id__in=destinations)
    total += rows.filter(names_them).delete()[0]
    kept = rows.exclude(body=None).values_list("id", "body")
    theirs = [id_ for id_, body in kept.iterator(500) if is_about(bytes(body or b""), identity)]
    for start in range(0, len(theirs), 500):
        total += rows.filter(id__in=theirs[start : start + 500]).delete()[0]
    return total


def _erase_in_pauses(destinations: Sequence[int], identity: Identity) -> None:
    """The example of a pause that has ended may name somebody. The reason of one that lasts is written with every try."""
    names_them = Q(pk__in=[])
    for text in [*(f"'{name}'" for name in identity.users), *identity.emails]:
        names_them |= Q(reason__icontains=text)
    consumers = [destination_consumer(destination) for destination in destinations]
    rows = PauseRow.objects.filter(names_them, consumer__in=consumers).exclude(ended_at=None)
    rows.update(reason="The reason named a person who was forgotten since.")
