"""The scenario itself: the same every time, with every kind of trait and of person in it."""

from datetime import date, datetime

from jetbridge.demo.scenario import BAD_EMAIL, Scenario, as_properties, make_customers


def test_the_same_seed_makes_the_same_customers() -> None:
    assert make_customers(50, seed=1) == make_customers(50, seed=1)
    assert make_customers(50, seed=1) != make_customers(50, seed=2)


def test_customers_have_traits_of_every_kind() -> None:
    values = [value for customer in make_customers(50, seed=1) for value in customer.traits.values()]
    assert {type(value) for value in values} == {str, int, float, bool, dict, list, date, datetime}
    assert "" in values
    assert any(value == 0 and type(value) is int for value in values)


def test_traits_become_properties_as_documented() -> None:
    traits = {
        "email": "a@example.com",
        "firstName": "Zoë",
        "zero": 0,
        "no": False,
        "empty": "",
        "gone": None,
        "signedUpAt": datetime(2024, 2, 29, 8, 30),  # noqa: DTZ001 - the zone is not shown
        "birthday": date(1990, 5, 17),
        "address": {"city": "Kraków", "geo": {"lat": 50.06}},
        "interests": ["tea", "cups"],
    }
    assert as_properties(traits) == {
        "firstname": "Zoë",
        "zero": 0,
        "no": False,
        "empty": "",
        "signedupat": "2024-02-29T08:30:00Z",
        "birthday": "1990-05-17T00:00:00Z",
        "address_city": "Kraków",
        "address_geo_lat": 50.06,
        "interests": '["tea","cups"]',
    }


def test_the_day_has_one_of_everything_that_goes_another_way() -> None:
    scenario = Scenario(customers=40)
    calls = [*scenario.morning(), *scenario.noon()]
    expected = scenario.expected
    assert len(calls) == expected.calls
    assert expected.filtered == {
        "UNSUPPORTED_EVENT_TYPE": 4,
        "NO_EMAIL": 1,
        "FILTERED_BY_INTEGRATIONS_OBJECT": 1,
    }
    assert expected.failed == {"INVALID_EMAIL": 1}
    assert {call.method for call in calls} == {"identify", "track", "page"}
    assert sum(call.arguments.get("traits", {}).get("email") == BAD_EMAIL for call in calls) == 1
    assert len(expected.traits) == 41
    assert expected.old_email not in expected.traits
    assert expected.user_ids[expected.new_email] == f"u-00{expected.old_email[1:3]}"


def test_the_night_sends_what_is_known_already() -> None:
    scenario = Scenario(customers=40)
    scenario.morning(), scenario.noon()
    before = scenario.expected.properties
    calls = scenario.night()
    assert len(calls) == 41
    assert scenario.expected.properties == before
    assert {call.arguments["user_id"]: call.arguments["traits"] for call in calls} == {
        scenario.expected.user_ids[email]: traits for email, traits in scenario.expected.traits.items()
    }


def test_every_call_has_a_later_time() -> None:
    scenario = Scenario(customers=40)
    times = [
        call.arguments["timestamp"] for call in [*scenario.morning(), *scenario.noon(), *scenario.night()]
    ]
    assert times == sorted(set(times))
