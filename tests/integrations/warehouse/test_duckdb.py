"""What is DuckDB's alone: one process has the file, and other tools read it."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest

from jetbridge.errors import PauseError, TransientError
from jetbridge.integrations.warehouse import duckdb as engine
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.loader import Arrival, load

from .conftest import Warehouse, open_duckdb, track

_PAUSE = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Another process has the file open for reading; its id."""
    with subprocess.Popen(
        [sys.executable, "-c", _PAUSE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.stdin.close()


def test_a_file_that_somebody_has_open_is_tried_again_and_its_holder_named(tmp_path: Path) -> None:
    warehouse = open_duckdb(tmp_path / "w.duckdb")
    warehouse.load(track("A", message_id="m1"))
    call = track("A", message_id="m2")
    with held(tmp_path / "w.duckdb") as pid:
        with pytest.raises(
            TransientError, match=rf"w\.duckdb is open .*python.*PID {pid}.* as soon as"
        ) as caught:
            warehouse.load(call)
        assert caught.value.code == "WAREHOUSE_LOCKED"
        assert caught.value.retry_after_seconds == engine.LOCKED_RETRY_SECONDS
    warehouse.load(call)
    assert warehouse.rows("a", "id") == [("m1",), ("m2",)]


def test_people_can_query_it_between_flushes(tmp_path: Path) -> None:
    warehouse = open_duckdb(tmp_path / "w.duckdb")
    warehouse.load(track("A"))
    assert list(tmp_path.iterdir()) == [
        tmp_path / "w.duckdb"
    ]  # no log beside it, which older versions could not read
    with held(tmp_path / "w.duckdb"):
        pass


#: Tries as long as it takes, as somebody does who finds the file in use.
_TRY = """
import duckdb, sys, time
while True:
    try:
        connection = duckdb.connect(sys.argv[1], read_only=True)
        break
    except duckdb.IOException:
        time.sleep(0.05)
print(connection.execute("SELECT count(*) FROM web.a").fetchone()[0])
"""


def test_people_can_query_it_between_loads_that_follow_each_other_at_once(tmp_path: Path) -> None:
    database, loads = DuckDB(tmp_path / "w.duckdb"), 0

    def load_more() -> None:
        nonlocal loads
        call = track("A", message_id=f"m{loads}")
        with suppress(TransientError):  # the reader has it
            load(database, [Arrival("web", call)], more_follows=True)
            loads += 1

    load_more()
    with subprocess.Popen(
        [sys.executable, "-c", _TRY, tmp_path / "w.duckdb"], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout
        try:
            while reader.poll() is None and loads < 500:
                load_more()
        finally:
            reader.kill()
        assert 1 <= int(reader.stdout.read()) <= loads
    assert len(open_duckdb(tmp_path / "w.duckdb").rows("a")) == loads


def test_older_versions_can_read_it(tmp_path: Path) -> None:
    open_duckdb(tmp_path / "w.duckdb").load(track("A"))
    with duckdb.connect(tmp_path / "w.duckdb") as connection:
        [(version,)] = connection.execute(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'w'"
        ).fetchall()
    assert version == "v1.2.0+"


def test_a_file_named_like_the_schema_in_it(tmp_path: Path) -> None:
    warehouse = open_duckdb(tmp_path / "web.duckdb")
    for number in range(2):
        warehouse.load(track("A", {f"n{number}": 1}))
    assert len(warehouse.run("SELECT id FROM web.web.a")) == 2


def test_two_destinations_may_have_one_file(tmp_path: Path) -> None:
    def fill(thread: int) -> None:
        for number in range(10):
            load(DuckDB(tmp_path / "w.duckdb"), [Arrival("web", track("A", message_id=f"{thread} {number}"))])

    threads = [threading.Thread(target=fill, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(open_duckdb(tmp_path / "w.duckdb").rows("a")) == 30


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_bytes(b"something else" * 1_000)
    with pytest.raises(
        TransientError, match=r"w\.duckdb cannot be written: .*not a valid DuckDB database.*Put a copy"
    ):
        open_duckdb(tmp_path / "w.duckdb").load(track("A"))


def test_a_file_that_is_damaged_waits_for_a_copy_and_goes_on_with_it(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    warehouse = open_duckdb(path)
    warehouse.load(track("A", message_id="m1"))
    whole = path.read_bytes()
    for damaged in (b"", whole[:5_000], whole[:12] + b"?" + whole[13:]):
        path.write_bytes(damaged)
        with pytest.raises(TransientError, match="Put a copy of it back") as caught:
            warehouse.load(track("A", message_id="m2"))
        assert caught.value.code == "WAREHOUSE_UNAVAILABLE"
    path.write_bytes(whole)
    warehouse.load(track("A", message_id="m2"))
    assert warehouse.rows("a", "id") == [("m1",), ("m2",)]


def test_a_log_of_a_killed_process_is_replayed_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path, wal = tmp_path / "w.duckdb", tmp_path / "w.duckdb.wal"
    warehouse = open_duckdb(path)
    warehouse.load(track("A", {"n": 1}, message_id="m1"))
    insert = "INSERT INTO web.a (id) VALUES ('m2')"
    killed = f'import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute("{insert}"); os._exit(1)'
    subprocess.run([sys.executable, "-c", killed, path], check=False)
    content = wal.read_bytes()
    wal.write_bytes(content[:60] + bytes(255 - byte for byte in content[60:80]) + content[80:])
    with pytest.raises(TransientError, match=r"replaying WAL.*move it away with the \.wal file"):
        warehouse.load(track("A", message_id="m2"))
    wal.write_bytes(content)
    warehouse.load(track("A", message_id="m2"), track("A", message_id="m3"))
    assert warehouse.rows("a", "id") == [("m1",), ("m2",), ("m3",)]
    assert not wal.exists()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_named_and_hangs_nobody(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "w.duckdb")
    with pytest.raises(TransientError, match=r"w\.duckdb is no regular file"):
        open_duckdb(tmp_path / "w.duckdb").load(track("A"))


def test_a_file_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    warehouse = open_duckdb(tmp_path / "w.duckdb")
    warehouse.load(track("A", message_id="m1"))
    (tmp_path / "w.duckdb").unlink()
    assert not warehouse.load(track("A", message_id="m2")).waiting
    assert warehouse.rows("a", "id") == [("m2",)]


def test_a_full_disk_is_named_and_nothing_is_lost_or_double(tmp_path: Path) -> None:
    warehouse = open_duckdb(tmp_path / "w.duckdb")
    warehouse.load(track("A", message_id="m0"))
    calls = [track("A", {"x": f"{number}" * 50}, message_id=f"m{number}") for number in range(1, 500)]
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))  # no file may grow: the log of DuckDB neither
    try:
        with pytest.raises(TransientError, match="Free space on its disk"):
            warehouse.load(*calls)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    warehouse.load(*calls)
    assert len(warehouse.rows("a", "DISTINCT id")) == len(warehouse.rows("a", "id")) == 500


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TransientError, match=r"w\.duckdb cannot be written"):
        open_duckdb(tmp_path / "file" / "w.duckdb").load(track("A"))


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(PauseError, match=r"pip install 'jetbridge\[warehouse\]'"):
        load(DuckDB(tmp_path / "w.duckdb"), [Arrival("web", track("A"))])


def test_it_is_imported_with_the_first_flush_only() -> None:
    imports = (
        "import sys, jetbridge.integrations.warehouse.loader, jetbridge.integrations.warehouse.duckdb as d"
    )
    check = f"{imports}, jetbridge.integrations.warehouse.postgres; sys.exit('duckdb' in sys.modules or 'psycopg' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_an_error_of_the_whole_database_is_no_fault_of_a_table(
    duckdb_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MEMORY_LIMIT", "1MB")
    with pytest.raises(TransientError, match="memory"):
        duckdb_warehouse.load(*(track("A", {f"p{n}": "x" * 1_000 for n in range(200)}) for _ in range(200)))
