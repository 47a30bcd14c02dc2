"""Row 15: who a message belongs to, and what it would cost the merge of contacts to ask that place."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from unittest.mock import patch

from django.db import connection

from benchmarks import fixtures, merged
from benchmarks.figures import Series, interleaved, line, ratios, title
from benchmarks.home import bench, scratch
from benchmarks.merged import BATCH_RECORDS
from benchmarks.options import Options
from jetbridge.delivery.base import DeliveryCounts, DeliveryItem, Progress
from jetbridge.identity import resolve
from jetbridge.identity.resolve import Resolver, SourcedMessage
from jetbridge.identity.tables import TABLES
from jetbridge.integrations.mailjet.contacts import merge
from jetbridge.integrations.mailjet.contacts.merge import MailjetDestination
from jetbridge.spec.message import Message, decode
from jetbridge.worker.process import tune_gc

#: What is changed while contacts are merged.
Variant = Callable[[], AbstractContextManager[None]]


def run(options: Options) -> None:
    tune_gc()  # as the worker does
    bodies = fixtures.identify_bodies(options.size(20_000))
    _resolver(bodies, options)
    _merge(bodies, options)


def _resolver(bodies: Sequence[bytes], options: Options) -> None:
    title(f"15. Messages to profiles: {len(bodies):,} people, {BATCH_RECORDS:,} per transaction")
    new = [SourcedMessage(decode(body), 1) for body in bodies]
    again = [SourcedMessage(decode(body), 1) for body in fixtures.identify_bodies(len(bodies), later=86_400)]
    tracks = [SourcedMessage(_track(message), 1) for message, _ in new]
    store = sqlite3.connect(scratch("identity") / "identity.db", isolation_level=None)
    store.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {TABLES}")

    def sample(messages: Sequence[SourcedMessage]) -> float:
        return _microseconds(lambda: _resolve(store, messages))

    def sample_new() -> float:
        store.execute("DELETE FROM profile")
        store.execute("DELETE FROM identifier")
        return sample(new)

    series = interleaved(
        {
            "identify of somebody new": sample_new,
            "identify of somebody known": lambda: sample(again),
            "track of somebody known": lambda: sample(tracks),
        },
        options.rounds,
    )
    for name, samples in series.items():
        line(name, _in_microseconds(samples), "100 µs")
    store.close()


def _track(identify: Message) -> Message:
    """With userId and address, as analytics.js sends both."""
    return Message(
        type="track",
        message_id=identify.message_id,
        timestamp=identify.timestamp,
        received_at=identify.received_at,
        user_id=identify.user_id,
        event="Order Completed",
        properties={"total": 5},
        context={"traits": {"email": (identify.traits or {})["email"]}},
    )


def _resolve(store: sqlite3.Connection, messages: Sequence[SourcedMessage]) -> int:
    resolver = Resolver(store)
    for start in range(0, len(messages), BATCH_RECORDS):
        store.execute("BEGIN")
        resolver.resolve_batch(messages[start : start + BATCH_RECORDS])
        store.execute("COMMIT")
    return len(messages)


def _merge(bodies: Sequence[bytes], options: Options) -> None:
    """Contacts merged as they are; with the identity room asked in the same transaction; and with it instead of the map of
    users, of which nothing is read or written then: that is less than any merge could do without.
    """
    title(f"15. The merge of contacts with the identity room: {len(bodies):,} contacts")
    place = bench()
    again = fixtures.identify_bodies(len(bodies), later=86_400)
    first, second = (merged.append(place, bodies) for bodies in (bodies, again))
    connection.ensure_connection()
    connection.connection.executescript(TABLES)

    def sample_new(variant: Variant) -> float:
        _delete_everybody()
        with variant():
            return _microseconds(lambda: merged.consume(place, first))

    def sample_unchanged(variant: Variant) -> float:
        sample_new(variant)
        merged.acknowledge_all(place)
        with variant():
            return _microseconds(lambda: merged.consume(place, second))

    variants = {"as it is": nullcontext, "with the room": _beside, "with the room instead": _instead}
    series = interleaved(
        {f"new contacts, {name}": partial(sample_new, variant) for name, variant in variants.items()}
        | {
            f"unchanged contacts, {name}": partial(sample_unchanged, variant)
            for name, variant in variants.items()
        },
        options.rounds,
    )
    for name, samples in series.items():
        line(name, _in_microseconds(samples))
    for contacts in ("new contacts", "unchanged contacts"):
        for name in ("with the room", "with the room instead"):
            share = ratios(series[f"{contacts}, {name}"], series[f"{contacts}, as it is"])
            line(f"  {contacts}, {name}: times", share, "1.10")
    place.event_log.close()


def _delete_everybody() -> None:
    merged.delete_everybody()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM profile")
        cursor.execute("DELETE FROM identifier")


class _WithRoom(MailjetDestination):
    """Asks the identity room first, in the transaction of the batch."""

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        super().deliver(items, _ProgressWithRoom(items, progress))


class _ProgressWithRoom:
    def __init__(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        self._messages = [SourcedMessage(item.message, item.source) for item in items]
        self._progress = progress

    @contextmanager
    def commit(self) -> Iterator[DeliveryCounts]:
        with self._progress.commit() as counts:
            Resolver(connection.connection).resolve_batch(self._messages)
            yield counts


@contextmanager
def _beside() -> Iterator[None]:
    """Without traits: contacts have them already."""
    with (
        patch.object(merged, "MailjetDestination", _WithRoom),
        patch.object(resolve, "traits_of", lambda _: {}),
    ):
        yield


@contextmanager
def _instead() -> Iterator[None]:
    with (
        _beside(),
        patch.object(merge, "load_people", lambda *_: {}),
        patch.object(merge, "save_people", lambda *_: None),
    ):
        yield


def _microseconds(run: Callable[[], int]) -> float:
    """Of the processor, for one of as many things as it does."""
    begun = time.process_time()
    count = run()
    return (time.process_time() - begun) * 1e6 / count


def _in_microseconds(series: Series) -> Series:
    return replace(series, form="{:,.1f}", unit=" µs")
