"""The log's file is removed, replaced or damaged under processes that have it open."""

import itertools
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests import makers as mk
from tests.fuzz import WITH_IO, Effort, fuzz

from jetbridge.eventlog import file_guard
from jetbridge.eventlog.base import Entry, LogDamaged, LogUnavailable, Place, Record, is_same_record, mark
from jetbridge.eventlog.recovery import recover
from jetbridge.eventlog.search import about, everything
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.person import Identity


def entries(count: int, source: int = 1) -> Iterator[Entry]:
    return (Entry(source, "identify", 1_000 + number, b"body %d " % number * 20) for number in range(count))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eventlog.db"


def remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def test_what_is_appended_after_the_file_was_removed_is_in_the_new_file(path: Path) -> None:
    """SQLite alone would write it, synced and acknowledged, to a file that nobody can open any more."""
    with closing(SqliteEventLog(path)) as log:
        log.append(entries(3))
        before = log.identity
        remove(path)
        log.append(entries(2))
        assert log.identity != before
    with closing(SqliteEventLog(path)) as again:
        assert [row.position for row in again.read(0)] == [1, 2]


def test_what_is_read_after_the_file_was_replaced_is_of_the_new_file(path: Path, tmp_path: Path) -> None:
    with closing(SqliteEventLog(tmp_path / "other.db")) as other:
        other.append(entries(5))
        identity = other.identity
    with closing(SqliteEventLog(path)) as log:
        log.append(entries(1))
        remove(path)
        shutil.move(tmp_path / "other.db", path)
        assert len(log.read(0)) == 5
        assert log.identity == identity
        assert log.counts().end == 5


def test_a_file_that_is_replaced_while_it_is_opened_is_not_the_one_that_is_used(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was: what came after that was acknowledged, and written to a file that nobody can open any more."""
    with closing(SqliteEventLog(tmp_path / "other.db")) as other:
        other.append(entries(5))
    with closing(SqliteEventLog(path)) as before:
        before.append(entries(1))
    prepare = SqliteEventLog._prepare

    def replaced(log: SqliteEventLog, connection: sqlite3.Connection) -> None:
        prepare(log, connection)
        if (tmp_path / "other.db").exists():
            shutil.move(tmp_path / "other.db", path)

    monkeypatch.setattr(SqliteEventLog, "_prepare", replaced)
    with closing(SqliteEventLog(path)) as log:
        log.append(entries(2))
        assert log.counts().end == 7
    with closing(SqliteEventLog(path)) as again:
        assert again.counts().end == 7


def test_a_file_that_is_written_over_has_the_identity_that_it_holds_now(path: Path) -> None:
    with closing(SqliteEventLog(path)) as log:
        log.append(entries(1))
        with closing(sqlite3.connect(path)) as writer, writer:
            writer.execute("UPDATE identity SET id = 'another'")
        assert log.place(1).log == log.counts().place.log == "another"


def overwrite(path: Path, content: Path) -> None:
    """As `cp` does: the file stays the same one."""
    inode = path.stat().st_ino
    shutil.copyfile(content, path)
    assert path.stat().st_ino == inode


def copy(path: Path, to: Path, how: str) -> None:
    """As backup tools make one, of all that the log holds."""
    with closing(sqlite3.connect(path)) as file:
        if how == "vacuum":
            file.execute("VACUUM INTO ?", (str(to),))
            return
        with closing(sqlite3.connect(to)) as other:
            file.backup(other)
            if how == "journal":
                other.execute("PRAGMA journal_mode = DELETE")


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_guard, "QUIET_SECONDS", 0.2)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("how", ["backup", "journal", "vacuum"])
def test_what_is_copied_over_the_file_is_noticed_by_the_next_append_and_the_next_read(
    path: Path, tmp_path: Path, how: str
) -> None:
    """SQLite alone would mix it with the write-ahead log of what was overwritten."""
    older = tmp_path / "older.db"
    with closing(SqliteEventLog(path)) as log, closing(SqliteEventLog(path)) as reader:
        log.append(entries(3))
        copy(path, older, how)
        for _ in range(100):
            log.append(entries(300))
        assert reader.read(30_002)[0].position == 30_003
        before = reader.generation
        overwrite(path, older)
        for use in (lambda: log.append(entries(1)), lambda: reader.read(0)):
            with pytest.raises(LogUnavailable, match="is being overwritten"):
                use()
        time.sleep(0.3)
        assert len(reader.read(0)) == 3
        log.append(entries(1))
        assert [row.position for row in reader.read(2)] == [3, 4]
        assert reader.generation == before + 1
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert {each.name for each in tmp_path.iterdir()} == {"eventlog.db", "older.db"}


@pytest.mark.usefixtures("_quick")
def test_a_copy_that_goes_on_is_waited_for(path: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    with closing(SqliteEventLog(path)) as log:
        log.append(entries(3))
        copy(path, older, "backup")
        for _ in range(100):
            log.append(entries(300))
        content = older.read_bytes()
        with path.open("r+b") as file:
            file.truncate(0)
            for start in range(0, len(content), 4096):
                file.write(content[start : start + 4096])
                file.flush()
                with pytest.raises(LogUnavailable):
                    log.append(entries(1))
                time.sleep(0.05)
        time.sleep(0.3)
        log.append(entries(1))
        assert log.read(3)[0].position == 4


STEPS = mk.lists(
    mk.sampled_from(["append", "many", "retain", "scrub", "checkpoint", "vacuum", "touch"]), most=6
)


def go_on(path: Path, logs: Sequence[SqliteEventLog], steps: Sequence[str], stamps: Iterator[int]) -> None:
    for number, step in enumerate(steps):
        log = logs[number % len(logs)]
        if step in {"append", "many"}:
            log.append(
                Entry(1, "track", next(stamps), b"body" * 100)
                for _ in range(1 if step == "append" else 3_000)
            )
        elif step == "retain":
            log.retain(received_before=2**50, max_bytes=10**9, upto=log.counts().end // 2)
        elif step == "scrub":
            log.scrub(about([1], Identity.of_name("nobody")))
        elif step == "touch":
            path.touch()
        else:
            with closing(sqlite3.connect(path, isolation_level=None)) as file:
                file.execute("VACUUM" if step == "vacuum" else "PRAGMA wal_checkpoint(PASSIVE)")


def held_by(log: SqliteEventLog) -> list[Record]:
    return list(log.read(0, limit=10**6, max_bytes=10**9))


@fuzz(
    Effort(60, 2_000),
    # VACUUM moves the pages and nothing is appended: only the schema cookie tells the copy from the file.
    examples=[
        {
            "before": ["many", "retain"],
            "between": ["vacuum", "checkpoint", "append"],
            "after": [],
            "how": "cp",
        }
    ],
    before=STEPS,
    between=STEPS,
    after=STEPS,
    how=mk.sampled_from(["cp", "backup", "journal", "vacuum"]),
)
def test_whenever_it_is_overwritten_it_is_noticed_or_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[str],
    between: list[str],
    after: list[str],
    how: str,
) -> None:
    """And nothing that is done to a log by itself is taken for that."""
    path, stamps = tmp_path_factory.mktemp("log") / "eventlog.db", itertools.count()
    older = path.with_name("older.db")
    with (
        closing(SqliteEventLog(path)) as log,
        closing(SqliteEventLog(path)) as other,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(file_guard, "QUIET_SECONDS", 0.0)
        go_on(path, [log, other], [*before, "append"], stamps)
        if how == "cp":
            with closing(sqlite3.connect(path)) as file:
                file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copyfile(path, older)
        else:
            copy(path, older, how)
        go_on(path, [log, other], between, stamps)
        expected = held_by(log)
        overwrite(path, older)
        generation = log._generation
        go_on(path, [log, other], ["append"], stamps)
        if log.generation == generation:
            assert held_by(log)[:-1] == expected
        else:
            with closing(SqliteEventLog(older)) as copied:
                assert held_by(log)[:-1] == held_by(copied)
        go_on(path, [log, other], after, stamps)
        assert held_by(log) == held_by(other)
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def test_a_log_keeps_its_identity_and_gets_one_if_it_has_none(path: Path) -> None:
    with closing(SqliteEventLog(path)) as log:
        identity = log.identity
    with closing(SqliteEventLog(path)) as log, closing(SqliteEventLog(path)) as beside:
        assert log.identity == beside.identity == identity
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("DROP TABLE identity")
    with closing(SqliteEventLog(path)) as log:
        assert len(log.identity) == 32


def test_a_mark_tells_records_apart_and_outlives_an_erasure(path: Path) -> None:
    record = Record(1, 2, "identify", 3, b"body", None)
    emptied = record._replace(body=b"", error="forgotten")
    assert is_same_record(mark(record), mark(emptied))
    assert is_same_record(mark(emptied), mark(record))
    assert not is_same_record(mark(record), mark(record._replace(body=b"another")))
    assert not is_same_record(mark(emptied), mark(emptied._replace(received_at=4)))
    others = [record._replace(position=2), record._replace(source=3), record._replace(type="track")]
    assert len({mark(each) for each in [record, *others, record._replace(received_at=4)]}) == 5
    with closing(SqliteEventLog(path)) as log:
        log.append(entries(2))
        assert log.place(2) == Place(log.identity, mark(log.read(1)[0])) == log.counts().place
        assert log.place(9) == Place(log.identity, "")


def damage(path: Path, page: int, content: bytes = b"\xff" * 4096) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(content)


def filled(path: Path, count: int) -> list[Record]:
    with closing(SqliteEventLog(path)) as log:
        log.append(entries(count))
        found = list(log.read(0, limit=count))
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return found


def leaf_pages(path: Path) -> list[int]:
    """Pages that hold records, by the type that SQLite's file format gives them."""
    content = path.read_bytes()
    pages = range(2, len(content) // 4096 + 1)
    return [page for page in pages if content[(page - 1) * 4096] == 13][2:]


def test_what_comes_before_a_damaged_page_is_given_out_and_then_it_is_said(path: Path) -> None:
    records = filled(path, 500)
    pages = leaf_pages(path)
    damage(path, pages[len(pages) // 2])
    with closing(SqliteEventLog(path)) as log:
        position = 0
        with pytest.raises(LogDamaged) as caught:
            while found := log.read(position, limit=50):
                assert [row.body for row in found] == [
                    row.body for row in records if position < row.position <= found[-1].position
                ]
                position = found[-1].position
    assert caught.value.code == "LOG_DAMAGED"
    assert f"cannot be read after position {position:,}" in str(caught.value)
    assert "`jetbridge admin recover-log`" in str(caught.value)
    assert 50 < position < 450


def test_who_only_looks_is_shown_what_lies_in_front_of_a_damaged_page(path: Path) -> None:
    filled(path, 500)
    pages = leaf_pages(path)
    damage(path, pages[len(pages) // 2])
    with closing(SqliteEventLog(path)) as log:
        for search in (None, everything([1])):
            assert 50 < len(log.read_before(501, search=search, limit=500)) < 450
        assert log.first_received(0, [1]) == 1_000
        assert log.counts().end == 500
        with pytest.raises(LogDamaged):
            list(log.find(everything([1])))


def test_a_file_that_is_no_database_takes_nothing(path: Path) -> None:
    path.write_bytes(b"hello" * 2_000)
    with pytest.raises(LogUnavailable, match="cannot be opened"):
        SqliteEventLog(path)


@fuzz(WITH_IO, hurt=mk.lists(mk.tuples(mk.integers(0, 10**6), mk.binary(4096)), least=1, most=3))
def test_whatever_is_damaged_all_else_is_saved_and_what_is_lost_is_told(
    memory_path: Path, hurt: list[tuple[int, bytes]]
) -> None:
    whole, path, new = (memory_path / name for name in ("whole.db", "eventlog.db", "new.db"))
    if not whole.exists():
        filled(whole, 300)
    shutil.copy(whole, path)
    new.unlink(missing_ok=True)
    with closing(SqliteEventLog(whole)) as log:
        records, identity, counts = log.read(0, limit=1_000), log.identity, log.counts()
    pages = leaf_pages(path)
    for where, content in hurt:
        damage(path, pages[where % len(pages)], content.ljust(4096, b"\x00"))
    found = recover(path, new)
    with closing(SqliteEventLog(new)) as log:
        saved = list(log.read(0, limit=1_000))
        assert log.identity == identity
        assert log.counts()[:2] == counts[:2]
        log.append(entries(1))
        assert log.read(300)[0].position == 301
    kept = {row.position: row for row in saved}
    lost = {position for gap in found.gaps for position in range(gap.after + 1, gap.upto + 1)}
    # Each record is there, or told to be lost; what a damaged page is taken for is its own.
    assert {row.position for row in records} <= kept.keys() | lost
    assert len([row for row in records if kept.get(row.position) == row]) > 300 - len(set(hurt)) * 60
    assert found.counted
