from datetime import UTC, datetime
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.spec.booleans import ParsedBoolean
from jetbridge.spec.message import Message
from jetbridge.spec.person import (
    Identity,
    address_of,
    address_of_user,
    consent_of,
    drops_consent,
    explain_missing_address,
    identity_of,
    traits_of,
)

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
VALUES = mk.one_of(
    mk.text(most=4),
    mk.sampled_from(
        [
            None,
            True,
            False,
            0,
            1,
            2,
            0.5,
            "",
            " ",
            "yes",
            "no",
            "x",
            "a@b.com",
            [],
            [1],
            {},
            {"no_mail": "yes"},
            {"email": "a@b.com"},
        ]
    ),
)
NAMES = mk.sampled_from(
    ["email", "Email", "E-Mail", "email_address", "unsubscribed", "Unsubscribed", "prefs", "plan"]
)
TRAITS = mk.dictionaries(mk.one_of(NAMES, mk.text(most=8)), VALUES, most=5)


def identify(**fields: Any) -> Message:
    return Message(type="identify", message_id="m", timestamp=NOON, received_at=NOON, **fields)


@pytest.mark.parametrize(
    ("traits", "context_traits", "said"),
    [
        ({"email": "a@b.com", "Email": "c@d.com"}, {"email": "e@f.com"}, ("email", "a@b.com")),
        ({"Email": "a@b.com"}, None, ("Email", "a@b.com")),
        ({"EMAIL": "a@b.com"}, None, ("EMAIL", "a@b.com")),
        ({"e-mail": "a@b.com"}, None, ("e-mail", "a@b.com")),
        ({"E_Mail": "a@b.com"}, None, ("E_Mail", "a@b.com")),
        ({"\ufeffEmail ": "a@b.com"}, None, ("\ufeffEmail ", "a@b.com")),
        ({"email_address": "a@b.com"}, None, ("email_address", "a@b.com")),
        ({"emailAddress": "c@d.com", "E-Mail": "a@b.com"}, None, ("E-Mail", "a@b.com")),
        ({"email": None, "Email": "a@b.com"}, None, ("Email", "a@b.com")),
        ({"email": "  ", "email_address": "a@b.com"}, None, ("email_address", "a@b.com")),
        ({"email": "nobody", "Email": "a@b.com"}, None, ("email", "nobody")),
        ({"email": 7}, None, ("email", 7)),
        ({}, {"email": "a@b.com"}, ("email", "a@b.com")),
        (None, {"Email": "a@b.com"}, ("Email", "a@b.com")),
        ({"plan": "pro"}, {"email": "a@b.com"}, None),
        ({"mail": "a@b.com", "contact": {"email": "a@b.com"}}, None, None),
        (None, None, None),
    ],
)
def test_the_address_is_where_it_is_found_first(traits: Any, context_traits: Any, said: Any) -> None:
    context = None if context_traits is None else {"traits": context_traits}
    assert address_of(identify(traits=traits, context=context)) == said


@pytest.mark.parametrize("context", [None, {}, {"traits": None}, {"traits": "x"}, {"traits": []}])
def test_traits_are_the_contexts_only_where_there_are_no_others(context: Any) -> None:
    assert traits_of(identify(context=context)) == {}
    assert traits_of(identify(traits={"a": 1}, context={"traits": {"b": 2}})) == {"a": 1}
    assert traits_of(identify(traits={}, context={"traits": {"b": 2}})) == {"b": 2}


@pytest.mark.parametrize(
    ("user_id", "address"),
    [
        (None, None),
        ("u1", None),
        ("Ada@B.com", "ada@b.com"),
        ("x²@b.com", None),
        ("\u200ba@b.com", "a@b.com"),
    ],
)
def test_a_user_id_may_be_an_address(user_id: str | None, address: str | None) -> None:
    assert address_of_user(identify(user_id=user_id)) == address


@pytest.mark.parametrize(
    ("traits", "context_traits", "answer"),
    [
        ({"unsubscribed": "oui"}, None, ParsedBoolean.YES),
        ({"Unsubscribed": True}, None, ParsedBoolean.YES),
        ({"UN-SUBSCRIBED": 1}, None, ParsedBoolean.YES),
        ({"unsubscribed": "no"}, None, ParsedBoolean.NO),
        ({"unsubscribed": ""}, None, ParsedBoolean.MISSING),
        ({"unsubscribed": None}, None, ParsedBoolean.MISSING),
        ({}, None, ParsedBoolean.MISSING),
        ({"unsubscribed": "x"}, None, ParsedBoolean.UNREADABLE),
        ({"unsubscribed": "2024-01-31"}, None, ParsedBoolean.UNREADABLE),
        ({"unsubscribed": [True]}, None, ParsedBoolean.UNREADABLE),
        ({"unsubscribed": {"at": True}}, None, ParsedBoolean.UNREADABLE),
        ({"plan": "pro"}, {"unsubscribed": "ja"}, ParsedBoolean.YES),
        ({"unsubscribed": False}, {"Unsubscribed": "ja"}, ParsedBoolean.YES),
        ({"unsubscribed": False, "Unsubscribed": "yes"}, None, ParsedBoolean.YES),
        ({"unsubscribed": "x"}, {"unsubscribed": "yes"}, ParsedBoolean.YES),
        ({"unsubscribed": "no"}, {"unsubscribed": "x"}, ParsedBoolean.UNREADABLE),
        ({"unsubscribed": "no"}, {"unsubscribed": None}, ParsedBoolean.NO),
    ],
)
def test_an_unsubscribe_counts_wherever_it_is_said(
    traits: Any, context_traits: Any, answer: ParsedBoolean
) -> None:
    context = None if context_traits is None else {"traits": context_traits}
    assert consent_of(identify(traits=traits, context=context), "unsubscribed").unsubscribed is answer


@pytest.mark.parametrize(
    ("traits", "answer"),
    [
        ({"prefs": {"no_mail": "yes"}}, ParsedBoolean.YES),
        ({"Prefs": {"noMail": "yes"}}, ParsedBoolean.YES),
        ({"prefs.no_mail": "yes"}, ParsedBoolean.YES),
        ({"prefs": {"no_mail": "no"}, "prefs.no_mail": "yes"}, ParsedBoolean.YES),
        ({"prefs": {"deep": {"no_mail": "yes"}}}, ParsedBoolean.MISSING),
        ({"prefs": "yes"}, ParsedBoolean.MISSING),
    ],
)
def test_consent_may_lie_within_an_object(traits: Any, answer: ParsedBoolean) -> None:
    assert consent_of(identify(traits=traits), "prefs.no_mail").unsubscribed is answer


@pytest.mark.parametrize(
    ("path", "trait", "drops"),
    [
        ("traits.unsubscribed", "unsubscribed", True),
        ("traits.Unsubscribed", "unsubscribed", True),
        ("context.traits.unsubscribed", "unsubscribed", True),
        ("traits.prefs", "prefs.no_mail", True),
        ("traits.prefs.no_mail", "prefs.no_mail", True),
        ("traits.unsubscribed.0.at", "unsubscribed", True),
        ("traits", "unsubscribed", True),
        ("context", "unsubscribed", True),
        ("context.traits", "unsubscribed", True),
        ("traits.score", "unsubscribed", False),
        ("traits.unsubscribed_at", "unsubscribed", False),
        ("properties.unsubscribed", "unsubscribed", False),
        ("context.unsubscribed", "unsubscribed", False),
    ],
)
def test_a_consent_that_was_dropped_is_unreadable(path: str, trait: str, *, drops: bool) -> None:
    assert drops_consent(path, trait) is drops
    found = consent_of(identify(traits={"plan": "pro"}, dropped=[path]), trait)
    assert found.unsubscribed is (ParsedBoolean.UNREADABLE if drops else ParsedBoolean.MISSING)


def test_an_unsubscribe_beats_what_was_dropped() -> None:
    message = identify(traits={"unsubscribed": True}, dropped=["context.traits.unsubscribed"])
    assert consent_of(message, "unsubscribed").unsubscribed is ParsedBoolean.YES


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"traits": {"mail": "a@b.com", "plan": "pro"}}, "the traits mail, plan. mail looks like one, but is not called email."),
        ({"traits": {"contact": {"email": "a@b.com"}}}, "contact.email looks like one, but is not called email."),
        ({"traits": {"a": 1}, "context": {"traits": {"email": "a@b.com"}}}, "context.traits has one"),
        ({"properties": {"email": "a@b.com"}}, "The call has no traits. properties has one"),
        ({}, "The call has no traits. Send the address as traits.email."),
        ({"traits": {f"t{n}": n for n in range(30)}}, "t6, t7, 22 more."),
    ],
)  # fmt: skip
def test_without_an_address_it_is_told_what_was_seen_and_what_to_set(fields: Any, seen: str) -> None:
    sentence = explain_missing_address(identify(**fields))
    assert seen in sentence
    assert "traits.email" in sentence
    assert "a@b.com" not in sentence


def test_a_person_is_known_by_every_spelling_of_an_address() -> None:
    one = identity_of(identify(traits={"Email": "\u200bAda@MÜNCHEN.de"}, user_id="u1"))
    assert one.emails == {"ada@xn--mnchen-3ya.de", "ada@münchen.de", "\u200bada@münchen.de"}
    assert one.meets(Identity.of_name("ada@münchen.de"))
    assert one.meets(Identity.of_name("ada@xn--mnchen-3ya.de"))
    assert Identity.of_name("ada@münchen.de").meets(
        identity_of(identify(anonymous_id="ADA@xn--mnchen-3ya.de"))
    )
    assert not one.meets(Identity.of_name("ada@muenchen.de"))


NONE = mk.just(None)
MESSAGES = mk.builds(
    identify,
    traits=mk.one_of(NONE, TRAITS),
    context=mk.one_of(NONE, mk.optional(traits=mk.one_of(TRAITS, VALUES))),
    properties=mk.one_of(NONE, TRAITS),
    user_id=mk.one_of(NONE, mk.text(most=8), mk.just("a@b.com")),
    dropped=mk.one_of(NONE, mk.lists(mk.one_of(mk.text(most=8), mk.just("traits.prefs")), most=2)),
)


@fuzz(PURE, message=MESSAGES, trait=mk.sampled_from(["unsubscribed", "prefs.no_mail", ".", "", "E-Mail"]))
def test_any_call_is_read(message: Message, trait: str) -> None:
    said = address_of(message)
    assert said is None or traits_of(message)[said[0]] is said[1]
    found = consent_of(message, trait)
    assert bool(found.why) is (found.unsubscribed is ParsedBoolean.UNREADABLE)
    assert explain_missing_address(message)
    assert identity_of(message).users <= {message.user_id}
