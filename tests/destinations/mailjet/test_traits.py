from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jetbridge.destinations.mailjet.mapping import Mapping
from jetbridge.destinations.mailjet.traits import Wish, wish
from jetbridge.errors import MessageRejected
from jetbridge.spec.message import Message

ALL = Mapping()
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def identify(**fields: Any) -> Message:
    return Message(type="identify", message_id="m", timestamp=NOON, received_at=NOON, **fields)


def test_a_wish_has_the_address_in_its_one_spelling_and_the_default_list() -> None:
    message = identify(user_id="u", traits={"email": " Ada@Example.COM "})
    assert wish(message, 7, ALL) == Wish(
        "u", "ada@example.com", {}, 1793534400000, 7, "addnoforce", 1793534400000
    )


def test_an_action_is_asked_for_at_its_receipt_at_the_latest() -> None:
    ahead = identify(traits={"email": "a@b.com"}, integrations={"Mailjet": {"action": "addforce"}})
    ahead.timestamp = NOON + timedelta(hours=20)
    each = wish(ahead, 7, ALL)
    assert (each.time, each.asked_at) == (1793534400000 + 72_000_000, 1793534400000)


def test_the_integrations_object_overrides_list_and_action() -> None:
    options = {"Mailjet": {"listId": "12", "action": "unsub"}}
    each = wish(identify(traits={"email": "a@b.com"}, integrations=options, settings={"listId": 11}), 7, ALL)
    assert (each.list_id, each.action) == (12, "unsub")


def test_settings_that_came_with_the_call_override_the_default_list() -> None:
    assert wish(identify(traits={}, settings={"listId": "11"}), 7, ALL).list_id == 11


def test_the_address_may_stand_in_the_context() -> None:
    assert wish(identify(context={"traits": {"email": "a@b.com"}}), 7, ALL).email == "a@b.com"


@pytest.mark.parametrize("email", ["nobody", "a@b", "a b@c.de", 5, {"x": 1}, "a@b..de", ".a@b.de", "x" * 300])
def test_what_is_no_address_is_rejected_with_its_reason(email: Any) -> None:
    with pytest.raises(MessageRejected) as caught:
        wish(identify(traits={"email": email}), 7, ALL)
    assert caught.value.code == "INVALID_EMAIL"


@pytest.mark.parametrize("options", [{"listId": "x"}, {"listId": 0}, {"listId": True}, {"action": "explode"}])
def test_options_that_make_no_sense_are_rejected_with_their_reason(options: dict[str, Any]) -> None:
    with pytest.raises(MessageRejected) as caught:
        wish(identify(traits={"email": "a@b.com"}, integrations={"Mailjet": options}), 7, ALL)
    assert caught.value.code == "INVALID_SETTINGS"


def test_a_clock_that_is_years_ahead_does_not_win_for_years() -> None:
    message = identify(traits={"email": "a@b.com"})
    message.timestamp = NOON.replace(year=2099)
    assert wish(message, 7, ALL).time == wish(identify(traits={}), 7, ALL).time + 24 * 3600 * 1000


@pytest.mark.parametrize("said", [True, "true", " TRUE", 1])
@pytest.mark.parametrize("action", ["addnoforce", "addforce", "remove", "unsub"])
def test_unsubscribed_is_the_last_word_of_its_call(said: Any, action: str) -> None:
    options = {"Mailjet": {"action": action}}
    each = wish(identify(traits={"email": "a@b.com", "unsubscribed": said}, integrations=options), 7, ALL)
    assert each.action == "unsub"


@pytest.mark.parametrize("said", [False, "false", None, 0, "yes", "", [True], {"a": 1}])
def test_anything_but_true_unsubscribes_nobody(said: Any) -> None:
    assert wish(identify(traits={"email": "a@b.com", "unsubscribed": said}), 7, ALL).action == "addnoforce"


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
    each = wish(identify(traits={"email": "a@b.com", **traits}), 7, ALL, "prefs.no_mail")
    assert each.action == action
