"""Contacts: a person desired beside delivered, lists by key, and forgetting somebody."""

import json
from typing import Any

import pytest
from django.db import connection

from jetbridge.control.people import AuditEntry
from jetbridge.delivery.models import Erasure, Suppression
from jetbridge.destinations import adding
from jetbridge.destinations.mailjet import state
from jetbridge.destinations.mailjet.models import Contact, Person, SetAside
from jetbridge.destinations.mailjet.state import Delivered, Desired
from jetbridge.eventlog.sqlite import SqliteEventLog

from .conftest import OF_A_DESTINATION
from .delivered import Joined, join

NOON = 1_793_534_400_000
MANY = 100_000


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    return join(people, event_log)


def add(joined: Joined, email: str, desired: Desired, delivered: Delivered, **fields: Any) -> Contact:
    return Contact.objects.create(
        account_id=joined.account.id,
        email=email,
        desired=state.encode(desired),
        delivered=state.encode(delivered),
        **fields,
    )


@pytest.fixture
def ada(joined: Joined) -> Contact:
    """One property is told, one differs, one is set aside; she has unsubscribed."""
    desired = Desired(
        time=NOON,
        values={"plan": "pro", "seats": "many", "city": "London"},
        older={"city": NOON - 5_000},
        lists={10234: ("addnoforce", NOON)},
        opted_out=NOON,
        users={"u-1": NOON},
    )
    delivered = Delivered({"city": "London", "plan": "free"}, {"seats": "many"}, {10234: "addnoforce"})
    SetAside.objects.create(
        account_id=joined.account.id,
        property="seats",
        sentence="'many' is no int.",
        total=4,
        email="ada@example.com",
        at="2026-11-01T12:00:00Z",
    )
    Person.objects.create(account_id=joined.account.id, user_id="u-1", email="ada@example.com")
    return add(joined, "ada@example.com", desired, delivered, due_at=NOON, told_at=NOON)


@pytest.mark.parametrize("name", ["ada@example.com", " ADA@Example.com ", "u-1"])
def test_a_person_is_found_by_user_id_and_email(
    joined: Joined, ada: Contact, client_of: Any, name: str
) -> None:
    answer = client_of("viewer").get(joined.url("destination-contacts"), {"q": name})
    (card,) = answer.context["found"].cards
    assert card.email == "ada@example.com"
    assert {each.name: (each.differs, each.aside) for each in card.properties} == {
        "city": (False, ""),
        "plan": (True, ""),
        "seats": (False, "'many' is no int."),
    }
    (place,) = card.lists
    assert (place.name, place.desired, place.delivered, place.unsubscribed, place.differs) == (
        "Customers",
        "unsub",
        "addnoforce",
        True,
        True,
    )
    page = answer.content.decode()
    assert "Wants no mail" in page
    assert "2 differences" in page
    assert f"/sources/{joined.source.id}/debugger?q=ada%40example.com" in page
    assert "Forget" not in page


def test_nobody_is_found_and_that_is_said(joined: Joined, client_of: Any) -> None:
    page = client_of("viewer").get(joined.url("destination-contacts"), {"q": "nobody"}).content.decode()
    assert "Nobody of that name" in page


def test_a_user_without_an_address_is_told_of(joined: Joined, client_of: Any) -> None:
    waiting = state.encode(Desired(time=NOON, values={"plan": "pro"}))
    Person.objects.create(account_id=joined.account.id, user_id="u-9", waiting=waiting)
    page = client_of("viewer").get(joined.url("destination-contacts"), {"q": "u-9"}).content.decode()
    assert "no address of this user" in page


def test_nothing_of_another_account_is_seen(joined: Joined, ada: Contact, client_of: Any) -> None:
    Contact.objects.update(account_id=joined.account.id + 1)
    Person.objects.update(account_id=joined.account.id + 1)
    SetAside.objects.update(account_id=joined.account.id + 1)
    client = client_of("viewer")
    for query in ({"q": "ada@example.com"}, {"q": "u-1"}, {}, {"which": "due"}):
        page = client.get(joined.url("destination-contacts"), query).content.decode()
        assert "addnoforce" not in page
        assert page.count("ada@example.com") == (1 if "@" in query.get("q", "") else 0)


def test_a_hundred_thousand_contacts_are_looked_through_by_index_and_key(
    joined: Joined, client_of: Any, queries: Any
) -> None:
    rows = [(joined.account.id, f"p{number}@example.com", number % 3 or None) for number in range(MANY)]
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.executemany(
            "INSERT INTO mailjet_destination_contact (account_id, email, desired, delivered, tries, told_at)"
            " VALUES (%s, %s, '{}', '{}', 0, %s)",
            rows,
        )
        cursor.execute("COMMIT")
    client, url = client_of("viewer"), joined.url("destination-contacts")
    first, asked = watched(queries, client, url)
    second, asked_again = watched(queries, client, f"{url}?after={first.context['listed'].after}")
    emails = [card.email for page in (first, second) for card in page.context["listed"].cards]
    assert len(emails) == len(set(emails)) == 100
    assert abs(first.context["at_rest"] - MANY) <= MANY // 50
    assert scans(asked + asked_again) == []
    assert len(asked) == len(asked_again) == OF_A_DESTINATION + 10, asked
    _, asked = watched(queries, client, f"{url}?q=p7@example.com")
    assert scans(asked) == []
    assert len(asked) == OF_A_DESTINATION + 9, asked


def watched(queries: Any, client: Any, url: str) -> tuple[Any, list[str]]:
    """The answer, and the queries that it took."""
    with queries() as seen:
        answer = client.get(url)
        return answer, [query["sql"] for query in seen.captured_queries]


#: Those of a handful of rows: due up to a limit, the estimate's windows, what is set aside.
_FEW = (
    "SCAN due",
    "SCAN part",
    "SCAN CONSTANT ROW",
    "SCAN 20 CONSTANT ROWS",
    "SCAN mailjet_destination_setaside",
)


def scans(asked: list[str]) -> list[str]:
    """Steps of the queries' plans that walk through a whole table of contacts or people."""
    steps: set[str] = set()
    with connection.cursor() as cursor:
        for sql in asked:
            if "mailjet_destination" in sql:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                steps |= {row[3] for row in cursor.fetchall() if row[3].startswith("SCAN")}
    return sorted(step for step in steps if not step.startswith(_FEW))


def test_a_person_is_forgotten_with_a_receipt_that_names_nobody(
    joined: Joined, ada: Contact, client_of: Any
) -> None:
    editor, url = client_of("editor"), joined.url("destination-forget")
    asked = editor.get(url, {"person": "ada@example.com"}).content.decode()
    assert "This cannot be undone" in asked
    assert not Suppression.objects.exists()
    answer = editor.post(url, {"person": "ada@example.com"})
    row = Erasure.objects.get()
    assert (row.workspace_id, row.emails) == (joined.row.workspace_id, ["ada@example.com"])
    assert answer.headers["location"] == joined.url("destination-receipt", row.id)
    assert Suppression.objects.exists()
    assert "under way" in editor.get(answer.headers["location"]).content.decode()
    entry = AuditEntry.objects.get(action="person.forgotten")
    assert "ada" not in json.dumps([entry.thing, entry.details])
    found = editor.get(joined.url("destination-contacts"), {"q": "ada@example.com"})
    assert [each.id for each in found.context["receipts"]] == [row.id]


def test_a_viewer_forgets_nobody_and_a_stranger_sees_no_receipt(joined: Joined, client_of: Any) -> None:
    assert client_of("viewer").post(joined.url("destination-forget"), {"person": "u-1"}).status_code == 403
    row = Erasure.objects.create(workspace_id=joined.row.workspace_id + 1, digest="x")
    assert client_of("owner").get(joined.url("destination-receipt", row.id)).status_code == 404
    assert client_of("outsider").get(joined.url("destination-receipt", row.id)).status_code == 404


def test_a_kind_without_contacts_has_no_such_page(
    people: Any, event_log: SqliteEventLog, client_of: Any
) -> None:
    source = people.workspace.sources.create(kind="http", name="Website")
    values = {"writeKey": "w"}
    row = adding.add(event_log, people.workspace, "segment", "Segment", values, sources=[source])
    base = f"/w/{people.workspace.id}/destinations/{row.id}/"
    client = client_of("viewer")
    assert client.get(f"{base}contacts/").status_code == 404
    overview = client.get(base).content.decode()
    assert "Contacts</a>" not in overview
    sync = client.get(f"{base}sync/").content.decode()
    assert "Verify" not in sync
    assert "Holds" in sync


def test_a_key_that_leads_nowhere_says_what_to_do(joined: Joined, client_of: Any) -> None:
    joined.row.secrets = '{"apiKey": "unknown"}'
    joined.row.save()
    page = client_of("viewer").get(joined.url("destination-contacts")).content.decode()
    assert "No Mailjet account" in page
