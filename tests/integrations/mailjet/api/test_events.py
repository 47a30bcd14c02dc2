import json
from typing import Any

import pytest

from jetbridge.integrations.mailjet.api.events import (
    EVENT_TYPES,
    MOST_AHEAD_MS,
    EmailEvent,
    InvalidEmailEvent,
    happened_at_ms,
    id_text,
    parse,
)

CLICK: dict[str, Any] = {
    "event": "click",
    "time": 1433334941,
    "MessageID": 1152921509597813712,
    "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
    "email": "api@mailjet.com",
    "mj_campaign_id": 7272,
    "mj_contact_id": 4,
    "customcampaign": "",
    "url": "https://mailjet.com",
    "ip": "127.0.0.1",
    "geo": "FR",
    "agent": "Mozilla/5.0",
    "CustomID": "helloworld",
    "Payload": "",
}


def read(**changes: Any) -> Any:
    return parse(json.dumps(CLICK | changes).encode())


def test_an_event_is_read_typed_and_raw() -> None:
    event, raw = read()
    assert raw == CLICK
    assert (event.event, event.time, event.message_id) == ("click", 1433334941, 1152921509597813712)
    assert (event.message_guid, event.email) == ("1ab23cd4-e567-8901-2345-6789f0gh1i2j", "api@mailjet.com")
    assert (event.url, event.ip, event.geo, event.agent) == (
        "https://mailjet.com",
        "127.0.0.1",
        "FR",
        "Mozilla/5.0",
    )
    assert (event.custom_id, event.payload, event.mj_campaign_id) == ("helloworld", "", 7272)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_only_the_type_is_needed(event_type: str) -> None:
    event, raw = parse(json.dumps({"event": event_type}).encode())
    assert (event.event, event.message_id, event.email, raw) == (
        event_type,
        None,
        None,
        {"event": event_type},
    )


def test_ids_as_text_and_a_missing_campaign_are_read_as_in_2012() -> None:
    event, _ = read(MessageID="19421777835146490", mj_campaign_id="7257", customcampaign=None)
    assert (event.message_id, event.mj_campaign_id, event.customcampaign) == (
        "19421777835146490",
        "7257",
        None,
    )


def test_fields_that_mailjet_adds_are_kept_raw() -> None:
    _, raw = read(new_field={"a": [1]})
    assert raw["new_field"] == {"a": [1]}


def test_a_field_of_a_surprising_type_is_absent_and_the_rest_is_read() -> None:
    event, raw = read(geo={"country": "FR"}, comment=["a"])
    assert (event.geo, event.comment, event.url) == (None, None, "https://mailjet.com")
    assert raw["geo"] == {"country": "FR"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "JSON object"),
        (b"7", "JSON object"),
        (b"{}", "JSON object"),
        (b'{"event":7}', "JSON object"),
        (b'{"event":"delivered"}', '"delivered" is no event type'),
    ],
)
def test_what_is_no_event_is_refused_with_a_sentence(body: bytes, words: str) -> None:
    with pytest.raises(InvalidEmailEvent) as caught:
        parse(body)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1152921509597813712, "1152921509597813712"),
        ("1152921509597813712", "1152921509597813712"),
        (2**53 + 1, "9007199254740993"),
        (7272.0, "7272"),
        (0, None),
        ("0", None),
        ("", None),
        (None, None),
        (1.5, None),
        (float("nan"), None),
    ],
)
def test_ids_become_text_digit_for_digit(value: Any, text: str | None) -> None:
    assert id_text(value) == text


RECEIVED_S = 1_700_000_000
LATEST_S = RECEIVED_S + MOST_AHEAD_MS // 1000


@pytest.mark.parametrize(
    "time", [946_684_800, RECEIVED_S - 7, RECEIVED_S, LATEST_S, str(RECEIVED_S - 7), 1_699_999_993.0]
)
def test_an_event_happened_when_mailjet_says_in_whole_seconds(time: Any) -> None:
    assert happened_at_ms(EmailEvent(event="open", time=time), RECEIVED_S * 1000) == int(time) * 1000


@pytest.mark.parametrize("unit", [1_000, 1_000_000, 1_000_000_000])
def test_or_in_smaller_units(unit: int) -> None:
    event = EmailEvent(event="unsub", time=(RECEIVED_S - 7) * unit)
    assert happened_at_ms(event, RECEIVED_S * 1000) == (RECEIVED_S - 7) * 1000


@pytest.mark.parametrize(
    "time",
    [
        None,
        "",
        0,
        1,
        946_684_799,
        99_999_999_999,
        "00",
        -1,
        "soon",
        "\u00b2",
        1.5,
        LATEST_S + 1,
        RECEIVED_S * 1000,
        10**30,
        float("inf"),
    ],
)
def test_what_is_no_time_counts_from_the_receipt(time: Any) -> None:
    assert happened_at_ms(EmailEvent(event="open", time=time), RECEIVED_S * 1000) == RECEIVED_S * 1000
