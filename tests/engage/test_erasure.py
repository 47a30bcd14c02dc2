"""Who is erased or suppressed is in no table of Engage."""

from jetbridge.engage import store
from jetbridge.engage.consumer import threads
from jetbridge.engage.erasure import handlers
from jetbridge.privacy import erasure, suppression
from jetbridge.privacy.erasure import Eraser
from jetbridge.spec.person import Identity

from .bench import ORDERED, EngageBench

TABLES = ("profile", "identifier", "event", "membership", "computed", "sent", "outbox")


def erase(bench: EngageBench, person: str) -> list[str]:
    """Ask for it, and carry it out; the receipt."""
    row = erasure.request(bench.space.workspace_id, Identity.of_name(person))
    eraser = Eraser(bench.log, handlers)
    for _ in range(20):
        bench.run()
        bench.engine._mirror(at_once=True)
        if eraser.step(row):
            return list(row.receipt)
        row.refresh_from_db()
    raise AssertionError(row.waits_for)


def test_an_erased_person_is_in_no_table_and_in_no_call(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.define("spent", {"computed": "sum", "event": "Order Completed", "property": "total"})
    for user in ("u1", "u2"):
        bench.identify(user, f"{user}@example.com")
        bench.order(user, total=5)
    bench.run()
    assert bench.members("buyers") == {"u1", "u2"}

    receipt = erase(bench, "u1@example.com")
    assert receipt[0].startswith("Engage holds nothing of the person")
    assert bench.members("buyers") == {"u2"}
    for table in TABLES:
        assert "u1" not in str(bench.query(f"SELECT * FROM {table}")), table
    assert (
        len(bench.query("SELECT * FROM profile"))
        == len(bench.query("SELECT DISTINCT profile FROM sent"))
        == 1
    )
    assert bench.query("SELECT key, size FROM definition ORDER BY key") == [("buyers", 1), ("spent", 1)]
    assert {call.user_id for call in bench.calls()} == {"u2"}, "its calls in the log are emptied"

    for size in (bench.file, bench.file.with_name(bench.file.name + "-wal")):
        assert b"u1@example.com" not in size.read_bytes(), "not between the rows either"

    bench.order("u1", total=9)
    bench.send("identify", user_id="new", traits={"email": "u1@example.com"})
    bench.run()
    assert bench.members("buyers") == {"u2"}, "suppressed from then on"
    assert len(bench.query("SELECT * FROM profile")) == 1


def test_somebody_else_at_the_device_of_an_erased_person_stays(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.send("identify", user_id="u1", anonymous_id="tablet", traits={"email": "ada@example.com"})
    bench.run()
    erase(bench, "u1")
    bench.send("identify", user_id="u2", anonymous_id="tablet")
    bench.order("u2")
    bench.run()
    assert bench.members("buyers") == {"u2"}


def test_suppressed_people_are_not_taken_in(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    suppression.suppress(bench.space.workspace_id, Identity.of_name("ada@example.com"))
    bench.send(user_id="u1", event="Order Completed", context={"traits": {"email": "ada@example.com"}})
    bench.run()
    assert bench.query("SELECT * FROM profile") == []


def test_an_erasure_needs_no_engine(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.identify("u1", "ada@example.com")
    bench.order("u1")
    bench.run()
    bench.crash()
    store.damaged_copy(bench.file).write_text("a damaged copy with u1 in it")
    bench.space.enabled = False
    bench.space.save()
    threads(bench.log)  # its row in the ledger goes
    row = erasure.request(bench.space.workspace_id, Identity.of_name("u1"))
    assert Eraser(bench.log, handlers).step(row)
    assert bench.query("SELECT * FROM profile") == bench.query("SELECT * FROM membership") == []
    assert not store.damaged_copy(bench.file).exists()
