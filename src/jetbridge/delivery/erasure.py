"""Erasure: forget one person everywhere, to the end, and keep a receipt of what was done where.

Asked for by Segment's `delete` call or by `jetbridge forget`. Suppression begins with the asking, so nothing
new is learned about the person; the rest is done by a thread of the worker, in steps that may be repeated:
wait until every reader has passed what it may have read before, have the destinations erase, scrub the log.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Protocol

from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet

from jetbridge.control.models import Destination, Source
from jetbridge.delivery import ledger, suppression, tasks
from jetbridge.delivery.models import AgainRow, Erasure, ExhibitRow, HoldRow, Reading
from jetbridge.delivery.tally import Tally
from jetbridge.errors import Backpressure
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.search import about
from jetbridge.routing.route import USER_SUPPRESSED
from jetbridge.spec.identity import Identity, identity_of
from jetbridge.spec.message import decode

log = logging.getLogger(__name__)

#: How often the thread looks for something to do, and whether what it waits for has happened.
EVERY_SECONDS = 1.0


class Keeper(Protocol):
    """A destination, as a place that keeps data of people. Every method may be called again and again."""

    @property
    def reader(self) -> str | None:
        """Whose position must have passed what was read before suppression began; None if it matters not."""

    def known(self, identity: Identity) -> Identity:
        """By what else the person is known there."""

    def erase(self, identity: Identity, now: int) -> None:
        """Begin to erase, at `now` (ms)."""

    def erased(self, identity: Identity) -> str | None:
        """A sentence for the receipt once it is done; None while it is under way."""


#: The keepers of a workspace.
Keepers = Callable[[int], Sequence[Keeper]]


def ask(workspace: int, identity: Identity, *, destination: int | None = None) -> Erasure:
    """Ask for a person to be forgotten. In the caller's transaction, if there is one; suppression begins with it.

    `destination` holds the one message that asked, until all is done. Whoever asks again without one is given
    the erasure that is under way: a second one would find nothing, and say so too early.
    """
    with transaction.atomic():
        suppression.suppress(workspace, identity)
        digest = suppression.digests(identity)[0]
        asked = Erasure.objects.filter(workspace_id=workspace, digest=digest, ended_at=None)
        if destination is None and (open_ := asked.first()):
            return open_
        return Erasure.objects.create(
            workspace_id=workspace,
            users=sorted(identity.users),
            emails=sorted(identity.emails),
            digest=digest,
            destination_id=destination,
        )


def receipts(workspace: int, identity: Identity) -> QuerySet[Erasure]:
    """What was asked for by one of these names, newest first."""
    rows = Erasure.objects.filter(workspace_id=workspace, digest__in=suppression.digests(identity))
    return rows.order_by("-id")


@dataclass(frozen=True)
class Eraser:
    """`run(stop)` carries out erasures until `stop` is set; it may die anywhere."""

    event_log: EventLog
    keepers: Keepers
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, stop: Event) -> None:
        while not stop.wait(EVERY_SECONDS):
            for row in Erasure.objects.filter(ended_at=None).order_by("id"):
                try:
                    self.step(row)
                except (Backpressure, DatabaseError) as error:
                    log.warning("erasure %s waits for the next round: %s", row.id, error)

    def step(self, row: Erasure) -> bool:
        """Do what can be done now; True when the person is forgotten."""
        keepers = self.keepers(row.workspace_id)
        identity = _widened(row, keepers)
        if row.log_end is None:
            row.log_end = self.event_log.counts().end
            row.save(update_fields=["log_end"])
        if _behind(row, keepers):
            return False
        if row.begun_at is None:
            self._begin(row, identity, keepers)
        sentences = [keeper.erased(identity) for keeper in keepers]
        if None in sentences:
            return False
        scrubbed = self.event_log.scrub(about(_sources(row.workspace_id), identity))
        done = dict.fromkeys(filter(None, sentences))  # two destinations may share an account
        self._end(row, identity, [*done, f"Event log: {scrubbed:,} record{'s' * (scrubbed != 1)} emptied."])
        return True

    def _begin(self, row: Erasure, identity: Identity, keepers: Sequence[Keeper]) -> None:
        with transaction.atomic():
            row.begun_at = self.now()
            row.save(update_fields=["begun_at"])
            for keeper in keepers:
                keeper.erase(identity, int(row.begun_at.timestamp() * 1000))

    def _end(self, row: Erasure, identity: Identity, receipt: list[str]) -> None:
        with transaction.atomic():
            receipt.append(_erase_exhibits(row.workspace_id, identity))
            tasks.forget(_destinations(row.workspace_id), identity)
            _forget_in_holds(_destinations(row.workspace_id), identity)
            row.receipt = receipt
            row.users, row.emails, row.ended_at = [], [], self.now()
            row.save()
            if row.destination_id is not None:
                ledger.add(row.destination_id, Tally(delivered=1, held=-1))


def _widened(row: Erasure, keepers: Sequence[Keeper]) -> Identity:
    """Everything the person is known by, suppressed as well."""
    asked = Identity(frozenset(row.users), frozenset(row.emails))
    identity = asked
    for keeper in keepers:
        identity |= keeper.known(asked)
    if identity != asked:
        with transaction.atomic():
            suppression.suppress(row.workspace_id, identity)
            row.users, row.emails = sorted(identity.users), sorted(identity.emails)
            row.save(update_fields=["users", "emails"])
    return identity


def _behind(row: Erasure, keepers: Sequence[Keeper]) -> bool:
    """Whether a reader may still be at work on what it read before suppression began.

    One that is held reads again what it works on, and finds it suppressed.
    """
    readers = [keeper.reader for keeper in keepers if keeper.reader]
    readers += [ledger.source_reader(source) for source in _sources(row.workspace_id)]
    return Reading.objects.filter(reader__in=readers, position__lt=row.log_end, hold_code="").exists()


def _sources(workspace: int) -> list[int]:
    return list(Source.objects.filter(workspace_id=workspace).values_list("id", flat=True))


def _destinations(workspace: int) -> list[int]:
    return list(Destination.objects.filter(workspace_id=workspace).values_list("id", flat=True))


def _erase_exhibits(workspace: int, identity: Identity) -> str:
    """Delete what was kept of the person's messages; those to be delivered again are filtered."""
    destinations = _destinations(workspace)
    again = _forget_again(destinations, identity)
    wanted = Q(person__in=identity.users | identity.emails)
    for text in [*(f'"{name}"' for name in identity.users), *identity.emails]:
        wanted |= Q(request__icontains=text) | Q(answer__icontains=text) | Q(sentence__icontains=text)
    rows = ExhibitRow.objects.filter(destination_id__in=destinations)
    gone, _ = rows.filter(wanted).delete()
    kept = rows.exclude(body=None).values_list("id", "body")
    theirs = [
        id_ for id_, body in kept.iterator(500) if identity.meets(identity_of(decode(bytes(body or b""))))
    ]
    for start in range(0, len(theirs), 500):
        gone += rows.filter(id__in=theirs[start : start + 500]).delete()[0]
    return f"Kept failures: {gone + again:,} deleted."


def _forget_in_holds(destinations: Sequence[int], identity: Identity) -> None:
    """The example of a hold that was may name somebody. A hold that stands is put again with every try."""
    wanted = Q(pk__in=[])
    for text in [*(f"'{name}'" for name in identity.users), *identity.emails]:
        wanted |= Q(reason__icontains=text)
    readers = [ledger.destination_reader(each) for each in destinations]
    rows = HoldRow.objects.filter(wanted, reader__in=readers).exclude(ended_at=None)
    rows.update(reason="The reason named a person who was forgotten since.")


def _forget_again(destinations: Sequence[int], identity: Identity) -> int:
    total = 0
    for row in AgainRow.objects.filter(destination_id__in=destinations).iterator(500):
        if identity.meets(identity_of(decode(bytes(row.body)))):
            tally = Tally(held=0)
            tally.filtered[USER_SUPPRESSED] += row.total
            ledger.add(row.destination_id, tally)
            row.delete()
            total += 1
    return total
