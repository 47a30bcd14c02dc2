"""The builder without JavaScript: its buttons change the form on the server, and every refusal names its place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engage.stored import Store
from tests.pages import collapsed

from jetbridge.console.engage import builder, recipes
from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination
from jetbridge.engage import store
from jetbridge.engage.models import Computation, ComputationClass, DefinitionVersion, Space
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import computations, new_destinations
from jetbridge.source_schema.models import NameRow

from .engage import Fields, visible_text

UNDECIDED = {
    "all": [
        {"event": "Product Viewed", "within": "7d", "count": [">=", 3]},
        {"not": {"event": "Order Completed", "within": "7d"}},
    ]
}


@pytest.fixture
def actor(people: Any, event_log: SqliteEventLog) -> Actor:
    actor = Actor(people.workspace, people.editor)
    computations.switch(actor, enabled=True)
    return actor


@pytest.fixture
def stored(home: Path, actor: Actor) -> Iterator[Store]:
    made = Store(home, actor.workspace.id)
    for name in ("ada", "bob"):
        person = made.person(f"user_id:u-{name}", f"email:{name}@example.com", traits={"plan": "premium"})
        made.happened(person, "Product Viewed", 1, 2, 3, price=20, sku="007")
    made.happened(person, "Order Completed", 1)
    made.happened(made.person("user_id:u-eve"), "Product Viewed", 1, 1, 2)
    yield made
    made.close()


@pytest.fixture
def there(actor: Actor, event_log: SqliteEventLog) -> Destination:
    return new_destinations.add(event_log, actor.workspace, "segment", "There", {"writeKey": "k"}, sources=[])


def url(people: Any, path: str = "new") -> str:
    return f"/w/{people.workspace.id}/engage/audiences/{path}"


def text_of(answer: Any) -> str:
    return answer.content.decode()  # type: ignore[no-any-return]


def audience(actor: Actor, definition: Any = None, name: str = "Undecided") -> Computation:
    return computations.create(actor, ComputationClass.AUDIENCE, name, definition or UNDECIDED).row


@pytest.mark.parametrize("example", ["", *recipes.EXAMPLES])
def test_the_form_begins_empty_or_with_an_example(
    people: Any, client_of: Any, actor: Actor, example: str
) -> None:
    page = text_of(client_of("editor").get(f"{url(people)}?example={example}"))
    fields = Fields(page).sent
    assert fields["name"] == (recipes.EXAMPLES[example][0] if example else "")
    assert fields["c.kind"] == "group"
    assert "include_history" in fields
    assert "include_anonymous" not in fields


def test_an_example_is_created_by_its_form_as_it_is(people: Any, client_of: Any, actor: Actor) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(f"{url(people)}?example=undecided"))).sent
    answer = client.post(url(people), {**fields, "do": "create"})
    assert answer.status_code == 302
    row = Computation.objects.get()
    assert (row.key, row.definition, row.include_history, row.include_anonymous) == (
        "viewed_often_but_no_order",
        UNDECIDED,
        True,
        False,
    )


def test_buttons_change_the_form(people: Any, client_of: Any, actor: Actor) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(url(people)))).sent
    page = text_of(client.post(url(people), {**fields, "c-0.first.event": "A", "do": "add-where:c-0.first"}))
    assert 'name="c-0.first.w0.path" value="" list="offer-c-0.first"' in page
    assert page.count("autofocus") == 1 + ('id="audience-name" name="name" value=""' in page)
    fields = Fields(page).sent
    assert fields["c-0.first.event"] == "A"
    page = text_of(client.post(url(people), {**fields, "do": "add-trait:c"}))
    assert Fields(page).sent["c-1.kind"] == "trait"
    page = text_of(client.post(url(people), {**fields, "do": "remove:c-0"}))
    assert "c-0.kind" not in Fields(page).sent


def test_json_becomes_the_form_and_the_form_json(people: Any, client_of: Any, actor: Actor) -> None:
    client = client_of("editor")
    page = text_of(client.post(url(people), {"name": "A", "do": "json", "json": json.dumps(UNDECIDED)}))
    fields = Fields(page).sent
    assert (fields["c-1.negated"], fields["c-0.count"], fields["name"]) == ("yes", "3", "A")
    shown = page.partition('id="definition-json"')[2].partition(">")[2].partition("</textarea>")[0]
    assert json.loads(shown.replace("&quot;", '"').replace("&gt;", ">")) == UNDECIDED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "This is no JSON: Expecting property name"),
        ("[" * 100_000, "no JSON of a definition"),
        ("9" * 10_000, "no JSON of a definition"),
        ("1", "definition: 1 is no object."),
        ('{"all": [{"event": ""}]}', "all[0].event: the text has 0 characters"),
        ('{"sql": "SELECT 1"}', "SQL traits are not in this version"),
        ("1" * 200_001, "at most 200,000 characters"),
    ],
)
def test_json_that_is_no_definition_says_why(
    people: Any, client_of: Any, actor: Actor, text: str, words: str
) -> None:
    answer = client_of("editor").post(url(people), {"do": "json", "json": text})
    assert (answer.status_code, words in text_of(answer)) == (422, True), text_of(answer)[-3000:]


def test_what_is_refused_names_its_condition(
    people: Any, client_of: Any, actor: Actor, there: Destination
) -> None:
    client = client_of("editor")
    example = Fields(text_of(client.get(f"{url(people)}?example=undecided"))).sent
    for changes, words in (
        ({"c-0.count": "often"}, "The count: &#x27;often&#x27; is no count"),
        ({"c-1.within": "4000"}, "The window: &#x27;4000d&#x27; is longer than possible"),
        ({"name": ""}, "has no letter"),
        ({"name": "Taken"}, "The audience Taken has the key taken"),
    ):
        if "Taken" in changes.values():
            audience(actor, name="Taken")
        answer = client.post(url(people), {**example, **changes, "do": "create"})
        assert (answer.status_code, words in text_of(answer)) == (422, True), words
        assert "data-error" in text_of(answer)
    assert Computation.objects.count() == 1


def test_the_preview_says_who_and_why(people: Any, client_of: Any, actor: Actor, stored: Store) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(f"{url(people)}?example=undecided"))).sent
    page = collapsed(text_of(client.post(url(people, "preview"), {**fields, "person": "bob@example.com"})))
    assert '<strong title="2">2</strong> people' in page
    assert "1 of them has no address: Mailjet cannot reach this one." in page
    assert "u-ada · ada@example.com" in page
    assert "Product Viewed at least 3 times within 7 days: yes, 3 times" in page
    assert "viewed_often_but_no_order" in page
    explained = text_of(client.post(url(people, "explain"), {**fields, "person": "bob@example.com"}))
    for part in (page, explained):
        assert "No u-bob · bob@example.com" in visible_text(part)
    nobody = text_of(client.post(url(people, "explain"), {**fields, "person": "zoe"}))
    assert "Engage knows nobody by this userId" in nobody


def test_the_preview_counts_anew_while_the_history_is_loaded(
    people: Any, client_of: Any, actor: Actor, stored: Store
) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(f"{url(people)}?example=undecided"))).sent
    assert "The history is being loaded" not in text_of(client.post(url(people, "preview"), fields))
    computations.load_history(actor, Space.objects.get())
    store.Meta(stored.connection).set(began=200, history_place=50)
    page = text_of(client.post(url(people, "preview"), fields))
    assert "The history is being loaded (25 %)" in page
    assert f'hx-post="{url(people, "preview")}" hx-trigger="load delay:2s"' in page


def test_without_javascript_a_button_previews(
    people: Any, client_of: Any, actor: Actor, stored: Store
) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(f"{url(people)}?example=undecided"))).sent
    page = collapsed(text_of(client.post(url(people), {**fields, "do": "check", "person": "u-ada"})))
    assert '<strong title="2">2</strong> people' in page
    assert "Yes u-ada · ada@" in visible_text(page)


def test_the_preview_says_what_is_not_complete(
    people: Any, client_of: Any, actor: Actor, stored: Store
) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(url(people)))).sent
    assert "Describe people by what they did" in text_of(client.post(url(people, "preview"), fields))
    fields |= {"c-0.first.event": "A", "c-0.count": "x"}
    page = text_of(client.post(url(people, "preview"), {**fields, "person": "u-ada"}))
    assert "<strong>Condition 1:</strong> The count:" in page
    assert "The definition is not complete yet." in page


def test_previews_wait_for_each_other(people: Any, client_of: Any, actor: Actor, monkeypatch: Any) -> None:
    monkeypatch.setattr(builder, "_WAIT", 0)
    client = client_of("editor")
    fields = Fields(text_of(client.get(f"{url(people)}?example=ordered"))).sent
    with builder._at_once, builder._at_once:
        page = text_of(client.post(url(people, "preview"), fields))
    assert "This one is next" in page
    assert f'hx-post="{url(people, "preview")}" hx-trigger="load delay:1s"' in page
    assert "This one is next" not in text_of(client.post(url(people, "preview"), fields))


def test_the_largest_definition_fits_into_the_form(people: Any, client_of: Any, actor: Actor) -> None:
    step = {"event": "A", "where": [["p", "=", "x"]]}
    funnel = {
        "funnel": {"first": {**step, "between": ["1d", "2d"]}, "then": step, "within": "1h", "did": True}
    }
    largest = {"any": [{"not": {"all": [funnel] * 5}} for _ in range(10)]}
    client = client_of("editor")
    page = text_of(client.post(url(people), {"do": "json", "json": json.dumps(largest)}))
    answer = client.post(url(people), {**Fields(page).sent, "name": "Largest", "do": "create"})
    assert answer.status_code == 302
    assert Computation.objects.get().definition == largest


def test_an_audience_that_is_not_there_stays_named(people: Any, client_of: Any, actor: Actor) -> None:
    page = text_of(client_of("editor").post(url(people), {"do": "json", "json": '{"audience": "gone"}'}))
    fields = Fields(page).sent
    assert fields["c-0.audience"] == "gone"
    answer = client_of("editor").post(url(people), {**fields, "name": "A", "do": "create"})
    assert "there is no audience with the key gone" in text_of(answer)


def test_names_and_values_are_offered_from_what_was_sent(
    people: Any, client_of: Any, actor: Actor, stored: Store
) -> None:
    source = people.workspace.sources.create(kind="http", name="Web")
    for total, type_, event, name in (
        (9, "track", "Product Viewed", ""),
        (9, "track", "Product Viewed", "colour"),
        (1, "page", "", ""),
        (1, "identify", "", "age"),
    ):
        NameRow.objects.create(
            source_id=source.id,
            type=type_,
            event=event,
            name=name,
            total=total,
            kinds=1,
            first_at=1,
            last_at=1,
        )
    fields = Fields(text_of(client_of("editor").get(url(people)))).sent
    fields |= {"c-0.first.event": "Product Viewed", "do": "add-where:c-0.first"}
    fields = Fields(text_of(client_of("editor").post(url(people), fields))).sent
    fields |= {"c-0.first.w0.path": "sku", "c-0.first.w0.value": "7"}
    page = text_of(client_of("editor").post(url(people, "preview"), fields))
    lists = {
        part.partition('"')[0]: part.partition(">")[2].partition("</datalist>")[0]
        for part in page.split('<datalist id="')[1:]
    }
    names = lambda id_: [part.partition('"')[0] for part in lists[id_].split('value="')[1:]]  # noqa: E731
    assert names("offer-events") == ["Product Viewed", "Page Viewed"]
    assert names("offer-traits") == ["age", "plan"]
    assert names("offer-c-0.first") == ["colour", "price", "sku"]
    assert names("offer-c-0.first.w0") == ["007"]
    assert (
        "7 is a number, and sku holds values such as &#x27;007&#x27;. Quotation marks make it a text." in page
    )


def test_an_audience_is_edited(people: Any, client_of: Any, actor: Actor, stored: Store) -> None:
    row = audience(actor, {"all": [{"event": "Order Completed"}]})
    client, page = client_of("editor"), url(people, f"{row.id}/edit")
    fields = Fields(text_of(client.get(page))).sent
    assert "name" not in fields
    answer = client.post(page, {**fields, "do": "create"}, follow=True)
    assert "Nothing changed." in text_of(answer)
    previewed = text_of(client.post(url(people, "preview"), {**fields, "c-0.first.event": "Product Viewed"}))
    assert '<span class="badge accent">new</span>' in previewed
    client.post(page, {**fields, "c-0.first.event": "Product Viewed", "do": "create"})
    row.refresh_from_db()
    assert (row.version, row.definition, row.name) == (2, {"event": "Product Viewed"}, "Undecided")
    assert [version.written_by for version in DefinitionVersion.objects.order_by("version")] == [
        "emil@example.com",
        "emil@example.com",
    ]


def test_an_edit_does_not_replace_one_that_was_saved_meanwhile(
    people: Any, client_of: Any, actor: Actor
) -> None:
    row = audience(actor, {"event": "Order Completed"})
    client, page = client_of("editor"), url(people, f"{row.id}/edit")
    fields = Fields(text_of(client.get(page))).sent
    more = Fields(text_of(client.post(page, {**fields, "do": "add-event:c"}))).sent
    client.post(page, {**fields, "c-0.first.event": "First", "do": "create"})
    second = {**more, "c-0.first.event": "Second", "c-1.first.event": "Third", "do": "create"}
    refused = client.post(page, second)
    assert (refused.status_code, "was changed meanwhile: it has version 2" in text_of(refused)) == (409, True)
    row.refresh_from_db()
    assert (row.version, row.definition) == (2, {"event": "First"})
    fields = Fields(text_of(refused)).sent
    assert (fields["c-0.first.event"], fields["c-1.first.event"]) == ("Second", "Third"), (
        "nothing typed is lost"
    )
    client.post(page, {**fields, "do": "create"})
    row.refresh_from_db()
    assert (row.version, row.definition["all"][0]["event"]) == (3, "Second")


def test_circles_are_refused_with_names(people: Any, client_of: Any, actor: Actor) -> None:
    first = audience(actor, name="First")
    second = audience(actor, {"audience": "first"}, name="Second")
    client, page = client_of("editor"), url(people, f"{first.id}/edit")
    form = text_of(client.get(page))
    assert 'value="second"' not in form, "the select is there once an audience is added"
    fields = Fields(text_of(client.post(page, {**Fields(form).sent, "do": "add-audience:c"}))).sent
    answer = client.post(page, {**fields, "c-2.audience": second.key, "do": "create"})
    assert (answer.status_code, "First → Second → First" in text_of(answer)) == (422, True)


def test_nobody_sees_another_workspaces_audience(people: Any, client_of: Any, actor: Actor) -> None:
    row = audience(actor)
    computations.switch(Actor(people.elsewhere, people.outsider), enabled=True)
    client = client_of("outsider")
    there = f"/w/{people.elsewhere.id}/engage/audiences/"
    assert client.get(f"{there}{row.id}/edit").status_code == 404
    assert client.post(f"{there}preview", {"computation": row.id}).status_code == 404
    assert client.get(url(people, f"{row.id}/edit")).status_code == 404
    assert client_of("viewer").get(url(people, f"{row.id}/edit")).status_code == 403
    assert Space.objects.count() == 2
