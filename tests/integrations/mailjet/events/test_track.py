import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge import __version__
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES, parse
from jetbridge.integrations.mailjet.events.track import Names, email_event_to_track
from jetbridge.spec import email_events as spec
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.spec.message import Message, decode, encode

RECEIVED = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
COMMON: dict[str, Any] = {
    "time": 1433333949,
    "MessageID": 1152921509597813712,
    "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
    "email": "api@mailjet.com",
    "mj_campaign_id": 7257,
    "mj_contact_id": 4,
    "customcampaign": "mj.nl=58424",
    "CustomID": "order-17",
    "Payload": '{"order":17}',
}
PERSON = {"ip": "127.0.0.1", "geo": "US", "agent": "Mozilla/5.0"}
EXTRAS: dict[str, dict[str, Any]] = {
    "sent": {"mj_message_id": "1152921509597813712", "smtp_reply": "sent (250 2.0.0 OK)"},
    "open": PERSON,
    "click": PERSON | {"url": "https://mailjet.com/a"},
    "bounce": {"blocked": False, "hard_bounce": True, "error_related_to": "recipient",
               "error": "user unknown", "comment": "550 5.1.1"},
    "blocked": {"error_related_to": "recipient", "error": "user unknown"},
    "spam": {"source": "JMRPP"},
    "unsub": PERSON | {"mj_list_id": 12},
}  # fmt: skip
NAMES = Names(subject="Spring!", campaign="Spring sale", list="Customers")


def track(event_type: str, names: Names = NAMES, user_id: str | None = "u1", **changes: Any) -> Message:
    sent = {"event": event_type, **COMMON, **EXTRAS[event_type], **changes}
    event, raw = parse(json.dumps(sent).encode())
    email = str(raw["email"])
    return email_event_to_track(event, raw, email=email, user_id=user_id, received_at=RECEIVED, names=names)


SHARED = {
    "email_id": "1152921509597813712",
    "email_subject": "Spring!",
    "campaign_id": "7257",
    "campaign_name": "Spring sale",
    "message_guid": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
    "custom_campaign": "mj.nl=58424",
    "custom_id": "order-17",
    "payload": '{"order":17}',
}


@pytest.mark.parametrize(
    ("event_type", "name", "more"),
    [
        ("sent", "Email Delivered", {"smtp_reply": "sent (250 2.0.0 OK)"}),
        ("open", "Email Opened", {"geo": "US"}),
        (
            "click",
            "Email Link Clicked",
            {"geo": "US", "link_url": "https://mailjet.com/a", "link_id": "95d00d28c7e2f945"},
        ),
        (
            "bounce",
            "Email Bounced",
            {
                "error": "user unknown",
                "error_related_to": "recipient",
                "hard_bounce": True,
                "blocked": False,
                "comment": "550 5.1.1",
            },
        ),
        ("blocked", "Email Blocked", {"error": "user unknown", "error_related_to": "recipient"}),
        ("spam", "Email Marked as Spam", {"source": "JMRPP"}),
        ("unsub", "Unsubscribed", {"geo": "US", "list_id": "12", "list_name": "Customers"}),
    ],
)
def test_each_event_becomes_the_spec_s_track_call(event_type: str, name: str, more: dict[str, Any]) -> None:
    message = track(event_type)
    assert (message.type, message.event, message.channel) == ("track", name, "server")
    assert message.properties == SHARED | more


def test_every_event_type_of_mailjet_has_a_name_and_every_name_is_used() -> None:
    assert set(EVENT_NAMES) == set(EVENT_TYPES)
    assert set(EVENT_NAMES.values()) == set(spec.PROPERTIES)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_properties_of_the_spec_are_text(event_type: str) -> None:
    message = track(event_type)
    assert message.properties is not None
    found = {name: message.properties.get(name) for name in spec.PROPERTIES[str(message.event)]}
    assert {name: type(value) for name, value in found.items()} == dict.fromkeys(found, str)


def test_the_context_says_who_where_and_through_what() -> None:
    context = track("open").context
    raw = COMMON | PERSON | {"event": "open", "MessageID": "1152921509597813712"}
    assert context == {
        "integration": {"name": "Mailjet", "version": __version__},
        "traits": {"email": "api@mailjet.com"},
        "ip": "127.0.0.1",
        "userAgent": "Mozilla/5.0",
        "user_agent": "Mozilla/5.0",
        "location": {"country": "US"},
        "mailjet": raw,
    }


def test_an_event_without_a_place_has_none_in_its_context() -> None:
    assert set(track("sent").context or {}) == {"integration", "traits", "mailjet"}


def test_the_user_id_of_identify_comes_back() -> None:
    message = track("open", user_id="u1")
    assert (message.user_id, message.anonymous_id) == ("u1", None)


def test_without_one_the_address_is_the_anonymous_id() -> None:
    message = track("open", user_id=None)
    assert (message.user_id, message.anonymous_id) == (None, "api@mailjet.com")


def test_it_happened_when_mailjet_says() -> None:
    assert track("open").timestamp == datetime(2015, 6, 3, 12, 19, 9, tzinfo=UTC)
    assert track("open", time="1433333949").timestamp == datetime(2015, 6, 3, 12, 19, 9, tzinfo=UTC)


@pytest.mark.parametrize("time", [None, 0, "", "soon", 10**30, -(10**20), float(10**300)])
def test_an_event_without_a_usable_time_happened_when_it_came(time: Any) -> None:
    assert track("open", time=time).timestamp == RECEIVED


def test_what_is_not_known_is_left_out() -> None:
    message = track(
        "unsub", Names(), mj_campaign_id=0, customcampaign="", CustomID="", Payload="", mj_list_id=0, geo=""
    )
    assert message.properties == {
        "email_id": "1152921509597813712",
        "message_guid": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
    }


def test_the_tag_of_transactional_messages_is_their_campaign_name() -> None:
    properties = track("sent", Names(), customcampaign="Welcome mail").properties
    assert properties is not None
    assert properties["campaign_name"] == "Welcome mail"


def test_the_same_event_sent_twice_has_the_same_message_id() -> None:
    assert track("open").message_id == track("open", user_id=None).message_id
    assert track("open").message_id.startswith("mailjet-")
    assert len(track("open").message_id) == 40


@pytest.mark.parametrize(
    "change",
    [
        {"MessageID": 1152921509597813713},
        {"time": 1433333950},
        {"email": "b@mailjet.com"},
        {"url": "https://mailjet.com/b"},
    ],
)
def test_events_that_differ_have_different_message_ids(change: dict[str, Any]) -> None:
    assert track("click", **change).message_id != track("click").message_id


@pytest.mark.parametrize(
    "change",
    [{"ip": "127.0.0.2"}, {"agent": "Opera"}, {"mj_list_id": 0}, {"geo": ""}, {"time": "1433333949"}],
)
@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_what_mailjet_s_history_does_not_tell_makes_no_other_event(
    event_type: str, change: dict[str, Any]
) -> None:
    assert track(event_type, **change).message_id == track(event_type).message_id


@pytest.mark.parametrize("change", [{"ip": "127.0.0.2"}, {"agent": "Opera"}, {"Message_GUID": "b"}])
def test_of_a_message_without_an_id_all_that_is_told_counts(change: dict[str, Any]) -> None:
    assert track("open", MessageID=0, **change).message_id != track("open", MessageID=0).message_id


def test_without_a_message_id_the_guid_tells_events_apart() -> None:
    ids = {track("open", MessageID=None, Message_GUID=guid).message_id for guid in ("a", "b")}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("0", False), (1, True), (False, False), ("maybe", None), (None, None)],
)
def test_flags_are_read_however_they_are_written(value: Any, expected: Any) -> None:
    assert (track("bounce", hard_bounce=value).properties or {}).get("hard_bounce") is expected


@given(
    st.sampled_from(EVENT_TYPES),
    st.dictionaries(
        st.sampled_from(
            [*sorted(COMMON.keys() - {"email"}), "ip", "geo", "agent", "url", "comment", "mj_list_id"]
        ),
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.lists(st.text()),
    ),
)
def test_whatever_the_fields_hold_a_readable_message_comes_out(
    event_type: str, changes: dict[str, Any]
) -> None:
    changes = json.loads(json.dumps(changes))
    message = track(event_type, **changes)
    assert decode(encode(message)).message_id == message.message_id
