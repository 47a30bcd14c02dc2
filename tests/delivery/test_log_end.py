"""An older copy of the log, within which all readers stand: what it has lost is noticed, also after it has grown."""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jetbridge.delivery import ledger, log_recovery
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.log_recovery import LOG_END, LogEndWatch
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.delivery.retention import Retention
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services.queries import health

from .test_log_reader import EARLIEST, LATEST, copy, put_back, remove

if TYPE_CHECKING:
    from conftest import Bench


def lights(log: SqliteEventLog) -> list[str]:
    return [light.code for light in health.read(log).lights if light.thing == f"thread:{LOG_END}"]


def stored() -> ConsumerOffset:
    return ConsumerOffset.objects.get(consumer=LOG_END)


@pytest.fixture
def older(bench: "Bench", home: Path, tmp_path: Path) -> Path:
    """A copy of 30 records; a reader stands at 10 of the 50 that there are."""
    bench.send(10)
    bench.begin()
    LogEndWatch(bench.log).step()
    bench.send(20)
    copy(home, tmp_path / "older.db")
    bench.send(20)
    LogEndWatch(bench.log).step()
    bench.log.close()
    assert (stored().position, ledger.position(bench.reader)) == (50, 10)
    return tmp_path / "older.db"


def test_it_goes_along_with_the_log(bench: "Bench") -> None:
    watch = LogEndWatch(bench.log)
    for end in (0, 5, 5, 12):
        bench.send(end - bench.sent)
        watch.step()
        assert (stored().position, stored().pause_code) == (end, "")
    assert lights(bench.log) == []


@pytest.mark.parametrize("to", [EARLIEST, LATEST])
def test_an_older_copy_is_a_light_until_positions_are_reset(
    bench: "Bench", home: Path, older: Path, to: datetime
) -> None:
    put_back(older, home)
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        assert len(LogReader(log, bench.reader).read(100)) == 20, "its reader sees nothing wrong"
        watch = LogEndWatch(log)
        watch.step()
        assert lights(log) == ["LOG_BEHIND"]
        assert "ends at position 30" in stored().pause_reason
        assert Retention(log, 1, 1_000, clock=lambda: 10**10).step() == 0, "nothing more of it goes"
        bench.log = log
        bench.send(40)  # past where it was
        watch.step()
        assert lights(log) == ["LOG_REPLACED"]
        assert [row.consumer for row in log_recovery.reset(log, to)] == [LOG_END]
        watch.step()
        assert lights(log) == []
        assert (stored().position, ledger.position(bench.reader)) == (70, 10), (
            "its reader goes on where it was"
        )


def test_the_earlier_file_ends_it(bench: "Bench", home: Path, older: Path, tmp_path: Path) -> None:
    copy(home, tmp_path / "newest.db")
    put_back(older, home)
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        LogEndWatch(log).step()
        assert lights(log) == ["LOG_BEHIND"]
    put_back(tmp_path / "newest.db", home)
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        LogEndWatch(log).step()
        assert lights(log) == []


@pytest.mark.usefixtures("older")
def test_another_log_is_a_light_as_well(home: Path) -> None:
    remove(home)
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        LogEndWatch(log).step()
        assert lights(log) == ["LOG_REPLACED"]
