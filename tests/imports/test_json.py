"""Whole calls and flat objects, one per line or in an array."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.imports.files.text import FileError

if TYPE_CHECKING:
    from .conftest import Read, ReadFile


@pytest.fixture(params=["ndjson", "ndjson with a mark", "array", "pretty array", "utf-16", "packed"])
def objects(request: pytest.FixtureRequest, read: "ReadFile") -> Any:
    """`objects({...}, ...)`: the same objects in every format."""

    def of(*values: Any) -> "Read":
        lines = "".join(json.dumps(value) + "\n" for value in values)
        content = {
            "ndjson": lines.encode(),
            "ndjson with a mark": lines.encode("utf-8-sig"),
            "array": json.dumps(values).encode(),
            "pretty array": json.dumps(values, indent=2).encode(),
            "utf-16": lines.encode("utf-16"),
            "packed": lines.encode(),
        }[request.param]
        return read(content, name="people.json", packed=request.param == "packed")

    return of


def test_whole_calls_go_as_they_are(objects: Any) -> None:
    whole = {
        "type": "identify",
        "userId": "u",
        "traits": {"email": "ada@example.com", "address": {"city": "Orléans"}},
        "timestamp": "2026-01-01T00:00:00Z",
        "integrations": {"All": True},
    }
    assert objects(whole, {"userId": "v", "traits": {}}).calls == [
        whole,
        {"type": "identify", "userId": "v", "traits": {}},
    ]


def test_a_flat_object_may_have_a_trait_called_type(objects: Any) -> None:
    value = {"user_id": 7, "type": "premium", "tags": ["a"], "null": None, "n": 1.5}
    assert objects(value).calls == [
        {
            "type": "identify",
            "userId": "7",
            "traits": {"type": "premium", "tags": ["a"], "null": None, "n": 1.5},
        }
    ]


@pytest.mark.parametrize(
    ("given", "user_id"),
    [
        (55520.0, "55520"),
        (7, "7"),
        ({"$oid": "507f1f77bcf86cd799439011"}, "507f1f77bcf86cd799439011"),
        ({"$numberLong": "12345678901234567"}, "12345678901234567"),
        (12345678901234567890123, "12345678901234567890123"),
        ("1e3", "1e3"),
        (" 7 ", "7"),
    ],
)
def test_ids_are_text_whatever_they_come_as(objects: Any, given: Any, user_id: str) -> None:
    assert objects({"userId": given, "a": 1}).people == [user_id]
    assert objects({"userId": given, "traits": {"a": 1}}).people == [user_id]


@pytest.mark.parametrize("given", [["a"], {"a": 1}, {"$oid": 1}, True, [], {}])
def test_what_is_no_id_is_named(objects: Any, given: Any) -> None:
    found = objects({"userId": given, "email": "a@example.com"}, {"userId": "u"})
    ((_, reason),) = found.rejected
    assert (
        reason
        == f"has a userId that is neither text nor a number: {json.dumps(given, separators=(',', ':'))}"
    )
    assert found.people == ["u"]


def test_keys_are_found_however_they_are_spelled(objects: Any) -> None:
    assert objects({"User ID": 7, "E-Mail": "ada@example.com", "Unsubscribed": True}).calls == [
        {"type": "identify", "userId": "7", "traits": {"email": "ada@example.com", "unsubscribed": True}}
    ]


def test_where_keys_say_the_same_the_call_is_read_like_every_other(objects: Any) -> None:
    """`spec.person` decides: `email` comes first, then its other names; an unsubscribe anywhere counts."""
    found = objects(
        {"email": "", "email_address": "ada@example.com", "Email": None},
        {"Email": "b@example.com", "email": "ada@example.com"},
        {"userId": "u", "user_id": "u", "unsubscribed": "no", "Unsubscribed": "x"},
        {"traits": {"email": "ada@example.com"}},
    )
    assert found.people == ["ada@example.com", "ada@example.com", "u", "ada@example.com"]
    assert found.traits[1] == {"Email": "b@example.com", "email": "ada@example.com"}
    assert [bool(row.warning) for row in found.rows] == [False, False, True, False]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1], "is no JSON object"),
        (5, "is no JSON object"),
        ({"type": "track", "event": "x"}, "is a track call; only identify calls are sent"),
        ({"type": "identify"}, "names nobody: it has neither an email address nor a userId"),
        ({"userId": "a", "User ID": 7}, "has several userIds: 7, a"),
        ({"plan": "pro"}, "names nobody: it has neither an email address nor a userId"),
        ({"email": ["a@example.com"]}, 'has an email that is no address: ["a@example.com"]'),
        ({"userId": "u", "traits": {"email": "a@"}}, "has an email that is no address: a@"),
        ({"userId": "u", "E-Mail": "a@"}, "has an email that is no address: a@"),
        (
            {"userId": "u", "context": {"traits": {"email": "a@"}}, "type": "identify"},
            "has an email that is no address",
        ),
        (
            {"userId": "u", "a": "x" * 40_000},
            "is 40,102 bytes as a call, of which a is 40,002; 32,000 are allowed",
        ),
    ],
)
def test_a_row_that_cannot_be_sent_says_why(objects: Any, value: Any, reason: str) -> None:
    found = objects({"userId": "first"}, value, {"userId": "last"})
    ((_, said),) = found.rejected
    assert said.startswith(reason)
    assert found.people == ["first", "last"]


def test_lines_are_counted_in_every_format(read: "ReadFile") -> None:
    assert read('{"a":1}\n\n{"b":1}\n').rejected[1][0] == 3
    assert [line for line, _ in read('[\n  {"a":1},\n  {\n  "b":1},\n {}]').rejected] == [2, 3, 5]


@pytest.mark.parametrize(
    "line",
    [
        *(b"{oops", b'{"userId": NaN}', b"{" * 5_000, b'{"a": "\xff"}', b'{"a":1e999999}x'),
        *(b'{"userId":"u","a":' + b"[" * deep + b"]" * deep + b"}" for deep in (101, 960, 5_000)),
    ],
)
def test_a_line_that_is_no_json_spoils_no_other(read: "ReadFile", line: bytes) -> None:
    found = read(
        b'{"userId": "u1"}\n' + line + b'\n{"userId": "\xc3\xab", "a": "' + "é".encode() * 9 + b'"}\n'
    )
    ((number, _),) = found.rejected
    assert (number, found.people) == (2, ["u1", "ë"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"userId":"u"}\n,{oops}]', "cannot be read on from item 2 \\(line 2\\)"),
        ('[{"userId":"u"}\n', "ends in the middle, at line 2"),
        ("[" + '{"a":' * 5_000, "nested too deep"),
    ],
)
def test_an_array_that_is_broken_is_named_before_anything_is_sent(
    read: "ReadFile", text: str, message: str
) -> None:
    with pytest.raises(FileError, match=message):
        read(text)


def test_an_array_larger_than_what_is_read_at_once(read: "ReadFile") -> None:
    values = [{"userId": str(n), "note": "é" * (n % 500)} for n in range(3_000)]
    found = read(json.dumps(values, ensure_ascii=False))
    assert (found.people, found.rejected) == ([str(n) for n in range(3_000)], [])


def test_equal_items_of_an_array_are_different_messages(objects: Any) -> None:
    """The first and the last are not one: a receiver that takes each message id once would end with the second."""
    found = objects({"userId": "u", "n": 1}, {"userId": "u", "n": 2}, {"userId": "u", "n": 1})
    assert len({json.loads(row.call)["messageId"] for row in found.rows}) == 3


def test_columns_of_objects_have_the_type_of_their_values(objects: Any) -> None:
    values = {"email": "a@b.com", "n": 1, "b": True, "t": "x", "l": [1], "o": {"$oid": "5"}}
    assert objects(values).kinds == {
        "email": "text",
        "n": "number",
        "b": "boolean",
        "t": "text",
        "l": "object",
        "o": "object",
    }
