import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from jetbridge.integrations.warehouse.names import (
    KEY_BYTES,
    event_table,
    fields_of,
    identifier,
    is_storable,
    key,
    schema_name,
)
from jetbridge.spec.names import snakecase


@pytest.mark.parametrize(
    ("text", "snake"),
    [
        # Words are separated by whatever is no letter or digit of ASCII, and by a capital after a small letter.
        ("Order Completed", "order_completed"),
        ("order-completed", "order_completed"),
        ("order_completed", "order_completed"),
        ("order___completed", "order_completed"),
        ("orderCompleted", "order_completed"),
        ("orderItemAddedToCart", "order_item_added_to_cart"),
        ("  %&/order   Completed  ", "order_completed"),
        ("ORDER:COMPLETED#NOW", "order_completed_now"),
        ("shop.example", "shop_example"),
        ("$total%", "total"),
        ("order\ncompleted\tnow", "order_completed_now"),
        ('"order completed"', "order_completed"),
        ("_foo", "foo"),
        ("foo_", "foo"),
        # Letters of others separate too.
        ("Über VIP", "ber_vip"),
        ("•¶foo˙∆", "foo"),
        ("foo¬bar", "foo_bar"),
        ("日本", ""),
        ("", ""),
        # A capital within capitals begins no word.
        ("userID", "user_id"),
        ("iPhone", "i_phone"),
        ("HTTPServerError", "httpserver_error"),
        ("CStringRef", "cstring_ref"),
        ("samPLE text", "sam_ple_text"),
        # Digits go with what comes before or after them.
        ("base64Encode", "base64_encode"),
        ("___$Base64Encode", "base64_encode"),
        ("foo2Bar", "foo2_bar"),
        ("step 2 Done", "step_2_done"),
        ("STEP 2 DONE", "step_2_done"),
        ("step2", "step2"),
        ("THE5r", "the5r"),
        ("p_z9Rg", "p_z9_rg"),
        ("a_b9C", "a_b9_c"),
        ("abc_6N", "abc_6n"),
        ("Enabled 2FA", "enabled_2fa"),
        ("2FA Enabled", "2fa_enabled"),
        ("5TEst", "5test"),
        ("30 day", "30_day"),
        ("abc0D@eFgh_Z6YL", "abc0_d_e_fgh_z6yl"),
        ("@49L0S145_¬fwHƒ0TSLNVp", "49l0s145_fw_h_0tslnvp"),
    ],
)
def test_snakecase_is_segments(text: str, snake: str) -> None:
    assert snakecase(text) == snake


@given(st.text())
def test_a_name_that_is_clean_stays(text: str) -> None:
    assert snakecase(snakecase(text)) == snakecase(text)


@settings(max_examples=300)
@given(st.text(min_size=1) | st.text("abcABC019_ ", min_size=1, max_size=200))
def test_every_name_is_one_that_both_engines_take(text: str) -> None:
    for name in (event_table(text), schema_name(text), identifier(snakecase(text) or "x")):
        assert name is None or re.fullmatch("[a-z_][a-z0-9_]{0,62}", name)


def test_a_leading_digit_gets_an_underscore() -> None:
    assert identifier("30_day") == "_30_day"
    assert event_table("2FA Enabled") == "_2fa_enabled"
    assert schema_name("1st source") == "_1st_source"
    shipping = fields_of("")["shipping"]
    assert shipping
    line = shipping.fields["2nd line"]
    assert line
    assert line.name == "shipping_2nd_line"


def test_columns_are_remembered_but_not_those_of_a_flood_of_names() -> None:
    plan = fields_of("")["plan"]
    assert fields_of("")["plan"] is plan
    assert fields_of("context")["plan"] is not plan
    long = "x" * 10_000
    for number in range(20_000):
        fields_of("")[f"made up {number}"]
    fields_of("")[long]
    assert long not in fields_of("")
    assert len(fields_of("")) < 20_000
    again = fields_of("")["plan"]
    assert again
    assert again.name == "plan"


def test_a_long_name_is_cut_to_63_bytes_with_a_suffix_made_from_all_of_it() -> None:
    assert identifier("a" * 70) == "a" * 54 + "_6bd5e503"
    assert identifier("a" * 70) != identifier("a" * 71)
    assert identifier("a" * 63) == "a" * 63


def test_an_event_named_like_a_table_of_calls_gets_an_underscore() -> None:
    names = ["Tracks", "users", "Identifies", "pages", "screens", "groups", "aliases", "accounts"]
    assert [event_table(name) for name in names] == [f"_{name.lower()}" for name in names]


def test_a_schema_is_none_of_the_engines_own() -> None:
    assert schema_name("PG toast") == "_pg_toast"
    assert schema_name("information_schema") == "_information_schema"
    assert schema_name("日本") is None


class TestKeys:
    @settings(max_examples=300)
    @given(st.text(st.characters() | st.just("\0"), max_size=2_000))
    def test_every_engine_can_store_and_index_it(self, text: str) -> None:
        stored = key(text)
        assert is_storable(stored)
        assert len(stored.encode()) <= KEY_BYTES
        if is_storable(text) and len(text.encode()) <= KEY_BYTES:
            assert stored == text

    def test_two_ids_stay_two(self) -> None:
        assert key("a\0b") != key("a\ufffdb")
        assert key("a\ud800") != key("a\ud801")
        assert key("é" * 600 + "a") != key("é" * 600 + "b")
        assert key("é" * 500) == "é" * 500
