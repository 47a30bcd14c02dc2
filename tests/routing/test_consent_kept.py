"""No filter hides that a person has unsubscribed, or that it cannot be read whether they have."""

from random import Random
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz
from tests.routing.test_filters import message

from jetbridge.routing.filters import AllowProperties, DropProperties, Filter, Filters
from jetbridge.routing.route import Route
from jetbridge.spec.person import consent_of

ALL_GONE = {"traits": ["x"], "properties": ["x"], "context": ["x"], "context.traits": ["x"]}


def sent(
    traits: Any, context: Any, *actions: DropProperties | AllowProperties, consent: str = "unsubscribed"
) -> Any:
    filters = Filters([Filter(f"F{number}", "all", action) for number, action in enumerate(actions)])
    route = Route(frozenset(), (), {}, filters=filters, consent_traits=(consent,))
    return route.decide(message(traits=traits, context=context), 1).message


@pytest.mark.parametrize(
    ("consent", "traits", "action", "expected"),
    [
        pytest.param(
            "unsubscribed",
            {"unsubscribed": True, "plan": "a"},
            DropProperties({"traits": ["unsubscribed", "plan"]}),
            {"unsubscribed": True},
            id="dropped by name",
        ),
        pytest.param(
            "unsubscribed",
            {"Un-Subscribed": "yes", "plan": "a"},
            AllowProperties({"traits": ["plan"]}),
            {"plan": "a", "Un-Subscribed": "yes"},
            id="not among those allowed, in another spelling",
        ),
        pytest.param(
            "preferences.news",
            {"preferences": {"news": "no", "colour": "red"}, "plan": "a"},
            DropProperties({"traits": ["preferences"]}),
            {"preferences": {"news": "no"}, "plan": "a"},
            id="inside of an object that is dropped",
        ),
        pytest.param(
            "preferences.news",
            {"preferences": {"news": 3, "colour": "red"}},
            AllowProperties({"traits.preferences": ["colour"]}),
            {"preferences": {"news": 3, "colour": "red"}},
            id="one that cannot be read",
        ),
        pytest.param(
            "preferences.news",
            {"preferences": "none", "plan": "a"},
            DropProperties({"traits": ["preferences"]}),
            {"plan": "a"},
            id="what carries no consent goes",
        ),
    ],
)
def test_consent_stays(consent: str, traits: Any, action: Any, expected: Any) -> None:
    assert sent(traits, None, action, consent=consent).traits == expected
    assert sent(None, {"traits": traits}, _in_context(action), consent=consent).context == {
        "traits": expected
    }


def _in_context(action: Any) -> Any:
    return type(action)({f"context.{path}": names for path, names in action.fields.items()})


def test_it_stays_where_all_of_the_context_goes() -> None:
    context = {"ip": "1.2.3.4", "traits": {"unsubscribed": True, "plan": "a"}}
    changed = sent({"email": "a@b.c"}, context, AllowProperties(ALL_GONE))
    assert (changed.traits, changed.context) == ({}, {"traits": {"unsubscribed": True}})


NAMES = [
    "unsubscribed",
    "Unsubscribed",
    "un_subscribed",
    "preferences",
    "Preferences",
    "news",
    "traits",
    "plan",
]
VALUES: list[Any] = [None, True, False, "yes", "no", "perhaps", 1, "", [], {}]


def an_object(random: Random, levels: int = 2) -> dict[str, Any]:
    return {
        name: an_object(random, levels - 1) if levels and random.random() >= 0.6 else random.choice(VALUES)
        for name in random.sample(NAMES, random.randrange(4))
    }


PLACES = ["traits", "context", "context.traits", "traits.preferences", "context.traits.preferences"]
ACTION = mk.builds(
    lambda kind, fields: kind(fields),
    mk.sampled_from([DropProperties, AllowProperties]),
    mk.dictionaries(mk.sampled_from(PLACES), mk.lists(mk.sampled_from(NAMES), least=1), most=2),
)


@fuzz(
    PURE,
    traits=mk.one_of(mk.just(None), an_object),
    context=mk.one_of(mk.just(None), an_object, lambda random: {"traits": an_object(random)}),
    actions=mk.lists(ACTION, least=1, most=2),
    consent=mk.sampled_from(["unsubscribed", "preferences.news", "preferences.unsubscribed"]),
)
def test_what_a_call_says_of_consent_is_the_same_before_and_after_any_filter(
    traits: Any, context: Any, actions: list[Any], consent: str
) -> None:
    arriving = message(traits=traits, context=context)
    changed = sent(traits, context, *actions, consent=consent)
    assert consent_of(changed, consent) == consent_of(arriving, consent)
