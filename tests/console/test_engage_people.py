"""People: the search, and one person's page."""

import time
from typing import Any

import pytest
from django.urls import reverse
from tests.engage.bench import DAY, ORDERED, EngageBench
from tests.engage.bench import make_bench as make
from tests.pages import collapsed

from jetbridge.console.engage import people as people_pages
from jetbridge.control.audit import Actor
from jetbridge.control.people import Membership, Role
from jetbridge.engage import people as engage_people
from jetbridge.engage import store
from jetbridge.engage.models import Space
from jetbridge.eventlog.base import INVALID, Entry
from jetbridge.eventlog.scan_backwards import ScanLimit
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.contacts.state import Delivered, Desired
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.services import computations

from .delivered import join

#: Messages about her: two of her own, and the identify and track call of Engage.
OF_ADA = 4


@pytest.fixture
def shop(people: Any, event_log: SqliteEventLog) -> Any:
    """Ada has ordered; the people of the fixture work here, too."""
    bench = make(event_log)
    bench.now = time.time_ns() // 1_000_000
    for user, role in (
        (people.editor, Role.EDITOR),
        (people.viewer, Role.VIEWER),
        (people.owner, Role.OWNER),
    ):
        Membership.objects.create(user=user, workspace=bench.space.workspace, role=role)
    bench.identify("ada", "ada@example.com", plan="premium")
    bench.order("ada", ago=DAY)
    bench.identify("bob")
    bench.define("ordered", ORDERED)
    bench.run()
    yield bench
    bench.crash()


def url(bench: EngageBench, name: str = "engage-people", *args: Any) -> str:
    return reverse(name, args=[bench.space.workspace_id, *args])


def segment_id(bench: EngageBench, text: str = "ada") -> str:
    (item,) = engage_people.search(Space.objects.get(id=bench.space.id), text)
    return item.segment_id


def page_of(client: Any, bench: EngageBench, query: str = "", text: str = "ada", **headers: str) -> str:
    answer = client.get(url(bench, "person", segment_id(bench, text)) + query, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()  # type: ignore[no-any-return]


def test_the_search_leads_to_the_person(shop: EngageBench, client_of: Any) -> None:
    client = client_of("editor")
    newest = client.get(url(shop)).content.decode()
    assert newest.index(">bob</a>") < newest.index(">ada</a>")
    for text in ("ada", "user_id:ada", "ADA@example.com", segment_id(shop)):
        answer = client.get(url(shop), {"q": text})
        assert answer.headers["location"] == url(shop, "person", segment_id(shop)), text
    beginning = client.get(url(shop), {"q": "ad"})
    assert (beginning.status_code, ">ada</a>" in beginning.content.decode()) == (200, True)
    assert "Nobody is known by this" in client.get(url(shop), {"q": "zoe"}).content.decode()


@pytest.mark.parametrize("name", ["engage-people", "person"])
def test_it_takes_the_role_editor(shop: EngageBench, client_of: Any, name: str) -> None:
    args = [segment_id(shop)] if name == "person" else []
    assert client_of("viewer").get(url(shop, name, *args)).status_code == 403
    assert client_of("editor").get(url(shop, name, *args)).status_code == 200
    assert client_of("outsider").get(url(shop, name, *args)).status_code == 404
    assert url(shop) not in client_of("viewer").get(url(shop, "audiences")).content.decode()


def test_a_person_of_another_workspace_is_not_there(
    shop: EngageBench, client_of: Any, event_log: SqliteEventLog
) -> None:
    elsewhere = make(event_log)
    elsewhere.now = shop.now
    elsewhere.identify("ada")
    elsewhere.run()
    client = client_of("editor")
    assert client.get(url(shop, "person", segment_id(elsewhere))).status_code == 404
    assert "Elsewhere" not in page_of(client, shop)
    assert page_of(client, shop).count('<li class="message">') == OF_ADA
    elsewhere.crash()


def test_the_page_says_who_it_is_and_where_from(shop: EngageBench, client_of: Any) -> None:
    page = collapsed(page_of(client_of("editor"), shop))
    assert '<td class="wide">email</td><td class="value wide"><code>ada@example.com</code>' in page
    assert '<td data-label="Source">Web</td>' in page
    assert (
        '<td class="wide"><code>plan</code></td><td class="value broad" data-label="Value">premium</td>'
        in page
    )
    row = shop.space.computations.get()
    there = f'<a href="{reverse("audience", args=[row.space.workspace_id, row.id])}">ordered</a>'
    assert f'{there}</td><td data-label="Value"><span class="badge good dot">in it</span>' in page
    assert "Order Completed" in page
    assert "<strong>ordered: true</strong>" in page
    source = reverse("source-debugger", args=[row.space.workspace_id, row.space.source_id])
    assert "ordered: true" in client_of("editor").get(source).content.decode(), "its debugger says it, too"
    assert "This is the beginning" in page
    assert "In no audience" in page_of(client_of("editor"), shop, text="bob")


def test_why_is_answered_on_top(shop: EngageBench, client_of: Any) -> None:
    row = shop.space.computations.get()
    query = f"?computation={row.id}&destination={shop.destination.id}"
    page = page_of(client_of("editor"), shop, query, text="bob")
    answer = page.partition('id="why-answer"')[2].partition("Identifiers")[0]
    assert "<strong>bob is not in ordered.</strong>" in answer
    assert "Order Completed at least once within 30 days: no, 0 times" in answer
    page = page_of(client_of("editor"), shop, query)
    assert "Hook was sent true for ada@example.com." in page
    for nothing in ("?computation=999&destination=1", "?computation=x&destination=", "?destination=99"):
        assert "Was it sent?" not in page_of(client_of("editor"), shop, nothing)


def test_email_events_have_their_icons(shop: EngageBench, client_of: Any) -> None:
    mailjet = shop.space.workspace.sources.create(kind="mailjet", name="Mailjet")
    for event, told in (
        ("Email Opened", {"email_subject": "Spring sale", "campaign_name": "Spring sale"}),
        ("Email Bounced", {"error": "user unknown"}),
        ("Email Link Clicked", {"link_url": "https://example.com/x"}),
    ):
        shop.send(source=mailjet, anonymous_id="ada@example.com", event=event, properties=told)
    shop.log.append([Entry(shop.source.id, INVALID, shop.now, b'{"userId": "ada"}', "BAD: no type")])
    shop.run()
    page = page_of(client_of("editor"), shop)
    for title, detail, badge in (
        ("Email Opened", "Spring sale", '<span class="badge"><svg'),
        ("Email Bounced", "user unknown", '<span class="badge bad"><svg'),
        ("Email Link Clicked", "https://example.com/x", '<span class="badge"><svg'),
    ):
        entry = next(
            part for part in page.split('<li class="message">') if f"<strong>{title}</strong>" in part
        )
        assert detail in entry
        assert badge in entry
    assert "Spring sale · Spring sale" not in page
    assert "failed on ingest" in page
    assert "no type" in page


def test_the_timeline_goes_on(shop: EngageBench, client_of: Any, monkeypatch: Any) -> None:
    for number in range(people_pages.ROWS):
        shop.order("ada", number=number)
    client = client_of("editor")
    page = page_of(client, shop)
    assert page.count('<li class="message">') == people_pages.ROWS
    older = page.partition('class="button" href="?before=')[2].partition("#")[0]
    rest = page_of(client, shop, f"?before={older}")
    assert rest.count('<li class="message">') == OF_ADA
    assert "This is the beginning" in rest
    monkeypatch.setattr(people_pages, "SCAN_LIMIT", ScanLimit(records=1, seconds=1))
    monkeypatch.setattr("jetbridge.eventlog.scan_backwards.STEP", 1)
    page = page_of(client, shop)
    assert "Looking further back" in page
    part = page_of(client, shop, f"?before={older}&pages=1&part=1", **{"HX-Request": "true"})
    assert "<html" not in part
    assert "pages=2" in part
    last = page_of(
        client, shop, f"?before={older}&pages={people_pages.PAGES}&part=1", **{"HX-Request": "true"}
    )
    assert "Looked back to" in last


def test_a_merged_profile_leads_to_the_survivor(shop: EngageBench, client_of: Any) -> None:
    shop.send(anonymous_id="device", event="Page Viewed")
    shop.run()
    former = segment_id(shop, "device")
    shop.send("identify", user_id="ada", anonymous_id="device")
    shop.run()
    answer = client_of("editor").get(url(shop, "person", former))
    assert answer.headers["location"] == url(shop, "person", segment_id(shop))
    assert "1 merged profile" in page_of(client_of("editor"), shop)


def test_nobody_is_known_yet(shop: EngageBench, client_of: Any) -> None:
    shop.crash()
    store.path(shop.log._path.parent, shop.space.workspace_id).unlink()
    assert "Nobody is known yet" in client_of("editor").get(url(shop)).content.decode()
    assert client_of("editor").get(url(shop, "person", "use_x")).status_code == 404


def test_messages_and_contacts_lead_to_the_person(
    shop: EngageBench, people: Any, client_of: Any, event_log: SqliteEventLog
) -> None:
    message = reverse("source-message", args=[shop.space.workspace_id, shop.source.id, 1])
    link = f"{url(shop)}?q=user_id%3Aada"
    assert link in client_of("editor").get(message).content.decode()
    assert link not in client_of("viewer").get(message).content.decode()
    joined = join(people, event_log)
    Contact.objects.create(
        account_id=joined.account.id,
        email="ada@example.com",
        desired=state.encode(Desired(time=1, values={"plan": "pro"})),
        delivered=state.encode(Delivered()),
        synced_at=1,
    )
    contacts, link = joined.url("destination-contacts"), f"/w/{people.workspace.id}/engage/people/?q=ada%40"
    assert link not in client_of("editor").get(contacts, {"q": "ada@example.com"}).content.decode()
    computations.switch(Actor(people.workspace, people.editor), enabled=True)
    assert link in client_of("editor").get(contacts, {"q": "ada@example.com"}).content.decode()
    assert link not in client_of("viewer").get(contacts, {"q": "ada@example.com"}).content.decode()
