"""`verify` tells what Mailjet holds from what we think it holds, and tells no lies about contacts under way."""

import itertools
import threading
import time
from typing import Any

import pytest

from jetbridge.errors import PermanentError
from jetbridge.integrations.mailjet.api import resources
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.integrations.mailjet.sync import remote
from jetbridge.integrations.mailjet.sync.remote import Reads
from jetbridge.integrations.mailjet.verification import verify
from jetbridge.integrations.mailjet.verification.comparer import Difference
from jetbridge.integrations.mailjet.verification.verify import Report, Verification

from .conftest import Bridge


def look(
    bridge: Bridge, *, repair: bool = False, per_second: float = 10_000
) -> tuple[Report, list[tuple[str, str, str]]]:
    found: list[Difference] = []
    reads = Reads(bridge.mailjet, per_second=per_second)
    report = Verification(1, reads, repair=repair, show=found.append).run()
    return report, [(each.kind, each.email, each.message) for each in found]


def by_hand(bridge: Bridge, method: str, path: str, body: dict[str, Any]) -> None:
    bridge.mailjet._transport.call(method, f"/v3/REST/{path}", body=body)


def at_rest(bridge: Bridge) -> None:
    deadline = time.monotonic() + 20
    while Contact.objects.exclude(next_attempt_at=None, job_id=None, pending=None).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def named(bridge: Bridge) -> str:
    return f"list {bridge.list_id} (Customers)"


@pytest.fixture
def ann(started: Any) -> Bridge:
    """One contact, in agreement."""
    bridge: Bridge = started
    traits = {"email": "Ann@b.com", "name": "Ann", "plan": "pro", "age": 30, "vip": True, "score": 0.5,
              "born": "1990-02-03", "nick": ""}  # fmt: skip
    bridge.send("ann", traits)
    bridge.settle()
    return bridge


def test_what_agrees_is_no_difference(ann: Bridge) -> None:
    report, found = look(ann)
    assert found == []
    assert (report.compared, report.under_way, report.unknown, report.remaining) == (1, 0, 0, 0)


def test_each_difference_is_one_sentence_and_repair_mends_it(ann: Bridge) -> None:
    data = [{"Name": "plan", "Value": "free"}, {"Name": "age", "Value": None}]
    by_hand(ann, "PUT", "contactdata/ann@b.com", {"Data": data})
    by_hand(ann, "PUT", "contact/ann@b.com", {"Name": "Annie"})
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "remove"})
    expected = {
        ("property", "ann@b.com", "Property plan is 'free'; it should be 'pro'."),
        ("property", "ann@b.com", "Property age is not set; it should be 30."),
        ("name", "ann@b.com", "Its Name is 'Annie'; it should be 'Ann'."),
        ("not_on_list", "ann@b.com", f"It is not on {named(ann)}."),
    }
    ann.reset_calls()
    report, found = look(ann)
    assert (set(found), report.remaining, ann.calls()) == (expected, 4, {})
    report, found = look(ann, repair=True)
    assert (set(found), report.repaired, report.remaining) == (expected, 4, 0)
    at_rest(ann)
    assert look(ann)[1] == []
    assert (ann.properties("ann@b.com")["plan"], ann.properties("ann@b.com")["age"]) == ("pro", 30)
    assert ann.subscriptions("ann@b.com") == {ann.list_id: True}


def test_a_contact_that_somebody_deleted_is_missing_and_repair_makes_it_again(ann: Bridge) -> None:
    contact = ann.mailjet.contact("ann@b.com")
    assert contact is not None
    ann.mailjet.delete_contact(contact.id)
    _, found = look(ann, repair=True)
    assert found == [("missing", "ann@b.com", "Mailjet has no such contact.")]
    at_rest(ann)
    assert (look(ann)[1], ann.properties("ann@b.com")["plan"]) == ([], "pro")


def test_a_property_that_should_be_cleared_is_a_difference(ann: Bridge) -> None:
    ann.send("ann", {"plan": None})
    ann.settle()
    by_hand(ann, "PUT", "contactdata/ann@b.com", {"Data": [{"Name": "plan", "Value": "free"}]})
    _, found = look(ann, repair=True)
    assert found == [("property", "ann@b.com", "Property plan is 'free'; it should not be set.")]
    at_rest(ann)
    assert "plan" not in ann.properties("ann@b.com")


def test_a_value_set_aside_is_counted_and_no_difference(ann: Bridge) -> None:
    ann.send("ann", {"age": "unknown"})
    ann.settle()
    report, found = look(ann)
    assert (found, report.rejected) == ([], 1)


def test_who_wants_no_mail_and_was_subscribed_by_hand_is_unsubscribed_by_repair(ann: Bridge) -> None:
    ann.send("ann", {"unsubscribed": True})
    ann.settle()
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "addforce"})
    _, found = look(ann, repair=True)
    sentence = f"It is subscribed to {named(ann)}, although it is opted out there."
    assert found == [("subscribed", "ann@b.com", sentence)]
    at_rest(ann)
    assert ann.subscriptions("ann@b.com") == {ann.list_id: False}


@pytest.mark.parametrize("repair", [False, True])
def test_an_unsubscribe_is_learned_and_never_mended(ann: Bridge, *, repair: bool) -> None:
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    report, found = look(ann, repair=repair)
    assert found == [("unsubscribed", "ann@b.com", f"It has unsubscribed from {named(ann)}.")]
    assert (report.learned, report.repaired, report.remaining) == (1, 0, 0)
    assert look(ann)[1] == []
    ann.send("ann", {"plan": "free"}, at=10_000_000)
    ann.settle()
    assert ann.subscriptions("ann@b.com") == {ann.list_id: False}


def test_an_exclusion_from_campaigns_is_learned_for_all_lists(ann: Bridge) -> None:
    by_hand(ann, "PUT", "contact/ann@b.com", {"IsExcludedFromCampaigns": True})
    report, found = look(ann)
    assert found == [("excluded", "ann@b.com", "It is excluded from all campaigns.")]
    assert report.remaining == 0
    at_rest(ann)
    assert (look(ann)[1], ann.subscriptions("ann@b.com")) == ([], {ann.list_id: False})


def test_an_unsubscribe_older_than_an_addforce_is_mended(ann: Bridge) -> None:
    ann.send("ann", {}, at=100_000_000, integrations={"Mailjet": {"action": "addforce"}})
    ann.settle()
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    _, found = look(ann, repair=True)
    sentence = f"It is unsubscribed from {named(ann)}, although an addforce came afterwards."
    assert found == [("not_on_list", "ann@b.com", sentence)]
    at_rest(ann)
    assert ann.subscriptions("ann@b.com") == {ann.list_id: True}


def test_what_mailjet_says_of_its_own_is_only_counted(ann: Bridge) -> None:
    ann.mailjet.managecontact(ann.list_id, {"Email": "stranger@b.com", "Action": "addnoforce"})
    report, found = look(ann, repair=True)
    assert (found, report.compared, report.unknown) == ([], 1, 1)


def test_a_list_that_is_gone_is_named_once(ann: Bridge) -> None:
    by_hand(ann, "PUT", f"contactslist/{ann.list_id}", {"IsDeleted": True})
    report, found = look(ann)
    assert (found, report.lists_gone) == ([], [ann.list_id])


def test_numbers_and_times_written_otherwise_are_equal(ann: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only texts were ever seen in recorded answers."""
    one = remote._remote_contact

    def as_text(row: Any, data: Any, places: Any) -> remote.RemoteContact:
        held = one(row, data, places)
        held.values = {name: str(value).replace("Z", "+00:00") for name, value in held.values.items()}
        return held

    monkeypatch.setattr(remote, "_remote_contact", as_text)
    assert look(ann)[1] == []


def people(bridge: Bridge, total: int) -> list[Any]:
    return [bridge.identify(f"u{n}", {"email": f"p{n}@b.com", "n": n}) for n in range(total)]


def test_five_thousand_contacts_over_many_pages(bridge: Bridge) -> None:
    bridge.log.append(people(bridge, 5_000))
    bridge.start()
    bridge.settle(60)
    assert look(bridge)[0] == Report(compared=5_000)
    for number in (0, 999, 1_000, 4_999):
        by_hand(bridge, "PUT", f"contactdata/p{number}@b.com", {"Data": [{"Name": "n", "Value": -1}]})
    wrong = [f"p{number}@b.com" for number in (0, 999, 1_000, 4_999)]
    assert sorted(email for _, email, _ in look(bridge)[1]) == sorted(wrong)


def test_many_differences_are_looked_at_by_the_page(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge.log.append(people(bridge, 1_500))
    bridge.start()
    bridge.settle(60)
    other = bridge.mailjet.create_contactslist("Other").id
    by_hand(bridge, "PUT", f"contactslist/{bridge.list_id}", {"IsDeleted": True})
    by_hand(bridge, "PUT", f"contactslist/{bridge.list_id}", {"IsDeleted": False})
    for number in range(0, 1_500, 5):
        bridge.mailjet.managecontactslists(f"p{number}@b.com", {bridge.list_id: "remove", other: "addforce"})
    monkeypatch.setattr(verify, "fetch_remote_contact", None)
    report, found = look(bridge, repair=True)
    assert (len(found), report.by_kind, report.repaired) == (300, {"not_on_list": 300}, 300)
    at_rest(bridge)
    assert look(bridge)[0] == Report(compared=1_500)


def test_contacts_that_change_meanwhile_are_no_differences(bridge: Bridge) -> None:
    """They come to rest between the page that is old and the row that is new."""
    bridge.log.append(people(bridge, 1_200))
    bridge.start()
    bridge.settle(60)
    done = threading.Event()

    def keep_changing() -> None:
        for number in itertools.count():
            bridge.log.append([bridge.identify(f"u{number * 7 % 1_200}", {"n": -number})])
            if done.wait(0.02):
                return

    writer = threading.Thread(target=keep_changing)
    writer.start()
    try:
        reports = [look(bridge, repair=repair, per_second=10) for repair in (False, True)]
    finally:
        done.set()
        writer.join()
    assert [found for _, found in reports] == [[], []]
    assert {report.compared + report.under_way for report, _ in reports} == {1_200}
    bridge.settle(60)
    assert look(bridge)[0] == Report(compared=1_200)


def test_an_answer_out_of_order_is_not_trusted(ann: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [resources.Contact(id=2, email="a@b.com"), resources.Contact(id=1, email="b@b.com")]
    monkeypatch.setattr(MailjetClient, "page", lambda *_, **__: rows)
    with pytest.raises(PermanentError, match="by ID"):
        list(Reads(ann.mailjet).contacts())
