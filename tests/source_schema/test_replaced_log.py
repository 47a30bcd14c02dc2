"""The log that the schema is counted from is replaced, and the schema begins in the one that is there."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jetbridge.control.models import Source, Workspace
from jetbridge.delivery import ledger, log_recovery
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import Counts, Entry
from jetbridge.eventlog.scan_backwards import ScanLimit, scan_backwards
from jetbridge.eventlog.search import everything
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.source_schema import reader, volumes
from jetbridge.source_schema.models import READER, MetricBucket, NameRow
from jetbridge.source_schema.reader import SchemaReader

EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1, 9999))


class Place:
    """A log with its schema reader; a message a second."""

    def __init__(self, home: Path) -> None:
        self.path = home / "eventlog.db"
        self.log = SqliteEventLog(self.path)
        self.seconds = iter(range(1, 10**6))
        ledger.begin(READER, Counts(0, {}))

    def send(self, number: int, source: int = 1) -> None:
        self.log.append(Entry(source, "page", next(self.seconds) * 1_000, b"{}") for _ in range(number))

    def read(self) -> None:
        SchemaReader(self.log).step(LogReader(self.log, READER))

    def copy(self, to: Path) -> None:
        with closing(sqlite3.connect(self.path)) as file, closing(sqlite3.connect(to)) as other:
            file.backup(other)

    def replace(self, by: Path | None) -> None:
        for path in self.path.parent.glob("eventlog.db*"):
            path.unlink()
        if by:
            shutil.move(by, self.path)

    def reset(self, to: datetime = EARLIEST) -> None:
        with pytest.raises(PauseError):
            self.read()
        assert log_recovery.reset(self.log, to, begins={READER: reader.begin_in_replaced_log})
        self.read()

    def found(self, source: int = 1) -> int:
        """Records that a look from the end finds, where the schema says that there are some."""
        scan_ranges = volumes.scan_ranges(source, self.log.counts().end + 1, READER)
        search = everything([source])
        return len(
            scan_backwards(
                self.log, search, scan_ranges, limit=10**4, scan_limit=ScanLimit(10**6, 10**3)
            ).records
        )


def counted(source: int = 1) -> tuple[int, int]:
    """Messages by minute, and by name."""
    minutes = sum(MetricBucket.objects.filter(source_id=source).values_list("messages", flat=True))
    return minutes, sum(NameRow.objects.filter(source_id=source, name="").values_list("total", flat=True))


@pytest.fixture
def place(home: Path) -> Iterator[Place]:
    place = Place(home)
    yield place
    place.log.close()


@pytest.mark.parametrize("later", [0, 5, 300])
def test_an_older_copy_is_not_counted_again(place: Place, tmp_path: Path, later: int) -> None:
    """However much came to it before anybody noticed: fewer than were lost, or more."""
    place.send(70)
    place.read()
    place.copy(tmp_path / "older.db")
    place.send(90)
    place.send(10, source=2)
    place.read()
    assert (counted(), counted(2)) == ((160, 160), (10, 10))
    place.replace(tmp_path / "older.db")
    place.send(later)
    place.reset()
    assert counted() == (160 + later, 160 + later)
    assert place.found() == 70 + later
    place.send(4)
    place.send(3, source=2)
    place.read()
    assert (counted(), counted(2)) == ((164 + later, 164 + later), (13, 13))
    assert (place.found(), place.found(2)) == (74 + later, 3)


def test_all_of_another_log_is_new(place: Place) -> None:
    place.send(70)
    place.read()
    place.replace(None)
    place.send(5)
    place.reset()
    assert counted() == (75, 75)
    assert place.found() == 5


def test_what_the_schema_had_not_read_is_counted_from_the_copy(place: Place, tmp_path: Path) -> None:
    place.send(70)
    place.read()
    place.send(20)
    place.copy(tmp_path / "older.db")
    place.replace(None)
    place.send(1)
    with pytest.raises(PauseError):
        place.read()
    place.replace(tmp_path / "older.db")  # which is the earlier file: there is nothing to reset
    place.read()
    assert counted() == (90, 90)


def test_latest_leaves_out_what_is_there(place: Place, tmp_path: Path) -> None:
    place.send(70)
    place.copy(tmp_path / "older.db")
    place.send(9)
    place.read()
    place.replace(tmp_path / "older.db")
    place.send(5)
    place.reset(LATEST)
    assert counted() == (79, 79)
    assert ConsumerOffset.objects.get().position == 75


def test_a_source_was_heard_when_it_was(place: Place, tmp_path: Path) -> None:
    """Also by a message that is not in the copy: silence is no alarm of our own."""
    workspace = Workspace.objects.create(name="Shop")
    source = Source.objects.create(workspace=workspace, name="Web", kind="http").id
    place.send(70, source)
    place.copy(tmp_path / "older.db")
    place.send(60, source)
    place.read()
    before = volumes.last_received([source])
    assert before == {source: 130_000}
    place.replace(tmp_path / "older.db")
    place.send(5, source=source + 1)
    place.reset()
    assert volumes.last_received([source]) == before
