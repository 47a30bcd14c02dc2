"""Computed traits: recipes, the form, previews with old and new values, and the pages of one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st
from tests.engage.stored import Store
from tests.pages import collapsed

from jetbridge.console.engage import draft as drafts
from jetbridge.console.engage import recipes
from jetbridge.console.engage.draft import ComputedDraft
from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination
from jetbridge.engage.definition import (
    KINDS_WITHOUT_PROPERTY,
    WHERE_OPS,
    ComputedKind,
    computed_json,
    parse_computed,
)
from jetbridge.engage.models import VALUE_TYPES, Activation, Computation, ComputationClass
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import computations, new_destinations

from .engage import Fields, visible_text

SPENT = {"computed": "sum", "event": "Order Completed", "property": "total", "within": "365d"}


@pytest.fixture
def actor(people: Any, event_log: SqliteEventLog) -> Actor:
    actor = Actor(people.workspace, people.editor)
    computations.switch(actor, enabled=True)
    return actor


@pytest.fixture
def row(actor: Actor) -> Computation:
    return computations.create(actor, ComputationClass.TRAIT, "Spent", SPENT).row


@pytest.fixture
def stored(home: Path, actor: Actor) -> Iterator[Store]:
    """Ada has ordered for 20 and 30, Bob for 5; the worker has computed what Ada has spent before her second order."""
    made = Store(home, actor.workspace.id)
    ada = made.person("user_id:ada", "email:ada@example.com")
    bob = made.person("user_id:bob")
    made.person("user_id:nobody")
    made.happened(ada, "Order Completed", 3, total=20, order_id="O-1")
    made.happened(ada, "Order Completed", 2, total=30, order_id="O-2")
    made.happened(bob, "Order Completed", 1, total=5, order_id="O-3")
    made.computed("spent", size=1)
    made.value("spent", ada, 20)
    yield made
    made.close()


@pytest.fixture
def there(actor: Actor, event_log: SqliteEventLog) -> Destination:
    return new_destinations.add(event_log, actor.workspace, "segment", "There", {"writeKey": "k"}, sources=[])


def url(people: Any, path: str = "") -> str:
    return f"/w/{people.workspace.id}/engage/computed-traits/{path}"


def text_of(answer: Any) -> str:
    return answer.content.decode()  # type: ignore[no-any-return]


# ---- the form


VALUES = st.one_of(st.integers(-99, 99), st.booleans(), st.text("ab 1", min_size=1, max_size=4))
CONDITIONS = st.one_of(
    st.tuples(st.just("total"), st.sampled_from([">", "<="]), st.integers(0, 99)),
    st.tuples(st.sampled_from(["sku", "a.b"]), st.sampled_from(["=", "!="]), VALUES),
    st.tuples(st.just("coupon"), st.sampled_from(["exists", "absent"])),
    st.tuples(st.just("sku"), st.just("in"), st.lists(VALUES, min_size=1, max_size=3)),
).map(list)
DURATIONS = st.sampled_from(["1s", "90m", "36h", "7d"])
WINDOWS = st.one_of(
    st.just({}),
    st.builds(lambda text: {"within": text}, DURATIONS),
    st.just({"between": ["30d", "90d"]}),
    st.builds(lambda text: {"session": text}, DURATIONS),
)


@st.composite
def definitions(draw: Any) -> dict[str, Any]:
    kind = draw(st.sampled_from(get_args(ComputedKind)))
    made = {"computed": kind, "event": draw(st.sampled_from(["A", "Order Completed"])), **draw(WINDOWS)}
    if where := draw(st.lists(CONDITIONS, max_size=3)):
        made["where"] = where
    return (
        made
        if kind in KINDS_WITHOUT_PROPERTY
        else {**made, "property": draw(st.sampled_from(["total", "a.b"]))}
    )


@given(definitions())
def test_what_is_shown_comes_back_as_the_same_definition(definition: dict[str, Any]) -> None:
    draft = ComputedDraft.of(parse_computed(definition))
    context = {
        "typed": {"draft": draft, "is_trait": True},
        "computed_kinds": drafts.COMPUTED_KINDS,
        "units": drafts.UNITS,
        "where_operators": [(op, op) for op in WHERE_OPS],
    }
    html = render_to_string("console/engage/_conditions.html", context).partition('<div id="offers"')[0]
    typed = ComputedDraft.typed(Fields(html).sent).json()
    assert computed_json(parse_computed(typed)) == computed_json(parse_computed(definition))


def test_every_kind_has_words_and_a_type() -> None:
    assert set(drafts.COMPUTED_KINDS) == set(get_args(ComputedKind))
    assert set(VALUE_TYPES) == set(get_args(ComputedKind))


@pytest.mark.parametrize("recipe", recipes.RECIPES)
def test_a_recipe_is_created_by_its_form_as_it_is(
    people: Any, client_of: Any, actor: Actor, recipe: str
) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(url(people, f"new?example={recipe}")))).sent
    assert client.post(url(people, "new"), {**fields, "do": "create"}).status_code == 302
    made = Computation.objects.get()
    name, definition = recipes.RECIPES[recipe]
    assert (made.name, made.definition, made.computation_class) == (name, definition, ComputationClass.TRAIT)


def test_buttons_and_json_change_the_form(people: Any, client_of: Any, actor: Actor) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(url(people, "new?example=lifetime-value")))).sent
    fields = Fields(text_of(client.post(url(people, "new"), {**fields, "do": "add-where:c.first"}))).sent
    assert fields["c.first.w0.path"] == ""
    fields = Fields(text_of(client.post(url(people, "new"), {**fields, "do": "remove-where:c.first.0"}))).sent
    assert "c.first.w0.path" not in fields
    definition = {"computed": "event_counter", "event": "A", "session": "30m"}
    page = text_of(client.post(url(people, "new"), {**fields, "do": "json", "json": json.dumps(definition)}))
    fields = Fields(page).sent
    assert (fields["computed"], fields["c.window"], fields["c.session"]) == ("event_counter", "session", "30")
    assert fields["name"] == "Lifetime value"
    wrong = client.post(url(people, "new"), {"do": "json", "json": '{"event": "A"}'})
    assert (wrong.status_code, "computed" in text_of(wrong)) == (422, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"property": ""}, "The property is still empty."),
        ({"c.first.event": ""}, "The event is still empty."),
        ({"c.window": "within", "c.within": "x"}, "The window:"),
        ({"c.window": "session", "c.session": "99999999"}, "The pause:"),
        ({"name": ""}, "has no letter"),
    ],
)
def test_what_is_refused_names_its_part(
    people: Any, client_of: Any, actor: Actor, changes: dict[str, str], words: str
) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(url(people, "new?example=lifetime-value")))).sent
    answer = client.post(url(people, "new"), {**fields, **changes, "do": "create"})
    assert (answer.status_code, words in text_of(answer)) == (422, True)
    assert not Computation.objects.exists()


# ---- previews


def test_a_preview_has_the_values_of_people(people: Any, client_of: Any, actor: Actor, stored: Store) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(url(people, "new?example=lifetime-value")))).sent
    page = text_of(client.post(url(people, "preview"), {**fields, "person": "bob"}))
    assert '<strong title="2">2</strong> people with a value' in collapsed(page)
    assert "sum of total of Order Completed" in page
    words = " ".join(visible_text(page).split())
    assert "ada · ada@example.com 50 Order Completed 2 times" in words
    assert "5 bob" in words
    nobody = text_of(client.post(url(people, "explain"), {**fields, "person": "nobody"}))
    assert "No value" in collapsed(nobody)


def test_an_edited_one_shows_old_and_new_values(
    people: Any, client_of: Any, actor: Actor, row: Computation, stored: Store
) -> None:
    client = client_of("editor")
    fields = Fields(text_of(client.get(url(people, f"{row.id}/edit")))).sent
    page = " ".join(text_of(client.post(url(people, "preview"), {**fields, "computed": "max"})).split())
    assert '<s class="quiet">20</s> → <code>30</code>' in page
    assert '<s class="quiet">no value</s> → <code>5</code>' in page
    answer = client.post(url(people, f"{row.id}/edit"), {**fields, "computed": "max", "do": "create"})
    assert answer.headers["location"] == url(people, f"{row.id}/")
    row.refresh_from_db()
    assert (row.definition["computed"], row.version) == ("max", 2)


# ---- pages


def test_the_list_begins_with_recipes(people: Any, client_of: Any, actor: Actor) -> None:
    page = text_of(client_of("editor").get(url(people)))
    assert "Create your first computed trait" in page
    for recipe, (name, _) in recipes.RECIPES.items():
        assert f'new?example={recipe}">{name}</a>' in page
    assert "An editor can create one" in text_of(client_of("viewer").get(url(people)))


@pytest.mark.usefixtures("stored")
def test_the_pages_of_one(
    people: Any, client_of: Any, actor: Actor, row: Computation, there: Destination
) -> None:
    client = client_of("editor")
    audience = computations.create(actor, ComputationClass.AUDIENCE, "Ordered", {"event": "A"}).row
    listed = text_of(client.get(url(people)))
    assert f'href="{url(people, f"{row.id}/")}"' in listed
    assert "Ordered" not in listed.partition("<main")[2]
    overview = text_of(client.get(url(people, f"{row.id}/")))
    assert "sum of total of Order Completed within 365 days" in overview
    values = text_of(client.get(url(people, f"{row.id}/members?person=ada")))
    assert '<td class="value" data-label="Value">20</td>' in values
    assert "50 ada · ada@example.com" in " ".join(visible_text(values).split())
    export = client.post(url(people, f"{row.id}/members/export"))
    assert b"ada@example.com" in b"".join(export.streaming_content)
    activate = url(people, f"{row.id}/sync/{there.id}")
    assert "float" in text_of(client.get(activate))
    assert client.post(activate, {"members": "property"}).headers["location"] == url(people, f"{row.id}/sync")
    assert Activation.objects.get().computation == row
    assert "type float" in collapsed(text_of(client.get(url(people, f"{row.id}/sync"))))
    assert client.post(f"{activate}/deactivate").headers["location"] == url(people, f"{row.id}/sync")
    settings = url(people, f"{row.id}/settings")
    assert client.post(settings, {"name": "Paid"}).headers["location"] == settings
    assert client.post(settings, {"enabled": "no"}).headers["location"] == settings
    assert "null</code> to those who were sent a value" in text_of(client.get(settings))
    gone = client.post(url(people, f"{row.id}/delete"), {"typed": "Paid", "members": "false"})
    assert gone.headers["location"] == url(people)
    for other in (audience.id, row.id):
        assert client.get(url(people, f"{other}/")).status_code == 404


def test_values_take_the_role_editor(people: Any, client_of: Any, actor: Actor, row: Computation) -> None:
    client = client_of("viewer")
    for page, status in (("", 200), ("sync", 200), ("settings", 200), ("members", 403), ("edit", 403)):
        assert client.get(url(people, f"{row.id}/{page}")).status_code == status, page
