import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.delivery import ledger
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.services import new_destinations
from jetbridge.spec.message import Message, encode

if TYPE_CHECKING:
    from conftest import Jetbridge

MAILJET = "Mailjet (Customers)"
CALL: dict[str, Any] = {
    "type": "identify",
    "userId": "u1",
    "traits": {"email": "a@b.com", "firstName": "Ada", "age": "42"},
}


@pytest.fixture
def joined(mailjet: str, event_log: SqliteEventLog) -> connect.Joined:
    joined = connect.join(ConnectionSpec("Main", mailjet, "public", "private", 7, "Customers"))
    source = joined.http_source.id
    ledger.begin_destination(joined.to_mailjet.id, [source], event_log.counts())
    at = "2026-01-01T00:00:00Z"
    for number, traits in enumerate(({"email": "a@b.com", "age": 1}, {"email": "a@b.com", "age": 2})):
        call = {"type": "identify", "messageId": f"m{number}", "timestamp": at, "receivedAt": at}
        body = json.dumps({**call, "userId": "u1", "traits": traits}).encode()
        event_log.append([Entry(source, "identify", 1_000, body)])
    return joined


def trait(result: Any, name: str) -> Any:
    return next(each for each in result["traits"] if each["trait"] == name)


def test_a_message_of_the_log_is_previewed(
    jetbridge: "Jetbridge", mailjet: str, joined: connect.Joined
) -> None:
    result = jetbridge("destinations", "preview", MAILJET, "m1", "--json").json
    assert (result["destination"], result["message_id"]) == (joined.to_mailjet.id, "m1")
    assert (result["outcome"], result["email"], result["is_new"]) == ("delivered", "a@b.com", True)
    assert trait(result, "age") == {
        "trait": "age",
        "value": 2,
        "state": "sent",
        "reason": "",
        "property": "age",
        "datatype": "int",
        "created": True,
    }
    assert "age" not in MailjetClient(mailjet, "public", "private").contactmetadata()


def test_a_call_is_read_from_a_file_or_stdin_with_settings_tried_on(
    jetbridge: "Jetbridge", mailjet: str, joined: connect.Joined, tmp_path: Path
) -> None:
    MailjetClient(mailjet, "public", "private").create_contactmetadata("age", "int")
    (tmp_path / "call.json").write_text(json.dumps(CALL, indent=2))
    (tmp_path / "mapping").write_text("firstName = first_name")
    tried = ("--set", f"mapping=@{tmp_path}/mapping")
    whole = jetbridge(
        "destinations", "preview", MAILJET, "--file", str(tmp_path / "call.json"), *tried, "--json"
    ).json
    row = {"userId": "u1", "email": "a@b.com", "firstName": "Ada", "age": "42"}
    flat = jetbridge("destinations", "preview", MAILJET, "-", *tried, "--json", stdin=json.dumps(row)).json
    assert [trait(whole, name) == trait(flat, name) for name in CALL["traits"]] == [True] * 3
    assert trait(whole, "firstName")["property"] == "first_name"
    assert (trait(whole, "age")["value"], trait(whole, "age")["created"]) == (42, False)
    joined.to_mailjet.refresh_from_db()
    assert joined.to_mailjet.settings == {"listId": "7"}


def test_a_preview_for_people_is_a_table(jetbridge: "Jetbridge", joined: connect.Joined) -> None:
    lines = jetbridge(
        "destinations", "preview", MAILJET, "-", "--offline", stdin=json.dumps(CALL)
    ).out.splitlines()
    assert [line.rstrip() for line in lines[1:4]] == [
        "contact   a@b.com (new)",
        "name      Ada",
        "list      7: addnoforce",
    ]
    (row,) = (line.split() for line in lines if "firstName" in line)
    assert row == ["firstName", "firstname", "-", '"Ada"', "sent"]


def test_a_consent_that_cannot_be_read_leaves_the_list_as_it_is(
    jetbridge: "Jetbridge", joined: connect.Joined
) -> None:
    traits = {"email": "a@b.com", "plan": "pro", "unsubscribed": "x"}
    stdin = json.dumps({"type": "identify", "userId": "u9", "context": {"traits": traits}})
    result = jetbridge("destinations", "preview", MAILJET, "-", "--json", stdin=stdin).json
    why = "a text that means neither yes nor no"
    assert (result["action"], result["effect"], result["unreadable"]) == ("keep", "keep", why)
    assert trait(result, "plan")["state"] == "sent"
    lines = jetbridge("destinations", "preview", MAILJET, "-", "--offline", stdin=stdin).out
    assert f"list      7: left as it is (UNREADABLE_CONSENT: {why})" in " ".join(lines.split("\n"))


def test_an_address_under_another_name_is_no_property(jetbridge: "Jetbridge", joined: connect.Joined) -> None:
    stdin = json.dumps({"type": "identify", "userId": "u9", "traits": {"E-Mail": "a@b.com", "plan": "pro"}})
    result = jetbridge("destinations", "preview", MAILJET, "-", "--json", stdin=stdin).json
    assert (result["email"], trait(result, "E-Mail")["property"]) == ("a@b.com", None)
    stdin = json.dumps({"type": "identify", "userId": "u9", "traits": {"mail": "a@b.com"}})
    result = jetbridge("destinations", "preview", MAILJET, "-", "--json", stdin=stdin).json
    assert (result["outcome"], result["code"]) == ("filtered", "NO_EMAIL")
    assert (
        "mail looks like one, but is not called email. Send the address as traits.email." in result["message"]
    )


def test_what_routing_filters_is_said(jetbridge: "Jetbridge", joined: connect.Joined) -> None:
    stdin = json.dumps({**CALL, "integrations": {"Mailjet": False}})
    result = jetbridge("destinations", "preview", MAILJET, "-", "--json", stdin=stdin).json
    assert (result["outcome"], result["code"]) == ("filtered", "FILTERED_BY_INTEGRATIONS_OBJECT")


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (["m9"], "", "The event log holds no message m9 from a source of Mailjet (Customers)"),
        (["-"], "[1]", "What was given is no JSON object."),
        (["-"], "{", "What was given is no JSON (Input data was truncated)."),
        (
            ["-"],
            '{"traits": {}}',
            "What was given names nobody: it has neither an email address nor a userId.",
        ),
        (["m1", "--set", "mapping=a=b=c"], "", "mapping: Line 1: there is more than one =."),
    ],
)
def test_what_cannot_be_previewed_is_one_clear_sentence(
    jetbridge: "Jetbridge", joined: connect.Joined, arguments: list[str], stdin: str, sentence: str
) -> None:
    result = jetbridge("destinations", "preview", MAILJET, *arguments, stdin=stdin)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"Error: {sentence}")


def test_what_makes_no_preview_is_said(jetbridge: "Jetbridge", joined: connect.Joined) -> None:
    nothing = jetbridge("destinations", "preview", MAILJET)
    assert (nothing.status, "Give a message's id, or a call with --file FILE or -." in nothing.err) == (
        2,
        True,
    )
    assert "There is no destination 99" in jetbridge("destinations", "preview", "99", "m1").err


def test_the_request_to_another_kind_is_shown_without_its_secrets(
    jetbridge: "Jetbridge", joined: connect.Joined, event_log: SqliteEventLog
) -> None:
    workspace = joined.workspace
    row = new_destinations.add(
        event_log, workspace, "segment", "Analytics", {"writeKey": "wk-0815"}, sources=workspace.sources.all()
    )
    stdin = json.dumps({"type": "track", "event": "Order Completed", "userId": "u1"})
    shown = jetbridge("destinations", "preview", "Analytics", "-", stdin=stdin)
    assert "POST https://api.segment.io/v1/batch" in shown.out
    assert "Order Completed" in shown.out
    as_object = jetbridge("destinations", "preview", "Analytics", "-", "--json", stdin=stdin)
    assert (as_object.json["outcome"], as_object.json["destination"]) == ("delivered", row.id)
    assert "wk-0815" not in shown.out + as_object.out
    refused = jetbridge("destinations", "preview", MAILJET, "-", stdin=stdin)
    assert "This is a track call; Mailjet (Customers) accepts delete, identify." in refused.err


def test_an_email_event_of_the_log_has_the_name_that_its_destination_gives(
    jetbridge: "Jetbridge", joined: connect.Joined, event_log: SqliteEventLog
) -> None:
    account = joined.account
    names = {"writeKey": "k", "emailEventNames": "mailjet"}
    row = new_destinations.add(
        event_log, joined.workspace, "segment", "Analytics", names, sources=joined.workspace.sources.all()
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    event = Message(
        type="track", message_id="e1", timestamp=now, received_at=now, user_id="u1", event="Unsubscribed"
    )
    event_log.append([Entry(account.event_source_id, "track", 0, encode(event))])
    shown = jetbridge("destinations", "preview", str(row.id), "e1").out
    assert '"event": "unsub"' in shown
    trace = jetbridge("messages", "trace", "e1").out
    assert "Unsubscribed" in trace
