"""Filters from before FQL drop exactly the messages that they dropped then."""

import json
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from tests import makers as mk
from tests.fuzz import PURE, fuzz
from tests.routing import former_filters as former
from tests.routing.fql.expressions import PARSED

from jetbridge.control.models import Destination, Workspace
from jetbridge.routing import filters as present
from jetbridge.routing.filters import Effect, Filters, parse_filters
from jetbridge.routing.fql import glob
from jetbridge.spec.message import Message

migration = import_module("jetbridge.control.migrations.0008_filters_as_fql")
NOW = datetime(2026, 1, 1, tzinfo=UTC)

FIELDS = [
    "type",
    "event",
    "userId",
    "traits",
    "traits.a",
    "traits.a.b",
    "traits.a\\.b",
    "traits.ü x\\y",
    "context.a.b",
    "name.x",
]
#: Texts that mean something to one of the operators, in one way or another.
TEXTS = [
    "x", "X", "a b", "", "1", "-1", "1.5", "1.0", "1e2", "1e999", "-1e999", "nan", " 1 ", "1_0", "٣", "true", "false", "True", "null",
    "[", "[a]", "[!a]", "[^a]", "[a-c]", "[c-a]", "[!c-a]", "[]a]", "[!]a]", "[a-]", "[-a]", "[a\\]", "a*b?c", "**", "*", "?", "\\", "\\*",
    "'", '"', "'\"", "a\nb", "9" * 400, "İ", "x or y",
]  # fmt: skip
PATTERN = mk.text("ab-]![^\\*?c", most=8)
TEXT = mk.one_of(mk.sampled_from(TEXTS), PATTERN, mk.text(most=5))
NUMBERS = [0, 1, 1.0, -1, 1.5, 3, 100, 10, 10**400, 1e308]
SCALAR = mk.one_of(mk.sampled_from([None, True, False, *NUMBERS]), TEXT)
INNER = mk.one_of(SCALAR, mk.lists(SCALAR, most=3), mk.dictionaries(mk.sampled_from("ab"), SCALAR, most=2))
VALUE = mk.one_of(
    SCALAR, INNER, mk.lists(INNER, most=3), mk.dictionaries(mk.sampled_from("ab"), INNER, most=2)
)
OBJECT = mk.one_of(mk.just(None), mk.dictionaries(mk.sampled_from(["a", "a.b", "ü x\\y"]), VALUE, most=3))
CONDITION = mk.builds(
    former.Condition, mk.sampled_from(FIELDS), mk.sampled_from(list(former.OPERATORS)), TEXT
)
ROW = mk.builds(
    former.Filter,
    mk.just("One"),
    mk.lists(CONDITION, least=1, most=3),
    mk.sampled_from(["all", "any"]),
)
MESSAGE = mk.builds(
    Message,
    type=mk.sampled_from(["identify", "track", "delete"]),
    message_id=mk.just("m"),
    timestamp=mk.just(NOW),
    received_at=mk.just(NOW),
    event=mk.one_of(mk.just(None), TEXT),
    user_id=mk.one_of(mk.just(None), TEXT),
    traits=OBJECT,
    context=OBJECT,
)


@fuzz(PARSED, row=ROW, arriving=mk.lists(MESSAGE, least=5, most=5))
def test_a_migrated_filter_drops_what_it_dropped(row: former.Filter, arriving: list[Message]) -> None:
    text = former.dump([row])
    try:
        before = former.Filters(former.parse(text))
    except former.WrongFilters:
        assert migration.converted(text) is None  # and its destination is paused, as it was
        with pytest.raises(present.InvalidFilters):
            parse_filters(text)
        return
    after = Filters(parse_filters(migration.converted(text)))
    for message in arriving:
        dropped = before.dropped_by(message) is not None
        assert after.apply(message).effect is (Effect.FILTERED if dropped else Effect.PASSES)


@fuzz(
    PURE,
    pattern=mk.one_of(PATTERN, mk.text(most=6)),
    tried=mk.lists(mk.text("ab-]![^\\*?cx", most=4), most=10),
    examples=[
        {"pattern": "[!]a]", "tried": ["]", "a", "b"]},
        {"pattern": "[c-a]", "tried": ["c", "a", "-"]},
        {"pattern": "[b-ac-d]", "tried": ["b", "c", "d", "-"]},
        {"pattern": "[a-c-e]", "tried": ["b", "d", "-", "e"]},
    ],
)
def test_a_pattern_of_before_is_a_glob_that_matches_the_same(pattern: str, tried: list[str]) -> None:
    written = migration.glob(pattern)
    for text in [*tried, pattern]:
        assert fnmatchcase(text, pattern) is (written is not None and glob.matcher(written)(text))


@pytest.fixture
def destination(home: Any) -> Destination:
    return Workspace.objects.create(name="Main").destinations.create(kind="segment", name="Segment")


STAFF = [
    {
        "name": "No staff",
        "match": "any",
        "enabled": False,
        "conditions": [
            {"field": "traits.email", "operator": "ends with", "value": "@example.com"},
            {"field": "traits.staff", "operator": "is true"},
        ],
    }
]


def migrated(row: Destination) -> Any:
    migration.write_fql(apps, None)
    row.refresh_from_db()
    return row.settings


def test_stored_filters_are_migrated(destination: Destination) -> None:
    destination.settings = {"filters": json.dumps(STAFF), "endpoint": "https://example.com"}
    destination.save()
    settings = migrated(destination)
    assert settings["endpoint"] == "https://example.com"
    (row,) = parse_filters(settings["filters"])
    assert row.condition == 'match(traits.email, "*@example.com") or traits.staff = true'
    assert (row.name, row.action, row.enabled) == ("No staff", present.Drop(), False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "{}",
        '[{"name": "A"}]',
        json.dumps([{**STAFF[0], "more": 1}]),
        json.dumps([{**STAFF[0], "conditions": []}]),
        json.dumps([{"name": "A", "conditions": [{"field": "type", "operator": "contains", "value": ""}]}]),
    ],
)
def test_what_could_not_be_read_stays_as_it_is(destination: Destination, text: str) -> None:
    destination.settings = {"filters": text}
    destination.save()
    assert migrated(destination) == {"filters": text}


def test_migrating_what_is_migrated_changes_nothing(destination: Destination) -> None:
    destination.settings = {"filters": json.dumps(STAFF)}
    destination.save()
    assert migrated(destination) == migrated(destination)


def test_the_largest_filter_of_before_still_fits() -> None:
    condition = {"field": f"traits.{'x' * 100}", "operator": "does not contain", "value": '"' * 1_000}
    text = json.dumps([{"name": "Large", "conditions": [condition] * 20}])
    assert parse_filters(migration.converted(text))
