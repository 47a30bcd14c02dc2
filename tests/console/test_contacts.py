"""Contacts: a person desired beside delivered, lists by key, and forgetting somebody."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from tests.pages import collapsed

from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.base import DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.errors import TransientError
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.contact_queries import Now
from jetbridge.integrations.mailjet.contact_queries import MailjetContactQueries
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.contacts.queries import count_rejected_values
from jetbridge.integrations.mailjet.contacts.state import Delivered, Desired
from jetbridge.integrations.mailjet.contacts.traits import unreadable_consent
from jetbridge.integrations.mailjet.models import Contact, Person, RejectedValue
from jetbridge.privacy.models import Erasure, Suppression
from jetbridge.services import new_destinations

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
    """One property is sent, one differs, one is rejected; she has unsubscribed."""
    desired = Desired(
        time=NOON,
        values={"plan": "pro", "seats": "many", "city": "London"},
        older={"city": NOON - 5_000},
        lists={10234: ("addnoforce", NOON)},
        opted_out=NOON,
        users={"u-1": NOON},
    )
    delivered = Delivered({"city": "London", "plan": "free"}, {"seats": "many"}, {10234: "addnoforce"})
    RejectedValue.objects.create(
        account_id=joined.account.id,
        property="seats",
        message="'many' is no int.",
        total=4,
        email="ada@example.com",
        at="2026-11-01T12:00:00Z",
    )
    Person.objects.create(account_id=joined.account.id, user_id="u-1", email="ada@example.com")
    return add(joined, "ada@example.com", desired, delivered, next_attempt_at=NOON, synced_at=NOON)


def test_a_consent_that_cannot_be_read_is_shown_with_its_trait_and_code(
    joined: Joined, client_of: Any
) -> None:
    why = unreadable_consent("unsubscribed", "a text that means neither yes nor no")
    count_rejected_values(joined.account.id, [(*why, "ada@example.com")])
    for page in ("destination-contacts", "destination"):
        text = client_of("viewer").get(joined.url(page)).content.decode()
        assert "<code>traits.unsubscribed</code>" in text
        assert "UNREADABLE_CONSENT: a text that means neither yes nor no, so" in text


def test_a_name_of_a_stranger_takes_no_more_room_than_others(joined: Joined, client_of: Any) -> None:
    count_rejected_values(
        joined.account.id, [("a" * 3_000, "Mailjet does not create it.", "ada@example.com")]
    )
    for page in ("destination-contacts", "destination"):
        text = client_of("viewer").get(joined.url(page)).content.decode()
        assert f"<code>{'a' * 99}…</code>" in text
        assert "a" * 200 not in text


def test_a_contact_is_found_by_either_spelling_of_its_domain(joined: Joined, client_of: Any) -> None:
    add(joined, "ada@xn--mnchen-3ya.de", Desired(time=NOON, values={"plan": "pro"}), Delivered())
    for name in ("Ada@München.de", "ada@xn--mnchen-3ya.de", "\u200bada@m\u00fcnchen.de"):
        found = client_of("viewer").get(joined.url("destination-contacts"), {"q": name}).context["person"]
        assert [card.email for card in found.contacts] == ["ada@xn--mnchen-3ya.de"]


@pytest.mark.parametrize("name", ["ada@example.com", " ADA@Example.com ", "u-1"])
def test_a_person_is_found_by_user_id_and_email(
    joined: Joined, ada: Contact, client_of: Any, name: str
) -> None:
    answer = client_of("viewer").get(joined.url("destination-contacts"), {"q": name})
    (card,) = answer.context["person"].contacts
    assert card.email == "ada@example.com"
    assert {each.name: (each.differs, each.rejection) for each in card.properties} == {
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


def test_nobody_is_found_and_that_is_said_with_where_to_look(joined: Joined, client_of: Any) -> None:
    page = client_of("viewer").get(joined.url("destination-contacts"), {"q": "nobody"}).content.decode()
    assert "Nobody of that name" in page
    assert f"/sources/{joined.source.id}/debugger?q=nobody" in page
    assert "What did not arrive" not in page


@pytest.mark.parametrize("person", ["u-1", "ada@example.com"])
def test_what_failed_of_a_person_stands_beside_the_contact(
    joined: Joined, ada: Contact, client_of: Any, person: str
) -> None:
    delivery_record = DeliveryRecord(
        "failed", "INVALID_EMAIL", "'ada@' is no email address.", 1, person=person
    )
    other = DeliveryRecord("failed", "BAD_REQUEST", "Of somebody else.", 2, person="u-2")
    ledger.add(joined.row.id, DeliveryCounts(delivery_records=[delivery_record, other]))
    page = client_of("viewer").get(joined.url("destination-contacts"), {"q": "u-1"}).content.decode()
    assert "&#x27;ada@&#x27; is no email address." in page
    assert joined.url("destination-sample", DeliveryRecordRow.objects.get(person=person).id) in page
    assert "Of somebody else." not in page


@pytest.mark.parametrize(
    ("desired", "words"),
    [
        (Desired(time=NOON, lists={10234: ("unsub", NOON)}), "Gets no mail:</strong> subscribed to no list"),
        (Desired(time=NOON, lists={10234: ("remove", NOON)}), "not on the list"),
        (Desired(time=NOON, lists={10234: ("addnoforce", NOON)}, bounced=NOON), "the address does not exist"),
        (Desired(time=NOON, lists={10234: ("addnoforce", NOON)}, opted_out=NOON), "Wants no mail"),
        (
            Desired(time=NOON, lists={10234: ("addnoforce", NOON)}, left={"u1": (NOON + 1, "b@c.de")}),
            "another address now",
        ),
    ],
)
def test_who_gets_no_mail_is_told_first_and_why(
    joined: Joined, client_of: Any, desired: Desired, words: str
) -> None:
    told = {
        list_id: "remove" if action == state.OFF_LIST else action
        for list_id, action in desired.actions().items()
    }
    add(joined, "ada@example.com", desired, Delivered(lists=told))
    page = client_of("viewer").get(joined.url("destination-contacts"), {"q": "ada@example.com"})
    text = page.content.decode()
    assert words in text
    assert text.index(words) < text.index("Up to date in Mailjet")
    assert ">no mail<" in text


class TestComparedNow:
    """With a stand-in for what asks Mailjet."""

    @pytest.fixture(autouse=True)
    def _asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(MailjetContactQueries, "now", lambda _, __: self.answer())

    answer: Any = staticmethod(
        lambda: Now(is_there=True, places=["subscribed to 10234 Customers"], differences=[])
    )

    def page(self, joined: Joined, client_of: Any, **query: str) -> str:
        asked = client_of("viewer").get(joined.url("destination-contacts"), {"q": "u-1", **query})
        return collapsed(asked.content.decode())

    def test_nothing_is_asked_unless_a_person_wants_it(
        self, joined: Joined, ada: Contact, client_of: Any
    ) -> None:
        page = self.page(joined, client_of)
        assert "?q=u-1&amp;now=ada%40example.com" in page
        assert "It is the same in Mailjet now" not in page
        assert "It is the same in Mailjet now" not in self.page(joined, client_of, now="other@example.com")

    def test_what_is_there_is_said(self, joined: Joined, ada: Contact, client_of: Any) -> None:
        page = self.page(joined, client_of, now="ada@example.com")
        assert "<strong>It is the same in Mailjet now</strong>: subscribed to 10234 Customers." in page

    def test_what_differs_is_said_and_where_to_mend_it(
        self, joined: Joined, ada: Contact, client_of: Any
    ) -> None:
        self.answer = lambda: Now(is_there=True, places=[], differences=["Property plan is 'x'."])
        page = self.page(joined, client_of, now="ada@example.com")
        assert "Property plan is &#x27;x&#x27;." in page
        assert f"{joined.url('destination-sync')}#verify" in page
        assert "Up to date in Mailjet" not in page

    def test_that_mailjet_does_not_answer_is_said(self, joined: Joined, ada: Contact, client_of: Any) -> None:
        def raises() -> Now:
            raise TransientError("TIMEOUT", "Mailjet did not respond in time.")

        self.answer = raises
        page = self.page(joined, client_of, now="ada@example.com")
        assert "The comparison with Mailjet failed: Mailjet did not respond in time." in page


def test_a_user_without_an_address_is_told_of(joined: Joined, client_of: Any) -> None:
    waiting = state.encode(Desired(time=NOON, values={"plan": "pro"}))
    Person.objects.create(account_id=joined.account.id, user_id="u-9", profile=waiting)
    page = client_of("viewer").get(joined.url("destination-contacts"), {"q": "u-9"}).content.decode()
    assert "no address of this user" in page


def test_nothing_of_another_account_is_seen(joined: Joined, ada: Contact, client_of: Any) -> None:
    Contact.objects.update(account_id=joined.account.id + 1)
    Person.objects.update(account_id=joined.account.id + 1)
    RejectedValue.objects.update(account_id=joined.account.id + 1)
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
            "INSERT INTO mailjet_contact (account_id, email, desired, delivered, attempts, synced_at)"
            " VALUES (%s, %s, '{}', '{}', 0, %s)",
            rows,
        )
        cursor.execute("COMMIT")
    client, url = client_of("viewer"), joined.url("destination-contacts")
    first, asked = watched(queries, client, url)
    second, asked_again = watched(queries, client, f"{url}?after={first.context['listed'].after}")
    emails = [card.email for page in (first, second) for card in page.context["listed"].contacts]
    assert len(emails) == len(set(emails)) == 100
    assert abs(first.context["at_rest"] - MANY) <= MANY // 50
    assert scans(asked + asked_again) == []
    assert len(asked) == len(asked_again) == OF_A_DESTINATION + 12, asked
    _, asked = watched(queries, client, f"{url}?q=p7@example.com")
    assert scans(asked) == []
    assert len(asked) == OF_A_DESTINATION + 14, asked


def watched(queries: Any, client: Any, url: str) -> tuple[Any, list[str]]:
    """The answer, and the queries that it took."""
    with queries() as seen:
        answer = client.get(url)
        return answer, [query["sql"] for query in seen.captured_queries]


#: Those of a handful of rows: due up to a limit, the estimate's windows, what is rejected.
_FEW = (
    "SCAN due",
    "SCAN part",
    "SCAN CONSTANT ROW",
    "SCAN 20 CONSTANT ROWS",
    "SCAN mailjet_rejectedvalue",
)


def scans(asked: list[str]) -> list[str]:
    """Steps of the queries' plans that walk through a whole table of contacts or people."""
    steps: set[str] = set()
    with connection.cursor() as cursor:
        for sql in asked:
            if re.search(r"mailjet_(contact|person|rejectedvalue)", sql):
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
    row = new_destinations.add(event_log, people.workspace, "segment", "Segment", values, sources=[source])
    base = f"/w/{people.workspace.id}/destinations/{row.id}/"
    client = client_of("viewer")
    assert client.get(f"{base}contacts/").status_code == 404
    overview = client.get(base).content.decode()
    assert "Contacts</a>" not in overview
    sync = client.get(f"{base}sync/").content.decode()
    assert "Verify" not in sync
    assert "Pauses" in sync


def test_a_key_that_leads_nowhere_says_what_to_do(joined: Joined, client_of: Any) -> None:
    joined.row.secrets = '{"apiKey": "unknown"}'
    joined.row.save()
    page = client_of("viewer").get(joined.url("destination-contacts")).content.decode()
    assert "No Mailjet account" in page
