"""Row 17: the two readings of a batch: what decoding the whole body at once saves beside reading it item by item."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

import benchmarks.home  # noqa: F401 - Django comes first
from benchmarks import fixtures
from benchmarks.figures import compare, interleaved, per_second, title
from benchmarks.options import Options
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import at_once, parse_batch
from jetbridge.worker.process import tune_gc

BATCH = 100


def run(options: Options) -> None:
    tune_gc()  # as the web process does
    count = options.size(50_000)
    quick = fixtures.batch_bodies(range(count), write_key="key", size=BATCH)
    # A field that calls do not have: only the careful reading forgives it.
    careful = [msgspec.json.encode(msgspec.json.decode(body) | {"unknown": 0}) for body in quick]
    title(f"17. Batches of {BATCH} calls to encoded messages: {count:,} calls, both readings")
    series = interleaved(
        {
            "whole body at once": lambda: per_second(lambda: _parse(quick)),
            "item by item": lambda: per_second(lambda: _parse(careful)),
        },
        options.rounds,
    )
    compare(series, floor="item by item", targets={})


def _parse(bodies: Sequence[bytes]) -> int:
    arrival = Arrival(received_at=datetime.now(UTC))
    parsed = (at_once(parse_batch(body, arrival)) for body in bodies)
    return len(list(itertools.chain.from_iterable(batch.accepted for batch in parsed)))
