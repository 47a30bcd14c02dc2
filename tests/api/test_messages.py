"""What the calls of sources do: the debugger, the schema, volumes, and who gets their messages."""

import json

import pytest

from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.log_reader import LogReader
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.source_schema.models import READER
from jetbridge.source_schema.reader import SchemaReader

from .filled import Filled, message

PATH = "sources/{source}/messages"


def test_messages_are_searched_and_opened(shop: Filled, event_log: SqliteEventLog) -> None:
    source = shop.ids["source"]
    event_log.append(
        [
            Entry(source, "identify", 2_000, message("ada")),
            Entry(source, INVALID, 3_000, b"\xff{no json", "bad_request: It is not JSON."),
            Entry(source, EMAIL_EVENT, 4_000, b'{"event": "open", "email": "ada@example.com"}'),
        ]
    )
    assert [row["type"] for row in shop.get(PATH)["items"]] == [EMAIL_EVENT, INVALID, "identify", "identify"]
    for query, what in (
        ({"text": "U-ADA"}, ["ada@example.com"]),
        ({"type": "invalid"}, ["bad_request"]),
        ({"outcome": "failed"}, ["shop@example.com"]),
        ({"text": "nobody"}, []),
    ):
        assert [row["what"] for row in shop.get(PATH, **query)["items"]] == what
    (failed,) = shop.get(PATH, outcome="failed")["items"]
    assert failed["outcomes"] == {"failed": ["Mailjet"]}
    full = shop.get(f"{PATH}/{failed['position']}")
    assert (full["message"]["messageId"], full["text"], full["track"]) == ("m-shop", None, None)
    assert full["message"]["_settings"] == {"apiKey": "***"}
    assert [(status["destination"], status["reason"]) for status in full["statuses"]] == [
        ("Mailjet", "INVALID_EMAIL")
    ]
    invalid = shop.get(f"{PATH}/{failed['position'] + 2}")
    assert (invalid["message"], invalid["text"], invalid["statuses"]) == (None, "�{no json", [])
    assert invalid["error"] == "bad_request: It is not JSON."


def test_values_that_could_not_be_read_are_named(shop: Filled, event_log: SqliteEventLog) -> None:
    source = shop.ids["source"]
    body = json.dumps(json.loads(message("ada")) | {"_dropped": ["traits.score"]}).encode()
    event_log.append([Entry(source, "identify", 2_000, body, is_incomplete=True)])
    newest, before = shop.get(PATH)["items"]
    assert (newest["dropped"], before["dropped"]) == (["traits.score"], [])
    assert shop.get(f"{PATH}/{newest['position']}")["dropped"] == ["traits.score"]
    assert shop.get("trace", message_id="m-ada")["items"][0]["dropped"] == ["traits.score"]
    assert [row["incomplete"] for row in shop.get("workspace")["sources"] if row["id"] == source] == [1]


def test_pages_of_messages_go_by_key_to_the_end(shop: Filled, event_log: SqliteEventLog) -> None:
    event_log.append(
        [Entry(shop.ids["source"], "identify", 2_000, message(f"n{number}")) for number in range(4)]
    )
    seen, after = [], ""
    for _ in range(10):
        page = shop.get(PATH, limit=2, after=after)
        seen += [row["who"] for row in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == ["u-n3", "u-n2", "u-n1", "u-n0", "u-shop"]


@pytest.mark.parametrize("position", ["0", "999", str(2**63), str(10**40)])
def test_a_position_where_nothing_is_is_told_so(shop: Filled, position: str) -> None:
    answer = shop.call("GET", f"{PATH}/{position}")
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("There is no ")


def test_the_schema_and_the_volumes_are_what_was_sent(shop: Filled, event_log: SqliteEventLog) -> None:
    ledger.begin(READER, Counts(0, {}))
    SchemaReader(event_log).step(LogReader(event_log, READER))
    told = shop.get("sources/{source}/schema", type="identify")["items"]
    assert {row["name"]: (row["messages"], row["kinds"]) for row in told}["email"] == (1, ["text"])
    assert shop.get("sources/{source}/schema", type="track")["items"] == []
    hours, days = (shop.get("sources/{source}/volumes", period=period)["points"] for period in ("1d", "2w"))
    assert (len(hours), len(days)) == (24, 14)


def test_a_destination_is_connected_with_a_source_once(shop: Filled) -> None:
    made = shop.call("POST", "sources", {"name": "Website"}).json()["id"]
    path = f"sources/{made}/destinations/{{destination}}"
    ours = shop.ids["destination"]
    for method, expected in (("PUT", [ours]), ("PUT", [ours]), ("DELETE", []), ("DELETE", [])):
        assert shop.call(method, path).json() == {"destinations": expected}
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "source.added",
        "source.connected",
        "source.disconnected",
    ]


def test_records_that_nobody_can_read_break_no_answer(shop: Filled, event_log: SqliteEventLog) -> None:
    source, bodies = shop.ids["source"], [b"{", b"[]", b"[" * 3_000, b'{"type":"identify","traits":7}']
    event_log.append(Entry(source, "identify", 2_000, body) for body in bodies)
    rows = shop.get(PATH, limit=len(bodies) + 1)["items"]
    assert [row["what"] for row in rows] == ["not readable"] * len(bodies) + ["shop@example.com"]
    for row, body in zip(rows, reversed(bodies), strict=False):
        full = shop.get(f"{PATH}/{row['position']}")
        assert (full["message"], full["text"]) == (None, body.decode())
        assert [status["destination"] for status in full["statuses"]] == ["Mailjet"]
    assert shop.get("trace", person="shop@example.com")["items"]
