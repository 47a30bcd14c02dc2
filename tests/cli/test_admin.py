"""`jetbridge admin`: backup, restore, reset-positions, recover-log."""

import io
import json
import os
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connections

from jetbridge.control import home_lock
from jetbridge.delivery import ledger
from jetbridge.delivery.base import DeliveryCounts
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.engage import store
from jetbridge.engage.store import Meta
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.connect import ConnectionSpec

if TYPE_CHECKING:
    from conftest import Jetbridge

SPEC = ConnectionSpec("Main", "http://127.0.0.1:1", "public", "private", 1, "Customers")


def fill(home: Path, records: int = 300, read: int = 0) -> int:
    """A destination of which so many records are not read; their source."""
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        joined = connect.join(SPEC)
        source, destination = joined.http_source.id, joined.to_mailjet.id
        ledger.begin_destination(destination, [source], log.counts())
        log.append(
            Entry(source, "identify", 1_000 + number, b"{%1000d}" % number) for number in range(records)
        )
        counts, place = DeliveryCounts(delivered=read), log.place(read)
        with ledger.commit(destination, read, {source: read}, counts, place):
            pass
        log._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return source


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    return {"JETBRIDGE_HOME": str(tmp_path / "elsewhere")}


def test_a_home_is_the_same_elsewhere(
    jetbridge: "Jetbridge", own_process: "Jetbridge", home: Path, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    fill(home)
    archive = tmp_path / "backup.tar.gz"
    done = jetbridge("admin", "backup", str(archive))
    assert done.status == 0, done.err
    assert "the event log up to position 300. It was read back and is whole" in done.out
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [archive]
    before = jetbridge("status", "--json").json
    restored = own_process("admin", "restore", str(archive), env=elsewhere)
    assert restored.status == 0, restored.err
    other = tmp_path / "elsewhere"
    assert {path.name for path in other.iterdir()} >= {"secret.key", "state.db", "eventlog.db"}
    assert (other / "secret.key").read_text() == (home / "secret.key").read_text()
    assert stat.S_IMODE((other / "secret.key").stat().st_mode) == 0o600
    after = own_process("status", "--json", env=elsewhere).json
    figures = ("name", "received", "pending", "unread", "balanced")
    (old,), (new,) = before["destinations"], after["destinations"]
    assert {name: old[name] for name in figures} == {name: new[name] for name in figures}
    assert own_process("doctor", env=elsewhere).out.count("is whole") == 2
    for name in ("state.db", "eventlog.db"):  # without it a reader keeps senders waiting
        with closing(sqlite3.connect(other / name)) as database:
            assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_backup_has_what_engage_keeps_and_leaves_out_what_is_damaged(
    jetbridge: "Jetbridge", own_process: "Jetbridge", home: Path, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    fill(home, 3)
    with closing(store.open_for_writing(store.path(home, 1))) as whole:
        Meta(whole).set(id="whole")
    store.path(home, 2).write_bytes(b"\xff" * 8192)
    archive = str(tmp_path / "backup.tar.gz")
    done = jetbridge("admin", "backup", archive)
    assert done.status == 0, done.err
    assert "engage-2.db is damaged and not in it" in done.out
    assert own_process("admin", "restore", archive, env=elsewhere).status == 0
    other = tmp_path / "elsewhere"
    assert sorted(path.name for path in other.glob("engage*")) == ["engage-1.db"]
    with store.open_for_reading(other, 1) as restored:
        assert restored
        assert Meta(restored).text("id") == "whole"
    assert own_process("admin", "restore", archive, "--force", env=elsewhere).status == 0
    (kept,) = other.glob("replaced-*")
    assert (kept / "engage-1.db").exists()


def test_nothing_is_replaced_unasked(
    jetbridge: "Jetbridge", own_process: "Jetbridge", home: Path, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    fill(home, 3)
    archive = str(tmp_path / "backup.tar.gz")
    assert jetbridge("admin", "backup", archive).status == 0
    again = jetbridge("admin", "backup", archive)
    assert (again.status, again.err) == (
        1,
        f"Error: {archive} exists. Choose another name, or --force to replace it.\n",
    )
    assert jetbridge("admin", "backup", archive, "--force").status == 0
    assert own_process("admin", "restore", archive, env=elsewhere).status == 0
    refused = own_process("admin", "restore", archive, env=elsewhere)
    assert "is not empty (secret.key, state.db, eventlog.db)" in refused.err
    assert own_process("admin", "restore", archive, "--force", env=elsewhere).status == 0
    (kept,) = (tmp_path / "elsewhere").glob("replaced-*")
    assert sorted(path.name for path in kept.iterdir()) == ["eventlog.db", "secret.key", "state.db"]


@pytest.mark.parametrize("command", ["serve", "worker", "web"])
def test_nothing_is_restored_or_recovered_under_something_that_runs(
    own_process: "Jetbridge", home: Path, tmp_path: Path, command: str
) -> None:
    fill(home, 3)
    archive = str(tmp_path / "backup.tar.gz")
    assert own_process("admin", "backup", archive).status == 0
    with home_lock.take(home, command, shared=command == "web"):
        for arguments in (("restore", archive, "--force"), ("recover-log", "--yes")):
            result = own_process("admin", *arguments)
            assert result.status == 1
            assert f"Another `jetbridge {command}` (process {os.getpid()}) works on {home}." in result.err


def test_a_backup_wants_the_secret_key_that_it_was_made_with(
    own_process: "Jetbridge", home: Path, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    fill(home, 3)
    archive = str(tmp_path / "backup.tar.gz")
    own = {"JETBRIDGE_SECRET_KEY": "k" * 40}
    # The key of the environment is not in the file that is stored, so neither is it in the backup.
    done = own_process("admin", "backup", archive, env=own)
    assert "The secret key is not in it" in done.out
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["manifest.json", "state.db", "eventlog.db"]
    refused = own_process("admin", "restore", archive, env=elsewhere)
    assert refused.status == 1
    assert "Set JETBRIDGE_SECRET_KEY to the key with which the backup was made." in refused.err
    assert not (tmp_path / "elsewhere" / "state.db").exists()
    assert own_process("admin", "restore", archive, env=elsewhere | own).status == 0
    assert not (tmp_path / "elsewhere" / "secret.key").exists()


def spoiled(archive: Path, how: str) -> None:
    content = archive.read_bytes()
    if how == "cut":
        archive.write_bytes(content[: len(content) // 2])
    elif how == "garbage":
        archive.write_bytes(b"no archive")
    else:
        with tarfile.open(archive) as tar:
            files = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
        if how == "changed":
            files[-1] = (files[-1][0], files[-1][1][:-1] + b"x")
        if how == "missing":
            files.pop()
        if how == "another":
            files.append((tarfile.TarInfo("../../evil"), b""))
        if how == "newer":
            files[0] = (files[0][0], files[0][1].replace(b'"format": 1', b'"format": 9'))
        with tarfile.open(archive, "w:gz") as tar:
            for member, body in files:
                member.size = len(body)
                tar.addfile(member, io.BytesIO(body))


@pytest.mark.parametrize("how", ["cut", "garbage", "changed", "missing", "another", "newer"])
def test_a_backup_that_was_spoiled_is_refused_and_leaves_nothing(
    own_process: "Jetbridge", home: Path, tmp_path: Path, elsewhere: dict[str, str], how: str
) -> None:
    fill(home, 3)
    archive = tmp_path / "backup.tar.gz"
    own_process("admin", "backup", str(archive))
    spoiled(archive, how)
    result = own_process("admin", "restore", str(archive), env=elsewhere)
    assert result.status == 1
    assert result.err.startswith(f"Error: {archive} ")
    assert "Traceback" not in result.err
    left = {path.name for path in (tmp_path / "elsewhere").iterdir()}
    assert {name for name in left if not name.endswith(".lock")} == set()
    assert not (tmp_path / "evil").exists()


def test_no_backup_is_made_of_a_state_that_is_damaged_or_not_there(
    jetbridge: "Jetbridge", own_process: "Jetbridge", home: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "backup.tar.gz"
    fill(home)
    connections.close_all()
    with closing(sqlite3.connect(home / "state.db")) as state:
        state.execute("PRAGMA journal_mode = DELETE")
    content = (home / "state.db").read_bytes()
    (home / "state.db").write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    result = own_process("admin", "backup", str(archive))
    assert result.status == 1
    assert "Error: " in result.err
    assert "Traceback" not in result.err
    (home / "state.db").unlink()
    assert "it has no state.db" in own_process("admin", "backup", str(archive)).err
    assert list(tmp_path.iterdir()) == []


def replace_log(home: Path, records: int) -> None:
    """Another one, with so many records."""
    for path in home.glob("eventlog.db*"):
        path.unlink()
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        log.append(Entry(1, "identify", 1_000, b"{}") for _ in range(records))


def put_back_older(home: Path) -> None:
    """A copy that ends at 300, while the readers stand at 350."""
    with (
        closing(sqlite3.connect(home / "eventlog.db")) as file,
        closing(sqlite3.connect(home / "older.db")) as to,
    ):
        file.backup(to)
    destination = int(ConsumerOffset.objects.get().consumer.removeprefix("destination:"))
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        log.append(Entry(1, "identify", 1_000, b"{}") for _ in range(50))
        with ledger.commit(destination, 350, {}, DeliveryCounts(), log.place(350)):
            pass
    for path in home.glob("eventlog.db*"):
        path.unlink()
    (home / "older.db").rename(home / "eventlog.db")


def grown_since(home: Path) -> None:
    put_back_older(home)
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        log.append(Entry(1, "track", 2_000, b"{}") for _ in range(60))


TROUBLES = {
    "replaced": (lambda home: replace_log(home, 400), "destination:1 (LOG_REPLACED)"),
    "shorter": (lambda home: replace_log(home, 2), "destination:1 (LOG_REPLACED)"),
    "older": (put_back_older, "destination:1 (LOG_BEHIND)"),
    "older and grown": (grown_since, "destination:1 (LOG_REPLACED)"),
    "removed": (
        lambda home: [path.unlink() for path in home.glob("eventlog.db*")],
        "destination:1 (LOG_REPLACED)",
    ),
    "damaged": (lambda home: damage(home / "eventlog.db"), "Its event log is damaged (LOG_DAMAGED)."),
    "no database": (lambda home: (home / "eventlog.db").write_bytes(b"x" * 10_000), "(LOG_DAMAGED)"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_log_in_trouble_is_backed_up_as_it_is_and_restored_as_it_was(
    own_process: "Jetbridge", home: Path, tmp_path: Path, elsewhere: dict[str, str], trouble: str
) -> None:
    fill(home, read=290)
    happens, says = TROUBLES[trouble]
    happens(home)
    connections.close_all()
    archive = tmp_path / "backup.tar.gz"
    done = own_process("admin", "backup", str(archive))
    assert done.status == 0, done.err
    assert says in done.out
    assert "as it is there" in done.out
    restored = own_process("admin", "restore", str(archive), env=elsewhere)
    assert restored.status == 0, restored.err
    assert says in restored.out
    assert "readers that do not fit are paused again" in restored.out
    other = tmp_path / "elsewhere" / "eventlog.db"
    assert other.exists() == (home / "eventlog.db").exists()
    again = own_process("admin", "backup", str(tmp_path / "again.tar.gz"), env=elsewhere)
    assert [line for line in again.out.splitlines() if "readers stood" in line or "LOG_" in line] == [
        line for line in done.out.splitlines() if "readers stood" in line or "LOG_" in line
    ]


def test_an_archive_that_claims_to_be_healthy_is_looked_at_all_the_same(
    own_process: "Jetbridge", home: Path, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    for trouble in ("replaced", "damaged"):
        fill(home, read=290)
        TROUBLES[trouble][0](home)
        archive = tmp_path / f"{trouble}.tar.gz"
        connections.close_all()
        assert own_process("admin", "backup", str(archive)).status == 0
        with tarfile.open(archive) as tar:
            files = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
        manifest = json.loads(files[0][1]) | {"unfit": {}, "damaged": False}
        files[0] = (files[0][0], json.dumps(manifest).encode())
        with tarfile.open(archive, "w:gz") as tar:
            for member, body in files:
                member.size = len(body)
                tar.addfile(member, io.BytesIO(body))
        refused = own_process("admin", "restore", str(archive), env=elsewhere)
        assert refused.status == 1
        assert "and its manifest does not say so." in refused.err
        assert not (tmp_path / "elsewhere" / "state.db").exists()


def damage(path: Path) -> None:
    """A page of records in the middle."""
    content = path.read_bytes()
    pages = [page for page in range(1, len(content) // 4096) if content[page * 4096] == 13]
    with path.open("r+b") as file:
        file.seek(pages[len(pages) // 2] * 4096)
        file.write(b"\xff" * 4096)


def test_check_names_a_damaged_log_and_recover_log_saves_the_rest_and_counts_what_is_gone(
    jetbridge: "Jetbridge", own_process: "Jetbridge", home: Path
) -> None:
    fill(home, read=10)
    damage(home / "eventlog.db")
    connections.close_all()
    checked = jetbridge("doctor")
    assert checked.status == 1
    assert f"FAIL  {home}/eventlog.db is damaged: " in checked.out
    assert "`jetbridge admin recover-log`" in checked.out
    done = own_process("admin", "recover-log", "--yes")
    assert done.status == 0, done.err
    assert done.out.startswith("Lost: the records at positions ")
    assert " unread messages are lost, and counted as failed (LOST_FROM_LOG)." in done.out
    assert len(list(home.glob("eventlog.damaged-*.db"))) == 1
    (row,) = jetbridge("status", "--json").json["destinations"]
    lost = row["reasons"]["failed"]["LOST_FROM_LOG"]
    assert 0 < lost < 20
    assert (row["received"], row["pending"], row["balanced"]) == (300, 290 - lost, True)
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        assert len(log.read(0)) == 300 - lost
    assert "eventlog.db is whole" in jetbridge("doctor").out
    again = own_process("admin", "recover-log", "--yes")
    assert again.out.startswith("All records could be read.")
    assert jetbridge("status", "--json").json["destinations"][0]["failed"] == lost


def test_positions_are_reset_in_a_log_that_was_replaced(jetbridge: "Jetbridge", home: Path) -> None:
    fill(home, read=300)
    assert jetbridge("admin", "reset-positions", "--to", "earliest").out == (
        "Every reader stands where it should in this event log. Nothing was changed.\n"
    )
    for path in home.glob("eventlog.db*"):
        path.unlink()
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        source = connect.join(SPEC).http_source.id
        log.append(Entry(source, "identify", 1_000, b"{}") for _ in range(4))
    (row,) = jetbridge("status", "--json").json["destinations"]
    assert (row["pending"] < 0, row["balanced"]) == (True, False)
    failed = jetbridge("doctor")
    assert failed.status == 1
    assert "the outcomes do not add up to it (pending -296)" in failed.out
    assert "accounts for all" not in failed.out
    done = jetbridge("admin", "reset-positions", "--to", "earliest")
    reader = ConsumerOffset.objects.get().consumer
    assert done.out == (f"{reader} stands at 300 (LOG_REPLACED)\n{reader} goes on after position 0.\n")
    (row,) = jetbridge("status", "--json").json["destinations"]
    assert (row["pending"], row["balanced"]) == (4, True)
    assert jetbridge("admin", "reset-positions", "--to", "tomorrow-ish").status == 2


def test_a_log_that_cannot_be_read_at_all_says_so(own_process: "Jetbridge", home: Path) -> None:
    missing = own_process("admin", "recover-log", "--yes")
    assert missing.err == f"Error: There is no event log at {home}/eventlog.db.\n"
    (home / "eventlog.db").write_bytes(b"x" * 10_000)
    result = own_process("admin", "recover-log", "--yes")
    assert result.status == 1
    assert "Restore a backup with `jetbridge admin restore`." in result.err
    assert sorted(path.name for path in home.glob("eventlog*")) == ["eventlog.db"]
