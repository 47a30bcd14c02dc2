"""The mapping at work: settings, two traits with one property, values that a mended property takes."""

import dataclasses
from typing import Any

import mailjet_rest
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jetbridge.control.models import Destination
from jetbridge.errors import PauseError
from jetbridge.integrations.mailjet.contacts import mapping as contact_mapping
from jetbridge.integrations.mailjet.contacts.mapping import Mapping, TraitNames
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact, RejectedValue, TraitName
from jetbridge.integrations.mailjet.sync import rejected_values
from jetbridge.integrations.mailjet.verification.mistyped import Mistyped, mistyped

from .conftest import Bridge

HINT = "Give each a property of its own in the Mapping, or block all but one."


def with_settings(bridge: Bridge, **settings: str) -> None:
    changed = {**bridge.destination.settings, **settings}
    bridge.destination = dataclasses.replace(bridge.destination, settings=changed)


def remarks(bridge: Bridge) -> list[str]:
    return list(MAILJET.warnings(bridge.destination))


def set_datatype(bridge: Bridge, name: str, datatype: str) -> None:
    client = mailjet_rest.Client(auth=("public", "private"), api_url=bridge.url + "/")
    client.contactmetadata.update(id=f"static|{name}", data={"Datatype": datatype})
    client.close()


def test_contacts_get_the_properties_that_the_mapping_names(bridge: Bridge) -> None:
    with_settings(bridge, mapping="firstName = first_name\naddress.city = town\npassword =")
    bridge.start()
    traits = {"email": "a@b.com", "firstName": "Ada", "address": {"city": "Paris", "zip": "1"}, "password": 1}
    bridge.send("u1", traits)
    bridge.settle()
    assert bridge.properties("a@b.com") == {"first_name": "Ada", "town": "Paris", "address_zip": "1"}


def test_only_listed_traits_become_properties_where_the_settings_say_so(bridge: Bridge) -> None:
    with_settings(bridge, properties="listed", mapping="plan")
    bridge.start()
    bridge.send("u1", {"email": "a@b.com", "plan": "pro", "age": 3, "unsubscribed": True})
    bridge.settle()
    assert bridge.properties("a@b.com") == {"plan": "pro"}
    assert bridge.subscriptions("a@b.com") == {bridge.list_id: False}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mapping": "a = b\na"}, "Mapping: Line 2: the trait a has line 1 already. Keep one."),
        ({"properties": "some"}, "Properties: 'some' is none of all, listed."),
        ({"listId": ""}, "List ID: List ID is needed."),
        (
            {"listId": "x"},
            "List ID: 'x' is no Mailjet list ID. Enter the List ID shown on App Connections.",
        ),
    ],
)
def test_settings_that_lead_nowhere_hold_the_destination(
    bridge: Bridge, settings: dict[str, str], sentence: str
) -> None:
    with_settings(bridge, **settings)
    with pytest.raises(PauseError) as caught:
        MAILJET.open(bridge.destination)
    assert (caught.value.code, str(caught.value)) == ("INVALID_SETTINGS", sentence)
    assert remarks(bridge) == []


def test_two_traits_of_one_call_with_one_property_are_reported(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com", "Plan": "gold", "plan": "pro"})
    assert started.settle().delivered == 1
    assert started.properties("a@b.com") == {"plan": "pro"}
    (row,) = RejectedValue.objects.all()
    assert (row.property, row.total, row.email) == ("plan", 1, "a@b.com")
    assert row.message == (
        "the traits plan and Plan of one call both go here; plan is taken. "
        "Give Plan another property in the Mapping"
    )


def test_two_traits_of_different_calls_with_one_property_are_reported(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com", "firstName": "Ada"})
    started.send("u2", {"email": "c@d.com", "firstname": "Bob", "Firstname": "Bo"})
    started.send("u2", {"email": "c@d.com", "age": 1})
    started.settle()
    assert remarks(started)[-1] == (
        "the traits Firstname, firstName and firstname go to one property, firstname, where the last value "
        f"wins. {HINT}"
    )


def test_a_mapping_ends_the_report(bridge: Bridge) -> None:
    bridge.start()
    bridge.send("u1", {"email": "a@b.com", "firstName": "Ada"})
    bridge.send("u2", {"email": "c@d.com", "FirstName": "Bob"})
    bridge.settle()
    assert len(remarks(bridge)) == 1
    with_settings(bridge, mapping="FirstName = other")
    assert remarks(bridge) == []


def test_trait_names_are_remembered_up_to_a_limit(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_mapping, "MAX_TRAIT_NAMES", 3)
    bridge.start()
    bridge.send("u1", {"email": "a@b.com", "seen": {f"page{number}": 1 for number in range(9)}})
    bridge.settle()
    names = list(TraitName.objects.values_list("trait", "property"))
    assert names == [("seen.page0", "seen_page0"), ("seen.page1", "seen_page1"), ("seen.page2", "seen_page2")]
    assert remarks(bridge) == [
        (
            "more than 3 different traits were seen, and each becomes a property of all contacts. "
            'Set Properties to "listed" and name those that Mailjet needs.'
        )
    ]


def test_trait_names_are_written_once(bridge: Bridge) -> None:
    names = TraitNames(bridge.destination.id)
    mapping = Mapping(noticed=names.notice)
    with CaptureQueriesContext(connection) as queries:
        for value in (1, 2):
            mapping.properties({"age": value})
            names.save()
    rows = TraitName.objects.filter(destination_id=bridge.destination.id)
    assert list(rows.values_list("trait", "property")) == [("age", "age")]
    assert len([query for query in queries if "INSERT" in query["sql"]]) == 1


def test_values_set_aside_arrive_when_mailjets_datatype_was_mended(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr(rejected_values, "POLL_MS", 0)
    monkeypatch.setattr(rejected_values, "FRESH_SECONDS", 0.2)
    bridge.mailjet.create_contactmetadata("plan", "int")
    bridge.mailjet.create_contactmetadata("age", "bool")
    bridge.start()
    bridge.log.append(
        bridge.identify(f"u{n}", {"email": f"p{n}@b.com", "plan": "pro", "age": 40}) for n in range(15)
    )
    assert bridge.settle().delivered == 15
    assert bridge.properties("p14@b.com") == {}
    set_datatype(bridge, "plan", "str")
    eventually(lambda: bridge.properties("p14@b.com") == {"plan": "pro"}, "what fits now arrives")
    eventually(lambda: bridge.properties("p0@b.com") == {"plan": "pro"}, "of every contact")
    assert [(row.property, row.total) for row in RejectedValue.objects.all()] == [("age", 15)]
    assert bridge.report().delivered == 15


def test_values_set_aside_arrive_after_a_restart_that_missed_the_mending(
    bridge: Bridge, eventually: Any
) -> None:
    bridge.mailjet.create_contactmetadata("plan", "int")
    bridge.start()
    bridge.send("u1", {"email": "a@b.com", "plan": "pro"})
    bridge.settle()
    bridge.threads.stop()
    set_datatype(bridge, "plan", "str")
    bridge.start()
    eventually(lambda: bridge.properties("a@b.com") == {"plan": "pro"}, "the value arrives")
    eventually(lambda: not RejectedValue.objects.exists(), "and is reported no more")


def test_text_properties_whose_values_are_none_are_found(bridge: Bridge) -> None:
    for name in ("age", "zip", "since", "score", "note", "vip"):
        bridge.mailjet.create_contactmetadata(name, "str")
    bridge.start()
    traits = {"zip": "75001", "since": "2026-01-02", "score": 1, "note": None, "vip": True, "fresh": 3}
    bridge.send("u1", {"email": "a@b.com", "age": 40, **traits})
    bridge.send("u2", {"email": "c@d.com", "age": "unknown", **traits, "score": 2.5})
    bridge.settle()
    (account,) = {row.account_id for row in Contact.objects.all()}
    assert mistyped(account, bridge.mailjet.contactmetadata()) == [
        Mistyped("score", 2, "fractions and whole numbers", "float"),
        Mistyped("since", 2, "dates", "datetime"),
        Mistyped("vip", 2, "true/false", "bool"),
    ]


def test_a_list_that_the_settings_name_holds_the_destination_when_it_is_gone(
    bridge: Bridge, eventually: Any
) -> None:
    chosen = bridge.mailjet.create_contactslist("Other")
    with_settings(bridge, listId=str(chosen.id))
    Destination.objects.update(settings=bridge.destination.settings)
    bridge.mailjet._call("DELETE", f"/v3/REST/contactslist/{chosen.id}")
    bridge.start()
    bridge.send("u1", {"email": "a@b.com"})
    eventually(lambda: bridge.report().state == "paused", "the destination is held")
    assert (bridge.report().pause_code, bridge.report().pending) == ("LIST_NOT_FOUND", 1)
