"""Answers that nobody should send, without a network: each is read, or becomes an error that says what next."""

import json
from random import Random
from typing import Any

import msgspec
from tests import makers as mk
from tests.fuzz import PURE, fuzz
from tests.spec import made_up

from jetbridge.errors import DeliveryError, TransientError
from jetbridge.http.client import LONGEST_RETRY_AFTER_SECONDS, retry_after_seconds
from jetbridge.integrations.mailjet.api import client, resources
from jetbridge.integrations.mailjet.api.errors import ListsRejected, PropertiesRejected, Response, error_of

from .responses import RESPONSES

ROWS = [
    row
    for row in vars(resources).values()
    if isinstance(row, type)
    and issubclass(row, resources.Row)
    and row not in {resources.Row, resources.KeyedRow}
]
#: Of the JSON type that each of Mailjet's fields has.
_OF_TYPE: dict[Any, Any] = {
    int: 7,
    str: "x",
    bool: True,
    list[dict[str, Any]]: [{"Name": "plan", "Value": "pro"}],
}

RETRY_AFTERS = mk.one_of(
    mk.just(None),
    mk.builds(str, mk.integers()),
    mk.text("0123456789", most=400),
    mk.sampled_from(["Mon, 23 Nov 2026 10:00:30 GMT", "Fri, 31 Dec 9999 23:59:59 -1400", "soon", "²", "٣"]),
    mk.text(most=30),
    mk.builds("{}, {} {} {} {}:{}:{} {}".format, mk.text("MonTue", most=3), *[mk.integers(-1, 99)] * 6, mk.text("GMT+-019", most=6)),
)  # fmt: skip


def as_recorded(random: Random) -> bytes:
    body = random.choice(RESPONSES).body
    return body if random.random() < 0.2 else made_up.damaged(random, body)


def an_error(random: Random) -> bytes:
    """In one of the shapes that were recorded, with anything inside."""
    inside = made_up.an_object(random)
    rows = [
        made_up.value(random),
        {"ListID": made_up.value(random), "Error": "no"},
        {"plan": made_up.value(random)},
    ]
    name = random.choice(["Properties", "ContactsLists", "Email", "other"])
    info = random.choice([inside, {name: rows}, {name: made_up.value(random)}, "MJ18 already exists", [rows]])
    body = json.dumps({random.choice(["ErrorInfo", "ErrorMessage"]): info, "StatusCode": 400}).encode()
    return made_up.damaged(random, body) if random.random() < 0.5 else body


@fuzz(
    PURE,
    status=mk.one_of(
        mk.integers(100, 999), mk.sampled_from([200, 204, 304, 400, 400, 400, 401, 404, 429, 500])
    ),
    body=mk.one_of(as_recorded, an_error, mk.binary(60)),
    retry_after=RETRY_AFTERS,
)
def test_every_answer_is_a_success_or_an_error_that_says_what_next(
    status: int, body: bytes, retry_after: str | None
) -> None:
    error = error_of(Response("POST /v3/REST/contact", status, "application/json", body, retry_after))
    if error is None:
        assert 200 <= status < 300 or status == 304
        return
    assert isinstance(error, DeliveryError)
    assert error.code
    assert str(error).isprintable()
    assert len(str(error)) < 3_000
    if isinstance(error, TransientError):
        assert 0 <= (error.retry_after_seconds or 0) <= LONGEST_RETRY_AFTER_SECONDS
    if isinstance(error, PropertiesRejected):
        assert all(isinstance(words, str) for words in error.properties.values())
    if isinstance(error, ListsRejected):
        assert all(list_id > 0 for list_id in error.lists)


@fuzz(PURE, examples=[{"header": "9\x1c"}], header=RETRY_AFTERS)
def test_a_retry_after_is_a_pause_that_ends(header: str | None) -> None:
    seconds = retry_after_seconds(header)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS


def rows_of(random: Random) -> tuple[type[resources.Row], bytes]:
    """A page of rows; in some, or around them, something is not as it should be."""
    row = random.choice(ROWS)
    fields = msgspec.structs.fields(row)
    rows = [
        {field.encode_name: _OF_TYPE.get(field.type, []) for field in fields}
        | ({random.choice(fields).encode_name: made_up.value(random)} if random.random() < 0.3 else {})
        for _ in range(random.randrange(3))
    ]
    count = len(rows) if random.random() < 0.8 else made_up.value(random)
    body = json.dumps({"Count": count, "Data": rows, "Total": len(rows)}).encode()
    return row, made_up.damaged(random, body) if random.random() < 0.5 else body


@fuzz(PURE, response=rows_of)
def test_rows_are_all_that_was_sent_or_none(response: tuple[type[resources.Row], bytes]) -> None:
    row, body = response
    try:
        found = client._data(row, Response("GET /v3/REST/x", 200, "application/json", body))
    except TransientError as error:
        assert error.code == "INVALID_RESPONSE"  # noqa: PT017 - it may raise and need not
        return
    assert all(isinstance(each, row) for each in found)
    msgspec.json.encode(found)


def error_files(random: Random) -> bytes:
    rows = [
        json.dumps({"Email": "a@x.io", "Error": made_up.value(random)}).encode()
        for _ in range(random.randrange(4))
    ]
    body = random.choice([b"\n".join(rows), b"[" + b",".join(rows) + b"]", b"".join(rows[:1])])
    return made_up.damaged(random, body) if random.random() < 0.5 else body


@fuzz(PURE, body=mk.one_of(error_files, mk.binary(60)))
def test_an_error_file_is_rows_or_it_cannot_be_read(body: bytes) -> None:
    try:
        found = client.read_error_file(Response("GET /v3/DATA/batchjob/7", 200, "application/json", body))
    except TransientError as error:
        assert error.code == "INVALID_RESPONSE"  # noqa: PT017 - it may raise and need not
        return
    assert (found is None) == (not body.strip())
    assert all(isinstance(row, dict) for row in found or ())
    msgspec.json.encode(found)
