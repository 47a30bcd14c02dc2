"""One mailbox is one contact, whoever speaks of it and however it is written."""

import pytest

from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.integrations.mailjet.api.events import EmailEvent
from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.contacts.contact import user_ids
from jetbridge.integrations.mailjet.events.reader import opt_out_of
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.spec.emails import normalise

from .conftest import Bridge

MUCH_LATER_S = 100_000_000


def addresses() -> set[str]:
    return set(Contact.objects.values_list("email", flat=True))


def test_two_users_of_one_address_are_one_contact_with_what_both_said(started: Bridge) -> None:
    started.send("u1", {"email": "both@b.com", "plan": "pro", "city": "Paris"})
    started.send("u2", {"email": "both@b.com", "plan": "team"})
    started.send("u1", {"age": 40})
    started.rest()
    assert started.properties("both@b.com") == {"plan": "team", "city": "Paris", "age": 40}
    assert user_ids(1, ["both@b.com"]) == {"both@b.com": "u1"}


def test_an_address_leaves_the_list_with_the_last_of_its_users(started: Bridge) -> None:
    started.send("u1", {"email": "both@b.com"})
    started.send("u2", {"email": "both@b.com"})
    started.rest()
    started.send("u1", {"email": "one@b.com"})
    started.rest()
    assert started.subscriptions("both@b.com") == {started.list_id: True}
    started.send("u2", {"email": "two@b.com"})
    started.rest()
    assert started.subscriptions("both@b.com") == {}
    for email in ("one@b.com", "two@b.com"):
        assert started.subscriptions(email) == {started.list_id: True}


@pytest.mark.parametrize("at_once", [False, True])
def test_a_user_who_alternates_between_addresses_is_where_the_last_call_says(
    started: Bridge, *, at_once: bool
) -> None:
    emails = ["a@b.com", "c@d.com"] * 3
    for number, email in enumerate(emails):
        started.send("u1", {"email": email, "n": number})
        if not at_once:
            started.rest()
    assert started.rest().delivered == len(emails)
    assert started.subscriptions("c@d.com") == {started.list_id: True}
    assert started.properties("c@d.com") == {"n": 5}
    assert started.subscriptions("a@b.com") == {}
    assert user_ids(1, ["a@b.com", "c@d.com"]) == {"c@d.com": "u1"}


def test_the_last_address_is_the_last_one_said_and_not_the_last_to_come(started: Bridge) -> None:
    started.send("u1", {"email": "new@b.com"}, at=100)
    started.rest()
    started.send("u1", {"email": "old@b.com", "plan": "pro"}, at=50)
    started.rest()
    assert started.mailjet.contact("old@b.com") is None
    assert started.subscriptions("new@b.com") == {started.list_id: True}
    assert started.properties("new@b.com") == {"plan": "pro"}


@pytest.mark.parametrize("written", ["ADA@Example.com", " ada@example.com ", "\tAda@example.COM\n"])
def test_case_and_surrounding_space_make_no_other_contact(started: Bridge, written: str) -> None:
    started.send("u1", {"email": "ada@example.com"})
    started.send("u2", {"email": written, "plan": "pro"})
    started.rest()
    assert addresses() == {"ada@example.com"}
    assert started.properties("ada@example.com") == {"plan": "pro"}


def test_another_spelling_of_the_same_address_is_no_change_of_address(started: Bridge) -> None:
    started.send("u1", {"email": "ada@example.com"})
    started.rest()
    started.reset_calls()
    started.send("u1", {"email": " ADA@example.com"})
    started.rest()
    assert started.calls() == {}


def test_a_plus_makes_another_contact(started: Bridge) -> None:
    started.send("u1", {"email": "ada@example.com", "n": 1})
    started.send("u2", {"email": "ada+news@example.com", "n": 2})
    started.rest()
    assert started.properties("ada@example.com") == {"n": 1}
    assert started.properties("ada+news@example.com") == {"n": 2}


@pytest.mark.parametrize(
    "email", ["françois@example.com", "ada@münchen.de", "用户@例子.测试", "o'brien@example.com"]
)
@pytest.mark.parametrize("total", [1, 15])
def test_internationalised_addresses_arrive_by_every_way(bridge: Bridge, email: str, total: int) -> None:
    others = [bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(total - 1)]
    bridge.log.append([*others, bridge.identify("u", {"email": email, "plan": "pro"})])
    bridge.start()
    assert bridge.settle().delivered == total
    sent = normalise(email) or ""
    assert bridge.properties(sent) == {"plan": "pro"}
    assert bridge.subscriptions(sent) == {bridge.list_id: True}


def test_two_ways_to_write_an_accent_are_one_contact(started: Bridge) -> None:
    started.send("u1", {"email": "fran\u00e7ois@example.com", "n": 1})
    started.send("u2", {"email": "Franc\u0327ois@example.com", "n": 2})
    started.rest()
    assert addresses() == {"françois@example.com"}
    assert started.properties("françois@example.com") == {"n": 2}


def test_an_internationalised_address_that_moves_takes_its_unsubscribe_along(started: Bridge) -> None:
    started.send("u1", {"email": "françois@example.com"})
    started.rest()
    learn(1, [OptOut("françois@example.com", 1_800_000_000_000, started.list_id)], now=0)
    started.mailjet.managecontactslists("françois@example.com", {started.list_id: "unsub"})
    started.send("u1", {"email": "francois@example.com"}, at=MUCH_LATER_S)
    started.rest()
    assert started.subscriptions("francois@example.com") == {started.list_id: False}
    assert started.subscriptions("françois@example.com") == {started.list_id: False}


def test_an_unsubscribe_that_a_call_asked_for_is_no_later_than_the_call(bridge: Bridge) -> None:
    """Both calls come at once, so Mailjet has the unsubscribe of the former address later than the call that subscribes."""
    unsubscribe, subscribe = ({"Mailjet": {"action": action}} for action in ("unsub", "addforce"))
    bridge.log.append(
        [
            bridge.identify("u1", {"email": "old@b.com"}, integrations=unsubscribe),
            bridge.identify("u1", {"email": "new@b.com"}, integrations=subscribe),
        ]
    )
    bridge.start()
    bridge.rest()
    assert bridge.subscriptions("new@b.com") == {bridge.list_id: True}
    assert bridge.subscriptions("old@b.com") == {bridge.list_id: False}


def test_the_two_spellings_of_an_internationalised_domain_are_one_contact(started: Bridge) -> None:
    started.send("u1", {"email": "ada@münchen.de"})
    started.send("u2", {"email": "ada@xn--mnchen-3ya.de", "unsubscribed": True})
    started.rest()
    assert addresses() == {"ada@xn--mnchen-3ya.de"}
    assert started.subscriptions("ada@xn--mnchen-3ya.de") == {started.list_id: False}


@pytest.mark.parametrize("total", [1, 15])
def test_an_unsubscribe_under_the_other_spelling_of_the_domain_is_looked_up_at_mailjet(
    bridge: Bridge, total: int
) -> None:
    bridge.mailjet.managecontact(bridge.list_id, {"Email": "ada@münchen.de", "Action": "unsub"})
    others = [bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(total - 1)]
    bridge.log.append([*others, bridge.identify("u", {"email": "ada@münchen.de", "plan": "pro"})])
    bridge.start()
    assert bridge.rest().delivered == total
    assert bridge.subscriptions("ada@xn--mnchen-3ya.de") == {bridge.list_id: False}
    assert bridge.properties("ada@xn--mnchen-3ya.de") == {"plan": "pro"}


def test_an_unsubscribe_of_another_spelling_is_told_of_the_contact(started: Bridge) -> None:
    started.send("u1", {"email": "ada@münchen.de"})
    started.rest()
    event = EmailEvent(event="unsub", email="Ada@münchen.de", mj_list_id=started.list_id)
    said = opt_out_of(event, "ada@xn--mnchen-3ya.de", 1_900_000_000_000)
    assert said is not None
    learn(1, [said], now=0)
    started.rest()
    assert started.subscriptions("ada@xn--mnchen-3ya.de") == {started.list_id: False}


@pytest.mark.parametrize(
    "written",
    ["\u200bada@example.com", "ada@example.com\ufeff", "a\u00adda@exam\u2060ple.com", "\uff21da@example.com"],
)
def test_what_nobody_sees_subscribes_nobody_once_more(started: Bridge, written: str) -> None:
    started.send("u1", {"email": "ada@example.com", "unsubscribed": True})
    started.rest()
    started.send("u2", {"email": written, "plan": "pro"})
    started.rest()
    assert addresses() == {"ada@example.com"}
    assert started.subscriptions("ada@example.com") == {started.list_id: False}
    assert started.properties("ada@example.com")["plan"] == "pro"


def test_a_user_id_that_is_an_address_is_the_contact(started: Bridge) -> None:
    started.send("Ada@Example.com", {"plan": "pro"})
    started.rest()
    assert started.subscriptions("ada@example.com") == {started.list_id: True}
    assert started.properties("ada@example.com") == {"plan": "pro"}


@pytest.mark.parametrize("at", [-100, 100])
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("implied_first", [False, True])
def test_an_explicit_address_wins_over_the_user_id_whenever_it_was_said(
    bridge: Bridge, *, at: int, at_once: bool, implied_first: bool
) -> None:
    calls = [
        bridge.identify("ada@example.com", {"plan": "pro"}, at=0),
        bridge.identify("ada@example.com", {"email": "work@example.com"}, at=at),
    ]
    bridge.start()
    for group in [calls] if at_once else [[each] for each in calls]:
        bridge.log.append(group if implied_first else group[::-1])
        bridge.rest()
    bridge.send("ada@example.com", {"age": 40})
    bridge.rest()
    assert bridge.subscriptions("work@example.com") == {bridge.list_id: True}
    assert bridge.properties("work@example.com") == {"plan": "pro", "age": 40}
    assert bridge.subscriptions("ada@example.com") == {}


def test_an_unsubscribe_of_the_implied_address_follows_to_the_explicit_one(started: Bridge) -> None:
    started.send("ada@example.com", {"unsubscribed": "yes"})
    started.rest()
    started.send("ada@example.com", {"email": "work@example.com"})
    started.rest()
    assert started.subscriptions("work@example.com") == {started.list_id: False}


def test_without_an_address_the_outcome_says_what_was_seen_and_what_to_set(started: Bridge) -> None:
    started.send("u1", {"mail": "ada@example.com", "plan": "pro"})
    started.settle()
    (row,) = DeliveryRecordRow.objects.all()
    assert row.reason == "NO_EMAIL"
    assert "the traits mail, plan. mail looks like one, but is not called email." in row.detail
    assert "Send the address as traits.email." in row.detail
