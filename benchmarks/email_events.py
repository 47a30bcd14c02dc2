"""Row 3: Mailjet event JSON in, track call JSON out, one process, without look-ups."""

from collections.abc import Sequence
from datetime import UTC, datetime

import benchmarks.home  # noqa: F401 - Django comes first
from benchmarks import fixtures, floor
from benchmarks.figures import compare, interleaved, per_second, title
from benchmarks.options import Options
from jetbridge.integrations.mailjet.api.events import parse
from jetbridge.integrations.mailjet.events.track import Names, email_event_to_track
from jetbridge.spec.emails import normalise
from jetbridge.spec.message import encode
from jetbridge.worker.process import tune_gc

NOW = datetime(2025, 1, 1, tzinfo=UTC)
NAMES = Names("Spring is here", "Spring 2025", "Customers")


def run(options: Options) -> None:
    tune_gc()  # as the worker does
    events = fixtures.email_events(options.size(50_000))
    title(f"3. Mailjet event JSON in, track JSON out: {len(events):,} events")
    series = interleaved(
        {
            "jetbridge": lambda: per_second(lambda: _map(events)),
            "orjson floor": lambda: per_second(lambda: sum(bool(floor.track(event)) for event in events)),
        },
        options.rounds,
    )
    compare(series, floor="orjson floor", targets={"jetbridge": ("120,000/s", "0.61")})


def _map(events: Sequence[bytes]) -> int:
    for body in events:
        event, raw = parse(body)
        email = normalise(event.email) or ""
        encode(email_event_to_track(event, raw, email=email, user_id="u", received_at=NOW, names=NAMES))
    return len(events)
