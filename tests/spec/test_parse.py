import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import makers as mk
from tests.fuzz import PURE, fuzz
from tests.spec import made_up

from jetbridge.errors import MessageRejected
from jetbridge.spec.lenient_json import read_lenient
from jetbridge.spec.limits import BATCH_EVENTS, EVENT_BYTES
from jetbridge.spec.message import CALL_TYPES, Message, decode
from jetbridge.spec.normalise import Arrival, Call
from jetbridge.spec.parse import (
    Parsed,
    at_once,
    first_item,
    parse_single,
    without_write_keys,
    write_keys_in,
)
from jetbridge.spec.parse import parse_batch as parse_batch_in_steps
from jetbridge.spec.untrusted import NESTING

NOW = datetime(2026, 11, 23, 9, 0, 0, 500_000, UTC)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
VALUE = mk.one_of(made_up.value, made_up.value, mk.text(), mk.integers())
KEY = mk.sampled_from([*Call.__struct_encode_fields__, "user_id", "SENT_AT"])
CALL = mk.dictionaries(KEY, mk.one_of(VALUE, VALUE, mk.sampled_from(sorted(CALL_TYPES))), most=8)


def arrival(call_type: str | None = None, **more: Any) -> Arrival:
    return Arrival(type=call_type, received_at=NOW, new_message_id=lambda: "made-here", **more)


def parse_batch(body: bytes, arrival: Arrival) -> Parsed:
    return at_once(parse_batch_in_steps(body, arrival))


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

    @fuzz(PURE, body=mk.binary(300))
    def test_bytes(self, body: bytes) -> None:
        accounted(body)

    @fuzz(PURE, call=mk.one_of(CALL, CALL, VALUE))
    def test_calls_of_all_kinds_of_values(self, call: Any) -> None:
        accounted(json.dumps(call).encode())

    @fuzz(
        PURE, items=mk.lists(mk.one_of(CALL, CALL, VALUE), most=5), common=mk.dictionaries(KEY, VALUE, most=3)
    )
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

    @fuzz(PURE, call=CALL)
    def test_the_quick_and_the_careful_reading_agree(self, call: dict[str, Any]) -> None:
        body, careful = json.dumps(call).encode(), json.dumps({**call, "unknown": 0}).encode()
        assert parse_single(body, arrival()).accepted == parse_single(careful, arrival()).accepted

    @fuzz(
        PURE, items=mk.lists(CALL, least=1), common=mk.dictionaries(KEY, mk.one_of(CALL, mk.text()), most=3)
    )
    def test_they_agree_on_batches(self, items: list[Any], common: dict[str, Any]) -> None:
        batch = {**common, "batch": items}
        body, careful = json.dumps(batch).encode(), json.dumps({**batch, "unknown": 0}).encode()
        assert outcome(parse_batch, body) == outcome(parse_batch, careful)

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
            assert read_lenient(body, "The text") == (text, [])

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

    @pytest.mark.parametrize(
        ("timestamp", "kept_as"),
        [
            ("soon", "soon"),
            (1712, "1712"),
            (0, "0"),
            (True, "true"),
            ({"a": 1}, '{"a":1}'),
            (1e300, "1e+300"),
        ],
    )
    @pytest.mark.parametrize("processed", [True, False])
    def test_unreadable_ones_are_kept_beside_the_arrival_and_reported(
        self, timestamp: Any, kept_as: str, *, processed: bool
    ) -> None:
        kept = message({"userId": "u", "timestamp": timestamp}, processed=processed)
        assert (kept.timestamp, kept.original_timestamp) == (NOW, kept_as)
        assert kept.dropped == ["timestamp"]

    def test_each_of_them_is_reported_by_its_name(self) -> None:
        kept = message({"userId": "u", "originalTimestamp": "soon", "sentAt": "later"})
        assert (kept.timestamp, kept.sent_at) == (NOW, "later")
        assert kept.dropped == ["originalTimestamp", "sentAt"]
        kept = message({"userId": "u", "timestamp": "2020-01-01T00:00:00Z", "sentAt": 7})
        assert kept.timestamp == datetime(2020, 1, 1, tzinfo=UTC)  # there is nothing to correct it by
        assert (kept.sent_at, kept.dropped) == ("7", ["sentAt"])

    @pytest.mark.parametrize("as_text", [True, False])
    def test_unix_times_are_corrected_like_others(self, *, as_text: bool) -> None:
        sent, happened = int(NOW.timestamp()) + 3600, int(NOW.timestamp()) + 3590
        times = {"timestamp": happened * 1000, "sentAt": sent}
        kept = message({"userId": "u"} | {key: str(time) if as_text else time for key, time in times.items()})
        assert kept.timestamp == NOW - timedelta(seconds=10)
        assert (kept.original_timestamp, kept.sent_at) == (str(happened * 1000), str(sent))
        assert kept.dropped is None

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
            assert first_item(body.encode(), 10_000) == first.encode()

    @given(st.binary(max_size=50))
    def test_it_is_refused_where_there_is_none(self, tail: bytes) -> None:
        try:
            first = first_item(b"[" + tail, 10_000)
        except MessageRejected:
            first = None
        assert first is None or first in tail

    @pytest.mark.parametrize("body", [b"[]", b"[", b"[,", b"[" * 100_000, b'["', b"[" + b"1" * 10_001 + b"]"])
    def test_which_is_none(self, body: bytes) -> None:
        with pytest.raises(MessageRejected):
            first_item(body, 10_000)


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
            (b'{"type":"identify","userId":"\xff"}', "no_user_anon_id"),
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

    def test_what_it_says_for_all_may_not_grow_without_end(self) -> None:
        calls = [{"type": "identify", "userId": "1"}] * BATCH_EVENTS
        with pytest.raises(MessageRejected, match="Exceed payload limit") as error:
            batch(*calls, context={"a": "x" * 30_000})
        assert error.value.code == "payload_too_large"
        assert len(batch(*calls[:100], context={"a": "x" * 30_000}).accepted) == 100


class SpoiledBatch(NamedTuple):
    """Three calls, of which the second one has values that are none; the traits that are left, and what is lost."""

    body: bytes
    traits: list[dict[str, Any]]
    lost: list[str]


def spoiled_batch(random: Random) -> SpoiledBatch:
    calls = [
        {"type": "identify", "userId": str(n), "messageId": "m", "traits": made_up.an_object(random)}
        for n in range(3)
    ]
    lost: list[str] = []
    parts = [json.dumps(call).encode() for call in calls]
    parts[1], left = made_up.with_holes(random, calls[1], "", lost)
    return SpoiledBatch(
        b'{"batch":[' + b",".join(parts) + b"]}",
        [calls[0]["traits"], left["traits"], calls[2]["traits"]],
        sorted(path[1:] for path in lost),
    )


def damaged_batch(random: Random) -> bytes:
    """One to three calls; some bytes behind the first one are something else, or missing."""
    calls = [
        {"type": "identify", "userId": str(n), "traits": made_up.an_object(random, 2)}
        for n in range(random.randrange(1, 4))
    ]
    sent_at = random.choice(["2026-01-01T00:00:00Z", 5, None])
    batch = {"batch": calls, "context": made_up.an_object(random), "sentAt": sent_at}
    body = bytearray(json.dumps(batch).encode())
    start = len(b'{"batch": [' + json.dumps(calls[0]).encode() + b",")
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(start, len(body) + 1)
        body[at : at + random.randrange(3)] = random.choice(
            [b"", b'"', b"{", b"}", b"]", b"[", b",", b":", b"\\", b"\xff", b"NaN"]
        )
    return bytes(body)


class TestBadValues:
    """One value that cannot be read costs itself only, and is named."""

    def test_a_nan_in_one_of_ten(self) -> None:
        calls = [{"type": "identify", "userId": str(n), "traits": {"score": n}} for n in range(10)]
        calls[3]["traits"] = {"score": float("nan"), "plan": "pro"}
        parsed = batch(*calls, writeKey="w")
        assert (len(parsed.accepted), parsed.rejected, parsed.write_key) == (10, [], "w")
        kept = [decode(item.body) for item in parsed.accepted]
        assert [each.dropped for each in kept] == [None] * 3 + [["traits.score"]] + [None] * 6
        assert [item.is_incomplete for item in parsed.accepted].count(True) == 1
        assert kept[3].traits == {"plan": "pro"}

    def test_the_field_is_named_in_its_usual_spelling(self) -> None:
        kept = message(
            {
                "user_id": "u",
                "Traits": {"a.b": {"c": [1, float("inf")]}},
                "ANONYMOUS_ID": float("nan"),
                "x": float("nan"),
            }
        )
        assert kept.dropped == ["anonymousId", "traits.a.b.c.1"]
        assert kept.traits == {"a.b": {"c": [1, None]}}

    def test_what_a_batch_says_for_all(self) -> None:
        parsed = batch(
            {"type": "identify", "userId": "1"},
            {"type": "identify", "userId": "2", "traits": {"a": float("nan")}},
            context={"app": {"build": float("nan"), "name": "shop"}},
            sentAt=float("inf"),
        )
        first, second = (decode(item.body) for item in parsed.accepted)
        assert first.dropped == ["context.app.build", "sentAt"]
        assert second.dropped == ["context.app.build", "sentAt", "traits.a"]
        assert first.context == second.context == {"app": {"name": "shop"}}

    def test_an_id_that_cannot_be_read_is_none(self) -> None:
        assert reason(single({"userId": float("nan")}))[0] == "no_user_anon_id"
        assert message({"userId": float("nan"), "anonymousId": "a"}).dropped == ["userId"]

    @pytest.mark.parametrize(
        ("body", "users", "codes"),
        [
            (b'{"batch":[{"type":"identify","userId":"1"},{"type" "identify"},{"type":"identify","userId":"3"}]}', "13", ["bad_json"]),
            (b'{"batch":[{"type":"identify","userId":"1"},{"type":"identify","userId":"2"', "1", ["bad_json"]),
            (b'{"batch":[{"type":"identify","userId":"1"},', "1", ["bad_json"]),
            (b'{"batch":[{"type":"identify","userId":"1"}],"sentAt":"2026-01-0', "1", ["bad_json"]),
            (b'{"batch":[{"type":"identify","userId":"1"}]}{"batch":[]}', "1", ["bad_json"]),
            (b'{"batch":[{"type":"identify","userId":"1"}] 5}', "1", ["bad_json"]),
            (b'{"batch":[{"type":"identify","userId":"1","traits":{"a":1},{"type":"identify","userId":"2"}]}', "2", ["bad_json"]),
            (b'{"batch":[{"type":"identify","userId":"1"},],}', "1", []),
        ],
    )  # fmt: skip
    def test_what_no_reading_can_save_costs_the_others_nothing_and_is_counted(
        self, body: bytes, users: str, codes: list[str]
    ) -> None:
        parsed = parse_batch(body, arrival())
        assert "".join(decode(item.body).user_id or "" for item in parsed.accepted) == users
        assert [item.reason.code for item in parsed.rejected] == codes
        assert all(item.body for item in parsed.rejected)

    @pytest.mark.parametrize(
        "rest",
        [b'"context":{"traits":{"unsubscribed" true}}}', b'"context":{"traits":', b'"sentAt":"2026', b""],
    )
    def test_what_was_meant_for_all_and_is_lost_is_named_by_each(self, rest: bytes) -> None:
        """It may have been an unsubscribe."""
        parsed = parse_batch(b'{"batch":[{"type":"identify","userId":"1"}],' + rest, arrival())
        (kept,) = [decode(item.body).dropped for item in parsed.accepted]
        assert kept is not None
        assert "context" in kept
        assert [item.reason.code for item in parsed.rejected] == ["bad_json"]

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            (b'{"a":' * 300 + b"1" + b"}" * 300, "bad_request"),
            (b"[" * 5_000 + b"]" * 5_000, "bad_json"),
            (b"[" + b"{}," * 20_000 + b"1]", "payload_too_large"),
        ],
        ids=["deep", "deeper", "many brackets"],
    )
    def test_brackets_of_one_call_cost_its_neighbours_nothing(self, value: bytes, code: str) -> None:
        good = b'{"type":"identify","userId":"1"}'
        bad = b'{"type":"identify","userId":"2","traits":{"a":' + value + b"}}"
        parsed = parse_batch(b'{"batch":[' + good + b"," + bad + b"," + good + b"]}", arrival())
        assert len(parsed.accepted) == 2
        assert [item.reason.code for item in parsed.rejected] == [code]

    def test_a_context_that_is_too_large_refuses_the_batch(self) -> None:
        calls = [{"type": "identify", "userId": "1", "traits": {"a": float("nan")}}]
        with pytest.raises(MessageRejected, match="Exceed payload limit"):
            batch(*calls, context={"a": "x" * EVENT_BYTES})
        assert len(batch(*calls, unknown={"a": "x" * EVENT_BYTES}).accepted) == 1

    @pytest.mark.parametrize(
        ("body", "keys"),
        [
            (b'{"writeKey":"k1", "traits": {', ["k1"]),
            (b'{"traits": {"a" 1}, "write_key" : "k1"}', ["k1"]),
            (b"{'writeKey': 'k1'}", ["k1"]),
            (rb'"{\"writeKey\":\"k1\",\"batch\":[]}"', ["k1"]),
            (b'{"writeKey":"k1"}' * 9 + b'{"writeKey":"k2"}', ["k1", "k2"]),
            (b'{"writeKey":"\xff"}', []),
            (b'{"writeKey":', []),
            (b"", []),
        ],
    )
    def test_the_write_key_is_found_in_it(self, body: bytes, keys: list[str]) -> None:
        assert write_keys_in(body) == keys
        assert all(key.encode() not in without_write_keys(body) for key in keys)

    @fuzz(PURE, batch=spoiled_batch)
    def test_whatever_is_lost_of_one_call_nothing_is_lost_of_the_others(self, batch: SpoiledBatch) -> None:
        parsed = parse_batch(batch.body, arrival())
        assert parsed.rejected == []
        kept = [decode(item.body) for item in parsed.accepted]
        assert [message.traits for message in kept] == batch.traits
        assert (kept[1].dropped or []) == batch.lost
        assert kept[0].dropped is kept[2].dropped is None

    @fuzz(PURE, body=damaged_batch)
    def test_whatever_happens_to_a_body_each_call_is_accepted_or_rejected_with_a_code(
        self, body: bytes
    ) -> None:
        try:
            parsed = parse_batch(body, arrival())
        except MessageRejected as error:
            assert error.code in {"bad_request", "bad_json"}  # noqa: PT017
            return
        assert all(item.reason.code and item.body for item in parsed.rejected)
        users = [decode(item.body).user_id for item in parsed.accepted]
        assert users[0] == "0"  # what comes before the damage
