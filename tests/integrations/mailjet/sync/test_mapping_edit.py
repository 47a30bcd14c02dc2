"""Editing a mapping trait by trait: only what must change does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetbridge.integrations.mailjet.contacts.mapping import (
    WrongMapping,
    parse_mapping,
    target_of,
    with_target,
)

TEXT = "# ours\nfirstName = first_name  # as in the shop\naddress = home\npassword =\n"


@pytest.mark.parametrize(
    ("trait", "wanted", "expected"),
    [
        pytest.param("firstName", "given", "firstName = given  # as in the shop", id="renamed in its line"),
        pytest.param("firstName", "firstname", "# as in the shop", id="the default takes no line"),
        pytest.param("password", "password", "", id="let in again"),
        pytest.param("plan", None, "plan =", id="blocked"),
        pytest.param("plan", "plan", "", id="nothing to do"),
        pytest.param("plan", "Plan (new)", "plan = plan__new_", id="named as Mailjet can"),
        pytest.param("address.city", "home_city", "", id="as the object says"),
        pytest.param("address.city", "town", "address.city = town", id="otherwise than the object"),
        pytest.param("address.city", "address_city", "address.city", id="its own name, against the object"),
        pytest.param("address.zip", None, "address.zip =", id="blocked inside an object"),
        pytest.param("email", "mail", "email = mail", id="the address as a property"),
        pytest.param("email", "email", "email = email", id="even under its own name"),
        pytest.param("email", None, "", id="which it is not by itself"),
    ],
)
def test_as_few_lines_as_it_takes(trait: str, wanted: str | None, expected: str) -> None:
    after = with_target(TEXT, trait, wanted, only_listed=False)
    changed = [line for line in after.splitlines() if line not in TEXT.splitlines()]
    assert changed == ([expected] if expected else [])
    others = {"firstName", "address", "password"} - {trait}
    assert all(parse_mapping(after).rules[each] == parse_mapping(TEXT).rules[each] for each in others)


def test_in_a_list_every_trait_has_its_line() -> None:
    listed = with_target("", "plan", "plan", only_listed=True)
    assert listed == "plan"
    assert with_target(listed, "plan", None, only_listed=True) == ""
    assert with_target("address", "address.city", None, only_listed=True) == "address\naddress.city ="


@pytest.mark.parametrize("trait", ["a=b", "a #b", "#a", "a..b", "a\nb", " a"])
def test_a_trait_that_no_line_can_name_is_refused(trait: str) -> None:
    with pytest.raises(WrongMapping):
        with_target("", trait, "x", only_listed=False)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "a.b", "a.b.c", "d", "email"]), st.sampled_from(["x", "a_b", None]))
    ),
    st.booleans(),
)
def test_whatever_was_wished_last_is_so(wishes: list[tuple[str, str | None]], only_listed: object) -> None:
    text = ""
    for trait, wanted in wishes:
        text = with_target(text, trait, wanted, only_listed=bool(only_listed))
        assert target_of(text, trait, only_listed=bool(only_listed)) == wanted
