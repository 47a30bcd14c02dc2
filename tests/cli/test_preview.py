import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control import connect
from jetbridge.control.connect import Wish
from jetbridge.delivery import ledger
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.mailjet.client import MailjetClient

if TYPE_CHECKING:
    from conftest import Jetbridge

CALL: dict[str, Any] = {
    "type": "identify",
    "userId": "u1",
    "traits": {"email": "a@b.com", "firstName": "Ada", "age": "42"},
}


@pytest.fixture
def joined(mailjet: str, event_log: SqliteEventLog) -> connect.Joined:
    joined = connect.join(Wish("Main", mailjet, "public", "private", 7, "Customers"))
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
    result = jetbridge("preview", "m1", "--json").json
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
    tried = ("--set", f"mapping=@{tmp_path}/mapping", "--destination", str(joined.to_mailjet.id))
    whole = jetbridge("preview", "--file", str(tmp_path / "call.json"), *tried, "--json").json
    row = {"userId": "u1", "email": "a@b.com", "firstName": "Ada", "age": "42"}
    flat = jetbridge("preview", "-", *tried, "--json", stdin=json.dumps(row)).json
    assert [trait(whole, name) == trait(flat, name) for name in CALL["traits"]] == [True] * 3
    assert trait(whole, "firstName")["property"] == "first_name"
    assert (trait(whole, "age")["value"], trait(whole, "age")["created"]) == (42, False)
    joined.to_mailjet.refresh_from_db()
    assert joined.to_mailjet.settings == {"listId": "7"}


def test_a_preview_for_people_is_a_table(jetbridge: "Jetbridge", joined: connect.Joined) -> None:
    lines = jetbridge("preview", "-", "--offline", stdin=json.dumps(CALL)).out.splitlines()
    assert [line.rstrip() for line in lines[1:4]] == [
        "contact   a@b.com (new)",
        "name      Ada",
        "list      7: addnoforce",
    ]
    (row,) = (line.split() for line in lines if "firstName" in line)
    assert row == ["firstName", "firstname", "-", '"Ada"', "sent"]


def test_what_routing_filters_is_said(jetbridge: "Jetbridge", joined: connect.Joined) -> None:
    stdin = json.dumps({**CALL, "integrations": {"Mailjet": False}})
    result = jetbridge("preview", "-", "--json", stdin=stdin).json
    assert (result["outcome"], result["code"]) == ("filtered", "FILTERED_BY_INTEGRATIONS_OBJECT")


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (["m9"], "", "The event log holds no message m9 from a source of Mailjet (Customers)"),
        ([], "", "Give a message's id, or a call with --file FILE or -."),
        (["-"], "[1]", "What was given is no JSON object."),
        (["-"], "{", "What was given is not one JSON object."),
        (["-"], '{"traits": {}}', "What was given has neither userId nor anonymousId."),
        (["m1", "--set", "mapping=a=b=c"], "", "mapping: Line 1: there is more than one =."),
        (["m1", "--destination", "99"], "", "A preview is of one Mailjet destination; there is no such one."),
    ],
)
def test_what_cannot_be_previewed_is_one_clear_sentence(
    jetbridge: "Jetbridge", joined: connect.Joined, arguments: list[str], stdin: str, sentence: str
) -> None:
    result = jetbridge("preview", *arguments, stdin=stdin)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"Error: {sentence}")
