"""Row 2: the same with contact state merged and stored in SQLite, new contacts and unchanged ones."""

import sqlite3
from collections.abc import Callable, Sequence
from threading import Event

from benchmarks import fixtures, floor
from benchmarks.figures import compare, interleaved, per_second, title
from benchmarks.home import Bench, bench, scratch
from benchmarks.options import Options
from jetbridge.delivery import ledger
from jetbridge.delivery.base import BatchPolicy
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.base import Entry, Record
from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.merge import MailjetDestination
from jetbridge.integrations.mailjet.contacts.state import fully_delivered
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact as ContactRow
from jetbridge.integrations.mailjet.models import Person as PersonRow
from jetbridge.integrations.mailjet.sync.results import ContactUpdateResult, acknowledge
from jetbridge.privacy.suppression import WorkspaceSuppressed
from jetbridge.routing.route import Route
from jetbridge.worker.process import tune_gc

#: What a destination gets at once.
BATCH_RECORDS = BatchPolicy().records


def run(options: Options) -> None:
    tune_gc()  # as the worker does
    place = bench()
    messages = fixtures.identify_bodies(options.size(50_000))
    later = fixtures.identify_bodies(len(messages), later=86_400)
    first, second = (append(place, bodies) for bodies in (messages, later))
    title(
        f"2. The same with contact state in SQLite: {len(messages):,} contacts, {BATCH_RECORDS:,} per batch"
    )
    series = interleaved(
        {
            "jetbridge, new contacts": lambda: _new(place, first),
            "jetbridge, unchanged contacts": lambda: _unchanged(place, first, second),
            "orjson floor": lambda: per_second(
                lambda: sum(map(bool, floor.bulk_bodies(messages))) and len(messages)
            ),
            "orjson floor and bare executemany": lambda: _bare(messages),
        },
        options.rounds,
    )
    compare(
        series,
        floor="orjson floor",
        targets={
            "jetbridge, new contacts": ("60,000/s", "0.40"),
            "jetbridge, unchanged contacts": ("60,000/s", "0.40"),
        },
    )
    place.event_log.close()


def append(place: Bench, bodies: Sequence[bytes]) -> int:
    """Put messages into the log; the position before the first of them."""
    before = place.event_log.counts().end
    place.event_log.append([Entry(place.source, "identify", 0, body) for body in bodies])
    return before


def _new(place: Bench, position: int) -> float:
    delete_everybody()
    return per_second(lambda: consume(place, position))


def _unchanged(place: Bench, first: int, second: int) -> float:
    _new(place, first)
    acknowledge_all(place)
    return per_second(lambda: consume(place, second))


def delete_everybody() -> None:
    PersonRow.objects.all().delete()
    ContactRow.objects.all().delete()


def consume(place: Bench, position: int) -> int:
    """Messages from the log through the destination, as a worker's thread does it; how many."""
    ledger.move(destination_consumer(place.destination), position)
    stop = Event()
    until_end = _UntilEnd(place, stop.set)
    consumer = Consumer(
        event_log=until_end,
        destination_id=place.destination,
        destination=MailjetDestination(place.destination, place.account, place.list_id, workspace=1),
        route=Route(MAILJET.accepts, MAILJET.names, place.source_kinds, WorkspaceSuppressed(1)),
    )
    consumer.run(stop)
    return until_end.total


class _UntilEnd:
    """The log, cut off after as many records as the first half holds; says so when they are read."""

    def __init__(self, place: Bench, ended: Callable[[], None]) -> None:
        self._log = place.event_log
        self._ended = ended
        self._left = place.event_log.counts().end // 2
        self.total = 0

    def read(self, after: int, *, limit: int = 1000, max_bytes: int = 8_000_000) -> Sequence[Record]:
        records = self._log.read(after, limit=min(limit, self._left - self.total), max_bytes=max_bytes)
        self.total += len(records)
        if not records:
            self._ended()
        return records

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


def acknowledge_all(place: Bench) -> None:
    """Acknowledge every contact, as if Mailjet had confirmed it; in steps, as jobs do."""
    statement = f"{queries._CONTACT} WHERE account_id = %s AND id > %s ORDER BY id LIMIT 5000"  # noqa: SLF001
    last = 0
    while rows := queries.rows(statement, place.account, last):
        last = rows[-1][0]
        with acknowledge(place.account, 0) as work:
            for row in rows:
                contact = Contact.of_row(row)
                sent = fully_delivered(contact.desired)
                work.confirm(contact, ContactUpdateResult(contact.email, contact.pending, sent))


def _bare(messages: Sequence[bytes]) -> float:
    """The floor of row 1, and one row of the same size per contact in a table with the same key."""
    connection = sqlite3.connect(scratch("bare") / "bare.db", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE contact (id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER, email TEXT, state BLOB,"
        " UNIQUE (account, email));"
    )

    def work() -> int:
        for start in range(0, len(messages), BATCH_RECORDS):
            batch = messages[start : start + BATCH_RECORDS]
            rows = [(1, f"{start + number}@example.com", body) for number, body in enumerate(batch)]
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO contact (account, email, state) VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
        return sum(map(bool, floor.bulk_bodies(messages))) and len(messages)

    try:
        return per_second(work)
    finally:
        connection.close()
