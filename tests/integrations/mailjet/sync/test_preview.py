"""What a preview says is what would happen, and it leaves nothing behind."""

import dataclasses
import json
from typing import Any

from jetbridge.integrations.mailjet.api.properties import MAX_PROPERTIES
from jetbridge.integrations.mailjet.models import Contact, Person, RejectedValue, TraitName
from jetbridge.integrations.mailjet.sync.account import PROPERTY_LIMIT_REACHED
from jetbridge.integrations.mailjet.sync.preview import Preview, TraitPreview, preview
from jetbridge.spec.message import Message, decode

from .conftest import Bridge


def call(bridge: Bridge, user: str | None, traits: dict[str, Any], **options: Any) -> Message:
    return decode(bridge.identify(user, traits, **options).body)


def states(result: Preview) -> dict[str, str]:
    return {each.trait: f"{each.state}: {each.reason}".removesuffix(": ") for each in result.traits}


def test_a_preview_creates_no_more_properties_than_there_is_room_for(bridge: Bridge) -> None:
    for number in range(MAX_PROPERTIES - len(bridge.mailjet.contactmetadata()) - 1):
        bridge.mailjet.create_contactmetadata(f"other_{number}", "str")
    result = preview(bridge.destination, call(bridge, "u1", {"email": "ada@b.com", "a": "x", "b": 1}))
    assert result.traits[1:] == [
        TraitPreview("a", "x", "sent", property="a", datatype="str", created=True),
        TraitPreview("b", 1, "rejected", PROPERTY_LIMIT_REACHED, property="b"),
    ]
    assert json.loads(result.request.partition("\n\n")[2])["Properties"] == {"a": "x"}


def test_a_preview_shows_each_trait_with_its_property_type_and_value(bridge: Bridge) -> None:
    bridge.mailjet.create_contactmetadata("age", "int")
    bridge.mailjet.create_contactmetadata("plan", "bool")
    mapping = {"mapping": "firstName = first_name\npassword ="}
    ref = dataclasses.replace(bridge.destination, settings=bridge.destination.settings | mapping)
    traits = {"email": "Ada@B.com", "firstName": "Ada", "age": "42", "plan": "pro", "Plan": 1, "password": 2}
    bridge.reset_calls()
    result = preview(ref, call(bridge, "u1", {**traits, "gone": None}))
    assert result.traits == [
        TraitPreview("email", "Ada@B.com", "left out", "it is the contact's address"),
        TraitPreview("firstName", "Ada", "sent", property="first_name", datatype="str", created=True),
        TraitPreview("age", 42, "sent", property="age", datatype="int"),
        TraitPreview("plan", "pro", "rejected", "text where Mailjet has bool", "plan", "bool"),
        TraitPreview(
            "Plan",
            1,
            "rejected",
            "the traits plan and Plan of one call both go here; plan is taken. "
            "Give Plan another property in the Mapping",
            "plan",
        ),
        TraitPreview("password", 2, "left out", "the mapping blocks it"),
        TraitPreview("gone", None, "unchanged", "Mailjet has none to clear", "gone"),
    ]
    address, _, body = result.request.partition("\n\n")
    assert address.endswith(f"/v3/REST/contactslist/{bridge.list_id}/managecontact")
    properties = {"first_name": "Ada", "age": 42}
    assert json.loads(body) == {
        "Action": "addnoforce",
        "Email": "ada@b.com",
        "Name": "Ada",
        "Properties": properties,
    }
    assert dataclasses.replace(result, traits=[], request="") == Preview(
        "delivered",
        email="ada@b.com",
        name="Ada",
        list_id=bridge.list_id,
        action="addnoforce",
        effect="addnoforce",
        is_new=True,
        needs_call=True,
    )
    assert bridge.calls() == {}
    tables = (Contact, Person, RejectedValue, TraitName)
    assert [table.objects.count() for table in tables] == [0, 0, 0, 0]


def test_a_preview_says_what_comes_of_it_and_the_call_then_does_that(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com", "plan": "pro", "age": 40, "at": "2026-01-02"}, at=10)
    started.settle()
    traits = {"plan": "pro", "age": 41, "at": "2026-01-03"}
    result = preview(started.destination, call(started, "u1", traits, at=20))
    assert states(result) == {"plan": "unchanged: Mailjet has it already", "age": "sent", "at": "sent"}
    assert [each.value for each in result.traits] == ["pro", 41, "2026-01-03T00:00:00Z"]
    assert (result.email, result.is_new, result.needs_call) == ("a@b.com", False, True)
    late = preview(started.destination, call(started, "u1", traits, at=5))
    assert states(late)["age"] == "outdated: a later call changed it"
    assert late.needs_call is False
    started.send("u1", traits, at=20)
    started.settle()
    assert started.properties("a@b.com") == {"plan": "pro", "age": 41, "at": "2026-01-03T00:00:00Z"}


def test_a_preview_knows_of_consent_and_of_former_addresses(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com", "unsubscribed": True})
    started.settle()
    result = preview(started.destination, call(started, "u1", {"email": "new@b.com"}))
    assert (result.email, result.moves_from, result.action, result.effect) == (
        "new@b.com",
        "a@b.com",
        "addnoforce",
        "unsub",
    )
    assert preview(started.destination, call(started, "u1", {"age": 1})).moves_from is None


def test_a_preview_names_why_a_call_makes_no_contact(bridge: Bridge) -> None:
    failed = preview(bridge.destination, call(bridge, "u1", {"email": "nobody"}))
    assert (failed.outcome, failed.code) == ("failed", "INVALID_EMAIL")
    filtered = preview(bridge.destination, call(bridge, "u1", {"age": 1}))
    assert (filtered.outcome, filtered.code) == ("filtered", "NO_EMAIL")


def test_a_preview_needs_no_mailjet_when_told_so(bridge: Bridge) -> None:
    message = call(bridge, None, {"email": "a@b.com", "age": 1})
    bridge.mailjet.create_contactmetadata("age", "bool")
    assert [each.datatype for each in preview(bridge.destination, message).traits] == [None, "bool"]
    offline = preview(bridge.destination, message, offline=True)
    assert offline.traits[1] == TraitPreview("age", 1, "sent", property="age")
