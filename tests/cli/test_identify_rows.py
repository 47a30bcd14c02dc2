import json
from typing import Any

import pytest

from jetbridge.cli.identify_rows import Columns, Row, comma_separated, ndjson


def calls(rows: Any) -> list[dict[str, Any]]:
    found = [json.loads(row.call) for row in rows]
    for call in found:
        del call["messageId"]
    return found


def from_csv(text: str, columns: Columns | None = None) -> list[Row]:
    return list(comma_separated(text.encode().splitlines(keepends=True), columns or Columns()))


def from_ndjson(*values: Any) -> list[Row]:
    return list(ndjson([json.dumps(value).encode() + b"\n" for value in values], Columns()))


def test_csv_cells_are_typed_only_when_they_read_exactly_like_it() -> None:
    header = "userId,email,age,score,vip,zip,phone,empty,big,word,exp"
    cells = "7,ada@example.com,36,-1.50,true,01234,+33612345678,,1234567890123456,True,1e3"
    (call,) = calls(from_csv(f"{header}\n{cells}\n"))
    assert call == {
        "type": "identify",
        "userId": "7",
        "traits": {
            "email": "ada@example.com",
            "age": 36,
            "score": -1.5,
            "vip": True,
            "zip": "01234",
            "phone": "+33612345678",
            "big": "1234567890123456",
            "word": "True",
            "exp": 1000.0,
        },
    }


def test_a_text_column_is_never_a_number() -> None:
    (call,) = calls(from_csv("userId,code\nu,42\n", Columns(text=frozenset({"code"}))))
    assert call["traits"] == {"code": "42"}


def test_columns_may_have_other_names() -> None:
    columns = Columns(user_id="Customer", email="E-mail")
    (call,) = calls(from_csv("Customer,E-mail,id\n0042,ada@example.com,9\n", columns))
    assert call == {"type": "identify", "userId": "0042", "traits": {"email": "ada@example.com", "id": 9}}


def test_a_user_id_keeps_its_spelling() -> None:
    (call,) = calls(from_csv("userId,a\n1e3,x\n"))
    assert call["userId"] == "1e3"


def test_somebody_without_user_id_is_known_by_the_address() -> None:
    (call,) = calls(from_csv("email,a\nada@example.com,1\n"))
    assert call == {
        "type": "identify",
        "anonymousId": "ada@example.com",
        "traits": {"email": "ada@example.com", "a": 1},
    }


def test_a_quoted_cell_may_hold_line_ends_and_the_line_number_is_the_rows_last() -> None:
    rows = from_csv('userId,note\nu1,"two\nlines"\nu2,one\n')
    assert [row.line for row in rows] == [3, 4]
    assert [call["traits"] for call in calls(rows)] == [{"note": "two\nlines"}, {"note": "one"}]


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    (call,) = calls(comma_separated([b"\xef\xbb\xbfuserId,a\n", b"u,b\n"], Columns()))
    assert call == {"type": "identify", "userId": "u", "traits": {"a": "b"}}


def test_whole_calls_go_as_they_are() -> None:
    whole = {
        "type": "identify",
        "userId": "u",
        "traits": {"email": "ada@example.com", "address": {"city": "Paris"}},
        "timestamp": "2026-01-01T00:00:00Z",
        "integrations": {"All": True},
    }
    assert calls(from_ndjson(whole)) == [whole]


def test_a_call_may_leave_out_its_type() -> None:
    assert calls(from_ndjson({"userId": "u", "traits": {}})) == [
        {"type": "identify", "userId": "u", "traits": {}}
    ]


def test_a_flat_object_may_have_a_trait_called_type() -> None:
    (call,) = calls(from_ndjson({"user_id": 7, "type": "premium", "tags": ["a"], "null": None}))
    assert call == {
        "type": "identify",
        "userId": "7",
        "traits": {"type": "premium", "tags": ["a"], "null": None},
    }


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"{", "is no JSON"),
        (b"[1]", "is no JSON object"),
        (b'{"userId": NaN}', "is no JSON"),
        (b"\xff", "is no JSON"),
        (b'{"type": "track", "event": "x"}', "is a 'track' call; only identify calls are sent"),
        (b'{"type": "identify"}', "has neither userId nor anonymousId"),
        (b'{"plan": "pro"}', "has neither userId nor user_id nor email"),
        (b'{"userId": "u", "a": "%b"}' % (b"x" * 40_000), "is 40102 bytes as a call; 32000 are allowed"),
    ],
)
def test_a_row_that_cannot_be_sent_says_why(line: bytes, wrong: str) -> None:
    assert list(ndjson([b"\n", line], Columns())) == [Row(2, None, wrong)]


def test_a_csv_row_of_another_length_says_so() -> None:
    rows = from_csv("userId,a\nu1\nu2,1,2\nu3,3\n")
    assert [(row.line, row.wrong) for row in rows] == [
        (2, "has another number of cells than the header"),
        (3, "has another number of cells than the header"),
        (4, ""),
    ]


def ids(rows: list[Row]) -> list[str]:
    return [json.loads(row.call or b"")["messageId"] for row in rows]


def test_the_same_row_in_the_same_place_is_the_same_message() -> None:
    text = "userId,a\nu1,1\nu1,1\nu2,2\n"
    first = ids(from_csv(text))
    assert ids(from_csv(text)) == first
    assert len(set(first)) == 3
    assert ids(from_csv(text.replace("u2,2", "u2,3")))[:2] == first[:2]
    assert ids(from_csv(text.replace("u2,2", "u2,3")))[2] != first[2]


def test_a_message_id_of_ones_own_is_kept() -> None:
    assert ids(from_ndjson({"messageId": "mine", "userId": "u", "traits": {}})) == ["mine"]
