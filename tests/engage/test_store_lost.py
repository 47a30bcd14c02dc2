"""A store that is gone or damaged is made anew from what the log still has, and nothing is sent twice."""

import sqlite3
import threading
from contextlib import suppress
from typing import Any

from django.db import connections

from jetbridge.engage import store
from jetbridge.engage.consumer import EngageReader

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


def test_a_damaged_store_is_set_aside(bench: EngageBench, eventually: Any) -> None:
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
        eventually(lambda: store.aside(bench.file).exists(), "it is set aside")
        eventually(is_live, "it is computed anew")
    finally:
        stop.set()
        thread.join(60)
    assert len(bench.calls()) >= sent


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
