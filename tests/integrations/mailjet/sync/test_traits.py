import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jetbridge.errors import MessageRejected
from jetbridge.integrations.mailjet.contacts.mapping import Mapping
from jetbridge.integrations.mailjet.contacts.traits import ContactChange, contact_change
from jetbridge.spec.message import Message

ALL = Mapping()
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def identify(**fields: Any) -> Message:
    return Message(type="identify", message_id="m", timestamp=NOON, received_at=NOON, **fields)


def test_a_wish_has_the_address_in_its_one_spelling_and_the_default_list() -> None:
    message = identify(user_id="u", traits={"email": " Ada@Example.COM "})
    assert contact_change(message, 7, ALL) == ContactChange(
        "u", "ada@example.com", {}, 1793534400000, 7, "addnoforce", 1793534400000
    )


def test_an_action_is_asked_for_at_its_receipt_at_the_latest() -> None:
    ahead = identify(traits={"email": "a@b.com"}, integrations={"Mailjet": {"action": "addforce"}})
    ahead.timestamp = NOON + timedelta(hours=20)
    each = contact_change(ahead, 7, ALL)
    assert (each.time, each.requested_at) == (1793534400000 + 72_000_000, 1793534400000)


def test_the_integrations_object_overrides_list_and_action() -> None:
    options = {"Mailjet": {"listId": "12", "action": "unsub"}}
    each = contact_change(
        identify(traits={"email": "a@b.com"}, integrations=options, settings={"listId": 11}), 7, ALL
    )
    assert (each.list_id, each.action) == (12, "unsub")


def test_settings_that_came_with_the_call_override_the_default_list() -> None:
    assert contact_change(identify(traits={}, settings={"listId": "11"}), 7, ALL).list_id == 11


#: null, and what a form or a library writes for nothing.
NOTHING = (None, "", " ")


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize(
    ("named", "along", "list_id", "action"),
    [
        ({"listId": ...}, None, 7, "addnoforce"),
        ({"listId": ..., "action": "unsub"}, None, 7, "unsub"),
        ({"listId": 12, "action": ...}, None, 12, "addnoforce"),
        ({"listId": ..., "action": ...}, {"listId": "11", "action": "remove"}, 11, "remove"),
        (None, {"listId": ..., "action": ...}, 7, "addnoforce"),
        ({"listId": 12}, {"listId": ...}, 12, "addnoforce"),
    ],
)
def test_null_and_a_blank_text_say_nothing(
    nothing: Any, named: dict[str, Any] | None, along: dict[str, Any] | None, list_id: int, action: str
) -> None:
    named, along = (
        each and {k: nothing if v is ... else v for k, v in each.items()} for each in (named, along)
    )
    message = identify(traits={"email": "a@b.com"}, integrations={"Mailjet": named}, settings=along)
    each = contact_change(message, 7, ALL)
    assert (each.list_id, each.action, each.is_named) == (list_id, action, list_id != 7)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (False, "false"), ([None], "[null]"), ({"a": None}, '{"a": null}'), ("x", "'x'")],
)
def test_what_makes_no_sense_is_shown_as_it_was_sent(value: Any, shown: str) -> None:
    """In the words of JSON, whatever our language calls it."""
    for options in ({"listId": value}, {"action": value}):
        for where in ({"integrations": {"Mailjet": options}}, {"settings": options}):
            with pytest.raises(MessageRejected, match=re.escape(f"{shown} is n")) as caught:
                contact_change(identify(traits={"email": "a@b.com"}, **where), 7, ALL)
            assert caught.value.code == "INVALID_SETTINGS"
    if value != [None]:
        with pytest.raises(MessageRejected, match=re.escape(f"email: {shown} is no email address.")):
            contact_change(identify(traits={"email": value}), 7, ALL)


@pytest.mark.parametrize(
    ("named", "along", "list_id", "is_named"),
    [
        (None, 7, 7, False),
        (None, "7", 7, False),
        (None, 6, 7, False),
        (None, 8, 8, True),
        (7, None, 7, True),
        (6, None, 6, True),
        (6, 7, 6, True),
    ],
)
def test_a_subscriptions_list_is_the_destinations_own_if_it_is_or_was_replaced(
    named: Any, along: Any, list_id: int, *, is_named: bool
) -> None:
    message = identify(
        traits={"email": "a@b.com"},
        integrations=named and {"Mailjet": {"listId": named}},
        settings=along and {"listId": along},
    )
    each = contact_change(message, 7, ALL, former_lists={6})
    assert (each.list_id, each.is_named) == (list_id, is_named)


def test_the_address_may_stand_in_the_context() -> None:
    assert contact_change(identify(context={"traits": {"email": "a@b.com"}}), 7, ALL).email == "a@b.com"


@pytest.mark.parametrize("email", ["nobody", "a@b", "a b@c.de", 5, {"x": 1}, "a@b..de", ".a@b.de", "x" * 300])
def test_what_is_no_address_is_rejected_with_its_reason(email: Any) -> None:
    with pytest.raises(MessageRejected) as caught:
        contact_change(identify(traits={"email": email}), 7, ALL)
    assert caught.value.code == "INVALID_EMAIL"


@pytest.mark.parametrize("options", [{"listId": "x"}, {"listId": 0}, {"listId": True}, {"action": "explode"}])
def test_options_that_make_no_sense_are_rejected_with_their_reason(options: dict[str, Any]) -> None:
    with pytest.raises(MessageRejected) as caught:
        contact_change(identify(traits={"email": "a@b.com"}, integrations={"Mailjet": options}), 7, ALL)
    assert caught.value.code == "INVALID_SETTINGS"


def test_a_clock_that_is_years_ahead_does_not_win_for_years() -> None:
    message = identify(traits={"email": "a@b.com"})
    message.timestamp = NOON.replace(year=2099)
    assert (
        contact_change(message, 7, ALL).time
        == contact_change(identify(traits={}), 7, ALL).time + 24 * 3600 * 1000
    )


@pytest.mark.parametrize("said", [True, "true", " TRUE", 1, "1", "yes", "Oui", "ja", "sí", "on", "t"])
@pytest.mark.parametrize("action", ["addnoforce", "addforce", "remove", "unsub"])
def test_unsubscribed_is_the_last_word_of_its_call(said: Any, action: str) -> None:
    options = {"Mailjet": {"action": action}}
    each = contact_change(
        identify(traits={"email": "a@b.com", "unsubscribed": said}, integrations=options), 7, ALL
    )
    assert each.action == "unsub"


@pytest.mark.parametrize("said", ["unsubscribed", "Opted out", "opt-out", "désabonné", "abgemeldet"])
def test_a_word_for_it_unsubscribes(said: str) -> None:
    for trait in ("unsubscribed", "Status"):
        each = contact_change(identify(traits={"email": "a@b.com", trait: said}), 7, ALL, trait.lower())
        assert (each.action, each.lost) == ("unsub", ())


@pytest.mark.parametrize("said", [False, "false", None, 0, "0", "no", "nein", "", "subscribed", "Opt In"])
@pytest.mark.parametrize("action", ["addnoforce", "addforce", "remove", "unsub"])
def test_a_no_asks_for_what_the_call_asks_for_without_the_trait(said: Any, action: str) -> None:
    options = {"Mailjet": {"action": action}}
    each = contact_change(
        identify(traits={"email": "a@b.com", "unsubscribed": said}, integrations=options), 7, ALL
    )
    assert each.action == action


@pytest.mark.parametrize("said", ["x", 2, "2024-01-31", [True], {"a": 1}])
@pytest.mark.parametrize("action", ["addnoforce", "addforce", "remove", "unsub"])
def test_a_consent_that_cannot_be_read_asks_for_nothing_but_an_unsubscribe(said: Any, action: str) -> None:
    options = {"Mailjet": {"action": action}}
    each = contact_change(
        identify(traits={"email": "a@b.com", "plan": "pro", "Unsubscribed": said}, integrations=options),
        7,
        ALL,
    )
    assert (each.action, each.properties["plan"]) == ("unsub" if action == "unsub" else "keep", "pro")
    ((name, sentence),) = each.lost
    assert (name, sentence.partition(":")[0]) == ("traits.unsubscribed", "UNREADABLE_CONSENT")
    assert each.unreadable in sentence


def test_a_consent_that_was_dropped_while_parsing_cannot_be_read() -> None:
    message = identify(traits={"email": "a@b.com"}, dropped=["traits.unsubscribed"])
    assert contact_change(message, 7, ALL).action == "keep"


def test_traits_in_the_context_of_a_call_without_others_are_properties() -> None:
    message = identify(context={"traits": {"Email": "a@b.com", "plan": "pro", "unsubscribed": "ja"}})
    each = contact_change(message, 7, ALL)
    assert (each.email, each.action) == ("a@b.com", "unsub")
    assert each.properties == {"plan": "pro", "unsubscribed": "ja"}


def test_the_trait_that_holds_the_address_is_no_property_and_the_others_are() -> None:
    each = contact_change(identify(traits={"email_address": "a@b.com", "plan": "pro"}), 7, ALL)
    assert (each.email, each.properties) == ("a@b.com", {"plan": "pro"})
    each = contact_change(identify(traits={"email": "a@b.com", "email_address": "c@d.com"}), 7, ALL)
    assert (each.email, each.properties) == ("a@b.com", {"email_address": "c@d.com"})


@pytest.mark.parametrize(
    ("traits", "email", "is_implied"),
    [({}, "u@b.com", True), ({"email": "a@b.com"}, "a@b.com", False), ({"plan": "pro"}, "u@b.com", True)],
)
def test_a_user_id_that_is_an_address_is_implied(traits: Any, email: str, *, is_implied: bool) -> None:
    each = contact_change(identify(user_id="U@b.com", traits=traits), 7, ALL)
    assert (each.email, each.is_implied) == (email, is_implied)


@pytest.mark.parametrize(
    ("traits", "action"),
    [
        ({"prefs": {"no_mail": True}}, "unsub"),
        ({"prefs.no_mail": True}, "unsub"),
        ({"prefs": {"no_mail": False}}, "addnoforce"),
        ({"prefs": True}, "addnoforce"),
        ({}, "addnoforce"),
    ],
)
def test_the_trait_that_says_so_may_lie_within_an_object(traits: dict[str, Any], action: str) -> None:
    each = contact_change(identify(traits={"email": "a@b.com", **traits}), 7, ALL, "prefs.no_mail")
    assert each.action == action


@pytest.mark.parametrize(
    "path",
    ["", ".All", ".Mailjet", ".Mailjet.listId", ".Mailjet.action"],
)
def test_a_choice_of_list_that_had_to_be_left_out_is_not_guessed(path: str) -> None:
    """A NaN as list ID would put the contact on the destination's own list, which nobody asked for."""
    message = identify(
        traits={"email": "a@b.com"},
        integrations={"Mailjet": {"action": "addforce"}},
        dropped=[f"integrations{path}"],
    )
    with pytest.raises(MessageRejected, match=f"^The value of integrations{path} cannot be read") as caught:
        contact_change(message, 7, ALL)
    assert caught.value.code == "INVALID_SETTINGS"


def test_options_of_others_may_be_left_out() -> None:
    dropped = ["integrations.Slack", "integrations.Mailjet.note", "traits.score"]
    message = identify(traits={"email": "a@b.com"}, integrations={"Mailjet": {"listId": 8}}, dropped=dropped)
    assert contact_change(message, 7, ALL).list_id == 8


@pytest.mark.parametrize("value", [" 12 ", "12\u200b", "\ufeff12", "“12”", "'12'\n"])
def test_what_comes_along_with_a_pasted_list_id_does_not_count(value: str) -> None:
    assert (
        contact_change(identify(traits={"email": "a@b.com"}, settings={"listId": value}), 7, ALL).list_id
        == 12
    )
