from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from django.db import connection

from jetbridge.delivery import threads
from jetbridge.delivery.models import HeartbeatRow
from jetbridge.delivery.threads import HANG_SECONDS, HEALTHY_SECONDS, WORKER, HeartbeatWriter, Vitals


def rows() -> dict[str, HeartbeatRow]:
    return {row.thread: row for row in HeartbeatRow.objects.all()}


def test_each_thread_has_a_row_as_long_as_it_runs(home: Path) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    vitals = [Vitals("a", 0.0), Vitals("b", 70.0, 4, since, "OSError: no")]
    writer = HeartbeatWriter(lambda: vitals, lambda: {"b": {7, 3}})
    writer.write(vitals)
    found = rows()
    assert sorted(found) == ["a", "b", WORKER]
    assert found["b"].destinations == [3, 7]
    assert (found["b"].deaths, found["b"].failing_since, found["b"].error) == (4, since, "OSError: no")
    assert 60 < (found[WORKER].beaten_at - found["b"].beaten_at).total_seconds() < 80
    writer.write(vitals[:1])
    assert sorted(rows()) == ["a", WORKER]


def test_all_of_them_are_one_write(home: Path) -> None:
    writer = HeartbeatWriter(list)
    with connection.execute_wrapper(lambda execute, *call: (statements.append(call[0]), execute(*call))[1]):
        for threads in (1, 50):
            statements: list[str] = []
            writer.write([Vitals(str(number), 0.0) for number in range(threads)])
            assert len(statements) <= 4


def test_a_thread_that_hangs_ends_the_worker(home: Path) -> None:
    ended: list[bool] = []
    stop = Event()

    def end() -> None:
        ended.append(True)
        stop.set()

    HeartbeatWriter(lambda: [Vitals("a", HANG_SECONDS)], end=end).run(stop)
    assert ended == [True]


def test_a_worker_that_died_is_known_by_what_it_left(home: Path) -> None:
    for process, deaths in ((1, 0), (2, 1), (3, 2)):
        writer = HeartbeatWriter(list, process=process)
        writer.write([])
        writer.write([])
        assert rows()[WORKER].deaths == deaths
    writer._began -= timedelta(seconds=HEALTHY_SECONDS)
    writer.write([])
    assert rows()[WORKER].deaths == 0
    threads.end_cleanly()
    HeartbeatWriter(list, process=4).write([])
    assert rows()[WORKER].deaths == 0
