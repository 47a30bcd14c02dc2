import pytest

from jetbridge.cli import progress
from jetbridge.cli.progress import WatchedLog
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.search import everything
from jetbridge.eventlog.sqlite import SqliteEventLog


@pytest.fixture
def filled(event_log: SqliteEventLog) -> SqliteEventLog:
    event_log.append([Entry(1, "identify", 0, b"{}") for _ in range(25)])
    return event_log


def test_a_search_is_told_step_by_step_and_finds_all(
    filled: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STEP", 10)
    passed: list[int] = []
    found = WatchedLog(filled, passed.append).find(everything([1]))
    assert [record.position for record in found] == list(range(1, 26))
    assert passed == [10, 20, 25]


def test_reading_on_is_told_and_looking_up_is_not(filled: SqliteEventLog) -> None:
    passed: list[int] = []
    watched = WatchedLog(filled, passed.append)
    watched.read(0, limit=20)
    watched.read(3, limit=1)
    watched.read(20)
    watched.read(25)
    assert passed == [20, 25]


def test_nothing_is_shown_where_nobody_looks(
    filled: SqliteEventLog, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.log_bar() as bar:
        assert len(bar.watch(filled).read(0)) == 25
        bar.echo("a line")
    assert capsys.readouterr() == ("a line\n", "")
