"""Readers of a log that was removed or replaced: paused with the reason, moved on, and nothing is lost in silence."""

import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.delivery import ledger, log_reader, log_recovery, pauses, report
from jetbridge.delivery.log_reader import LOG_BEHIND, LOG_REPLACED, LogReader
from jetbridge.delivery.models import ConsumerOffset, DeliveryRecordRow, Replay
from jetbridge.delivery.retention import Retention
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import Entry, Place, mark
from jetbridge.eventlog.sqlite import SqliteEventLog

if TYPE_CHECKING:
    from conftest import Bench, Recorder, Run

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def remove(home: Path) -> None:
    for path in home.glob("eventlog.db*"):
        path.unlink()


def copy(home: Path, to: Path) -> None:
    """As somebody does who stops everything first."""
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        log._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(home / "eventlog.db", to)


def put_back(copied: Path, home: Path) -> None:
    remove(home)
    shutil.copy(copied, home / "eventlog.db")


def held(bench: "Bench") -> str:
    return ConsumerOffset.objects.get(consumer=bench.reader).pause_code


def row(bench: "Bench") -> report.DestinationReport:
    (found,) = report.report(bench.log.counts)
    return found


def test_a_position_is_stored_with_its_log_and_the_mark_of_its_record(
    bench: "Bench", run: "Run", recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    run(recorder)
    bench.send(3)
    eventually(lambda: ledger.position(bench.reader) == 3, "the log is read")
    stored = ConsumerOffset.objects.get(consumer=bench.reader)
    assert Place(stored.log, stored.mark) == Place(bench.log.identity, mark(bench.log.read(2)[0]))


def test_a_log_that_is_removed_pauses_its_readers_at_once_and_nothing_is_swallowed(
    bench: "Bench", run: "Run", recorder: "Recorder", home: Path, eventually: Any
) -> None:
    """Was: 200 of 200 never delivered, and balanced."""
    bench.begin()
    run(recorder)
    bench.send(30)
    eventually(lambda: len(recorder.delivered) == 30, "they are delivered")
    remove(home)
    new = bench.send(20)
    eventually(lambda: held(bench) == LOG_REPLACED, "it is paused")
    reason = ConsumerOffset.objects.get(consumer=bench.reader).pause_reason
    assert "stood at position 30" in reason
    assert "`jetbridge admin reset-positions --to earliest`" in reason
    assert row(bench).pending < 0
    (moved,) = log_recovery.reset(bench.log, EARLIEST)
    assert moved == (bench.reader, 30, 0)
    eventually(lambda: recorder.delivered[30:] == new, "what the new log took is delivered")
    eventually(lambda: row(bench).delivered == 50, "and counted")
    assert row(bench).balanced
    assert (row(bench).pending, held(bench)) == (0, "")


def test_a_reader_that_starts_beyond_the_end_of_an_older_copy_is_paused(
    bench: "Bench", run: "Run", recorder: "Recorder", tmp_path: Path, eventually: Any
) -> None:
    home = bench.home
    bench.begin()
    bench.send(10)
    copy(home, tmp_path / "older.db")
    bench.send(10)
    stop = run(recorder)
    eventually(lambda: len(recorder.delivered) == 20, "they are delivered")
    stop.set()
    put_back(tmp_path / "older.db", home)
    run(recorder)
    eventually(lambda: held(bench) == LOG_BEHIND, "it is paused")
    bench.send(15)  # and the copy grows past the position, to other records
    eventually(lambda: held(bench) == LOG_REPLACED, "it is still paused", seconds=90)
    assert len(recorder.delivered) == 20
    log_recovery.reset(bench.log, EARLIEST)
    eventually(lambda: len(recorder.delivered) == 45, "all of the copy is read")
    assert row(bench).balanced
    assert row(bench).pending == 0


def test_a_copy_that_grew_past_the_position_is_told_by_the_mark(
    bench: "Bench", home: Path, tmp_path: Path
) -> None:
    bench.send(10)
    copy(home, tmp_path / "older.db")
    bench.send(10)
    ledger.begin(bench.reader, bench.log.counts())
    reader = LogReader(bench.log, bench.reader)
    reader.verify()
    put_back(tmp_path / "older.db", home)
    bench.log.append(entry._replace(received_at=2_000) for entry in _entries(bench, 15))
    with pytest.raises(PauseError) as caught:
        LogReader(bench.log, bench.reader).read(100)
    assert caught.value.code == LOG_REPLACED
    assert "another record at position 20" in str(caught.value)


def test_a_copy_that_grew_past_a_reader_of_an_empty_log_is_told_by_the_mark_of_what_retention_took(
    bench: "Bench", home: Path, tmp_path: Path
) -> None:
    """Was: a position at which no record is any more was taken for one of any copy."""
    bench.send(10)
    copy(home, tmp_path / "older.db")
    bench.send(10)
    bench.log.retain(received_before=2**62, max_bytes=2**62, upto=20)
    ledger.begin(bench.reader, bench.log.counts())
    LogReader(bench.log, bench.reader).verify()
    put_back(tmp_path / "older.db", home)
    bench.log.append(entry._replace(received_at=2_000) for entry in _entries(bench, 15))
    with pytest.raises(PauseError, match="another record at position 20"):
        LogReader(bench.log, bench.reader).verify()


def _entries(bench: "Bench", count: int) -> Any:
    return [Entry(bench.source.id, "identify", 1_000, b"{}") for _ in range(count)]


def test_the_log_that_is_put_back_is_read_on_without_a_word(
    bench: "Bench", run: "Run", recorder: "Recorder", tmp_path: Path, eventually: Any
) -> None:
    home = bench.home
    bench.begin()
    run(recorder)
    bench.send(5)
    eventually(lambda: ledger.position(bench.reader) == 5, "read")
    copy(home, tmp_path / "kept.db")
    remove(home)
    eventually(lambda: held(bench) == LOG_REPLACED, "it is paused")
    put_back(tmp_path / "kept.db", home)
    pauses.resume_by_hand(bench.reader)
    bench.send(2)
    eventually(lambda: len(recorder.delivered) == 7, "it goes on")
    assert held(bench) == ""


def test_retention_deletes_nothing_of_a_log_in_which_a_position_means_nothing(
    bench: "Bench", home: Path
) -> None:
    bench.send(10)
    bench.begin()
    remove(home)
    bench.send(3)
    assert Retention(bench.log, days=1, megabytes=1).step() == 0
    assert len(bench.log.read(0)) == 3
    log_recovery.reset(bench.log, LATEST)
    assert Retention(bench.log, days=1, megabytes=1).step() == 3


def test_a_position_of_an_earlier_version_takes_the_log_that_is_there(bench: "Bench") -> None:
    bench.send(3)
    ConsumerOffset.objects.create(consumer=bench.reader, position=2)
    reader = LogReader(bench.log, bench.reader)
    assert [record.position for record in reader.read(10)] == [3]
    stored = ConsumerOffset.objects.get(consumer=bench.reader)
    assert Place(stored.log, stored.mark) == bench.log.place(2)
    ConsumerOffset.objects.filter(consumer=bench.reader).update(position=9, log="", mark="")
    with pytest.raises(PauseError, match="ends at position 3"):
        LogReader(bench.log, bench.reader).verify()


def test_a_replaced_file_is_noticed_in_between_and_others_every_few_seconds(
    bench: "Bench", home: Path, tmp_path: Path
) -> None:
    now = [0.0]
    bench.send(5)
    copy(home, tmp_path / "older.db")
    bench.send(5)
    ledger.begin(bench.reader, bench.log.counts())
    reader = LogReader(bench.log, bench.reader, lambda: now[0])
    reader.verify()
    content = (tmp_path / "older.db").read_bytes()
    bench.log.close()
    for path in home.glob("eventlog.db-*"):
        path.unlink()
    (home / "eventlog.db").write_bytes(content)  # into the same file
    assert reader.read(10) == []
    now[0] += log_reader.VERIFY_SECONDS
    with pytest.raises(PauseError, match="older copy"):
        reader.read(10)


def test_a_reset_moves_only_who_is_lost_and_ends_what_named_positions_of_the_earlier_log(
    bench: "Bench", home: Path
) -> None:
    bench.send(10)
    bench.begin()
    ledger.begin("schema", bench.log.counts())
    Replay.objects.create(destination_id=bench.row.id, after=2, position=4, upto=9, messages=7, done=2)
    DeliveryRecordRow.objects.create(
        destination_id=bench.row.id, outcome="failed", reason="X", detail="", position=3, total=1,
        message_id="", person="", request="", response="", at=datetime.now(UTC),
    )  # fmt: skip
    assert log_recovery.reset(bench.log, EARLIEST) == []
    remove(home)
    bench.send(4)
    assert {each.consumer for each in log_recovery.reset(bench.log, LATEST)} == {bench.reader, "schema"}
    assert ledger.positions() == {bench.reader: 4, "schema": 4}
    replay = Replay.objects.get()
    assert (replay.after, replay.position, replay.upto) == (0, 0, 0)
    assert replay.ended_at is not None
    assert DeliveryRecordRow.objects.get().position == -3
    assert row(bench).unread == 0  # latest: what is there is left out


def test_a_reset_to_a_time_begins_there(bench: "Bench", home: Path) -> None:
    bench.send(3)
    bench.begin()
    remove(home)
    bench.log.append(
        entry._replace(received_at=at)
        for entry, at in zip(_entries(bench, 3), (1_000, 2_000, 3_000), strict=True)
    )
    (moved,) = log_recovery.reset(bench.log, datetime.fromtimestamp(2, UTC))
    assert moved.after == 1
    assert row(bench).unread == 2


def test_what_is_lost_is_counted_as_failed_once(
    bench: "Bench", run: "Run", recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    bench.send(10)
    with closing(SqliteEventLog(bench.log._path)) as log:
        log._connection().execute("DELETE FROM record WHERE position IN (4, 5, 9)")
    assert row(bench).pending == 10
    assert log_recovery.count_lost(bench.log) == [(bench.row.name, 3)]
    assert log_recovery.count_lost(bench.log) == []
    assert (row(bench).pending, row(bench).failed, row(bench).balanced) == (7, 3, True)
    run(recorder)
    eventually(lambda: row(bench).delivered == 7, "the rest is delivered")
    assert (row(bench).pending, row(bench).balanced) == (0, True)
    assert row(bench).reasons["failed"] == {log_recovery.LOST: 3}


def test_where_the_totals_were_lost_too_the_account_goes_on_from_what_is_there(
    bench: "Bench", run: "Run", recorder: "Recorder", eventually: Callable[..., None]
) -> None:
    bench.begin()
    bench.send(10)
    run(recorder)
    eventually(lambda: row(bench).delivered == 10, "delivered")
    bench.log._connection().execute("UPDATE accepted SET total = 7")
    assert row(bench).pending == -3
    assert log_recovery.count_lost(bench.log, counted=False) == []
    assert (row(bench).pending, row(bench).balanced, row(bench).received) == (0, True, 10)
