"""Contacts as a person looks through them: right, and by indexes only."""

import json
import urllib.request
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jetbridge.errors import TransientError
from jetbridge.integrations.contact_queries import COUNTED, PAGE, ContactFilter, Now
from jetbridge.integrations.mailjet.contact_queries import MailjetContactQueries
from jetbridge.integrations.mailjet.contact_queries import _estimate as estimate
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact, Job, Person, RejectedValue
from jetbridge.spec.person import Identity

MANY = 100_000
ADD = """
INSERT INTO mailjet_contact (account_id, email, desired, delivered, next_attempt_at, attempts, job_id, synced_at)
VALUES (%s, %s, '{}', '{}', %s, 0, %s, %s)
"""


def contact_queries_of(bridge: Any) -> MailjetContactQueries:
    contact_queries = MAILJET.contact_queries(bridge.destination)
    assert isinstance(contact_queries, MailjetContactQueries)
    return contact_queries


def test_a_person_is_shown_with_what_is_wished_and_what_is_confirmed(started: Any) -> None:
    started.send("u-1", {"email": "ada@example.com", "plan": "pro", "seats": 3})
    started.rest()
    contact_queries = contact_queries_of(started)
    (card,) = contact_queries.find(Identity.of_name("u-1")).contacts
    assert (card.email, card.users, card.agrees, card.differences) == ("ada@example.com", ["u-1"], True, 0)
    assert [(each.list_id, each.name, each.desired) for each in card.lists] == [
        (started.list_id, "Customers", "addnoforce")
    ]
    assert [(each.name, each.desired, each.delivered) for each in card.properties] == [
        ("plan", "pro", "pro"),
        ("seats", 3, 3),
    ]
    assert card.history[0].messages == 1
    assert [each.email for each in contact_queries.page(ContactFilter.RECENT).contacts] == ["ada@example.com"]
    assert contact_queries.page(ContactFilter.RECENT).contacts[0].synced_at
    assert contact_queries.figures() == (1, True, 0, 0, 0)


def test_what_waits_is_marked(bridge: Any) -> None:
    bridge.send("u-1", {"email": "ada@example.com", "plan": "pro"})
    bridge.merge()
    contact_queries = contact_queries_of(bridge)
    (card,) = contact_queries.find(Identity.of_name("ada@example.com")).contacts
    assert (card.differences, card.messages, card.next_attempt_at > 0) == (2, 1, True)
    assert [each.email for each in contact_queries.page(ContactFilter.DUE).contacts] == ["ada@example.com"]
    assert contact_queries.figures().due == 1


def test_a_value_that_is_set_aside_says_why(started: Any) -> None:
    started.mailjet.create_contactmetadata("seats", "int")
    started.send("u-1", {"email": "ada@example.com", "seats": "many"})
    started.rest()
    (card,) = contact_queries_of(started).find(Identity.of_name("u-1")).contacts
    assert card.rejections == 1
    assert [each.rejection for each in card.properties] == [RejectedValue.objects.get().message]
    assert [(each.property, each.email) for each in contact_queries_of(started).rejected_values()] == [
        ("seats", "ada@example.com")
    ]


def test_a_contact_is_compared_with_what_mailjet_holds_now(started: Any) -> None:
    started.send("u-1", {"email": "ada@example.com", "plan": "pro"})
    started.rest()
    contact_queries, client = contact_queries_of(started), started.mailjet
    where = f"{started.list_id} Customers"
    assert contact_queries.now("ada@example.com") == Now(
        is_there=True, places=[f"subscribed to {where}"], differences=[]
    )
    wish = {"Email": "ada@example.com", "Action": "unsub", "Properties": {"plan": "free"}}
    client.managecontact(started.list_id, wish)
    assert contact_queries.now("ada@example.com") == Now(
        is_there=True,
        places=[f"unsubscribed from {where}"],
        differences=[
            "Property plan is 'free'; it should be 'pro'.",
            f"It has unsubscribed from list {started.list_id} (Customers).",
        ],
    )
    found = client.contact("ada@example.com")
    client.delete_contact(found.id)
    assert contact_queries.now("ada@example.com") == Now(
        is_there=False, places=[], differences=["Mailjet has no such contact."]
    )
    assert contact_queries.now("nobody@example.com") is None


def test_who_does_not_hear_from_mailjet_is_told_at_once(started: Any) -> None:
    started.send("u-1", {"email": "ada@example.com"})
    started.rest()
    fault = json.dumps({"kind": "status", "status": 503, "endpoint": "GET contact*"}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{started.url}/sandbox/faults", fault)).close()
    with pytest.raises(TransientError, match="internal problem"):
        contact_queries_of(started).now("ada@example.com")


def test_a_user_without_an_address_is_found(bridge: Any) -> None:
    bridge.send("u-1", {"plan": "pro"})
    bridge.merge()
    assert contact_queries_of(bridge).find(Identity.of_name("u-1")) == ([], ["u-1"])
    assert Person.objects.count() == 1
    assert contact_queries_of(bridge).find(Identity.of_name("u-2")) == ([], [])


@pytest.fixture
def crowd(bridge: Any) -> MailjetContactQueries:
    """MANY contacts of the account among as many of another: due, in a job, told."""
    contact_queries = contact_queries_of(bridge)
    kinds = ((None, None, 1_000), (5_000, None, None), (None, 7, None), (None, None, 2_000))
    rows = [
        (contact_queries.account + (number % 2), f"p{number}@example.com", *kinds[number // 2 % 4])
        for number in range(2 * MANY)
    ]
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.executemany(ADD, rows)
        cursor.execute("COMMIT")
    Job.objects.create(account_id=contact_queries.account, job_id=7, contacts=MANY // 4)
    return contact_queries


def test_a_crowd_is_looked_through_by_indexes_only(crowd: MailjetContactQueries) -> None:
    with CaptureQueriesContext(connection) as seen:
        figures = crowd.figures()
        for which in ContactFilter:
            first = crowd.page(which)
            second = crowd.page(which, first.after)
            assert len(first.contacts) == len(second.contacts) == PAGE
            assert not {card.email for card in first.contacts} & {card.email for card in second.contacts}
        crowd.find(Identity.of_name("p8@example.com"))
    assert (figures.due, figures.in_jobs, figures.exact) == (COUNTED + 1, MANY // 4, False)
    assert abs(figures.contacts - MANY) < MANY / 50
    assert scans(seen) == []


def scans(seen: CaptureQueriesContext) -> list[str]:
    """Steps of the queries' plans that walk through all contacts."""
    found = []
    with connection.cursor() as cursor:
        for query in seen.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            steps = [str(row[3]) for row in cursor.fetchall()]
            found += [step for step in steps if step.startswith(("SCAN mailjet_", "SCAN contact"))]
    return found


def test_a_key_that_we_did_not_write_is_the_first_page(crowd: MailjetContactQueries) -> None:
    first = crowd.page(ContactFilter.RECENT)
    for key in ("", "x", "1", "1-", "-1-2", "9" * 30 + "-1", "x-1"):
        assert crowd.page(ContactFilter.RECENT, key) == first


def test_few_contacts_are_counted(bridge: Any) -> None:
    contact_queries = contact_queries_of(bridge)
    assert estimate(contact_queries.account) == (0, True)
    Contact.objects.bulk_create(
        Contact(
            account_id=contact_queries.account + number % 2,
            email=str(number),
            desired=b"{}",
            delivered=b'{"lists":{"1":"addnoforce"}}',
        )
        for number in range(2_000)
    )
    Contact.objects.filter(id__lt=500).delete()
    expected = Contact.objects.filter(account_id=contact_queries.account).count()
    assert estimate(contact_queries.account) == (expected, True)
