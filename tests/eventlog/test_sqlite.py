"""What the SQLite engine promises beyond the contract: disk given back, a full disk, a killed writer."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jetbridge.eventlog.base import Entry, LogUnavailable
from jetbridge.eventlog.sqlite import SqliteEventLog

BODY = os.urandom(1_000)
ENORMOUS = 10**15


def test_retention_gives_the_disk_back(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = SqliteEventLog(path)
    log.append(Entry(1, "track", 1, BODY) for _ in range(20_000))
    log.close()
    full = path.stat().st_size
    log = SqliteEventLog(path)
    assert log.retain(received_before=2, max_bytes=ENORMOUS, upto=log.counts().end) == 20_000
    log.close()
    assert full > 20_000_000
    assert path.stat().st_size < full / 50


def test_retention_by_size_stops_below_the_size(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "log.db")
    log.append(Entry(1, "track", 1, BODY) for _ in range(20_000))
    log.retain(received_before=0, max_bytes=10_000_000, upto=log.counts().end)
    assert 0 < log.size_bytes() <= 10_000_000
    assert len(log.read(0, limit=20_000, max_bytes=ENORMOUS)) > 1_000
    log.close()


def test_a_full_disk_refuses_an_append_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "log.db", max_disk_bytes=1_000_000)
    acknowledged = 0
    with pytest.raises(LogUnavailable, match=r"takes no records: database or disk is full"):
        for number in range(1_000):
            log.append(Entry(1, "track", number, BODY) for _ in range(10))
            acknowledged += 10
    assert 500 < acknowledged < 1_000
    assert len(log.read(0, limit=10_000, max_bytes=ENORMOUS)) == acknowledged
    assert log.counts().by_source_and_type == {(1, "track"): acknowledged}
    log.close()


def test_a_full_disk_takes_records_again_once_retention_made_room(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "log.db", max_disk_bytes=1_000_000)
    with pytest.raises(LogUnavailable):
        for _ in range(1_000):
            log.append(Entry(1, "track", 1, BODY) for _ in range(10))
    log.retain(received_before=2, max_bytes=ENORMOUS, upto=log.counts().end)
    log.append([Entry(1, "track", 3, BODY)])
    assert [record.received_at for record in log.read(0)] == [3]
    log.close()


def test_a_log_that_another_process_holds_is_unavailable_not_lost(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "log.db", busy_seconds=0.1)
    other = SqliteEventLog(tmp_path / "log.db")
    with other._write(), pytest.raises(LogUnavailable, match="locked"):
        log.append([Entry(1, "track", 1, b"{}")])
    log.append([Entry(1, "track", 2, b"{}")])
    assert [record.received_at for record in log.read(0)] == [2]
    log.close()
    other.close()


WRITER = """
import sys
from pathlib import Path
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
log = SqliteEventLog(Path(sys.argv[1]))
for number in range(1_000_000):
    log.append(Entry(1, "track", number, b"%d" % number) for _ in range(3))
    print(number, flush=True)
"""


def test_a_killed_writer_has_lost_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = -1
    for line in writer.stdout:
        acknowledged = int(line)
        if acknowledged == 200:
            writer.send_signal(signal.SIGKILL)
            break
    # What it said between the last line we looked at and its death counts, too.
    acknowledged = max([acknowledged, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    log = SqliteEventLog(path)
    bodies = [record.body for record in log.read(0, limit=10_000_000, max_bytes=ENORMOUS)]
    written = len(bodies) // 3
    assert written >= acknowledged + 1
    assert bodies == [b"%d" % number for number in range(written) for _ in range(3)]
    log.close()
