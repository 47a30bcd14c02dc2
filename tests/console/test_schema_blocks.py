"""The schema page: an event, a property or a trait is blocked for all destinations by one click, and allowed by another."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from tests.pages import collapsed

from jetbridge.control import directory
from jetbridge.control.models import Source
from jetbridge.control.people import AuditEntry
from jetbridge.integrations import registry
from jetbridge.routing.route import BLOCKED_AT_SOURCE
from jetbridge.source_schema.models import NameRow
from jetbridge.spec.message import Message

from .test_filters import NOW


@pytest.fixture
def source(people: Any) -> Source:
    row: Source = people.workspace.sources.create(kind="http", name="Website")
    at = {"source_id": row.id, "kinds": 1, "first_at": 1, "last_at": 1, "total": 5}
    for call_type, event, name in (
        ("track", "Order", ""),
        ("track", "Order", "total"),
        ("identify", "", ""),
        ("identify", "", "plan"),
        ("identify", "", "Un-Subscribed"),
    ):
        NameRow.objects.create(type=call_type, event=event, name=name, **at)
    return row


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


def schema(source: Source) -> str:
    return reverse("source-schema", args=[source.workspace_id, source.id])


def click(client: Client, source: Source, to: str, *what: str) -> Any:
    """`what`: call type, event and name, as far as there are."""
    sent = {"to": to, **dict(zip(("type", "event", "name"), what, strict=False))}
    page = reverse("source-schema-block", args=[source.workspace_id, source.id])
    return client.post(page, sent, follow=True)


def blocked(source: Source) -> set[tuple[str, str, str]]:
    return set(source.blocks.values_list("type", "event", "name"))


def test_an_event_is_blocked_and_allowed_again(source: Source, editor: Client) -> None:
    page = click(editor, source, "blocked", "track", "Order").content.decode()
    assert "<strong>Order</strong> is blocked: destinations no longer receive it." in collapsed(page)
    assert ('aria-label="Allow Order"' in page, 'aria-label="Block Order"' in page) == (True, False)
    assert blocked(source) == {("track", "Order", "")}
    page = click(editor, source, "allowed", "track", "Order").content.decode()
    assert 'aria-label="Block Order"' in page
    assert blocked(source) == set()
    entries = AuditEntry.objects.order_by("id").values_list("action", "details")
    details = {"type": "track", "event": "Order"}
    assert list(entries) == [("source.blocked", details), ("source.unblocked", details)]


def test_a_block_is_undone_by_one_click_and_so_is_that(source: Source, editor: Client) -> None:
    for what in (("track", "Order"), ("track", "Order", "total")):
        answer = click(editor, source, "blocked", *what)
        assert form_of("Undo", answer) == ["allowed", *what]
        assert blocked(source) == {(*what, "")[:3]}
        undone = click(editor, source, *form_of("Undo", answer))
        assert "is allowed: destinations receive it again" in undone.content.decode()
        assert (form_of("Undo", undone), blocked(source)) == (["blocked", *what], set())
        # What is no longer so is not offered to be undone.
        assert ">Undo<" not in editor.get(answer.redirect_chain[-1][0]).content.decode()
    unseen = {"done": "allowed", "done_type": "track", "done_event": "No such event"}
    assert "No such event" not in editor.get(schema(source), unseen).content.decode()


def form_of(button: str, answer: Any) -> list[str]:
    """What the form of a button sends: where to, call type, event and name, as far as there are."""
    (form,) = (
        form for form in collapsed(answer.content.decode()).split("<form")[1:] if f">{button}<" in form
    )
    to = re.findall('name="to" value="([^"]*)"', form)
    return [*to, *filter(None, re.findall('name="(?:type|event|name)" value="([^"]*)"', form))]


def test_a_property_and_a_trait_are_blocked_on_the_page_of_their_event(
    source: Source, editor: Client
) -> None:
    page = click(editor, source, "blocked", "track", "Order", "total").content.decode()
    assert 'aria-label="Allow total"' in page
    page = click(editor, source, "blocked", "identify", "", "plan").content.decode()
    assert 'aria-label="Allow plan"' in page
    assert blocked(source) == {("track", "Order", "total"), ("identify", "", "plan")}


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (("identify", "", ""), "identify calls cannot be blocked as a whole"),
        (("identify", "", "Un-Subscribed"), "says whether a person has unsubscribed. It cannot be blocked."),
        (("identify", "", "news"), "says whether a person has unsubscribed. It cannot be blocked."),
        (("track", "", ""), "Track calls are blocked by their event: name it."),
        (("track", "", "total"), "Track calls are blocked by their event: name it."),
        (("alias", "", "x"), "&#x27;alias&#x27; cannot be blocked"),
        (("delete", "", ""), "&#x27;delete&#x27; cannot be blocked"),
        (("page", "Home", ""), "page calls have no event"),
        (("x", "", ""), "&#x27;x&#x27; cannot be blocked"),
    ],
)
def test_what_cannot_be_blocked(
    source: Source, editor: Client, what: tuple[str, str, str], sentence: str
) -> None:
    settings = {"unsubscribedTrait": "News"}
    source.workspace.destinations.create(kind="mailjet", name="Mailjet", enabled=False, settings=settings)
    assert sentence in click(editor, source, "blocked", *what).content.decode()
    assert blocked(source) == set()


def test_what_was_never_seen_is_blocked_with_a_hint(source: Source, editor: Client) -> None:
    assert "so far" not in click(editor, source, "blocked", "track", "Order").content.decode()
    page = click(editor, source, "blocked", "track", "Ordr").content.decode()
    assert "The schema of Website has no track &#x27;Ordr&#x27; so far." in page


def test_the_trait_that_carries_consent_has_no_button(source: Source, editor: Client) -> None:
    page = editor.get(f"{schema(source)}?type=identify&event=").content.decode()
    assert ('aria-label="Block plan"' in page, "Block Un-Subscribed" in page) == (True, False)
    assert "carries consent" in page


def test_viewers_have_no_button(source: Source, client_of: Callable[[str], Client]) -> None:
    viewer = client_of("viewer")
    assert "Block Order" not in viewer.get(schema(source)).content.decode()
    assert click(viewer, source, "blocked", "track", "Order").status_code == 403
    assert click(viewer, source, "nonsense", "track", "Order").status_code == 403


def test_other_workspaces_have_their_own(source: Source, people: Any, editor: Client) -> None:
    theirs = people.elsewhere.sources.create(kind="http", name="Theirs")
    page = reverse("source-schema-block", args=[source.workspace_id, theirs.id])
    assert editor.post(page, {"to": "blocked", "type": "track", "event": "Order"}).status_code == 404
    assert blocked(theirs) == set()


def test_a_consumer_that_runs_hears_of_it(source: Source, editor: Client) -> None:
    row = source.workspace.destinations.create(kind="segment", name="Segment", secrets='{"writeKey": "k"}')
    row.sources.add(source)
    before = directory.destination_version(row.id)
    click(editor, source, "blocked", "track", "Order")
    assert directory.destination_version(row.id) != before
    ref = directory.destination(row.id)
    assert ref
    message = Message(type="track", message_id="m", timestamp=NOW, received_at=NOW, event="Order")
    decision = registry.destination("segment").route(ref).decide(message, source.id)
    assert decision.reason == BLOCKED_AT_SOURCE
    click(editor, source, "allowed", "track", "Order")
    assert directory.destination_version(row.id) == before
