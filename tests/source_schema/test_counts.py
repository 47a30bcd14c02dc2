"""What is counted depends on what came and not on how it was cut into batches."""

from collections import Counter
from typing import Any

from django.db import transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Record
from jetbridge.source_schema.models import MetricBucket, NameRow
from jetbridge.source_schema.reader import NameLimit, SchemaCounts

MINUTE = 60_000
BODIES = {
    "identify": [b'{"traits":{"plan":"pro"}}', b'{"traits":{"plan":null,"age":3}}', b"{}", b"", b"["],
    "track": [b'{"event":"Order","properties":{"total":1}}', b'{"event":"Order"}', b"{}", b'{"event":1}'],
    INVALID: [b"{"],
    EMAIL_EVENT: [b'{"event":"open"}'],
}
#: Source, type, minute and body of one record.
RECORDS = st.sampled_from(sorted(BODIES)).flatmap(
    lambda kind: st.tuples(st.integers(1, 2), st.just(kind), st.integers(0, 2), st.sampled_from(BODIES[kind]))
)
BATCHES = st.lists(st.lists(RECORDS, max_size=6), max_size=5)


def count(batches: list[list[Record]], *, saved_after_each: bool) -> tuple[list[Any], list[Any]]:
    """The rows of minutes and names."""
    limit = NameLimit()
    counts = SchemaCounts(limit.accepts)
    for batch in batches:
        counts.add(batch)
        if saved_after_each:
            with transaction.atomic():
                counts.save()
            counts, limit = SchemaCounts(NameLimit().accepts), NameLimit()
    with transaction.atomic():
        counts.save()
    fields = [field.name for field in NameRow._meta.fields if field.name != "id"]
    minutes = [field.name for field in MetricBucket._meta.fields if field.name != "id"]
    return (
        list(MetricBucket.objects.order_by("source_id", "minute").values_list(*minutes)),
        list(NameRow.objects.order_by("source_id", "type", "event", "name").values_list(*fields)),
    )


@settings(max_examples=60)
@given(batches=BATCHES)
@example(batches=[[(1, "identify", 0, body)] for body in BODIES["identify"]])  # of two kinds
def test_batches_add_up(homes: Any, batches: list[list[tuple[int, str, int, bytes]]]) -> None:
    position = 0
    log: list[list[Record]] = []
    for batch in batches:
        log.append([])
        for source, kind, minute, body in batch:
            position += 1
            log[-1].append(Record(position, source, kind, minute * MINUTE + position, body, None))
    records = [record for batch in log for record in batch]

    homes.empty()
    at_once = count([records], saved_after_each=False)
    homes.empty()
    one_by_one = count(log, saved_after_each=True)
    homes.empty()
    together = count(log, saved_after_each=False)
    assert at_once == one_by_one == together

    messages = [record for record in records if record.type not in {INVALID, EMAIL_EVENT}]
    by_minute = Counter((record.source, record.received_at // MINUTE) for record in messages)
    rows = MetricBucket.objects.filter(messages__gt=0).values_list("source_id", "minute", "messages")
    assert {(source, minute): total for source, minute, total in rows} == by_minute
    by_type = Counter((record.source, record.type) for record in messages if record.body)
    whole = NameRow.objects.filter(name="").values_list("source_id", "type", "total")
    totals: Counter[tuple[int, str]] = Counter()
    for source, kind, total in whole:
        totals[source, kind] += total
    assert totals == by_type
