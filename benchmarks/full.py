"""A home as it is after two busy weeks: messages in the log, contacts, failures, figures by the minute.

Written as the worker writes it, but in large steps: what pages read is what is really there.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from django.db import transaction
from django.utils import timezone

from benchmarks import fixtures
from benchmarks.home import Bench
from jetbridge.delivery import ledger, metrics
from jetbridge.delivery.base import FAILED, RECEIVED, DeliveryCounts
from jetbridge.delivery.models import DeliveryRecordRow, LatencyBucket, MetricBucket
from jetbridge.eventlog.base import Counts, Entry
from jetbridge.integrations.mailjet.api.resources import ADDNOFORCE
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.integrations.mailjet.contacts.pending import Waiting, add_acknowledged
from jetbridge.integrations.mailjet.contacts.state import Desired, fully_delivered
from jetbridge.source_schema.models import READER
from jetbridge.source_schema.reader import SchemaReader
from jetbridge.spec.message import Message

STEP = 10_000
WEEKS_MS = 14 * 24 * 3_600_000
#: Reasons for which messages failed, each with as many delivery records as are kept.
REASONS, KEPT = ("INVALID_EMAIL", "INVALID_FIELD", "TOO_LARGE"), 10_000


def fill(place: Bench, messages: int, contacts: int) -> None:
    """Blocks for about a minute per million messages, and says how far it is."""
    begin = int(time.time() * 1000) - WEEKS_MS
    _in_steps("messages", messages, lambda first: _append(place, first, begin, messages))
    _in_steps("contacts", contacts, lambda first: _contacts(place, first))
    with transaction.atomic():
        _account_for(place, messages)
        _fail(place, messages)
        _course(place, begin, messages)
    _read_the_schema(place)


def _in_steps(what: str, total: int, step: Callable[[int], None]) -> None:
    for first in range(0, total, STEP):
        step(first)
        if (first + STEP) % 1_000_000 == 0:
            print(f"  filled: {first + STEP:,} {what}", flush=True)


def _append(place: Bench, first: int, begin: int, messages: int) -> None:
    entries = [
        _entry(place, number, begin + WEEKS_MS * number // messages) for number in range(first, first + STEP)
    ]
    place.event_log.append(entries)


def _entry(place: Bench, number: int, at: int) -> Entry:
    """Three track calls for one identify."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    user = f"user-{number % 1_000_000}"
    message = Message(
        type="track" if number % 4 else "identify",
        message_id=f"message-{number}",
        timestamp=moment,
        received_at=moment,
        user_id=user,
        event=f"Event {number % 40}" if number % 4 else None,
        properties={"total": number % 900, "currency": "EUR"} if number % 4 else None,
        traits=None if number % 4 else {"email": f"{user}@example.com", "orders": number % 50},
    )
    return Entry(place.source, message.type, at, msgspec.json.encode(message))


def _contacts(place: Bench, first: int) -> None:
    now = int(time.time() * 1000)
    rows, people = [], []
    for number in range(first, first + STEP):
        email, user = f"user-{number}@example.com", f"user-{number}"
        desired = Desired(
            time=now - number,
            values={
                name.lower(): value
                for name, value in fixtures.traits(number % 1_000).items()
                if name != "email"
            },
            lists={place.list_id: (ADDNOFORCE, now - number)},
            users={user: now - number},
        )
        history = add_acknowledged(
            None, now - number, "job 1", "Completed", {place.destination: Waiting(1, number, "m", number)}
        )
        delivered = state.encode(fully_delivered(desired))
        rows.append(
            (place.account, email, state.encode(desired), delivered, None, None, 0, now - number, history)
        )
        people.append((place.account, user, email, now - number, now - number, None, None))
    with transaction.atomic():
        queries.write(_ADD_CONTACT, rows)
        queries.insert(queries.SAVE_PERSON, people)


_ADD_CONTACT = """
INSERT INTO mailjet_contact
  (account_id, email, desired, delivered, pending, next_attempt_at, attempts, synced_at, history)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def _account_for(place: Bench, messages: int) -> None:
    end = place.event_log.counts().end
    failed = KEPT * len(REASONS)
    identifies = messages // 4
    counts = DeliveryCounts(
        delivered=identifies - failed, filtered=Counter({"UNSUPPORTED_EVENT_TYPE": messages - identifies})
    )
    counts.failed.update(dict.fromkeys(REASONS, KEPT))
    with ledger.commit(place.destination, end, Counter({place.source: messages}), counts):
        pass


def _fail(place: Bench, messages: int) -> None:
    now = timezone.now()
    DeliveryRecordRow.objects.bulk_create(
        [
            DeliveryRecordRow(
                destination_id=place.destination,
                outcome=FAILED,
                reason=reason,
                sentence="Mailjet rejects the email address. Correct it at its origin.",
                position=messages - number * 4,
                total=1,
                message_id=f"message-{messages - number * 4}",
                person=f"user-{number}@example.com",
                request=json.dumps(fixtures.traits(number)),
                response="{}",
                at=now,
            )
            for reason in REASONS
            for number in range(KEPT)
        ],
        batch_size=1_000,
    )


def _course(place: Bench, begin: int, messages: int) -> None:
    """Minutes of the last day, and hours before it."""
    first, last = begin // 60_000, metrics.now()
    singly = last - metrics.SINGLY
    ticks = [*range(first // 60 * 60, singly, 60), *range(singly, last)]
    each = messages // len(ticks)
    outcomes = [
        (RECEIVED, "", each),
        ("delivered", "", each // 4),
        ("filtered", "UNSUPPORTED_EVENT_TYPE", each),
    ]
    outcomes += [("failed", reason, 1) for reason in REASONS]
    MetricBucket.objects.all().delete()
    MetricBucket.objects.bulk_create(
        [
            MetricBucket(
                destination_id=place.destination, minute=tick, outcome=outcome, reason=reason, total=total
            )
            for tick in ticks
            for outcome, reason, total in outcomes
        ],
        batch_size=1_000,
    )
    LatencyBucket.objects.bulk_create(
        [
            LatencyBucket(destination_id=place.destination, minute=tick, bucket=bucket, total=each // 40)
            for tick in ticks
            for bucket in range(20, 30)
        ],
        batch_size=1_000,
    )


def _read_the_schema(place: Bench) -> None:
    reader, end, position = SchemaReader(place.event_log), place.event_log.counts().end, 0
    ledger.begin(READER, Counts(0, {}))
    while position < end:
        position = reader.step(position)
        if position % 1_000_000 == 0:
            print(f"  schema read: {position:,}", flush=True)
