import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.spec.emails import normalise
from jetbridge.spec.names import property_name


@pytest.mark.parametrize(
    ("trait", "name"),
    [
        ("plan", "plan"),
        ("firstName", "firstname"),
        ("order_completed_last_30days", "order_completed_last_30days"),
        ("Größe (cm)", "grosse__cm_"),
        ("30 days", "p_30_days"),
        ("_id", "p__id"),
        ("", "p_"),
        ("Über-VIP", "uber_vip"),
    ],
)
def test_names_follow_one_rule(trait: str, name: str) -> None:
    assert property_name(trait) == name


@given(st.text())
def test_every_trait_gets_a_name_that_mailjet_can_use(trait: str) -> None:
    assert re.fullmatch("[a-z][a-z0-9_]*", property_name(trait))


@given(st.text())
def test_a_name_stays_as_it_is(trait: str) -> None:
    assert property_name(property_name(trait)) == property_name(trait)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("  Ada@Example.COM ", "ada@example.com"),
        ("ada+shop@example.com", "ada+shop@example.com"),
        ("nonçascii@example.com", "nonçascii@example.com"),
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("ada@example", None),
        ("ada@@example.com", None),
        ("ada@exa mple.com", None),
        ("<ada@example.com>", None),
        ("ada@example.com\n", "ada@example.com"),
        ("a@b.com, c@d.com", None),
        ("", None),
    ],
)
def test_addresses_have_one_spelling(text: str, address: str | None) -> None:
    assert normalise(text) == address


@given(st.text())
def test_an_address_stays_as_it_is(text: str) -> None:
    once = normalise(text)
    assert once is None or normalise(once) == once
