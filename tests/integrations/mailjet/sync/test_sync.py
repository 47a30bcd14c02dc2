"""From the log to the contact in Mailjet, over real HTTP to the sandbox."""

from typing import Any

import mailjet_rest
import pytest

from jetbridge.integrations.mailjet.contacts.contact import user_ids
from jetbridge.integrations.mailjet.models import RejectedValue


def test_every_kind_of_value_arrives_as_it_was_meant(started: Any) -> None:
    traits = {
        "email": "Ada@Example.com",
        "name": "Ada Lovelace",
        "plan": "pro",
        "visits": 0,
        "score": 1.5,
        "vip": False,
        "note": "",
        "created_at": "2024-01-31T10:00:00+02:00",
        "address": {"city": "Paris"},
        "tags": ["a", "b"],
    }
    started.send("u1", traits)
    started.rest()
    client = mailjet_rest.Client(auth=("public", "private"), api_url=started.url + "/")
    answer = client.contactdata.get(id="ada@example.com").json()
    assert {row["Name"]: row["Value"] for row in answer["Data"][0]["Data"]} == {
        "name": "Ada Lovelace",
        "plan": "pro",
        "visits": 0,
        "score": 1.5,
        "vip": False,
        "created_at": "2024-01-31T08:00:00Z",
        "address_city": "Paris",
        "tags": '["a","b"]',
    }
    assert client.contact.get(id="ada@example.com").json()["Data"][0]["Name"] == "Ada Lovelace"
    assert started.subscriptions("ada@example.com") == {started.list_id: True}
    client.close()


@pytest.mark.parametrize("empty", [None, ""])
def test_what_is_empty_empties_a_property_of_any_type_and_makes_none(started: Any, empty: str | None) -> None:
    traits = {"plan": "pro", "age": 40, "score": 1.5, "vip": True, "since": "2024-01-31"}
    started.send("u1", {"email": "a@b.com", **traits, "note": empty})
    started.rest()
    started.send("u1", dict.fromkeys(traits, empty))
    started.rest()
    assert {name: value for name, value in started.properties("a@b.com").items() if value != ""} == {}
    assert "note" not in started.mailjet.contactmetadata()
    assert RejectedValue.objects.count() == 0


def test_a_boolean_property_takes_yes_and_no_in_words(started: Any) -> None:
    started.send("u1", {"email": "a@b.com", "vip": True})
    started.rest()
    for number, value in enumerate([0, "oui", "no", 1, "0"]):
        started.send(f"v{number}", {"email": f"a{number}@b.com", "vip": value})
    started.rest()
    assert [started.properties(f"a{number}@b.com")["vip"] for number in range(5)] == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_null_clears_and_absent_traits_stay(started: Any) -> None:
    started.send("u1", {"email": "a@b.com", "plan": "pro", "age": 40})
    started.rest()
    started.send("u1", {"plan": None})
    started.rest()
    assert started.properties("a@b.com") == {"age": 40}


def test_identify_without_email_goes_to_the_address_known_for_the_user(started: Any) -> None:
    started.send("u1", {"email": "a@b.com"})
    started.send("u1", {"plan": "pro"})
    assert started.rest().delivered == 2
    assert started.properties("a@b.com") == {"plan": "pro"}


def test_traits_of_a_user_without_address_wait_for_the_address(started: Any) -> None:
    started.send("u1", {"plan": "pro", "age": 1})
    report = started.rest()
    assert (report.filtered, report.reasons["filtered"]) == (1, {"NO_EMAIL": 1})
    started.send("u1", {"email": "a@b.com", "age": 2})
    started.rest()
    assert started.properties("a@b.com") == {"plan": "pro", "age": 2}


def test_a_call_with_neither_email_nor_user_is_filtered_and_can_be_found(started: Any) -> None:
    started.send(None, {"plan": "pro"})
    assert started.rest().reasons["filtered"] == {"NO_EMAIL": 1}
    assert started.delivery_records() == [("NO_EMAIL", "", 1)]


def test_identifies_that_change_nothing_cost_no_call(bridge: Any) -> None:
    people = [(f"u{number}", {"email": f"p{number}@b.com", "n": number}) for number in range(1000)]
    for _ in range(2):
        bridge.log.append([bridge.identify(user, traits) for user, traits in people])
    bridge.start()
    bridge.settle()
    bridge.reset_calls()
    bridge.log.append([bridge.identify(user, traits) for user, traits in people])
    assert bridge.settle().delivered == 3000
    assert bridge.calls() == {}


def test_many_contacts_go_in_one_job(bridge: Any) -> None:
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com", "n": n}) for n in range(500)])
    bridge.start()
    assert bridge.settle().delivered == 500
    assert bridge.calls()["POST contactslist/managemanycontacts"] == 1
    assert "POST contactslist/managecontact" not in bridge.calls()
    assert bridge.properties("p499@b.com") == {"n": 499}


def test_a_wrong_value_spoils_only_itself(started: Any) -> None:
    started.mailjet.create_contactmetadata("age", "int")
    started.send("u1", {"email": "a@b.com", "age": "old", "plan": "pro"})
    assert started.rest().delivered == 1
    assert started.properties("a@b.com") == {"plan": "pro"}
    (row,) = RejectedValue.objects.all()
    assert (row.property, row.message, row.total, row.email) == (
        "age",
        "text where Mailjet has int",
        1,
        "a@b.com",
    )


def test_a_type_changed_behind_our_back_spoils_only_its_property(started: Any) -> None:
    started.send("u1", {"email": "a@b.com", "age": 40})
    started.rest()
    client = mailjet_rest.Client(auth=("public", "private"), api_url=started.url + "/")
    client.contactmetadata.update(id="static|age", data={"Datatype": "bool"})
    client.close()
    started.send("u2", {"email": "b@b.com", "age": 41, "plan": "pro"})
    assert started.rest().delivered == 2
    assert started.properties("b@b.com") == {"plan": "pro"}


def test_one_bad_contact_does_not_fail_its_job(bridge: Any) -> None:
    bridge.mailjet.create_contactmetadata("n", "int")
    rows = [bridge.identify(f"u{n}", {"email": f"p{n}@b.com", "n": n}) for n in range(50)]
    rows.append(bridge.identify("bad", {"email": "no address"}))
    bridge.log.append(rows)
    bridge.start()
    report = bridge.settle()
    assert (report.delivered, report.reasons["failed"]) == (50, {"INVALID_EMAIL": 1})
    assert bridge.delivery_records() == [("INVALID_EMAIL", "bad", 1)]


def test_a_list_that_only_the_message_names_fails_only_the_message(started: Any) -> None:
    started.send("u1", {"email": "a@b.com"}, integrations={"Mailjet": {"listId": 999_999}})
    started.send("u2", {"email": "b@b.com"})
    report = started.rest()
    assert (report.delivered, report.reasons["failed"]) == (1, {"LIST_NOT_FOUND": 1})


def test_a_message_may_name_another_list(started: Any) -> None:
    other = started.mailjet.create_contactslist("Other").id
    started.send("u1", {"email": "a@b.com"}, integrations={"Mailjet": {"listId": other}})
    started.rest()
    started.send("u1", {"email": "a@b.com", "plan": "pro"})
    started.rest()
    assert started.subscriptions("a@b.com") == {other: True, started.list_id: True}


def test_who_unsubscribed_stays_unsubscribed(started: Any) -> None:
    started.send("u1", {"email": "a@b.com"})
    started.rest()
    started.mailjet.managecontactslists("a@b.com", {started.list_id: "unsub"})
    started.send("u1", {"email": "a@b.com", "plan": "pro"})
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: False}
    started.send("u1", {"email": "a@b.com"}, integrations={"Mailjet": {"action": "addforce"}})
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: True}


def test_a_changed_address_takes_over_and_the_old_one_leaves_the_list(started: Any) -> None:
    started.send("u1", {"email": "old@b.com", "plan": "pro"})
    started.rest()
    started.send("u1", {"email": "new@b.com", "age": 40})
    started.rest()
    assert started.properties("new@b.com") == {"plan": "pro", "age": 40}
    assert started.subscriptions("new@b.com") == {started.list_id: True}
    assert started.subscriptions("old@b.com") == {}


def test_an_unsubscribe_moves_with_the_changed_address_and_is_not_forgotten(started: Any) -> None:
    started.send("u1", {"email": "old@b.com"})
    started.rest()
    started.mailjet.managecontactslists("old@b.com", {started.list_id: "unsub"})
    started.send("u1", {"email": "new@b.com"})
    started.rest()
    assert started.subscriptions("new@b.com") == {started.list_id: False}
    assert started.subscriptions("old@b.com") == {started.list_id: False}


def test_an_address_that_comes_back_is_on_the_list_again(started: Any) -> None:
    for email in ("one@b.com", "two@b.com", "one@b.com"):
        started.send("u1", {"email": email})
        started.rest()
    assert started.subscriptions("one@b.com") == {started.list_id: True}
    assert started.subscriptions("two@b.com") == {}


def test_an_address_shared_by_two_users_stays_when_one_leaves(started: Any) -> None:
    started.send("u1", {"email": "both@b.com"})
    started.send("u2", {"email": "both@b.com"})
    started.rest()
    started.send("u1", {"email": "one@b.com"})
    started.rest()
    assert started.subscriptions("both@b.com") == {started.list_id: True}


def test_an_older_address_that_arrives_late_changes_nothing_but_its_traits(started: Any) -> None:
    started.send("u1", {"email": "new@b.com"}, at=100)
    started.rest()
    started.send("u1", {"email": "old@b.com", "plan": "pro"}, at=50)
    started.rest()
    assert started.properties("new@b.com") == {"plan": "pro"}
    assert started.mailjet.contact("old@b.com") is None


def test_the_user_of_an_address_is_known(started: Any) -> None:
    started.send("u1", {"email": "a@b.com"})
    started.rest()
    assert user_ids(1, ["a@b.com", "x@y.com"]) == {"a@b.com": "u1"}


def test_other_calls_and_other_destinations_are_filtered_with_their_reason(started: Any) -> None:
    started.send("u1", {"email": "a@b.com"}, integrations={"All": False})
    started.send("u2", {"email": "b@b.com"}, integrations={"All": False, "Mailjet": True})
    track = started.identify("u3", {})
    started.log.append([track._replace(type="track")])
    report = started.rest()
    assert (report.received, report.delivered) == (3, 1)
    assert report.reasons["filtered"] == {"FILTERED_BY_INTEGRATIONS_OBJECT": 1, "UNSUPPORTED_EVENT_TYPE": 1}
