"""Why somebody did not get an audience: the finding at each place where it can stop."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.control.models import Destination
from jetbridge.delivery import ledger
from jetbridge.delivery.base import FAILED
from jetbridge.delivery.models import ConsumerOffset, DeliveryRecordRow, destination_consumer
from jetbridge.engage import people
from jetbridge.engage.diagnosis import Diagnosis, diagnose
from jetbridge.engage.models import Computation, Space
from jetbridge.engage.people import Person

from .bench import DAY, ORDERED, EngageBench


@pytest.fixture
def shop(bench: EngageBench) -> EngageBench:
    """Ada has ordered, Bob has not; the destination reads Engage's calls from here on."""
    bench.now = time.time_ns() // 1_000_000
    bench.destination.sources.add(bench.space.source)
    ledger.begin_destination(bench.destination.id, [bench.space.source_id], bench.log.counts())
    bench.identify("ada", "ada@example.com")
    bench.identify("bob")
    bench.order("ada", ago=DAY)
    return bench


def person_of(bench: EngageBench, text: str = "ada") -> Person:
    (item,) = people.search(Space.objects.get(), text)
    person = people.person(Space.objects.get(), item.segment_id)
    assert person
    return person


def diagnosed(
    bench: EngageBench, row: Computation, text: str = "ada", at: Destination | None = None
) -> Diagnosis:
    return diagnose(bench.log, person_of(bench, text), row, at or bench.destination)


def words(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    return [(finding.verdict, finding.text) for finding in diagnosis.findings]


def read_all(bench: EngageBench) -> None:
    ConsumerOffset.objects.filter(consumer=destination_consumer(bench.destination.id)).update(
        position=bench.log.counts().end
    )


def test_who_is_not_in_it_is_told_why(shop: EngageBench) -> None:
    row = shop.define("ordered", ORDERED)
    shop.run()
    diagnosis = diagnosed(shop, row, "bob")
    assert words(diagnosis) == [
        ("no", "bob is not in ordered."),
        ("no", "Hook was never sent anything of this person: a first sync is for members only."),
    ]
    assert diagnosis.decisive.why == ("Order Completed at least once within 30 days: no, 0 times",)
    assert "look at the condition" in diagnosis.decisive.fix


def test_a_call_is_followed_to_the_destination(shop: EngageBench) -> None:
    row = shop.define("ordered", ORDERED)
    shop.run()
    waiting = diagnosed(shop, row)
    assert words(waiting) == [
        ("yes", "ada is in ordered."),
        ("yes", "Hook was sent true for ada@example.com."),
        ("waiting", "Hook has not confirmed it yet."),
    ]
    position = waiting.findings[-1].position
    (record,) = shop.log.read(position - 1, limit=1)
    assert record.source == shop.space.source_id
    read_all(shop)
    assert words(diagnosed(shop, row))[-1] == ("yes", "Hook has taken it.")
    assert diagnosed(shop, row).decisive.text == "Hook has taken it."
    DeliveryRecordRow.objects.create(
        at=datetime.now(UTC),
        total=1,
        destination_id=shop.destination.id,
        position=position,
        outcome=FAILED,
        reason="BAD_REQUEST",
        detail="It was refused with 400.",
    )
    failed = diagnosed(shop, row).decisive
    assert (failed.verdict, failed.text, failed.place) == (
        "no",
        "Hook refused it: BAD_REQUEST.",
        "destination",
    )
    assert failed.why == ["It was refused with 400."]
    assert failed.fix


def test_a_call_is_followed_after_a_merge_of_profiles(shop: EngageBench) -> None:
    row = shop.define("ordered", ORDERED, include_anonymous=True)
    shop.send(anonymous_id="device", event="Order Completed")
    shop.run()
    shop.send("identify", user_id="ada", anonymous_id="device")
    shop.run()
    read_all(shop)
    diagnosis = diagnosed(shop, row)
    assert [finding.verdict for finding in diagnosis.findings] == ["yes"] * 4
    assert "What became of it for device?" in [finding.question for finding in diagnosis.findings]


def test_nothing_is_sent_without_an_activation(shop: EngageBench) -> None:
    row = shop.define("ordered", ORDERED, sends=False)
    shop.run()
    decisive = diagnosed(shop, row).decisive
    assert (decisive.verdict, decisive.text, decisive.place) == (
        "no",
        "ordered is not sent to Hook.",
        "audience",
    )


@pytest.mark.parametrize(
    ("off", "text"),
    [("space", "Engage is off"), ("row", "ordered is disabled"), ("failed", "cannot be computed: slow")],
)
def test_what_stands_still_says_so(shop: EngageBench, off: str, text: str) -> None:
    row = shop.define("ordered", ORDERED)
    shop.run()
    if off == "space":
        Space.objects.update(enabled=False)
    elif off == "row":
        Computation.objects.update(enabled=False)
        row.refresh_from_db()
    else:
        shop.engine._connection.execute("UPDATE definition SET state = 'failed', error = 'slow'")
    decisive = diagnosed(shop, row).decisive
    assert decisive.verdict == "no"
    assert text in decisive.text


def test_a_first_sync_that_goes_on_is_waited_for(shop: EngageBench) -> None:
    row = shop.define("ordered", ORDERED, sends=False)
    shop.run()
    shop.activate(row)
    shop.engine._connection.execute(
        "INSERT INTO sync_run VALUES ('ordered', ?, 0, 0, 0)", [shop.destination.id]
    )
    decisive = diagnosed(shop, row).decisive
    assert decisive.verdict == "waiting"
    assert "The first sync has not come to this person yet" in decisive.text


def test_a_change_that_was_not_sent_yet_is_waited_for(shop: EngageBench) -> None:
    row = shop.define("spent", {"computed": "sum", "event": "Order Completed", "property": "total"})
    shop.order("ada", total=20)
    shop.run()
    read_all(shop)
    assert words(diagnosed(shop, row))[:2] == [
        ("yes", "spent of ada is 20."),
        ("yes", "Hook was sent 20 for ada@example.com."),
    ]
    shop.engine._connection.execute("UPDATE computed SET value = '30' WHERE value = '20'")
    assert words(diagnosed(shop, row))[1] == (
        "waiting",
        "Sent last: 20 for ada@example.com. The new value 30 follows.",
    )


def test_a_count_of_0_is_not_waited_for(shop: EngageBench) -> None:
    row = shop.define("orders", {"computed": "event_counter", "event": "Order Completed", "within": "30d"})
    shop.run()
    assert words(diagnosed(shop, row, "bob")) == [
        ("no", "orders of bob is 0."),
        ("no", "Hook was never sent anything of this person: a first sync is for people with a value only."),
    ]


def test_a_call_that_has_left_the_log_is_not_made_up(shop: EngageBench) -> None:
    row = shop.define("ordered", ORDERED)
    shop.run()
    end = shop.log.counts().end
    shop.log.retain(received_before=shop.now + DAY, max_bytes=1 << 40, upto=end)
    decisive = diagnosed(shop, row).decisive
    assert (decisive.verdict, "not in the event log" in decisive.text) == ("unknown", True)


def test_anonymous_people_are_left_out_unless_they_are_included(shop: EngageBench) -> None:
    row = shop.define("ordered", ORDERED)
    included = shop.define("visitors", ORDERED, include_anonymous=True)
    shop.send(anonymous_id="device", event="Order Completed")
    shop.run()
    read_all(shop)
    left_out = diagnosed(shop, row, "device").decisive
    assert (left_out.verdict, left_out.text) == ("no", "device is left out of ordered.")
    assert "Include anonymous people" in left_out.fix
    assert [finding.verdict for finding in diagnosed(shop, included, "device").findings] == ["yes"] * 3


def test_origins_of_what_is_known(shop: EngageBench, workspace: Any) -> None:
    shop.identify("ada", "ada@example.com", plan="premium")
    row = shop.define("ordered", ORDERED)
    shop.run()
    person = person_of(shop, "ada@example.com")
    assert [(known.type, known.value, known.source) for known in person.identifiers] == [
        ("user_id", "ada", "Web"),
        ("email", "ada@example.com", "Web"),
    ]
    assert [(trait.name, trait.value) for trait in person.traits] == [
        ("email", "ada@example.com"),
        ("plan", "premium"),
    ]
    assert all(trait.at and trait.at.timestamp() * 1000 == pytest.approx(shop.now) for trait in person.traits)
    (sent,) = person.sent
    assert (sent.computation, sent.destination, sent.identifier, sent.value) == (
        row,
        "Hook",
        "email:ada@example.com",
        True,
    )
    assert person.name == "ada"


def test_people_are_searched_by_whole_identifiers_and_by_their_beginning(shop: EngageBench) -> None:
    shop.identify("adam")
    shop.run()
    space = Space.objects.get()
    assert [item.is_exact for item in people.search(space, "ada")] == [True]
    assert [item.is_exact for item in people.search(space, "ADA@example.com")] == [True]
    assert {item.identifiers[0].value for item in people.search(space, "ad")} == {"ada", "adam"}
    assert {item.identifiers[0].value for item in people.search(space, " ")} == {"ada", "bob", "adam"}
    assert people.search(space, "nobody") == []
    assert people.person(space, "nobody") is None
