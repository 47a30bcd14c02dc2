import json
import unicodedata
from contextlib import closing
from typing import TYPE_CHECKING

from jetbridge.control.models import Destination, Source
from jetbridge.delivery import ledger
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.models import Contact

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Jetbridge

SPEC = ConnectionSpec("Main", "http://127.0.0.1:1", "public", "private", 1, "Customers")
AT = {"timestamp": "2026-01-01T00:00:00Z", "receivedAt": "2026-01-01T00:00:00Z"}


def fill(home: "Path") -> None:
    joined = connect.join(SPEC)
    log = SqliteEventLog(home / "eventlog.db")
    source, events = joined.http_source.id, joined.account.event_source_id
    ledger.begin_destination(joined.to_mailjet.id, [source], log.counts())
    call = {"type": "identify", "messageId": "m1", "userId": "ada", "traits": {"email": "a@b.com"}} | AT
    page = {"type": "page", "messageId": "m2", "userId": "ada", "_dropped": ["properties.a", "sentAt"]} | AT
    log.append(
        [
            Entry(source, "identify", 1_000, json.dumps(call).encode()),
            Entry(source, "page", 2_000, json.dumps(page).encode()),
            Entry(source, INVALID, 3_000, b'"userId":"ada"', "invalid_json: The body is no JSON."),
            Entry(events, EMAIL_EVENT, 4_000, b'{"event":"open","email":"a@b.com"}'),
        ]
    )
    log.close()


def test_all_about_a_person_in_order_with_its_statuses(jetbridge: "Jetbridge", home: "Path") -> None:
    fill(home)
    found = jetbridge("messages", "trace", "ada", "--json").json
    assert [(row["type"], [status["outcome"] for status in row["statuses"]]) for row in found["records"]] == [
        ("identify", ["pending"]),
        ("page", ["pending"]),
        ("invalid", []),
    ]
    by_email = jetbridge("messages", "trace", "A@b.com", "--json").json
    assert [row["type"] for row in by_email["records"]] == ["identify", "email_event"]
    page = jetbridge("messages", "trace", "ada").out
    assert "1970-01-01 00:00:01  identify m1  at HTTP API" in page
    assert "Mailjet (Customers): pending (UNREAD)" in page
    assert "failed on ingest: invalid_json: The body is no JSON." in page


def test_one_message_by_its_id(jetbridge: "Jetbridge", home: "Path") -> None:
    fill(home)
    (row,) = jetbridge("messages", "trace", "m2", "--json").json["records"]
    assert (row["message_id"], row["position"]) == ("m2", 2)
    assert row["dropped"] == ["properties.a", "sentAt"]
    page = jetbridge("messages", "trace", "m2").out
    assert "Accepted without properties.a: the value could not be read." in page
    assert "sentAt is no time that can be read, so the sender's clock was not corrected." in page


def test_a_person_is_shown_and_exported_with_all_messages(jetbridge: "Jetbridge", home: "Path") -> None:
    fill(home)
    row = Destination.objects.get(kind="mailjet")
    Contact.objects.create(
        account_id=1,
        email="a@b.com",
        desired=state.encode(state.Desired(values={"plan": "pro"})),
        delivered=b"{}",
        next_attempt_at=1,
    )
    shown = jetbridge("people", "show", "A@b.com", "--json").json
    assert (shown["emails"], shown["suppressed"], shown["profile"]) == (["a@b.com"], False, None)
    (contact,) = shown["contacts"][row.name]
    assert contact["properties"]["plan"]["desired"] == "pro"
    assert jetbridge("contacts", "show", "a@b.com", "--json").json == {"contacts": shown["contacts"]}
    for command in (("people", "show"), ("contacts", "show")):
        page = jetbridge(*command, "a@b.com").out
        assert "a@b.com at Mailjet (Customers)" in page
        assert "plan" in page
    exported = jetbridge("people", "export", "a@b.com", "--json").json
    assert {**exported, "messages": 0} == {
        **jetbridge("people", "show", "a@b.com", "--json").json,
        "messages": 0,
    }
    identify, event = exported["messages"]
    assert (identify["type"], identify["message"]["traits"]) == ("identify", {"email": "a@b.com"})
    assert (event["type"], event["message"]) == ("email_event", '{"event":"open","email":"a@b.com"}')
    by_user = jetbridge("people", "export", "ada").out
    assert [row["type"] for row in json.loads(by_user)["messages"]] == ["identify", "page", "invalid"]
    for command in (("people", "show"), ("people", "export"), ("contacts", "show")):
        assert jetbridge(*command, "eve").status == 1


def test_somebody_unknown_is_said_to_be(jetbridge: "Jetbridge", home: "Path") -> None:
    fill(home)
    result = jetbridge("messages", "trace", "eve")
    assert result.status == 1
    assert "holds nothing about eve" in result.out


def test_what_strangers_wrote_controls_no_terminal(jetbridge: "Jetbridge", home: "Path") -> None:
    fill(home)
    hostile = "ada\x1b[2J\x1b]0;x\x07\x9b\u202e"
    call = {"type": "identify", "messageId": f"m{hostile}", "userId": hostile, "traits": {"email": hostile}}
    with closing(SqliteEventLog(home / "eventlog.db")) as log:
        source = Source.objects.get(kind="http").id
        log.append([Entry(source, "identify", 5_000, json.dumps(call | AT).encode())])
        log.append([Entry(source, INVALID, 6_000, json.dumps(call).encode(), f"bad_request: {hostile}")])
    destination = str(Destination.objects.get(kind="mailjet").id)
    for command in (
        ("messages", "trace", hostile),
        ("messages", "list"),
        ("status",),
        ("contacts", "diff", destination),
    ):
        result = jetbridge(*command)
        printed = (result.out + result.err).replace("\x1b[0m", "")
        assert [char for char in printed if unicodedata.category(char) in {"Cc", "Cf"} and char != "\n"] == []
