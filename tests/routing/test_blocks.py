"""What is blocked at a source reaches no destination; consent and calls to be forgotten do."""

from typing import Any

import pytest
from tests.routing.test_filters import message

from jetbridge.routing.filters import Filter, Filters
from jetbridge.routing.properties import Blocks
from jetbridge.routing.route import BLOCKED_AT_SOURCE, Decision, Route
from jetbridge.spec.message import Message

BLOCKS = [
    ("track", "Ping", ""),
    ("page", "", ""),
    ("track", "Order", "total"),
    ("track", "", "total"),
    ("identify", "", "plan"),
    ("identify", "", "preferences"),
]


def decided(arriving: Message, source: int = 1, **fields: Any) -> Decision:
    blocks = {1: Blocks(BLOCKS)}
    return Route(frozenset(), (), {1: "http", 2: "http"}, blocks=blocks, **fields).decide(arriving, source)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "track", "event": "Ping"}, BLOCKED_AT_SOURCE),
        ({"type": "track", "event": "ping"}, None),
        ({"type": "page", "name": "Home"}, BLOCKED_AT_SOURCE),
        ({"type": "screen", "event": "Ping"}, None),
        ({"type": "identify"}, None),
    ],
)
def test_an_event_that_is_blocked_goes_nowhere(fields: dict[str, Any], reason: str | None) -> None:
    assert decided(message(**fields)).reason == reason
    assert decided(message(**fields), source=2).reason is None


@pytest.mark.parametrize(
    ("fields", "part", "expected"),
    [
        ({"type": "track", "event": "Order", "properties": {"total": 1, "id": 2}}, "properties", {"id": 2}),
        ({"type": "track", "event": "Other", "properties": {"total": 1}}, "properties", {"total": 1}),
        ({"type": "track", "properties": {"total": 1}}, "properties", {}),
        ({"traits": {"plan": "pro", "email": "a@b.c"}}, "traits", {"email": "a@b.c"}),
        ({"context": {"traits": {"plan": "pro"}, "ip": "1"}}, "context", {"traits": {}, "ip": "1"}),
    ],
)
def test_a_property_or_trait_that_is_blocked_is_taken_away(
    fields: dict[str, Any], part: str, expected: Any
) -> None:
    assert getattr(decided(message(**fields)).message, part) == expected
    assert getattr(decided(message(**fields), source=2).message, part) == fields[part]


def test_filters_do_not_see_what_is_blocked() -> None:
    filters = Filters([Filter("Plan", "traits.plan = 'pro'")])
    assert decided(message(traits={"plan": "pro"}), filters=filters).reason is None


def test_consent_inside_of_what_is_blocked_stays() -> None:
    arriving = message(traits={"preferences": {"news": False, "colour": "red"}, "plan": "pro"})
    sent = decided(arriving, consent_traits=["preferences.news"]).message
    assert sent.traits == {"preferences": {"news": False}}


def test_a_call_to_be_forgotten_is_never_touched() -> None:
    asked = message(type="delete", traits={"plan": "pro"})
    route = Route(
        frozenset(), (), {1: "http"}, blocks={1: Blocks([("delete", "", ""), ("delete", "", "plan")])}
    )
    assert route.decide(asked, 1) == (None, asked, "")
