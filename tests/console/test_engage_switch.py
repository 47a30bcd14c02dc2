"""The first screen of Engage, its settings, and the list of audiences."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engage.stored import Store
from tests.pages import collapsed

from jetbridge.control.audit import Actor
from jetbridge.control.people import AuditEntry
from jetbridge.engage import store
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import computations

ORDERED = {"event": "Order Completed", "within": "30d"}


@pytest.fixture
def actor(people: Any, event_log: SqliteEventLog) -> Actor:
    return Actor(people.workspace, people.editor)


@pytest.fixture
def stored(home: Path, people: Any) -> Iterator[Store]:
    made = Store(home, people.workspace.id)
    yield made
    made.close()


def audience(actor: Actor, name: str, definition: object = None) -> Computation:
    return computations.create(actor, ComputationClass.AUDIENCE, name, definition or ORDERED).row


def url(people: Any, path: str = "") -> str:
    return f"/w/{people.workspace.id}/engage/{path}"


@pytest.mark.parametrize("path", ["", "audiences/"])
def test_the_first_screen_shows_what_an_audience_is_and_turns_engage_on(
    people: Any, client_of: Any, event_log: SqliteEventLog, path: str
) -> None:
    page = client_of("viewer").get(url(people, path)).content.decode()
    assert "An audience is everybody who meets a condition" in page
    assert ("Turn on Engage" in page, "An editor can turn it on" in page) == (False, True)
    client = client_of("editor")
    assert "Turn on Engage" in client.get(url(people, path)).content.decode()
    answer = client.post(url(people), {"change": "on", "history": "yes"})
    assert answer.headers["location"] == url(people, "audiences/")
    space = Space.objects.get()
    assert (space.enabled, space.history_requested_at is not None) == (True, True)
    assert "No audience yet" in client.get(url(people, "audiences/")).content.decode()


def test_off_and_on_again(people: Any, client_of: Any, actor: Actor) -> None:
    audience(actor, "Ordered")
    client = client_of("editor")
    assert client.post(url(people), {"change": "off"}).headers["location"] == url(people)
    for path in ("", "audiences/"):
        assert "Engage is off." in client.get(url(people, path)).content.decode()
    assert "disabled" in client.get(url(people, "audiences/")).content.decode()
    client.post(url(people), {"change": "on"})
    assert Space.objects.get().enabled
    assert list(AuditEntry.objects.values_list("action", flat=True).order_by("id")) == [
        "engage.enabled",
        "audience.added",
        "engage.disabled",
        "engage.enabled",
    ]


def test_the_settings_say_what_is_kept_and_what_for(
    people: Any, client_of: Any, actor: Actor, stored: Store
) -> None:
    audience(actor, "Ordered once", {"event": "Order Completed", "within": "400d"})
    audience(actor, "Premium", {"trait": "plan", "op": "=", "value": "premium"})
    stored.happened(stored.person("user_id:u1"), "Order Completed", 1, 2)
    page = client_of("viewer").get(url(people)).content.decode()
    assert "<strong>400 days</strong>" in page
    assert "<li>Ordered once: 400 days</li>" in page
    assert "Premium" not in page
    assert '<dd title="1">1</dd>' in collapsed(page)
    assert '<dd title="2">2</dd>' in collapsed(page)
    assert "Save" not in page


def test_a_retention_is_refused_with_what_needs_more(people: Any, client_of: Any, actor: Actor) -> None:
    audience(actor, "Ordered once", {"event": "Order Completed", "within": "400d"})
    client = client_of("editor")
    refused = client.post(url(people), {"change": "retention", "retention_days": "365"})
    assert (refused.status_code, "Ordered once (within:" in refused.content.decode()) == (422, True)
    assert client.post(url(people), {"change": "retention", "retention_days": "3"}).status_code == 422
    assert client.post(url(people), {"change": "retention", "retention_days": "730"}).status_code == 302
    assert Space.objects.get().retention_days == 730


def test_sources_are_chosen(people: Any, client_of: Any, actor: Actor) -> None:
    computations.switch(actor, enabled=True)
    website, backend = (people.workspace.sources.create(kind="http", name=name) for name in ("Web", "Back"))
    client = client_of("editor")
    assert client.post(url(people), {"change": "sources", "read": [website.id]}).status_code == 302
    assert list(Space.objects.get().excluded_sources.all()) == [backend]
    assert "all sources, but not Back." in collapsed(client_of("viewer").get(url(people)).content.decode())
    assert client.post(url(people), {"change": "sources", "read": [999]}).status_code == 422


def test_the_history_is_loaded_once_with_its_progress(
    people: Any, client_of: Any, actor: Actor, stored: Store
) -> None:
    computations.switch(actor, enabled=True)
    client = client_of("editor")
    assert "Load history" in client.get(url(people)).content.decode()
    client.post(url(people), {"change": "history"})
    meta = store.Meta(stored.connection)
    meta.set(began=200, history_place=50)
    assert "25 % of the messages" in client.get(url(people)).content.decode()
    requested_at = Space.objects.get().history_requested_at
    assert requested_at
    meta.set(history_done=int(requested_at.timestamp() * 1_000), history_place=0)
    assert "has been read" in client.get(url(people)).content.decode()
    again = client.post(url(people), {"change": "history"}, follow=True)
    assert "it is read once" in again.content.decode()


def test_a_change_that_there_is_not_is_not_found(people: Any, client_of: Any, actor: Actor) -> None:
    assert client_of("editor").post(url(people), {"change": "retention"}).status_code == 404
    computations.switch(actor, enabled=True)
    assert client_of("editor").post(url(people), {"change": "nothing"}).status_code == 404


def test_the_list_says_how_large_each_audience_is_and_how_it_does(
    people: Any, client_of: Any, actor: Actor, stored: Store
) -> None:
    audience(actor, "<b>Ordered</b>, last 30 days")
    audience(actor, "Broken")
    stored.computed("b_ordered_b_last_30_days", size=1_234)
    stored.changed("b_ordered_b_last_30_days", 0, 12, 3, 1_234)
    stored.computed("broken", state=store.FAILED, error="It takes longer than 5 s.")
    page = client_of("viewer").get(url(people, "audiences/")).content.decode()
    assert "&lt;b&gt;Ordered&lt;/b&gt;" in page
    assert "b_ordered_b_last_30_days" in page
    assert 'title="1,234">1.23k<' in page
    assert "+12" in page
    assert "\N{MINUS SIGN}3" in page
    assert "It takes longer than 5 s." in page
    assert "1 definition cannot be computed (broken)" in page
