"""A store that is gone or damaged is made anew from what the log still has, and nothing is sent twice."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from jetbridge.engage import queries, store
from jetbridge.engage.consumer import EngageReader
from jetbridge.engage.lights import lights
from jetbridge.errors import TransientError

from .bench import DAY, ORDERED, START, EngageBench


def test_a_lost_store_is_made_anew_and_sends_differences_only(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.define("spent", {"computed": "sum", "event": "Order Completed", "property": "total"})
    bench.identify("u1", "Ada@example.com")
    bench.order("u1", total=1)
    bench.order("u2", total=2)
    bench.run()
    bench.now = START + 15 * DAY
    bench.order("u2", total=2)
    bench.run()
    before = len(bench.calls())

    bench.crash()
    for file in bench.file.parent.glob(f"{bench.file.name}*"):
        file.unlink()
    bench.order("u3", total=3)
    bench.run()
    assert bench.members("buyers") == {"u1", "u2", "u3"}
    calls = bench.calls()[before:]
    assert {call.user_id for call in calls} == {"u3"}
    assert sorted(map(str, (call.traits for call in calls))) == ["{'buyers': True}", "{'spent': 3}"]

    bench.now = START + 30 * DAY
    bench.run()
    assert bench.sent("buyers")[-1:] == [("u1", False)], "and what was sent before is known"


def test_a_store_that_is_removed_under_the_worker_is_made_anew(bench: EngageBench) -> None:
    bench.define("pro", {"trait": "plan", "op": "=", "value": "pro"})
    bench.identify("u1", plan="pro")
    bench.run()
    reader = EngageReader(bench.space, bench.log, bench.engine)
    bench.file.unlink()
    for _ in range(20):
        reader._turn()
    assert bench.members("pro") == {"u1"}
    assert len(bench.calls()) == 1
    reader._close()


def test_a_damaged_store_is_quarantined(bench: EngageBench, eventually: Any) -> None:
    bench.define("buyers", ORDERED)
    for number in range(200):
        bench.order(f"u{number}", text="x" * 100)
    bench.run()
    sent = len(bench.calls())
    bench.crash()
    for suffix in ("-wal", "-shm"):
        bench.file.with_name(bench.file.name + suffix).unlink(missing_ok=True)
    content = bytearray(bench.file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    bench.file.write_bytes(content)

    stop = threading.Event()

    def body() -> None:
        try:
            EngageReader(bench.space, bench.log).run(stop)
        finally:
            connections.close_all()

    def is_live() -> bool:
        with suppress(sqlite3.DatabaseError):  # the old file has gone a moment before its log
            return bench.state("buyers") == "live"
        return False

    thread = threading.Thread(target=body)
    thread.start()
    try:
        eventually(lambda: store.damaged_copy(bench.file).exists(), "it is quarantined")
        eventually(is_live, "it is computed anew")
    finally:
        stop.set()
        thread.join(60)
    assert len(bench.calls()) >= sent


def _zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def _nothing(file: Path) -> None:
    file.write_bytes(b"")


def _another_store(file: Path) -> None:
    with closing(store.open_for_writing(file.with_name("other.db"))) as connection:
        store.Meta(connection).set(id="another", position=1 << 40)
    file.write_bytes(file.with_name("other.db").read_bytes())


def _pages(file: Path) -> None:
    """The first page stays, and with it the name of the store: a reader meets it."""
    content = file.read_bytes()
    with closing(sqlite3.connect(file)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'definition'").fetchone()[
            0
        ]
    start = (root - 1) * 4096
    file.write_bytes(content[:start] + b"\xff" * 4096 + content[start + 4096 :])


@pytest.mark.parametrize("damage", [_zeros, _nothing, _another_store, _pages])
def test_a_store_that_is_written_over_under_the_worker_is_made_anew(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    """The worker itself would go on with what it has in memory, and nobody else could read the file."""
    monkeypatch.setattr("jetbridge.engage.consumer.LOOK_SECONDS", 0.0)
    row = bench.define("pro", {"trait": "plan", "op": "=", "value": "pro"})
    bench.identify("u1", plan="pro")
    bench.run()
    before = bench.query("SELECT value FROM meta WHERE name = 'id'")
    with closing(sqlite3.connect(bench.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    reader = EngageReader(bench.space, bench.log, bench.engine)
    damage(bench.file)
    with suppress(sqlite3.DatabaseError):
        queries.computation(row)
    shown = [light.code for light in lights(bench.log, datetime.now(UTC))]
    assert ("ENGAGE_DAMAGED" in shown) == (damage in {_zeros, _pages})

    for _ in range(30):
        with suppress(TransientError):  # it has met the damage by itself
            reader._turn()
    assert bench.query("SELECT value FROM meta WHERE name = 'id'") != before
    assert bench.members("pro") == {"u1"}
    assert len(bench.calls()) == 1, "and nothing is sent again"
    shown = [light.code for light in lights(bench.log, datetime.now(UTC))]
    assert "ENGAGE_DAMAGED" not in shown
    assert queries.computation(row).size == 1
    bench.identify("u2", plan="pro")
    for _ in range(5):
        reader._turn()
    assert bench.members("pro") == {"u1", "u2"}
    reader._close()


def test_an_older_copy_of_the_store_that_is_put_back_under_the_worker_is_noticed(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetbridge.engage.consumer.LOOK_SECONDS", 0.0)
    bench.define("pro", {"trait": "plan", "op": "=", "value": "pro"})
    bench.identify("u1", plan="pro")
    bench.run()
    reader = EngageReader(bench.space, bench.log, bench.engine)

    def to_file() -> bytes:
        with closing(sqlite3.connect(bench.file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return bench.file.read_bytes()

    copy = to_file()
    bench.identify("u2", plan="pro")
    for _ in range(5):
        reader._turn()
    to_file()
    reader._turn()
    bench.file.write_bytes(copy)
    for _ in range(30):
        reader._turn()
    assert store.damaged_copy(bench.file).exists()
    assert bench.members("pro") == {"u1", "u2"}
    assert [user for user, _ in bench.sent("pro")] == ["u1", "u2"]
    reader._close()


def test_a_store_at_work_is_not_taken_for_damaged_however_often_it_is_looked_at(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetbridge.engage.consumer.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("jetbridge.engage.consumer.CHECK_SECONDS", 0.0)
    bench.define("buyers", ORDERED)
    bench.engine._connection.execute("PRAGMA wal_autocheckpoint = 3")
    for number in range(50):
        bench.order(f"u{number}", text="x" * 1_000)
        store.suspect(bench.file).touch()
        bench.engine.turn()
    bench.run()
    assert len(bench.members("buyers")) == 50
    assert not store.suspect(bench.file).exists()


def test_a_store_at_work_is_not_damaged(bench: EngageBench) -> None:
    """Backups leave a damaged one out. Every table has rows."""
    bench.define("buyers", ORDERED)
    bench.define("spent", {"computed": "sum", "event": "Order Completed", "property": "total"})
    for number in range(3):
        bench.send(
            "identify",
            user_id=f"u{number}",
            anonymous_id=f"a{number}",
            traits={"email": f"u{number}@example.com"},
        )
        bench.order(f"u{number}", total=number)
    bench.run()
    assert bench.query("SELECT * FROM event")
    assert not store.is_damaged(bench.file)
