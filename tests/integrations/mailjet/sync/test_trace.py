"""What became of a message can be told afterwards, whatever became of it."""

import time
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jetbridge.control.models import Workspace
from jetbridge.delivery import ledger, retry_queue
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.models import DeliveryRecordRow, LatencyBucket, SourceOffset, destination_consumer
from jetbridge.delivery.models import Replay as ReplayRow
from jetbridge.delivery.threads import Threads
from jetbridge.delivery.trace import Traceable, TracedMessage, trace
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.search import about, with_message_id
from jetbridge.integrations.mailjet.contacts.pending import (
    HISTORY_ENTRIES,
    Waiting,
    add_acknowledged,
    history_reaches,
)
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.privacy import erasure
from jetbridge.privacy.models import Erasure
from jetbridge.spec.message import decode
from jetbridge.spec.person import Identity


def traced(bridge: Any, name: str) -> list[TracedMessage]:
    """Told one by one; told together, the outcomes are the same."""
    known = MAILJET.traceable(bridge.destination)
    found = list(trace(bridge.log, about([bridge.source], Identity.of_name(name)), [known]))
    together = known.outcomes([(each.record, each.message) for each in found])
    assert together == {each.record.position: each.statuses[0].outcome for each in found}
    return found


def statuses(bridge: Any, name: str) -> list[tuple[str, str]]:
    return [(each.statuses[0].outcome, each.statuses[0].reason) for each in traced(bridge, name)]


def sentences(bridge: Any, name: str) -> list[str]:
    """Without the times in them."""
    found = [" ".join(each.statuses[0].details) for each in traced(bridge, name)]
    return [
        " ".join(word for word in each.split() if ":" not in word[:-1] and word[:4] != "2026")
        for each in found
    ]


def test_the_call_that_carried_a_message_is_named_with_its_answer(started: Any) -> None:
    started.send("ada", {"email": "a@b.com", "plan": "pro"})
    started.settle()
    started.send("ada", {"plan": "pro"})
    started.settle()
    assert statuses(started, "ada") == [("delivered", ""), ("delivered", "")]
    assert sentences(started, "ada") == [
        f"a@b.com: UTC managecontact: plan; addnoforce on list {started.list_id}.",
        "It changed nothing: there was nothing to send.",
    ]


def test_beyond_the_calls_that_are_remembered_nobody_knows() -> None:
    kept: bytes | None = None
    for position in range(1, HISTORY_ENTRIES + 1):
        assert history_reaches(kept, 1)
        kept = add_acknowledged(kept, 0, "managecontact", "", {7: {1: Waiting(1, position, "m", position)}})
    assert history_reaches(kept, 1)
    kept = add_acknowledged(kept, 0, "managecontact", "", {7: {1: Waiting(1, 99, "m", 99)}})
    assert (history_reaches(kept, 1), history_reaches(kept, 2)) == (False, True)


def test_messages_that_merged_name_the_same_call(bridge: Any) -> None:
    for number in range(3):
        bridge.send("ada", {"email": "a@b.com", "visits": number})
    bridge.start()
    bridge.settle()
    (said,) = set(sentences(bridge, "a@b.com"))
    assert (
        said
        == f"a@b.com: UTC managecontact: visits; addnoforce on list {bridge.list_id}, with 2 other messages."
    )


def test_messages_that_merged_and_failed_together_have_all_failed_until_a_retry(bridge: Any) -> None:
    unknown = bridge.mailjet.create_contactslist("Unknown").id
    bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{unknown}")
    for number in range(3):
        bridge.send("ada", {"email": "a@b.com", "n": number}, integrations={"Mailjet": {"listId": unknown}})
        bridge.send("ada", {"email": "a@b.com", "n": number})
    bridge.start()
    bridge.settle()
    assert statuses(bridge, "ada") == [("failed", "LIST_NOT_FOUND"), ("delivered", "")] * 3
    assert sentences(bridge, "ada")[0] == (
        "It failed together with others, for which m-4 stands: "
        f"Mailjet has no contacts list {unknown}, which the call was for."
    )
    bridge.mailjet._transport.call("PUT", f"/v3/REST/contactslist/{unknown}", body={"IsDeleted": False})
    bridge.threads.stop()
    retry_queue.retry(bridge.destination.id, Choice(), bridge.log)
    assert statuses(bridge, "ada") == [("pending", "RETRY_QUEUED"), ("delivered", "")] * 3
    bridge.threads = Threads()
    bridge.start()
    bridge.settle()
    assert statuses(bridge, "ada") == [("delivered", "")] * 6
    assert f"addnoforce on list {unknown}" in sentences(bridge, "ada")[0]


def test_a_job_is_named_by_its_number(bridge: Any) -> None:
    for number in range(20):
        bridge.send(f"user-{number}", {"email": f"a{number}@b.com"})
    bridge.start()
    bridge.settle()
    (said,) = sentences(bridge, "user-7")
    assert said.startswith("a7@b.com: UTC job ")
    assert said.endswith("Completed.")


def test_what_was_filtered_failed_or_waits_says_why(bridge: Any) -> None:
    bridge.send("ada", {"plan": "pro"})
    bridge.send("ada", {"email": "no address"})
    bridge.send("ada", {"email": "a@b.com"}, integrations={"Mailjet": False})
    bridge.start()
    bridge.settle()
    bridge.threads.stop()
    bridge.send("ada", {"email": "a@b.com"})
    assert statuses(bridge, "ada") == [
        ("filtered", "NO_EMAIL"),
        ("failed", "INVALID_EMAIL"),
        ("filtered", "FILTERED_BY_INTEGRATIONS_OBJECT"),
        ("pending", "UNREAD"),
    ]


def test_a_message_that_waits_for_mailjet_says_so(started: Any) -> None:
    started.send("ada", {"email": "a@b.com"})
    started.settle()
    started.mailjet._call("DELETE", f"/v3/REST/contactslist/{started.list_id}")
    started.send("ada", {"plan": "pro"})
    while started.report().unread:
        pass
    ((outcome, _),) = statuses(started, "ada")[1:]
    assert outcome == "pending"
    assert sentences(started, "ada")[1].startswith("a@b.com: waits to be sent")


def test_a_message_from_before_the_destination_began_says_so(bridge: Any) -> None:
    ref = bridge.destination
    bridge.send("ada", {"email": "a@b.com"})
    SourceOffset.objects.update(ranges=[[1, None]])
    ledger.move(destination_consumer(ref.id), 1)
    known = Traceable(ref.id, ref.name, MAILJET.accepts, MAILJET.route(ref), None)
    (found,) = trace(bridge.log, with_message_id([bridge.source], "m-0"), [known])
    assert found.statuses[0].outcome == "before its time"


def test_outcomes_of_many_messages_take_as_many_queries_as_those_of_few(bridge: Any) -> None:
    for number in range(30):
        bridge.send(f"user-{number}", {"email": f"a{number}@b.com" if number % 3 else "no address"})
    bridge.start()
    bridge.settle()
    bridge.threads.stop()
    records = [(each, decode(each.body)) for each in bridge.log.read(0)]
    known = MAILJET.traceable(bridge.destination)
    with CaptureQueriesContext(connection) as few:
        known.outcomes(records[:2])
    with CaptureQueriesContext(connection) as many:
        outcomes = known.outcomes(records)
    assert Counter(outcomes.values()) == {"delivered": 20, "failed": 10}
    assert len(many) == len(few) == 4


def test_of_somebody_who_was_forgotten_the_outcome_is_that_it_was_filtered(bridge: Any) -> None:
    bridge.send("ada", {"email": "a@b.com"})
    bridge.start()
    bridge.settle()
    (record,) = bridge.log.read(0)
    known = MAILJET.traceable(bridge.destination)
    assert known.outcomes([(record._replace(body=b""), None)]) == {record.position: "filtered"}


@pytest.mark.parametrize("name", ["ada", "A@b.com"])
def test_a_person_is_shown_as_desired_beside_delivered(started: Any, name: str) -> None:
    started.mailjet.create_contactmetadata("age", "int")
    started.send("ada", {"email": "a@b.com", "plan": "pro", "age": "old"})
    started.settle()
    (contact,) = MAILJET.person(started.destination, Identity.of_name(name))
    assert contact["agrees"]
    assert contact["lists"] == {str(started.list_id): {"desired": "addnoforce", "delivered": "addnoforce"}}
    assert contact["properties"] == {
        "age": {"desired": "old", "delivered": None, "rejected": True, "differs": False},
        "plan": {"desired": "pro", "delivered": "pro", "rejected": False, "differs": False},
    }
    assert [each["by"] for each in contact["history"]] == ["managecontact"]


def test_how_long_messages_took_is_counted_but_not_of_those_that_are_read_again(started: Any) -> None:
    started.send("ada", {"email": "a@b.com"})
    started.settle()
    (of_first,) = LatencyBucket.objects.values_list("total", flat=True)
    ReplayRow.objects.create(
        destination_id=started.destination.id, after=0, position=0, upto=started.log.counts().end, messages=1
    )
    started.send("bob", {"email": "b@b.com"})
    started.settle()
    assert (of_first, sum(LatencyBucket.objects.values_list("total", flat=True))) == (1, 2)


def test_a_message_that_cannot_be_read_breaks_no_trace_and_no_page(started: Any) -> None:
    started.log.append([Entry(started.source, "identify", 1, b'{"userId":"ada"')])
    started.send("ada", {"email": "a@b.com"})
    started.settle()
    assert statuses(started, "ada") == [("failed", "INTERNAL_ERROR"), ("delivered", "")]


def test_a_contact_that_cannot_be_read_breaks_no_trace(started: Any) -> None:
    started.send("ada", {"email": "a@b.com"})
    started.send("bob", {"email": "b@b.com"})
    started.rest()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mailjet_contact SET desired = '[]' WHERE email = 'a@b.com'")
    assert statuses(started, "ada") == [("unknown", "INTERNAL_ERROR")]
    assert statuses(started, "bob") == [("delivered", "")]


def test_a_person_is_forgotten_in_what_cannot_be_read(started: Any) -> None:
    bodies = [b'{"userId":"ada"', b'{"userId":"bob"']
    started.log.append(Entry(started.source, "identify", 1, body) for body in bodies)
    started.settle()
    assert DeliveryRecordRow.objects.count() == 2
    erasure.request(Workspace.objects.get().id, Identity.of_name("ada"))
    eraser = erasure.Eraser(started.log, lambda _: [])
    while not eraser.step(Erasure.objects.get()):
        time.sleep(0.05)
    assert [bytes(row.body or b"") for row in DeliveryRecordRow.objects.all()] == bodies[1:]
    assert [record.body for record in started.log.read(0)] == [b"", bodies[1]]
