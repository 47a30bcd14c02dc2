"""Where traits go: arrays, deep objects, names, two traits with one property, and each rule of a mapping."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetbridge.integrations.mailjet.contacts.mapping import (
    BLOCKED,
    KEY,
    NOT_LISTED,
    Mapping,
    Place,
    WrongMapping,
    flat,
    parse_mapping,
)
from jetbridge.spec.names import property_name

ADDRESS = {"address": {"city": "Paris", "zip": "75001", "geo": {"lat": 48.9}}}


def mapped(text: str, traits: dict[str, Any], *, listed: bool = False) -> dict[str, Any]:
    values, lost = Mapping(parse_mapping(text).rules, only_listed=listed).properties(traits)
    assert lost == ()
    return values


def test_without_rules_traits_become_flat_lower_case_properties() -> None:
    traits = {
        "email": "a@b.com",
        "firstName": "Ada",
        **ADDRESS,
        "tags": ["a", {"b": 1}],
        "vip": False,
        "visits": 0,
        "note": "",
        "phone": None,
    }
    assert mapped("", traits) == {
        "firstname": "Ada",
        "address_city": "Paris",
        "address_zip": "75001",
        "address_geo_lat": 48.9,
        "tags": '["a",{"b":1}]',
        "vip": False,
        "visits": 0,
        "note": "",
        "phone": None,
    }


def test_traits_nested_too_deep_arrive_as_text() -> None:
    deep: dict[str, Any] = {"x": 1}
    for _ in range(500):
        deep = {"n": deep}
    ((name, value),) = mapped("", {"t": deep}).items()
    assert name == "t" + "_n" * 8
    assert value.startswith('{"n":{"n":')


@pytest.mark.parametrize(
    ("text", "traits", "properties"),
    [
        ("firstName = first_name", {"firstName": "Ada", "plan": "pro"}, {"first_name": "Ada", "plan": "pro"}),
        ("firstName=first_name", {"firstname": "Ada"}, {"firstname": "Ada"}),
        ("password =", {"password": "x", "plan": "pro"}, {"plan": "pro"}),
        ("address.city = town", ADDRESS, {"town": "Paris", "address_zip": "75001", "address_geo_lat": 48.9}),
        ("address = home", ADDRESS, {"home_city": "Paris", "home_zip": "75001", "home_geo_lat": 48.9}),
        ("address =", {**ADDRESS, "addressed": 1}, {"addressed": 1}),
        ("address =\naddress.geo = place", ADDRESS, {"place_lat": 48.9}),
        ("address.geo =\naddress = home", ADDRESS, {"home_city": "Paris", "home_zip": "75001"}),
        ("address =\naddress.city", ADDRESS, {"address_city": "Paris"}),
        ("tags = labels", {"tags": [1]}, {"labels": "[1]"}),
        ("order.id = ref", {"order.id": 7}, {"ref": 7}),
        ("# who\n\nplan = tier  # not the tariff\nc# = lang", {"plan": 1, "c#": 2}, {"tier": 1, "lang": 2}),
        ("email = mail", {"email": "a@b.com"}, {"mail": "a@b.com"}),
        ("email =", {"email": "a@b.com"}, {}),
        ("full name = name", {"full name": "Ada"}, {"name": "Ada"}),
    ],
)
def test_each_rule_does_what_it_says(text: str, traits: dict[str, Any], properties: dict[str, Any]) -> None:
    assert mapped(text, traits) == properties


def test_only_listed_traits_arrive_where_the_settings_say_so() -> None:
    text = "plan\nfirstName = first_name\naddress\naddress.geo ="
    traits = {"email": "a@b.com", "plan": "pro", "firstName": "Ada", "age": 3, **ADDRESS}
    assert mapped(text, traits, listed=True) == {
        "plan": "pro",
        "first_name": "Ada",
        "address_city": "Paris",
        "address_zip": "75001",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("plan\n = x", "Line 2: no trait stands before the =."),
        ("a = b = c", "Line 1: there is more than one =."),
        ("a = b\n\na =", "Line 3: the trait a has line 1 already."),
        ("a..b = c", "Line 1: a name is missing at a dot of a..b."),
        (".a", "Line 1: a name is missing at a dot of .a."),
        ("a = !?", "Line 1: !? has no letter and no digit"),
        ("a.a.a.a.a.a.a.a.a.a =", "Line 1: a.a.a.a.a.a.a.a.a.a is nested too deep."),
    ],
)
def test_what_is_no_mapping_is_refused_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(WrongMapping) as caught:
        parse_mapping(text)
    assert str(caught.value).startswith(sentence)


def test_a_property_name_that_mailjet_would_not_take_is_changed_and_said() -> None:
    parsed = parse_mapping("firstName = First Name\nage = 2nd\nplan = plan\nemail")
    assert parsed.rules == {"firstName": "first_name", "age": "p_2nd", "plan": "plan"}
    assert [note.partition(";")[0] for note in parsed.notes] == [
        "Line 1: the property is named first_name",
        "Line 2: the property is named p_2nd",
        "Line 4: email is the contact's address, and arrives in any case.",
    ]


def test_of_two_traits_with_one_property_the_one_named_like_it_arrives() -> None:
    traits = {"Plan": "gold", "PLAN": "silver", "plan": "pro"}
    values, lost = Mapping().properties(traits)
    assert values == {"plan": "pro"}
    assert lost == tuple(
        (
            "plan",
            (
                f"the traits plan and {loser} of one call both go here; plan is taken. "
                f"Give {loser} another property in the Mapping"
            ),
        )
        for loser in ("Plan", "PLAN")
    )


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_traits_with_foreign_names_the_first_in_the_alphabet_arrives(turn: int) -> None:
    traits = dict([("lastName", 1), ("LastName", 2)][::turn])
    values, ((name, _),) = Mapping().properties(traits)
    assert (values, name) == ({"lastname": 2}, "lastname")


def test_a_nested_trait_may_meet_a_flat_one() -> None:
    values, lost = Mapping().properties({"address": {"city": "Paris"}, "address_city": "Lyon"})
    assert values == {"address_city": "Lyon"}
    assert [name for name, _ in lost] == ["address_city"]


def test_a_rename_onto_another_trait_is_reported() -> None:
    values, lost = Mapping({"tier": "plan"}).properties({"tier": "gold", "plan": "pro"})
    assert (values, [name for name, _ in lost]) == ({"plan": "pro"}, ["plan"])


def test_each_shape_of_a_call_is_noticed_once() -> None:
    noticed: list[Any] = []
    mapping = Mapping({"secret": None}, noticed=noticed.append)
    for value in ("Ada", "Bob"):
        mapping.properties({"email": "a@b.com", "firstName": value, "secret": 1})
    assert noticed == [
        [Place("email", "", KEY), Place("firstName", "firstname"), Place("secret", "", BLOCKED)]
    ]


_NAMES = st.sampled_from(["email", "Email", "plan", "Plan", "a", "a_b", "a.b", "1", "ß", "", ".", "b c"])
_TRAITS = st.recursive(
    st.dictionaries(_NAMES, st.none() | st.booleans() | st.integers() | st.text(max_size=3), max_size=4),
    lambda inner: st.dictionaries(_NAMES, inner | st.lists(st.integers(), max_size=2), max_size=3),
    max_leaves=12,
)
_RULES = st.dictionaries(
    st.sampled_from(["email", "plan", "Plan", "a", "a.b", "a.a.b", "1", "b c"]),
    st.none() | st.sampled_from(["plan", "a_b", "other", "p_1"]),
    max_size=4,
)


@settings(deadline=None)
@given(_TRAITS, _RULES, st.sampled_from(["all", "listed"]))
def test_no_trait_vanishes_in_silence(traits: dict[str, Any], rules: Any, which: str) -> None:
    mapping = Mapping(rules, only_listed=which == "listed")
    paths, said = flat(traits)
    values, lost = mapping.properties(traits)
    places = mapping.places(paths)
    arrived = {place.property: value for place, value in zip(places, said, strict=True) if not place.why_not}
    assert values == arrived
    assert len(arrived) == len([place for place in places if not place.why_not])
    reported = [(place.property, place.why_not) for place in places if place.property and place.why_not]
    assert lost == tuple(reported)
    assert {place.why_not for place in places if not place.property} <= {KEY, BLOCKED, NOT_LISTED}
    assert all(name == property_name(name) for name in values)
