"""What a call of Engage does: it sets its property, and moves nobody. The sandbox is a real one."""

import json
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from django.db import transaction
from tests.fuzz import WITH_IO, fuzz

from jetbridge.control.directory import load_destinations
from jetbridge.control.factories import new_source
from jetbridge.control.models import SourceKind, Workspace
from jetbridge.delivery.models import DeliveryRecordRow, Outcome
from jetbridge.delivery.threads import Threads
from jetbridge.engage.models import Activation, Computation, Space
from jetbridge.eventlog.base import Entry
from jetbridge.integrations.mailjet.contacts import consent, state
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.contact import load_contacts, user_ids
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact as ContactRow
from jetbridge.integrations.mailjet.settings import account_behind
from jetbridge.integrations.mailjet.sync.preview import preview
from jetbridge.services import destination_settings
from jetbridge.spec.message import EngageTarget, Message, encode
from jetbridge.spec.person import Identity

from .conftest import NOON, Bridge
from .test_erasure import everything_stored, forget
from .test_lists_gone import choose
from .test_owners import EMAILS, Delivery, Mailjet, deliveries
from .test_replay import Call, MergedState
from .test_trace import traced
from .test_verify import look


def activate(bridge: Bridge, key: str, **options: Any) -> Activation:
    workspace = Workspace.objects.get()
    space = Space.objects.filter(workspace=workspace).first() or Space.objects.create(
        workspace=workspace, source=new_source(workspace, SourceKind.ENGAGE, "Engage")
    )
    definition = {"event": "Order Completed"}
    computation, _ = Computation.objects.get_or_create(
        space=space, key=key, defaults={"name": key, "definition": definition}
    )
    activation, _ = Activation.objects.update_or_create(
        computation=computation, destination_id=bridge.destination.id, defaults=options
    )
    return activation


class Sender:
    """Sends what Engage sends, each a second after the one before."""

    def __init__(self, bridge: Bridge, key: str = "vip", **target: Any) -> None:
        self.bridge, self.key = bridge, key
        self.target = EngageTarget(destination=bridge.destination.id, **target)
        self.at: float = 1_000
        if target.get("adds_members") or target.get("list_id"):
            self.activation = activate(bridge, key, **target)

    def send(self, user: str | None, email: str | None = None, *, value: Any, ours: bool = True) -> None:
        self.bridge.log.append([self.entry(user, email, value=value, ours=ours)])

    def entry(self, user: str | None, email: str | None, *, value: Any, ours: bool = True) -> Entry:
        message = self.message(user, email, value=value, ours=ours)
        at = int(message.received_at.timestamp() * 1000)
        return Entry(self.bridge.source, "identify", at, encode(message))

    def message(self, user: str | None, email: str | None, *, value: Any, ours: bool = True) -> Message:
        self.at += 1
        moment = NOON + timedelta(seconds=self.at)
        return Message(
            type="identify",
            message_id=f"e-{self.at}",
            timestamp=moment,
            received_at=moment,
            user_id=user,
            traits={self.key: value, **({"email": email} if email else {})},
            context={"personas": {"computation_class": "audience", "computation_key": self.key}},
            integrations={"All": False, "Mailjet": True} if ours else None,
            engage=self.target if ours else None,
        )


def _filtered() -> dict[str, int]:
    return dict(Outcome.objects.filter(outcome="filtered").values_list("reason", "total"))


def _subscribed(bridge: Bridge, email: str) -> bool | None:
    """None: it is not on the destination's list, or no contact at all."""
    return bridge.subscriptions(email).get(bridge.list_id) if bridge.mailjet.contact(email) else None


def _account(bridge: Bridge) -> int:
    account = account_behind(bridge.destination)
    assert account
    return account.id


# ---- its property, and nothing else


def test_it_sets_its_property_and_nothing_else(started: Bridge) -> None:
    started.send("u1", {"email": "ada@b.com", "plan": "pro"})
    started.settle()
    engage = Sender(started)
    engage.send("u1", "ada@b.com", value=True)
    started.settle()
    assert started.properties("ada@b.com") == {"plan": "pro", "vip": True}
    assert started.mailjet.contactmetadata()["vip"] == "bool"
    engage.send("u1", value=False)
    started.settle()
    assert started.properties("ada@b.com") == {"plan": "pro", "vip": False}
    assert _subscribed(started, "ada@b.com") is True


def test_a_key_that_begins_with_a_digit_gets_a_letter_in_front(started: Bridge) -> None:
    started.send("u1", {"email": "ada@b.com"})
    Sender(started, "30_day_active").send("u1", "ada@b.com", value=True)
    started.settle()
    assert started.properties("ada@b.com") == {"p_30_day_active": True}


def test_a_computed_trait_has_its_value_and_null_clears_it(started: Bridge) -> None:
    started.send("u1", {"email": "ada@b.com"})
    spent = Sender(started, "spent")
    spent.send("u1", "ada@b.com", value=12.5)
    Sender(started, "orders").send("u1", "ada@b.com", value=0)
    started.settle()
    assert started.properties("ada@b.com") == {"spent": 12.5, "orders": 0}
    types = started.mailjet.contactmetadata()
    assert (types["spent"], types["orders"]) == ("float", "int")
    spent.send("u1", "ada@b.com", value=None)
    started.settle()
    assert started.properties("ada@b.com") == {"orders": 0}


def test_a_sum_that_is_whole_at_first_makes_a_property_for_fractions(started: Bridge) -> None:
    started.send("u1", {"email": "ada@b.com"})
    spent = Sender(started, "spent", is_decimal=True)
    for value in (12, 12.5):
        spent.send("u1", "ada@b.com", value=value)
        started.settle()
        assert started.properties("ada@b.com") == {"spent": value}
    assert started.mailjet.contactmetadata()["spent"] == "float"


def test_the_first_of_two_addresses_takes_the_second_off_no_list(started: Bridge) -> None:
    """Was: it counted as an Identify, so its address became the user's, and the other one left its lists."""
    for email in ("first@b.com", "second@b.com"):
        started.send("u1", {"email": email})
        started.rest()
    engage = Sender(started)
    engage.send("u1", "first@b.com", value=True)
    engage.send("u1", "second@b.com", value=True)
    started.rest()
    assert (_subscribed(started, "first@b.com"), _subscribed(started, "second@b.com")) == (None, True)
    assert started.properties("first@b.com") == started.properties("second@b.com") == {"vip": True}


def test_an_address_that_another_user_has_now_gets_that_users_values_only(started: Bridge) -> None:
    started.send("bob", {"email": "info@b.com"})
    started.send("bob", {"email": "bob@b.com"})
    started.send("ada", {"email": "info@b.com"})
    started.rest()
    engage = Sender(started)
    engage.send("bob", "info@b.com", value=True)
    engage.send("bob", "bob@b.com", value=True)
    engage.send("ada", "info@b.com", value=False)
    started.rest()
    assert started.properties("info@b.com") == {"vip": False}
    assert started.properties("bob@b.com") == {"vip": True}
    assert _filtered() == {"ANOTHER_USERS_ADDRESS": 1}


def test_who_takes_an_address_does_not_take_over_what_was_computed_for_others(started: Bridge) -> None:
    started.send("bob", {"email": "info@b.com"})
    Sender(started).send("bob", "info@b.com", value=True)
    started.rest()
    started.send("bob", {"email": "bob@b.com"})
    started.send("ada", {"email": "info@b.com"})
    started.rest()
    assert started.properties("info@b.com") == {}


def test_the_later_value_wins_whoever_sent_it(started: Bridge) -> None:
    Sender(started).send("u1", "ada@b.com", value=True)
    started.send("u1", {"email": "ada@b.com", "vip": False})
    started.settle()
    assert started.properties("ada@b.com") == {"vip": True}
    started.send("u1", {"vip": False}, at=5_000)
    started.settle()
    assert started.properties("ada@b.com") == {"vip": False}


def test_a_call_without_its_value_is_filtered(started: Bridge) -> None:
    started.send("u1", {"email": "ada@b.com"})
    engage = Sender(started)
    engage.key = "other"
    message = Message(
        type="identify",
        message_id="e",
        timestamp=NOON,
        received_at=NOON,
        user_id="u1",
        traits={"email": "second@b.com"},
        context={"personas": {"computation_key": "vip"}},
        engage=engage.target,
    )
    started.log.append([Entry(started.source, "identify", 0, encode(message))])
    started.settle()
    assert _filtered() == {"NO_PROPERTY": 1}
    assert started.mailjet.contact("second@b.com") is None


def test_filters_and_the_integrations_object_count(bridge: Bridge) -> None:
    engage = Sender(bridge)
    messages = [
        engage.message("u1", "ada@b.com", value=True),
        msgspec.structs.replace(
            engage.message("u1", "ada@b.com", value=True), integrations={"Mailjet": False}
        ),
        engage.message("u1", "ada@b.com", value=True, ours=False),
    ]
    other = EngageTarget(destination=bridge.destination.id + 1)
    messages.append(msgspec.structs.replace(messages[0], engage=other))
    reasons = [
        MAILJET.route(bridge.destination).decide(message, bridge.source).reason for message in messages
    ]
    assert reasons == [None, "FILTERED_BY_INTEGRATIONS_OBJECT", None, "FOR_ANOTHER_DESTINATION"]


@pytest.mark.parametrize(
    ("fields", "filtered"), [({"traits": ["vip"]}, {"NO_PROPERTY": 1}), ({"context": ["personas"]}, {})]
)
def test_a_filter_that_takes_a_part_of_the_call_makes_no_identify_of_it(
    bridge: Bridge, fields: dict[str, Any], filtered: dict[str, int]
) -> None:
    action = {"type": "DROP_PROPERTIES", "fields": fields}
    filters = json.dumps([{"name": "Few", "if": "traits.email = 'second@b.com'", "action": action}])
    destination_settings.change(bridge.destination.id, {"filters": filters})
    (bridge.destination,) = load_destinations()
    bridge.start()
    bridge.send("u1", {"email": "first@b.com"})
    bridge.send("u2", {"email": "second@b.com"}, at=-1)
    Sender(bridge).send("u1", "second@b.com", value=True)
    bridge.rest()
    assert _filtered() == (filtered or {"ANOTHER_USERS_ADDRESS": 1})
    assert _subscribed(bridge, "first@b.com") is True
    assert bridge.properties("first@b.com") == {}


# ---- who is no contact yet


def test_who_is_no_contact_is_left_out_and_gets_the_property_with_the_first_identify(started: Bridge) -> None:
    started.reset_calls()
    engage = Sender(started)
    engage.send("u1", "ada@b.com", value=True)
    engage.send("u2", value=True)
    engage.send(None, "anonymous@b.com", value=True)
    started.settle()
    assert _filtered() == {"NOT_A_CONTACT": 2, "NO_EMAIL": 1}
    assert started.calls() == {}
    assert not ContactRow.objects.exclude(next_attempt_at=None).exists()
    started.send("u1", {"email": "ada@b.com"})
    started.send("u2", {"email": "bob@b.com"})
    started.send(None, {"email": "anonymous@b.com"})
    started.rest()
    for email in ("ada@b.com", "bob@b.com", "anonymous@b.com"):
        assert started.properties(email) == {"vip": True}


def test_who_was_left_out_is_added_once_the_activation_adds_members(started: Bridge) -> None:
    started.mailjet.upsert_contact("known@b.com", None, {})  # to Mailjet alone
    engage = Sender(started)
    for email in ("ada@b.com", "known@b.com"):
        engage.send(None, email, value=True)
    started.settle()
    assert _filtered() == {"NOT_A_CONTACT": 2}
    assert started.properties("known@b.com") == {}
    again = Sender(started, adds_members=True)
    again.at = engage.at
    for email in ("ada@b.com", "known@b.com"):
        again.send(None, email, value=True)
    started.rest()
    for email in ("ada@b.com", "known@b.com"):
        assert (_subscribed(started, email), started.properties(email)) == (True, {"vip": True})


def test_members_are_added_to_the_list(started: Bridge) -> None:
    engage = Sender(started, adds_members=True)
    engage.send("u1", "ada@b.com", value=True)
    engage.send("u2", "bob@b.com", value=False)
    started.rest()
    assert (_subscribed(started, "ada@b.com"), _subscribed(started, "bob@b.com")) == (True, None)
    assert started.properties("ada@b.com") == {"vip": True}
    assert _filtered() == {"NOT_A_CONTACT": 1}
    engage.send("u1", "ada@b.com", value=False)
    started.rest()
    assert started.properties("ada@b.com") == {"vip": False}
    assert _subscribed(started, "ada@b.com") is True


def test_nobody_is_added_who_unsubscribed_is_excluded_or_has_an_unreadable_consent(started: Bridge) -> None:
    other = started.mailjet.create_contactslist("Other").id
    account = _account(started)
    consent.learn(account, [OptOut("other@b.com", 1, other), OptOut("excluded@b.com", 1)], 1)
    consent.learn(account, [OptOut("bounced@b.com", 1, bounced=True)], 1)
    started.send("u1", {"email": "unsubscribed@b.com", "unsubscribed": True})
    started.send("u2", {"email": "unclear@b.com", "unsubscribed": "perhaps"})
    started.send("u3", {"email": "left@b.com"})
    started.rest()
    started.send("u3", {"email": "present@b.com"}, integrations={"Mailjet": {"listId": other}})
    started.rest()
    engage = Sender(started, adds_members=True)
    for name in ("other", "excluded", "bounced", "unsubscribed", "unclear", "left"):
        engage.send(
            {"unsubscribed": "u1", "unclear": "u2", "left": "u3"}.get(name), f"{name}@b.com", value=True
        )
    started.rest()
    assert _filtered() == {"UNSUBSCRIBED": 1, "EXCLUDED": 1, "BOUNCED": 1}
    for name in ("other", "excluded", "bounced"):
        assert started.mailjet.contact(f"{name}@b.com") is None
    assert _subscribed(started, "unsubscribed@b.com") is False
    assert (_subscribed(started, "unclear@b.com"), _subscribed(started, "left@b.com")) == (None, None)
    for name in ("unsubscribed", "unclear", "left"):  # they are contacts
        assert started.properties(f"{name}@b.com")["vip"] is True


def test_an_address_that_was_left_and_never_was_a_contact_is_not_made_one(started: Bridge) -> None:
    started.log.append([started.identify("u1", {"email": f"{name}@b.com"}) for name in ("left", "present")])
    started.rest()
    Sender(started, adds_members=True).send("u1", "left@b.com", value=True)
    started.rest()
    assert _filtered() == {"FORMER_ADDRESS": 1}
    assert started.mailjet.contact("left@b.com") is None


def test_an_address_that_was_left_and_deleted_is_not_made_anew(bridge: Bridge) -> None:
    destination_settings.change(bridge.destination.id, {"formerContact": "delete"})
    (bridge.destination,) = load_destinations()
    bridge.start()
    for email in ("left@b.com", "present@b.com"):
        bridge.send("u1", {"email": email})
        bridge.rest()
    assert bridge.mailjet.contact("left@b.com") is None
    Sender(bridge, adds_members=True).send("u1", "left@b.com", value=True)
    bridge.rest()
    assert _filtered() == {"FORMER_ADDRESS": 1}
    assert bridge.mailjet.contact("left@b.com") is None


def test_who_unsubscribes_after_being_added_keeps_the_property(started: Bridge) -> None:
    account = _account(started)
    engage = Sender(started, adds_members=True)
    engage.send("u1", "ada@b.com", value=True)
    started.rest()
    other = started.mailjet.create_contactslist("Other").id
    consent.learn(account, [OptOut("ada@b.com", 1, other)], 1)
    engage.send("u1", "ada@b.com", value=False)
    started.rest()
    assert _subscribed(started, "ada@b.com") is True
    assert started.properties("ada@b.com") == {"vip": False}
    consent.learn(account, [OptOut("ada@b.com", 1, started.list_id)], 1)
    engage.send("u1", "ada@b.com", value=True)
    started.rest()
    assert started.properties("ada@b.com") == {"vip": True}


def test_who_is_erased_by_a_userid_is_erased_where_engage_alone_named_them(started: Bridge) -> None:
    Sender(started, adds_members=True).send("eve", "eve@b.com", value=True)
    Sender(started, "other").send("eve", "kept@b.com", value=True)
    started.send("bob", {"email": "bob@b.com"})
    Sender(started, "third").send("eve", "bob@b.com", value=True)
    started.rest()
    shown = [each["email"] for each in MAILJET.person(started.destination, Identity.of_name("eve"))]
    assert shown == ["eve@b.com", "kept@b.com"]
    assert user_ids(_account(started), ["eve@b.com"]) == {"eve@b.com": "eve"}
    forget(started, "eve")
    assert started.mailjet.contact("eve@b.com") is None
    stored = everything_stored(started)
    for word in ("eve@b.com", "kept@b.com", "'eve'", '"eve"'):
        assert word not in stored
    assert started.mailjet.contact("bob@b.com")
    Sender(started, adds_members=True).send("eve", "eve@b.com", value=True)
    started.rest()
    assert started.mailjet.contact("eve@b.com") is None


def test_members_who_wait_for_a_list_that_is_gone_are_added_to_the_next_one(
    bridge: Bridge, eventually: Any
) -> None:
    bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{bridge.list_id}")
    new = bridge.mailjet.create_contactslist("New").id
    Sender(bridge, adds_members=True).send("u1", "ada@b.com", value=True)
    bridge.start()
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    choose(bridge, new)
    assert bridge.settle().delivered == 1
    assert bridge.subscriptions("ada@b.com") == {new: True}
    assert bridge.properties("ada@b.com") == {"vip": True}


# ---- Segment's own Engage, by way of a Segment workspace


def test_segments_engage_sets_the_property_and_moves_no_address(started: Bridge) -> None:
    started.send("u1", {"email": "first@b.com"})
    started.send("u1", {"email": "second@b.com"})
    started.rest()
    engage = Sender(started)
    engage.send("u1", "first@b.com", value=True, ours=False)
    engage.send("u2", "new@b.com", value=True, ours=False)
    started.rest()
    assert (_subscribed(started, "first@b.com"), _subscribed(started, "second@b.com")) == (None, True)
    assert _subscribed(started, "new@b.com") is True
    assert started.properties("new@b.com") == {"vip": True}


def test_a_consent_that_segments_engage_sends_counts(started: Bridge) -> None:
    started.send("u1", {"email": "ada@b.com"})
    Sender(started, "unsubscribed").send("u1", "ada@b.com", value=True, ours=False)
    started.rest()
    assert _subscribed(started, "ada@b.com") is False


# ---- the list of an audience


def test_a_list_follows_the_members_who_are_contacts(started: Bridge) -> None:
    list_id = started.mailjet.create_contactslist("VIPs").id
    started.send("u1", {"email": "ada@b.com"})
    started.rest()
    engage = Sender(started, list_id=list_id)
    engage.send("u1", "ada@b.com", value=True)
    engage.send("u2", "bob@b.com", value=True)
    started.rest()
    assert started.subscriptions("ada@b.com") == {started.list_id: True, list_id: True}
    assert started.mailjet.contact("bob@b.com") is None
    engage.send("u1", "ada@b.com", value=False)
    started.rest()
    assert started.subscriptions("ada@b.com") == {started.list_id: True}
    engage.send("u1", "ada@b.com", value=True)
    started.rest()
    assert started.subscriptions("ada@b.com") == {started.list_id: True, list_id: True}


def test_who_unsubscribed_from_the_list_stays_so_after_leaving_and_entering(started: Bridge) -> None:
    list_id = started.mailjet.create_contactslist("VIPs").id
    started.send("u1", {"email": "ada@b.com"})
    engage = Sender(started, list_id=list_id)
    engage.send("u1", "ada@b.com", value=True)
    started.rest()
    started.mailjet.managecontactslists("ada@b.com", {list_id: "unsub"})  # and no event comes
    for value in (False, True, False, True):
        engage.send("u1", "ada@b.com", value=value)
        started.rest()
        assert started.subscriptions("ada@b.com") == {started.list_id: True, list_id: False}
        assert started.properties("ada@b.com") == {"vip": value}


def test_whom_somebody_else_put_on_the_list_stays(started: Bridge) -> None:
    list_id = started.mailjet.create_contactslist("VIPs").id
    started.send("u1", {"email": "ada@b.com"})
    started.send("u2", {"email": "bob@b.com"}, integrations={"Mailjet": {"listId": list_id}})
    started.rest()
    started.mailjet.managecontactslists("ada@b.com", {list_id: "addnoforce"})
    engage = Sender(started, list_id=list_id)
    for value in (False, True, False):
        engage.send("u1", "ada@b.com", value=value)
        engage.send("u2", "bob@b.com", value=value)
        started.rest()
        assert started.subscriptions("ada@b.com")[list_id] is True
        assert started.subscriptions("bob@b.com")[list_id] is True


def test_whom_a_job_found_on_the_list_stays_and_whom_it_added_leaves(bridge: Bridge) -> None:
    list_id = bridge.mailjet.create_contactslist("VIPs").id
    people = [f"p{number}" for number in range(20)]
    bridge.log.append([bridge.identify(name, {"email": f"{name}@b.com"}) for name in people])
    bridge.start()
    bridge.rest()
    bridge.mailjet.managecontactslists("p0@b.com", {list_id: "addnoforce"})
    bridge.threads.stop()
    bridge.threads = Threads()
    engage = Sender(bridge, list_id=list_id)
    for name in people:
        engage.send(name, f"{name}@b.com", value=True)
    bridge.start()
    bridge.rest()
    contact = load_contacts(_account(bridge), ["p0@b.com"])["p0@b.com"]
    assert contact.desired.joined[list_id] > 0, "a job added them"
    # As if the job had been an hour later.
    contact.desired.joined[list_id] += 3_600_000
    ContactRow.objects.filter(email="p0@b.com").update(desired=state.encode(contact.desired))
    for name in ("p0", "p1"):
        engage.send(name, f"{name}@b.com", value=False)
    bridge.rest()
    assert bridge.subscriptions("p0@b.com").get(list_id) is True
    assert bridge.subscriptions("p1@b.com").get(list_id) is None


@pytest.mark.parametrize("total", [1, 30])
def test_a_list_of_an_audience_that_is_gone_holds_nobody(bridge: Bridge, total: int) -> None:
    list_id = bridge.mailjet.create_contactslist("VIPs").id
    bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{list_id}")
    engage = Sender(bridge, list_id=list_id)
    for number in range(total):
        bridge.send(f"u{number}", {"email": f"u{number}@b.com"})
        engage.send(f"u{number}", f"u{number}@b.com", value=True)
    bridge.start()
    row = bridge.rest()
    assert (row.delivered, row.pause_code) == (2 * total, "")
    assert bridge.properties("u0@b.com") == {"vip": True}
    assert bridge.subscriptions("u0@b.com") == {bridge.list_id: True}


def test_who_unsubscribed_elsewhere_is_not_put_on_the_list(started: Bridge) -> None:
    list_id = started.mailjet.create_contactslist("VIPs").id
    started.send("u1", {"email": "ada@b.com", "unsubscribed": True})
    Sender(started, list_id=list_id).send("u1", "ada@b.com", value=True)
    started.rest()
    assert started.subscriptions("ada@b.com") == {started.list_id: False}
    assert started.properties("ada@b.com")["vip"] is True


# ---- what a person sees


def test_a_trace_says_why_a_call_changed_nothing_also_without_a_sample(started: Bridge) -> None:
    started.send("ada", {"email": "info@b.com"})
    started.settle()
    engage = Sender(started)
    engage.send("bob", "info@b.com", value=True)
    engage.send("bob", "bob@b.com", value=True)
    started.settle()
    engage.send("ada", "info@b.com", value=True)
    started.settle()
    DeliveryRecordRow.objects.all().delete()
    statuses = [found.statuses[0] for name in ("bob", "ada") for found in traced(started, name)]
    assert [(status.outcome, status.reason) for status in statuses] == [
        ("filtered", "ANOTHER_USERS_ADDRESS"),
        ("filtered", "NOT_A_CONTACT"),
        ("delivered", ""),
        ("delivered", ""),
    ]
    assert "info@b.com is the address of another user now" in statuses[0].details[0]


def test_a_preview_shows_what_a_call_of_engage_does(started: Bridge) -> None:
    started.send("ada", {"email": "ada@b.com"})
    started.settle()
    engage = Sender(started, adds_members=True)
    result = preview(started.destination, engage.message("ada", "other@b.com", value=True))
    assert (result.email, result.engage_key, result.moves_from) == ("other@b.com", "vip", None)
    assert (result.is_new, result.list_id, result.action) == (True, started.list_id, "addnoforce")
    assert [(each.trait, each.property, each.datatype, each.state) for each in result.traits] == [
        ("vip", "vip", "bool", "sent"),
        ("email", None, None, "left out"),
    ]
    result = preview(started.destination, engage.message("ada", "ada@b.com", value=True))
    assert (result.is_new, result.list_id, result.needs_call) == (False, None, True)
    result = preview(started.destination, Sender(started).message("bob", "bob@b.com", value=True))
    assert (result.outcome, result.code) == ("filtered", "NOT_A_CONTACT")
    assert not ContactRow.objects.filter(email="bob@b.com").exists()


def test_what_is_kept_of_who_is_no_contact_is_shown(started: Bridge) -> None:
    Sender(started).send("bob", "bob@b.com", value=True)
    started.settle()
    (shown,) = MAILJET.person(started.destination, Identity.of_name("bob@b.com"))
    assert (shown["engage"], shown["properties"], shown["lists"]) == ({"vip": True}, {}, {})


def test_who_is_no_contact_is_not_counted_as_one(started: Bridge) -> None:
    started.send("ada", {"email": "ada@b.com"})
    Sender(started).send("bob", "bob@b.com", value=True)
    started.settle()
    contact_queries = MAILJET.contact_queries(started.destination)
    assert contact_queries
    assert contact_queries.figures().contacts == 1


def test_verify_finds_no_difference(started: Bridge) -> None:
    started.send("ada", {"email": "ada@b.com"})
    engage = Sender(started, adds_members=True)
    engage.send("ada", "ada@b.com", value=True)
    engage.send("bob", "bob@b.com", value=True)
    Sender(started, "spent").send("eve", "eve@b.com", value=1.5)
    started.rest()
    report, shown = look(started)
    assert (report.compared, shown) == (2, [])


# ---- order does not matter


@fuzz(WITH_IO, deliveries=deliveries)
def test_engage_changes_no_address_and_no_list_of_an_identify(home: Any, deliveries: list[Delivery]) -> None:
    with transaction.atomic():
        pairs = [(merged := MergedState(), Mailjet(merged)) for _ in range(2)]
        for delivery in deliveries:
            for (merged, mailjet), with_engage in zip(pairs, (True, False), strict=True):
                merged.live([call for call in delivery.calls if with_engage or not call.key])
                if delivery.settles:
                    mailjet.settle()
        for _, mailjet in pairs:
            mailjet.settle()
        with_engage, without = (_addresses_and_lists(*pair) for pair in pairs)
        assert with_engage == without
        transaction.set_rollback(True)


def _addresses_and_lists(merged: MergedState, mailjet: Mailjet) -> dict[str, Any]:
    contacts = load_contacts(merged.account, EMAILS)
    found = {
        email: (contact.desired.users, contact.desired.left, contact.desired.lists, lists)
        for email, contact in contacts.items()
        if (lists := {list_id: action for list_id, action in mailjet.lists[email].items() if list_id != 3})
    }
    people = {user: address for user, (address, *_) in merged.people().items() if address}
    return {"contacts": found, "people": people}


#: Addresses that want no mail: from one list, and from any.
REFUSING = {"d@x.io": 2, "e@x.io": None}


def adding_calls(random: Random) -> list[Call]:
    calls = []
    for _ in range(random.randint(1, 7)):
        user, at = random.choice([None, "u1", "u2"]), random.randint(0, 9)
        is_identify = random.random() < 0.5
        emails = EMAILS if is_identify else [*EMAILS, *REFUSING]
        traits = {"email": random.choice(emails)} if random.random() < 0.8 else {}
        if is_identify:
            calls.append(Call(user, traits, at, "addnoforce", random.choice([1, 2])))
            continue
        target = random.choice([None, EngageTarget(destination=1, adds_members=True, list_id=3)])
        calls.append(Call(user, {"k": random.choice([True, False]), **traits}, at, key="k", target=target))
    return calls


@fuzz(WITH_IO, calls=adding_calls)
def test_members_are_added_whatever_order_and_batches_bring(home: Any, calls: list[Call]) -> None:
    with transaction.atomic():
        at_once, one_by_one = MergedState(), MergedState()
        for merged in (at_once, one_by_one):
            consent.learn(
                merged.account, [OptOut(email, 1, list_id) for email, list_id in REFUSING.items()], 1
            )
        at_once.live(calls)
        for call in reversed(calls):
            one_by_one.live([call])
        one_by_one.deliver(one_by_one.items)
        assert _asked(at_once) == _asked(one_by_one)
        transaction.set_rollback(True)


def _asked(merged: MergedState) -> dict[str, Any]:
    return {
        email: (contact.desired.present_values, contact.desired.actions(), contact.desired.is_contact)
        for email, contact in load_contacts(merged.account, [*EMAILS, *REFUSING]).items()
    }
