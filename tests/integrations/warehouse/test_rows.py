"""Each rule of Segment's schema, and of what is ours beside it, by one example."""

from typing import Any

from jetbridge.integrations.warehouse.rows import Rejection, Row, rows_of
from jetbridge.spec.message import Message

from .conftest import NOON, identify, message, track


def row_of(call: Message, table: str) -> Row:
    [row] = [row for row in rows_of(call) if row.table == table]
    return row


def values_of(call: Message, table: str) -> dict[str, Any]:
    """Without ids and times."""
    ours = {"id", "received_at", "timestamp", "original_timestamp", "sent_at", "user_id", "anonymous_id"}
    return {name: value for name, value in row_of(call, table).values.items() if name not in ours}


def test_properties_are_in_the_table_of_the_event_only() -> None:
    call = track("Order Completed", {"total": 5})
    assert values_of(call, "tracks") == {"event": "order_completed", "event_text": "Order Completed"}
    assert values_of(call, "order_completed") == {
        "event": "order_completed",
        "event_text": "Order Completed",
        "total": 5,
    }


def test_context_is_in_every_table() -> None:
    context = {"app": {"version": "1"}, "traits": {"age": 5}}
    for call in (track("A", context=context), identify(context=context), message("page", context=context)):
        for row in rows_of(call):
            assert row.values["context_app_version"] == "1"
            assert row.values["context_traits_age"] == 5


def test_objects_are_flattened_to_any_depth_and_arrays_are_not() -> None:
    deep: Any = 1
    for _ in range(90):
        deep = {"a": deep}
    values = values_of(track("E", {"x": {"y": {"z": [{"w": 1}]}}, "deep": deep}), "e")
    assert values["x_y_z"] == [{"w": 1}]
    [cut] = [name for name in values if name.startswith("deep")]
    assert len(cut) == 63
    assert values[cut] == 1


def test_null_and_empty_objects_make_no_column_and_empty_texts_do() -> None:
    assert values_of(identify({"a": None, "b": {}, "c": ""}), "identifies") == {"c": ""}


def test_what_is_not_in_warehouses() -> None:
    call = track(
        "E", {"a": 1}, channel="server", project_id="p", integrations={"All": True}, metadata={"b": 1}
    )
    assert set(values_of(call, "e")) == {"event", "event_text", "a"}


def test_the_four_times() -> None:
    call = track("E", original_timestamp="2026-11-29T13:00:00+01:00", sent_at="2026-11-29T12:00:00")
    values = row_of(call, "e").values
    assert [values[name] for name in ("received_at", "timestamp", "original_timestamp", "sent_at")] == [
        NOON
    ] * 4


def test_a_time_that_cannot_be_read_is_rejected() -> None:
    row = row_of(track("E", sent_at="yesterday"), "e")
    assert "sent_at" not in row.values
    assert row.rejections == [Rejection("sent_at", "yesterday", "it is no time that can be read")]


class TestUsers:
    def test_the_id_is_the_user_id_and_null_is_said(self) -> None:
        row = row_of(identify({"age": 5, "plan": None, "address": {"zip": None}}), "users")
        assert row.id == "ann"
        assert values_of(identify({"age": 5, "plan": None, "address": {"zip": None}}), "users") == {
            "age": 5,
            "plan": None,
            "address_zip": None,
        }
        assert "anonymous_id" not in row.values

    def test_anonymous_people_have_none(self) -> None:
        assert [row.table for row in rows_of(identify({}, user_id=None, anonymous_id="x"))] == ["identifies"]

    def test_its_rejections_are_those_of_the_call(self) -> None:
        call = identify({"anonymous_id": "x", "日本": 1})
        assert row_of(call, "users").rejections == ()
        assert len(row_of(call, "identifies").rejections) == 2


class TestNames:
    def test_a_reserved_name_is_rejected_unless_it_says_the_same(self) -> None:
        row = row_of(
            track("E", {"userId": "ann", "timestamp": "now", "event": "e", "id": 5, "Sent At": 1}), "e"
        )
        reason = "the name is reserved"
        assert row.rejections == [
            Rejection("timestamp", "now", reason),
            Rejection("id", 5, reason),
            Rejection("sent_at", 1, reason),
        ]
        assert row.values["user_id"] == "ann"
        assert row.values["timestamp"] == NOON

    def test_an_id_that_the_call_lacks_is_not_filled_by_a_property(self) -> None:
        row = row_of(track("E", {"anonymousId": "x", "xmin": 1}), "e")
        reason = "the name is reserved"
        assert row.rejections == [Rejection("anonymous_id", "x", reason), Rejection("xmin", 1, reason)]
        assert "anonymous_id" not in row.values

    def test_null_is_no_value_that_could_be_rejected(self) -> None:
        assert (
            row_of(track("E", {"anonymousId": None, "日本": None, "A": 1, "a": None}), "e").rejections == ()
        )

    def test_the_first_of_two_values_for_a_column_wins(self) -> None:
        properties = {"fooBar": 1, "foo_bar": 2, "foo": {"bar": 3}, "Foo Bar": 1}
        row = row_of(track("E", properties), "e")
        reason = "the column has another value of the message"
        assert row.values["foo_bar"] == 1
        assert row.rejections == [Rejection("foo_bar", 2, reason), Rejection("foo_bar", 3, reason)]

    def test_true_is_not_1(self) -> None:
        [rejection] = row_of(track("E", {"a": 1, "A": True}), "e").rejections
        assert rejection.value is True

    def test_a_name_of_which_nothing_is_left_is_rejected_with_its_path(self) -> None:
        row = row_of(track("E", {"日本": 1, "address": {"città!": 2, "è": {"x": 3}}}), "e")
        reason = "nothing is left of the name"
        assert row.rejections == [Rejection("日本", 1, reason), Rejection("address.è", {"x": 3}, reason)]
        assert values_of(track("E", {"address": {"città!": 2}}), "e")["address_citt"] == 2

    def test_an_event_of_which_nothing_is_left_is_in_tracks_only(self) -> None:
        [row] = rows_of(track("日本", {"a": 1}))
        assert row.table == "tracks"
        assert "event" not in row.values
        assert row.values["event_text"] == "日本"
        assert row.rejections == [Rejection("properties", {"a": 1}, "nothing is left of the event's name")]

    def test_an_event_named_like_a_table_of_calls(self) -> None:
        assert [row.table for row in rows_of(track("Users", {}))] == ["tracks", "_users"]
        assert values_of(track("Users", {}), "tracks")["event"] == "_users"

    def test_names_of_pages_that_come_as_properties_too(self) -> None:
        properties = {"name": "Home", "category": "Shop", "path": "/"}
        call = message("page", name="Home", properties=properties)
        assert values_of(call, "pages") == {"name": "Home", "category": "Shop", "path": "/"}
        assert row_of(call, "pages").rejections == ()


class TestIds:
    def test_what_a_database_cannot_index_is_shortened_and_kept(self) -> None:
        row = row_of(track("E", message_id="m" * 5_000, user_id="a\0nn"), "e")
        assert len(row.id) == 1_000
        assert "\0" not in row.values["user_id"]
        assert [(column, value) for column, value, _ in row.rejections] == [
            ("id", "m" * 5_000),
            ("user_id", "a\0nn"),
        ]

    def test_the_same_id_has_the_same_row(self) -> None:
        assert (
            row_of(identify(user_id="a\0nn"), "users").id
            == row_of(track("E", user_id="a\0nn"), "e").values["user_id"]
        )


def test_a_delete_call_has_no_row() -> None:
    assert rows_of(message("delete")) == []


def test_a_message_is_not_changed() -> None:
    call = track("E", {"a": {"b": [1]}, "A": 2}, context={"c": {"d": 1}})
    before = repr(call)
    rows_of(call)
    assert repr(call) == before
