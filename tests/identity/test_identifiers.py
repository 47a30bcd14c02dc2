"""Which identifiers a message has, and which of its values identify nobody."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.identity.identifiers import MAX_CHARACTERS, MAX_EXTERNAL_IDS, Identifier, identifiers_of
from jetbridge.integrations.mailjet.api.events import parse
from jetbridge.integrations.mailjet.events.track import email_event_to_track
from jetbridge.spec.message import Message

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def message(type_: str = "track", **fields: Any) -> Message:
    return Message(type=type_, message_id="m", timestamp=NOW, received_at=NOW, **fields)


def usable(message: Message) -> list[tuple[str, str]]:
    return [tuple(identifier) for identifier in identifiers_of(message).usable]


def external_id(**fields: Any) -> dict[str, Any]:
    return {"id": "1", "type": "phone", "collection": "users", "encoding": "none"} | fields


def test_priorities_are_user_id_email_and_then_by_name() -> None:
    context = {
        "device": {"type": "ios", "id": "D", "advertisingId": "I", "adTrackingEnabled": True, "token": "T"},
        "externalIds": [external_id(), external_id(type="app_id", id="2")],
        "integrations": {"Google Analytics": {"clientId": "G"}},
    }
    call = message("identify", user_id="u", anonymous_id="a", traits={"email": "U@x.io"}, context=context)
    assert usable(call) == [
        ("user_id", "u"),
        ("email", "u@x.io"),
        ("anonymous_id", "a"),
        ("app_id", "2"),
        ("ga_client_id", "G"),
        ("ios.id", "D"),
        ("ios.idfa", "I"),
        ("ios.push_token", "T"),
        ("phone", "1"),
    ]


@pytest.mark.parametrize(
    ("device", "kinds"),
    [
        ({"type": "android", "id": "D"}, ["android.id"]),
        ({"type": "android", "advertisingId": "A"}, []),
        ({"type": "android", "advertisingId": "A", "adTrackingEnabled": "true"}, []),
        ({"type": "android", "advertisingId": "A", "adTrackingEnabled": True}, ["android.idfa"]),
        ({"type": "Android", "id": "D"}, []),
        ({"type": ["ios"], "id": "D"}, []),
        ({"type": "ios", "id": 5, "token": None}, []),
        ("ios", []),
    ],
)
def test_devices(device: Any, kinds: list[str]) -> None:
    assert [kind for kind, _ in usable(message(context={"device": device}))] == kinds


def test_an_address_counts_in_traits_of_identify_and_in_the_context_of_every_call() -> None:
    context = {"traits": {"email": "in.context@x.io"}}
    call = message("identify", user_id="u", traits={"email": "in.traits@x.io"}, context=context)
    assert usable(call)[1:] == [("email", "in.traits@x.io"), ("email", "in.context@x.io")]
    for type_ in ("track", "page", "screen", "group", "alias"):
        call = message(type_, user_id="u", traits={"email": "company@x.io"}, context=context)
        assert usable(call)[1:] == [("email", "in.context@x.io")]
    assert usable(message(user_id="u", properties={"email": "p@x.io"})) == [("user_id", "u")]


@pytest.mark.parametrize(
    ("sent", "email"),
    [
        (" Jane@X.IO ", "jane@x.io"),
        ("jane@münchen.de", "jane@xn--mnchen-3ya.de"),
        ("no address", None),
        (5, None),
        ([], None),
    ],
)
def test_an_email_has_one_spelling(sent: Any, email: str | None) -> None:
    expected = [] if email is None else [("email", email)]
    assert usable(message("identify", traits={"email": sent})) == expected
    assert usable(message("identify", traits={"E-Mail": sent})) == expected


def test_the_address_of_an_email_event_is_an_email() -> None:
    body = b'{"event": "open", "time": 1700000000, "MessageID": 5, "email": "jane@x.io"}'
    for user_id, expected in (
        (None, [("email", "jane@x.io")]),
        ("u", [("user_id", "u"), ("email", "jane@x.io")]),
    ):
        event, raw = parse(body)
        call = email_event_to_track(event, raw, email="jane@x.io", user_id=user_id, received_at=NOW)
        assert usable(call) == expected


def test_an_address_as_anonymous_id_of_others_stays_one() -> None:
    call = message(anonymous_id="jane@x.io", context={"traits": {"email": "jane@x.io"}})
    assert usable(call) == [("email", "jane@x.io"), ("anonymous_id", "jane@x.io")]


@pytest.mark.parametrize(
    "entry",
    [
        external_id(collection="accounts"),
        external_id(encoding="base64"),
        external_id(type="Phone"),
        external_id(type="x" * 65),
        external_id(type=""),
        external_id(type="group_id"),
        external_id(type="segment_id"),
        external_id(id=5),
        external_id(type=None),
        {"id": "1", "type": "phone"},
        "phone",
        None,
    ],
)
def test_external_ids_that_are_none(entry: Any) -> None:
    assert usable(message(context={"externalIds": [entry, external_id(id="good")]})) == [("phone", "good")]


def test_external_ids_are_bounded() -> None:
    entries = [external_id(id=f"x{n}") for n in range(MAX_EXTERNAL_IDS + 1)]
    assert len(usable(message(context={"externalIds": entries}))) == MAX_EXTERNAL_IDS
    assert usable(message(context={"externalIds": {"0": external_id()}})) == []


def test_an_external_email_is_an_address() -> None:
    entries = [external_id(type="email", id="Jane@x.io"), external_id(type="email", id="none")]
    assert usable(message(context={"externalIds": entries})) == [("email", "jane@x.io")]


@pytest.mark.parametrize(
    "value", ["", "0", "000", "-", "0-0-0", "-1", "null", "anonymous", "a\x00b", "\ud800"]
)
def test_values_that_identify_nobody(value: str) -> None:
    found = identifiers_of(message(user_id=value, anonymous_id="a"))
    assert found.usable == (Identifier("anonymous_id", "a"),)
    assert found.blocked == (Identifier("user_id", value),)


@pytest.mark.parametrize(
    "value", ["0\n", "00a", "-2", "NULL", "Anonymous", " null", "\u0660", "x" * MAX_CHARACTERS]
)
def test_values_that_only_look_like_them(value: str) -> None:
    assert usable(message(user_id=value)) == [("user_id", value)]


def test_a_long_value_identifies_nobody() -> None:
    assert usable(message(user_id="x" * (MAX_CHARACTERS + 1))) == []


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.sampled_from(["ios", "users", "none"])
)
_keys = st.sampled_from(
    [
        "traits",
        "email",
        "device",
        "type",
        "id",
        "token",
        "externalIds",
        "collection",
        "encoding",
        "integrations",
    ]
)
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_keys | st.just("Google Analytics"), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.dictionaries(_keys, _json, max_size=5), st.dictionaries(_keys, _json, max_size=2))
def test_whatever_stands_in_their_places(context: dict[str, Any], traits: dict[str, Any]) -> None:
    found = identifiers_of(message("identify", user_id="u", traits=traits, context=context))
    assert found.usable[0] == ("user_id", "u")
    assert all(isinstance(value, str) for _, value in found.usable)


def test_own_blocked_values_are_exact() -> None:
    def blocks(sent: str, *blocked: str) -> bool:
        call = message("identify", user_id=sent, traits={"email": sent})
        return not identifiers_of(call, blocked).usable

    assert blocks("void", "void")
    assert not blocks("Void", "void")
    assert not blocks("void ", "void")
    call = message("identify", traits={"email": "Shop@x.io"})
    assert identifiers_of(call, {"shop@x.io"}).usable == identifiers_of(call, {"Shop@x.io"}).usable == ()
    assert identifiers_of(call, {"SHOP@x.io"}).usable


def test_a_group_and_a_delete_bring_no_identifier_of_their_own() -> None:
    assert usable(message("group", user_id="u", group_id="g")) == [("user_id", "u")]
    assert usable(message("delete", user_id="u")) == []
