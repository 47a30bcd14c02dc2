"""A person leaves every table, with what was rejected of theirs, and nobody else does."""

from jetbridge.integrations.warehouse.erase import erase
from jetbridge.spec.person import Identity

from .conftest import Warehouse, identify, message, track


def erased(warehouse: Warehouse, users: list[str], emails: list[str] | None = None) -> dict[str, int]:
    rows = erase(warehouse.database, ["web"], Identity.of(users, emails or []))
    return {str(table): number for table, number in rows.items()}


def test_all_rows_of_a_person_and_no_others(warehouse: Warehouse) -> None:
    warehouse.load(
        track("Order Completed", {"total": 1, "日本": "secret"}),
        track("Users", user_id=None, anonymous_id="ann"),
        identify({"age": 40, "日本": 1}),
        message("page", name="Home"),
        message("group", group_id="acme"),
        message("alias", previous_id="ann", user_id="anna"),
        track("Order Completed", {"total": 2, "日本": "kept"}, user_id="bob", message_id="bobs"),
        identify({"age": 41}, user_id="bob"),
    )
    assert erased(warehouse, ["ann"]) == {
        "web.tracks": 2,
        "web.order_completed": 1,
        "web._users": 1,
        "web.identifies": 1,
        "web.users": 1,
        "web.pages": 1,
        "web.groups": 1,
        "web.aliases": 1,
        "web._rejected_values": 2,
    }
    assert warehouse.rows("tracks", "id") == [("bobs",)]
    assert warehouse.rows("users", "id, age") == [("bob", 41)]
    assert warehouse.rows("_users_times", "id") == [("bob",)]
    assert warehouse.rows("_rejected_values", "row_id, value") == [("bobs", '"kept"')]
    assert erased(warehouse, ["ann"]) == {}


def test_an_address_is_found_in_every_column_however_it_is_written(warehouse: Warehouse) -> None:
    address = "ann@example.org"
    warehouse.load(
        identify({"email": " Ann@Example.org"}, user_id=None, anonymous_id="x1", message_id="i1"),
        track("A", {"recipient": address}, user_id="x2", message_id="t1"),
        track("A", {"recipient": f"not-{address}"}, user_id="x3", message_id="t2"),
        track("A", {"recipient": 5}, user_id="x4", message_id="t3"),
        track("A", {"日本": [address]}, user_id="x5", message_id="t4"),
        track("Opened", user_id=None, anonymous_id=address, message_id="t5"),
    )
    erased(warehouse, [], [address])
    assert warehouse.rows("identifies") == []
    assert warehouse.rows("a", "id") == [("t2",), ("t3",), ("t4",)]
    assert warehouse.rows("opened") == []
    assert not [row for row in warehouse.rejected() if address in row[2]]


def test_what_people_have_altered_is_erased_as_far_as_it_can_be(warehouse: Warehouse) -> None:
    warehouse.load(track("A"), track("B", {"日本": 1}), identify({"age": 1}))
    warehouse.run("ALTER TABLE web.a DROP COLUMN id")
    warehouse.run("CREATE VIEW web.everybody AS SELECT * FROM web.b")
    warehouse.run("DROP TABLE web._users_times")
    warehouse.run("CREATE TABLE web.mine (user_id TEXT, note TEXT)")
    warehouse.run("INSERT INTO web.mine VALUES ('ann', 'x'), ('bob', 'y')")
    assert erased(warehouse, ["ann"])["web.a"] == 1
    for table in ("a", "b", "tracks", "users", "identifies", "everybody", "_rejected_values"):
        assert warehouse.rows(table, "1") == []
    assert len(warehouse.rows("mine")) == 2, "a table that Jetbridge did not make is left alone"


def test_an_id_that_was_shortened_is_found(warehouse: Warehouse) -> None:
    name = "a\0nn" + "x" * 2_000
    warehouse.load(track("A", user_id=name), identify({"age": 1}, user_id=name))
    erased(warehouse, [name])
    for table in ("a", "tracks", "identifies", "users", "_rejected_values"):
        assert warehouse.rows(table, "1") == []


def test_a_schema_that_is_gone_holds_nobody(warehouse: Warehouse) -> None:
    assert erased(warehouse, ["ann"]) == {}
