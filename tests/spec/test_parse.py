import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.errors import MessageRejected
from jetbridge.spec.call import Call
from jetbridge.spec.limits import BATCH_EVENTS, EVENT_BYTES, NESTING
from jetbridge.spec.message import CALL_TYPES, Message, decode
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_batch, parse_single
from jetbridge.spec.parse_carefully import (
    first_item,
    parse_batch_carefully,
    parse_single_carefully,
    readable,
)
from jetbridge.spec.parsed import Parsed

NOW = datetime(2026, 11, 23, 9, 0, 0, 500_000, UTC)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from([*Call.__struct_encode_fields__, "user_id", "SENT_AT"])
CALLS = st.dictionaries(KEYS, JSON | st.sampled_from(sorted(CALL_TYPES)), max_size=8)


def arrival(call_type: str | None = None, **more: Any) -> Arrival:
    return Arrival(type=call_type, received_at=NOW, new_message_id=lambda: "made-here", **more)


def single(call: Any, call_type: str | None = "identify", **more: Any) -> Parsed:
    return parse_single(json.dumps(call).encode(), arrival(call_type, **more))


def message(call: dict[str, Any], call_type: str | None = "identify", **more: Any) -> Message:
    parsed = single(call, call_type, **more)
    assert parsed.rejected == []
    return decode(parsed.accepted[0].body)


def batch(*items: Any, **common: Any) -> Parsed:
    return parse_batch(json.dumps({"batch": items, **common}).encode(), arrival())


def reason(parsed: Parsed) -> tuple[str, str]:
    assert parsed.accepted == []
    return parsed.rejected[0].reason.code, str(parsed.rejected[0].reason)


class TestAnyInput:
    """Bytes from outside give messages or reasons, never another error."""

    @given(st.binary(max_size=300))
    def test_bytes(self, body: bytes) -> None:
        accounted(body)

    @given(JSON)
    def test_json(self, value: Any) -> None:
        accounted(json.dumps(value).encode())

    @given(CALLS)
    def test_calls_of_all_kinds_of_values(self, call: Any) -> None:
        accounted(json.dumps(call).encode())

    @given(st.lists(CALLS | JSON, max_size=5), st.dictionaries(KEYS, JSON, max_size=3))
    def test_batches_of_anything(self, items: list[Any], common: dict[str, Any]) -> None:
        body = json.dumps({**common, "batch": items}).encode()
        accounted(body)
        try:
            parsed = parse_batch(body, arrival())
        except MessageRejected:
            return
        assert len(parsed.accepted) + len(parsed.rejected) == len(items)

    @pytest.mark.parametrize(
        "body",
        [
            b'{"userId":"\xff"}',
            b'{"userId":1e999}',
            b'{"userId":"u","traits":{"n":1e999}}',
            b'{"userId":NaN}',
            b'{"userId":' + b"9" * 5000 + b"}",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"userId":"u","traits":' + b'{"a":' * 900 + b"1" + b"}" * 901,
            b"",
            b"null",
            b'{"batch":{}}',
            b'{"batch":null}',
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_what_parsers_choke_on(self, body: bytes) -> None:
        accounted(body)
        with pytest.raises(MessageRejected):
            parse_batch(body, arrival())


def accounted(body: bytes) -> None:
    for parse in (parse_single, parse_batch):
        try:
            parsed = parse(body, arrival(None))
        except MessageRejected as error:
            reasons = [error]
        else:
            assert parsed.accepted or parsed.rejected
            assert [decode(item.body).type for item in parsed.accepted] == [
                item.type for item in parsed.accepted
            ]
            reasons = [item.reason for item in parsed.rejected]
        assert all(error.code and str(error) for error in reasons)


class TestRoundTrip:
    @given(
        traits=st.dictionaries(st.text(max_size=10), JSON, max_size=5),
        user_id=st.text(min_size=1, max_size=40),
    )
    def test_what_was_sent_is_what_is_kept(self, traits: dict[str, Any], user_id: str) -> None:
        call = {"userId": user_id, "traits": traits, "context": {"a": traits}, "messageId": "m"}
        kept = message(call)
        assert (kept.user_id, kept.traits, kept.context) == (user_id, traits, {"a": traits})

    @given(CALLS)
    def test_the_quick_way_and_the_careful_way_agree(self, call: dict[str, Any]) -> None:
        body = json.dumps(call).encode()
        assert parse_single(body, arrival()).accepted == parse_single_carefully(body, arrival()).accepted

    @given(st.lists(CALLS, min_size=1, max_size=4), st.dictionaries(KEYS, CALLS | st.text(), max_size=3))
    def test_they_agree_on_batches(self, items: list[Any], common: dict[str, Any]) -> None:
        body = json.dumps({**common, "batch": items}).encode()
        assert outcome(parse_batch, body) == outcome(parse_batch_carefully, body)

    def test_whole_numbers_beyond_64_bits_stay_exact(self) -> None:
        assert message({"userId": "u", "traits": {"n": 2**80}}).traits == {"n": 2**80}


def outcome(parse: Any, body: bytes) -> Any:
    try:
        return parse(body, arrival()).accepted
    except MessageRejected as error:
        return error.code


class TestWhatIsRejected:
    @pytest.mark.parametrize(
        ("call_type", "call", "code"),
        [
            ("identify", {"traits": {}}, "no_user_anon_id"),
            ("identify", {"userId": "", "anonymousId": None}, "no_user_anon_id"),
            ("identify", {"userId": {}}, "id_not_string"),
            ("identify", {"userId": True}, "id_not_string"),
            ("identify", {"userId": "u", "traits": "x"}, "traits_not_object"),
            ("identify", {"userId": "u", "traits": [1]}, "traits_not_object"),
            ("identify", {"userId": "u", "context": "x"}, "bad_request"),
            ("identify", [], "bad_request"),
            ("track", {"userId": "u"}, "event_not_defined"),
            ("track", {"userId": "u", "event": ""}, "event_not_defined"),
            ("track", {"userId": "u", "event": 5}, "event_not_string"),
            ("track", {"userId": "u", "event": "E", "properties": 1}, "properties_not_object"),
            ("page", {"userId": "u", "name": 5}, "name_not_string"),
            ("screen", {"userId": "u", "category": 5}, "category_not_string"),
            ("group", {"userId": "u"}, "id_required"),
            ("alias", {"userId": "u"}, "id_required"),
            ("alias", {"previousId": "p"}, "id_required"),
            (None, {"userId": "u"}, "bad_request"),
            (None, {"userId": "u", "type": "Identify"}, "bad_request"),
            (None, {"userId": "u", "type": "delete"}, "bad_request"),
        ],
    )
    def test_with_segments_code(self, call_type: str | None, call: Any, code: str) -> None:
        assert reason(single(call, call_type))[0] == code

    def test_a_call_of_more_than_32_kb(self) -> None:
        assert reason(single({"userId": "u", "traits": {"a": "x" * EVENT_BYTES}}))[0] == "payload_too_large"

    def test_a_call_nested_deeper_than_the_bound(self) -> None:
        deep: Any = 1
        for _ in range(NESTING):
            deep = [deep]
        assert reason(single({"userId": "u", "traits": {"a": deep}}))[0] == "bad_request"

    def test_many_brackets_are_not_depth(self) -> None:
        traits = {"a": [{"n": n} for n in range(3 * NESTING)]}
        assert message({"userId": "u", "traits": traits}).traits == traits

    def test_what_is_kept_of_it_is_without_the_write_key(self) -> None:
        parsed = single({"writeKey": "w", "traits": {"a": 1}})
        assert json.loads(parsed.rejected[0].body) == {"traits": {"a": 1}}
        assert parsed.write_key == "w"


class TestWhatIsForgiven:
    @pytest.mark.parametrize(
        ("given_id", "kept"), [(7, "7"), (7.0, "7"), (7.5, "7.5"), (2**70, str(2**70)), ("007", "007")]
    )
    def test_numbers_as_ids_become_text(self, given_id: Any, kept: str) -> None:
        assert message({"userId": given_id}).user_id == kept

    def test_null_ids_are_absent(self) -> None:
        kept = message({"userId": "u", "anonymousId": None})
        assert b"anonymousId" not in msgspec.json.encode(kept)

    @pytest.mark.parametrize("key", ["user_id", "userid", "UserID", "USER_ID"])
    def test_keys_in_any_case(self, key: str) -> None:
        assert message({key: "u", "Message_Id": "m"}).user_id == "u"

    def test_empty_arrays_for_objects(self) -> None:
        kept = message({"userId": "u", "traits": [], "context": [], "integrations": []})
        assert (kept.traits, kept.context, kept.integrations) == ({}, {}, {})

    def test_action_for_type(self) -> None:
        assert message({"userId": "u", "action": "identify"}, None).type == "identify"

    def test_the_path_wins_over_the_type(self) -> None:
        assert message({"userId": "u", "type": "track"}, "identify").type == "identify"

    def test_unknown_fields_are_left_out(self) -> None:
        assert message({"userId": "u", "shoeSize": 45}).user_id == "u"

    def test_half_an_emoji(self) -> None:
        body = rb'{"userId":"u","traits":{"half":"a\ud83d","whole":"\ud83d\ude00","plain":"\\ud83d"}}'
        kept = decode(parse_single(body, arrival("identify")).accepted[0].body)
        assert kept.traits == {"half": "a\ufffd", "whole": "\N{GRINNING FACE}", "plain": "\\ud83d"}

    @given(st.text())
    def test_mending_leaves_whole_text_alone(self, text: str) -> None:
        for ascii_only in (True, False):
            body = json.dumps(text, ensure_ascii=ascii_only).encode()
            assert json.loads(readable(body)) == text

    def test_a_byte_order_mark(self) -> None:
        assert len(parse_single(b'\xef\xbb\xbf{"userId":"u"}', arrival("identify")).accepted) == 1


class TestTime:
    def test_it_is_corrected_by_the_senders_clock(self) -> None:
        call = {"userId": "u", "timestamp": "2030-01-01T00:00:00Z", "sentAt": "2030-01-01T00:00:10Z"}
        kept = message(call)
        assert kept.timestamp == datetime(2026, 11, 23, 8, 59, 50, 500_000, UTC)
        assert (kept.original_timestamp, kept.sent_at) == (call["timestamp"], call["sentAt"])

    def test_without_sent_at_it_is_as_sent(self) -> None:
        kept = message({"userId": "u", "timestamp": "2020-01-01T00:00:00Z"})
        assert kept.timestamp == datetime(2020, 1, 1, tzinfo=UTC)

    def test_without_a_time_it_is_the_arrival(self) -> None:
        kept = message({"userId": "u", "sentAt": "2020-01-01T00:00:00Z"})
        assert (kept.timestamp, kept.original_timestamp) == (NOW, None)

    @pytest.mark.parametrize("timestamp", ["soon", 1700000000000])
    def test_unreadable_ones_are_kept_beside_the_arrival(self, timestamp: Any) -> None:
        kept = message({"userId": "u", "timestamp": timestamp})
        assert (kept.timestamp, kept.original_timestamp) == (NOW, str(timestamp))

    def test_a_workspace_has_corrected_it_already(self) -> None:
        kept = message(
            {
                "userId": "u",
                "timestamp": "2020-01-01T00:00:00Z",
                "originalTimestamp": "2019-12-31T00:00:00Z",
                "sentAt": "2019-12-31T00:00:01Z",
            },
            processed=True,
        )
        assert kept.timestamp == datetime(2020, 1, 1, tzinfo=UTC)
        assert kept.original_timestamp == "2019-12-31T00:00:00Z"


class TestServerMadeFields:
    def test_message_id_only_when_absent(self) -> None:
        assert message({"userId": "u"}).message_id == "made-here"
        assert message({"userId": "u", "messageId": ""}).message_id == "made-here"
        assert message({"userId": "u", "messageId": "theirs"}).message_id == "theirs"

    @pytest.mark.parametrize(
        ("library", "channel"),
        [
            ("analytics.js", "client"),
            ("analytics-python", "server"),
            ("analytics-kotlin", "mobile"),
            ("x", None),
        ],
    )
    def test_channel_follows_from_the_library(self, library: str, channel: str | None) -> None:
        assert message({"userId": "u", "context": {"library": {"name": library}}}).channel == channel

    @pytest.mark.parametrize(
        ("context", "kept"),
        [
            ({"direct": True}, "203.0.113.9"),
            ({"library": {"name": "analytics.js"}}, "203.0.113.9"),
            ({"direct": True, "ip": "198.51.100.1"}, "198.51.100.1"),
            ({"library": {"name": "analytics-python"}}, None),
            ({}, None),
        ],
    )
    def test_ip_of_devices_only(self, context: dict[str, Any], kept: str | None) -> None:
        found = message({"userId": "u", "context": context}, ip="203.0.113.9").context
        assert (found or {}).get("ip") == kept


class TestFirstItem:
    """What a signature of an array covers."""

    @given(st.lists(JSON, min_size=1, max_size=4), st.sampled_from(["", " ", "\n\t"]))
    def test_it_is_the_bytes_that_came(self, items: list[Any], space: str) -> None:
        for ascii_only in (True, False):
            first, *rest = (json.dumps(item, ensure_ascii=ascii_only) for item in items)
            body = space + "[" + space + ",".join([first + space, *rest]) + "]"
            assert first_item(body.encode()) == first.encode()

    @given(st.binary(max_size=50))
    def test_it_is_refused_where_there_is_none(self, tail: bytes) -> None:
        try:
            first = first_item(b"[" + tail)
        except MessageRejected:
            first = None
        assert first is None or first in tail

    @pytest.mark.parametrize("body", [b"[]", b"[", b"[,", b"[" * 100_000, b'["', b"[\xff]"])
    def test_which_is_none(self, body: bytes) -> None:
        with pytest.raises(MessageRejected):
            first_item(body)


class TestBatch:
    def test_what_the_batch_says_holds_for_all_and_the_item_wins(self) -> None:
        parsed = batch(
            {"type": "identify", "userId": "1"},
            {
                "type": "identify",
                "userId": "2",
                "context": {"app": {"name": "own"}, "locale": "fr"},
                "integrations": {"Mailjet": True},
            },
            context={"app": {"name": "shop", "version": "1"}, "locale": "en"},
            integrations={"All": False, "Mailjet": False},
            sentAt="2026-11-23T09:00:00Z",
            writeKey="w",
        )
        first, second = (decode(item.body) for item in parsed.accepted)
        assert first.context == {"app": {"name": "shop", "version": "1"}, "locale": "en"}
        assert first.integrations == {"All": False, "Mailjet": False}
        assert second.context == {"app": {"name": "own", "version": "1"}, "locale": "fr"}
        assert second.integrations == {"All": False, "Mailjet": True}
        assert first.sent_at == second.sent_at == "2026-11-23T09:00:00Z"
        assert parsed.write_key == "w"

    def test_sent_at_of_the_batch_corrects_its_items(self) -> None:
        parsed = batch(
            {"type": "identify", "userId": "1", "timestamp": "2030-01-01T00:00:00Z"},
            sentAt="2030-01-01T00:00:10Z",
        )
        assert decode(parsed.accepted[0].body).timestamp == datetime(2026, 11, 23, 8, 59, 50, 500_000, UTC)

    def test_a_write_key_in_the_items_only_is_found(self) -> None:
        assert batch({"type": "identify", "userId": "1", "writeKey": "w"}).write_key == "w"
        assert (
            batch({"type": "nonsense"}, {"type": "identify", "userId": "1", "writeKey": "w"}).write_key == "w"
        )

    def test_a_bad_item_is_kept_as_it_came_and_costs_the_others_nothing(self) -> None:
        body = (
            b'{"batch":[{"type":"identify","userId":"1"}, {"type":"track",  "userId":"2"},'
            b'{"type":"identify","userId":"\xff"},5,{"type":"identify","userId":"3"}]}'
        )
        parsed = parse_batch(body, arrival())
        assert [decode(item.body).user_id for item in parsed.accepted] == ["1", "3"]
        assert [(item.body, item.reason.code) for item in parsed.rejected] == [
            (b'{"type":"track",  "userId":"2"}', "event_not_defined"),
            (b'{"type":"identify","userId":"\xff"}', "bad_json"),
            (b"5", "bad_request"),
        ]

    def test_an_item_that_is_too_large_is_rejected_alone(self) -> None:
        large = {"type": "identify", "userId": "1", "traits": {"a": "x" * EVENT_BYTES}}
        parsed = batch(large, {"type": "identify", "userId": "2"})
        assert [decode(item.body).user_id for item in parsed.accepted] == ["2"]
        assert [item.reason.code for item in parsed.rejected] == ["payload_too_large"]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"batch": []}, "empty_batch"),
            ({"batch": [{"type": "identify", "userId": "1"}] * (BATCH_EVENTS + 1)}, "bad_request"),
            ({"batch": "x"}, "bad_request"),
            ({}, "bad_request"),
            ([], "bad_request"),
            ({"batch": [{}], "context": "x"}, "bad_request"),
        ],
        ids=["empty", "too many", "text", "none", "array", "context"],
    )
    def test_what_is_no_batch_at_all(self, body: Any, code: str) -> None:
        with pytest.raises(MessageRejected) as error:
            parse_batch(json.dumps(body).encode(), arrival())
        assert error.value.code == code

    def test_the_most_calls_that_fit(self) -> None:
        assert len(batch(*[{"type": "identify", "userId": "1"}] * BATCH_EVENTS).accepted) == BATCH_EVENTS
