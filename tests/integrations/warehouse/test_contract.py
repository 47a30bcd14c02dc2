"""What every loader promises: the same messages make the same tables, columns, types and values."""

from datetime import UTC, datetime
from typing import cast

import pytest

from jetbridge.integrations.warehouse.database import Session

from .conftest import NOON, Warehouse, identify, message, track


@pytest.fixture(params=["duckdb", "postgres", "files"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return cast(Warehouse, request.getfixturevalue(f"{request.param}_warehouse"))


ORDER = {
    "total": 12,
    "price": 9.5,
    "gift": True,
    "coupon": "XMAS",
    "orderedAt": "2026-11-29T13:00:00+01:00",
    "products": [{"sku": "a", "qty": 1}],
    "shipping": {"zip": "0123", "address": {"street": "Main St"}},
    "nothing": None,
    "empty": {},
}


def test_a_track_call_has_a_row_in_tracks_and_in_the_table_of_its_event(warehouse: Warehouse) -> None:
    context = {"app": {"version": "2.1"}, "ip": "10.0.0.1"}
    result = warehouse.load(
        track("Order Completed", ORDER, message_id="m", context=context, sent_at="2026-11-29T12:00:01Z")
    )

    assert warehouse.tables() == {"tracks", "order_completed"}
    assert not result.waiting
    assert {str(table): rows for table, rows in result.rows.items()} == {
        "web.tracks": 1,
        "web.order_completed": 1,
    }
    ours = {
        "id": "text",
        "received_at": "timestamp",
        "timestamp": "timestamp",
        "original_timestamp": "timestamp",
        "sent_at": "timestamp",
        "user_id": "text",
        "anonymous_id": "text",
        "event": "text",
        "event_text": "text",
    }
    context_columns = {"context_app_version": "text", "context_ip": "text"}
    assert warehouse.columns("tracks") == ours | context_columns
    assert warehouse.columns("order_completed") == ours | context_columns | {
        "total": "integer",
        "price": "float",
        "gift": "boolean",
        "coupon": "text",
        "ordered_at": "timestamp",
        "products": "text",
        "shipping_zip": "text",
        "shipping_address_street": "text",
    }
    names = "id, event, event_text, user_id, anonymous_id, sent_at, context_ip"
    moment = datetime(2026, 11, 29, 12, 0, 1, tzinfo=UTC)
    assert warehouse.rows("tracks", names) == [
        ("m", "order_completed", "Order Completed", "ann", None, moment, "10.0.0.1")
    ]
    assert warehouse.rows(
        "order_completed", "total, price, gift, coupon, ordered_at, products, shipping_zip"
    ) == [(12, 9.5, True, "XMAS", NOON, '[{"sku":"a","qty":1}]', "0123")]


def test_each_kind_of_call_has_its_table(warehouse: Warehouse) -> None:
    warehouse.load(
        identify({"age": 40}, message_id="i"),
        identify({"age": 41}, message_id="j", user_id=None, anonymous_id="x"),
        message("page", name="Home", properties={"path": "/", "name": "Home"}, message_id="p"),
        message("screen", name="Start", category="App", message_id="s"),
        message("group", group_id="acme", traits={"plan": "pro"}, message_id="g"),
        message("alias", previous_id="old", message_id="a"),
        message("delete", message_id="d"),
    )
    assert warehouse.tables() == {"identifies", "users", "pages", "screens", "groups", "accounts", "aliases"}
    assert warehouse.rows("identifies", "id, user_id, anonymous_id, age") == [
        ("i", "ann", None, 40),
        ("j", None, "x", 41),
    ]
    assert warehouse.rows("users", "id, age") == [("ann", 40)]
    assert warehouse.rows("pages", "id, name, category, path") == [("p", "Home", None, "/")]
    assert warehouse.rows("screens", "id, name, category") == [("s", "Start", "App")]
    assert warehouse.rows("groups", "id, group_id, user_id, plan") == [("g", "acme", "ann", "pro")]
    assert warehouse.rows("accounts", "id, plan") == [("acme", "pro")]
    assert warehouse.rows("aliases", "id, previous_id, user_id") == [("a", "old", "ann")]
    assert warehouse.rejected() == []


def test_sources_do_not_share_a_schema(warehouse: Warehouse) -> None:
    warehouse.load(track("A", message_id="m"), schema="web")
    warehouse.load(track("A", message_id="m"), schema="shop")
    assert warehouse.run("SELECT id FROM web.a UNION ALL SELECT id FROM shop.a") == [("m",), ("m",)]


class TestOnce:
    def test_a_repeat_in_the_batch_is_dropped_and_the_first_wins(self, warehouse: Warehouse) -> None:
        warehouse.load(track("A", {"n": 1}, message_id="m"), track("A", {"n": 2, "more": 1}, message_id="m"))
        assert warehouse.rows("a", "id, n") == [("m", 1)]
        assert "more" not in warehouse.columns("a")

    def test_a_repeat_in_a_later_batch_changes_nothing(self, warehouse: Warehouse) -> None:
        warehouse.load(track("A", {"n": 1, "user_id": "x"}, message_id="m"))
        before = (warehouse.rows("a"), warehouse.rows("tracks"), warehouse.rejected())
        result = warehouse.load(track("A", {"n": "no", "more": 1, "user_id": "x"}, message_id="m"))
        assert (warehouse.rows("a"), warehouse.rows("tracks"), warehouse.rejected()) == before
        assert not +result.rows
        assert not +result.rejected

    def test_a_batch_that_was_not_committed_leaves_nothing(
        self, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = [track("A", {"n": 1}, message_id="m"), identify({"n": 1}, message_id="i")]

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(type_of_session(warehouse), "update", fail)
            warehouse.load(identify({"n": 0}, at=-1))
            with pytest.raises(ZeroDivisionError):
                warehouse.load(*batch)
        assert warehouse.tables() == {"identifies", "users"}
        assert warehouse.rows("users", "id, n") == [("ann", 0)]
        warehouse.load(*batch)
        assert warehouse.rows("a", "id, n") == [("m", 1)]
        assert warehouse.rows("users", "id, n") == [("ann", 1)]


def type_of_session(warehouse: Warehouse) -> type[Session]:
    with warehouse.database.transaction([]) as session:
        return type(session)
