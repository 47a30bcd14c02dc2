"""What no window reaches any more goes, in steps that look at little else."""

import hashlib

import pytest

from jetbridge.engage import ingestion
from jetbridge.engage.configuration import ConfigurationReader
from jetbridge.engage.ingestion import Pruning
from jetbridge.engage.store import transaction

from .bench import DAY, ORDERED, SECOND, START, EngageBench

#: Steps of SQLite's virtual machine between two looks at them.
INSTRUCTIONS = 1_000


def stored(bench: EngageBench) -> tuple[int, int]:
    """Events and messageIds."""
    ((events, messages),) = bench.query("SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM message)")
    return events, messages


def test_events_go_with_their_message_ids_when_they_are_older_than_any_window(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    for number in range(5):
        bench.order(f"u{number}", ago=89 * DAY)
    bench.order("u5")
    bench.run()
    assert stored(bench) == (6, 6)
    bench.now += 2 * DAY
    bench.run()
    assert stored(bench) == (1, 1)
    assert bench.members("buyers") == {"u5"}


@pytest.fixture
def full_of_messages(bench: EngageBench) -> EngageBench:
    """20,000 messageIds, one of which gets too old with each second."""
    bench.run()
    rows = [
        (
            bench.source.id,
            hashlib.blake2b(str(n).encode(), digest_size=16).digest(),
            START - 90 * DAY + n * SECOND,
        )
        for n in range(20_000)
    ]
    bench.engine._connection.executemany("INSERT INTO message VALUES (?, ?, ?)", rows)
    bench.engine._meta.set(pruned_at=0)
    return bench


def test_it_ends_although_messages_get_too_old_all_the_time(
    full_of_messages: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "PRUNED_MESSAGES", 100)
    bench = full_of_messages
    configuration = ConfigurationReader(bench.space.id).read()
    assert configuration
    step, steps = Pruning(bench.engine._connection).step, 0
    while step(configuration, bench.now):
        steps += 1
        bench.now += 5 * SECOND
        assert steps < 10
    assert stored(bench)[1] == pytest.approx(20_000, abs=100)


def test_a_step_looks_at_no_message_that_stays(full_of_messages: EngageBench) -> None:
    bench, looks = full_of_messages, 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return 0

    configuration = ConfigurationReader(bench.space.id).read()
    assert configuration
    connection = bench.engine._connection
    with transaction(connection):
        connection.set_progress_handler(look, INSTRUCTIONS)
        Pruning(connection).step(configuration, bench.now)
        connection.set_progress_handler(None, 0)
    assert stored(bench)[1] == 19_999
    assert looks < 5
