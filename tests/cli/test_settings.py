import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control import connect
from jetbridge.control.connect import Wish
from jetbridge.control.models import Destination
from jetbridge.delivery import ledger
from jetbridge.eventlog.sqlite import SqliteEventLog

if TYPE_CHECKING:
    from conftest import Jetbridge

WISH = Wish(
    "Main", "http://127.0.0.1:1", "public", "private", 7, "Customers", segment_write_key="writekey123"
)


@pytest.fixture
def rows(event_log: SqliteEventLog) -> list[Destination]:
    joined = connect.join(WISH)
    for row in joined.destinations:
        ledger.begin_destination(row.id, [source.id for source in row.sources.all()], event_log.counts())
    return joined.destinations


def test_settings_are_listed_with_secrets_masked(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    result = jetbridge("settings", "--json")
    mailjet, segment = result.json["destinations"]
    assert mailjet == {
        "id": rows[0].id,
        "name": "Mailjet (Customers)",
        "kind": "mailjet",
        "enabled": True,
        "sources": ["HTTP API", "Segment workspace (Customers)"],
        "settings": {
            "apiKey": "••••••••",
            "listId": "7",
            "unsubscribedTrait": "unsubscribed",
            "formerContact": "keep",
            "properties": "all",
            "mapping": "",
            "filters": "",
        },
    }
    assert segment["settings"] == {
        "endpoint": "https://api.segment.io",
        "writeKey": "••••••••",
        "events": "",
        "filters": "",
    }
    keys = ("writekey123", json.loads(rows[0].secrets)["apiKey"])
    for text in (result.out, jetbridge("settings").out, jetbridge("settings", str(rows[0].id)).out):
        assert not any(key in text for key in keys)


def test_a_change_is_made_and_said(jetbridge: "Jetbridge", rows: list[Destination], tmp_path: Path) -> None:
    (tmp_path / "mapping").write_text("firstName = First Name\nplan\n")
    wanted = (f"mapping=@{tmp_path}/mapping", "properties=listed", "listId= 8")
    result = jetbridge("settings", str(rows[0].id), *wanted)
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        "mapping                 firstName = First Name",
        "                        plan",
        "   Line 1: the property is named first_name; names have a-z, 0-9 and _, and begin with a letter.",
        "properties: all → listed",
        "listId: 7 → 8",
        "   Who is on the former list stays there.",
        "   What still waits for it fails if that list is gone; tried again, it goes to the new one.",
        "A running worker takes it up within a second, for calls not read yet.",
    ]
    rows[0].refresh_from_db()
    assert rows[0].settings == {
        "mapping": "firstName = First Name\nplan",
        "properties": "listed",
        "listId": "8",
    }
    back = jetbridge("settings", str(rows[0].id), "mapping=", "properties=", "--json").json
    assert back["changed"] == [
        {"what": "mapping", "before": "firstName = First Name\nplan", "after": "", "notes": []},
        {"what": "properties", "before": "listed", "after": "all", "notes": []},
    ]
    assert "Nothing changed" in jetbridge("settings", str(rows[0].id), "listId=8").out


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("listId=x", "listId: 'x' is no Mailjet list ID. Enter the List ID shown on App Connections."),
        ("listId=", "listId: List ID is needed."),
        ("properties=some", "properties: 'some' is none of all, listed."),
        ("mapping= = x", "mapping: Line 1: no trait stands before the =."),
        ("list=1", "list: It is no setting of Mailjet; there are apiKey, listId,"),
        ("apiKey=x", "apiKey: The Authentication key belongs to no app connection here."),
        ("listId", "'listId' is not KEY=VALUE."),
        ("mapping=@/nowhere", "mapping: /nowhere cannot be read:"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    jetbridge: "Jetbridge", rows: list[Destination], value: str, sentence: str
) -> None:
    result = jetbridge("settings", str(rows[0].id), "unsubscribedTrait=optOut", value)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"Error: {sentence}")
    assert Destination.objects.get(id=rows[0].id).settings == rows[0].settings


def test_a_secret_is_changed_and_never_shown(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    result = jetbridge("settings", str(rows[1].id), "writeKey=@-", stdin="newkey456\n")
    assert result.out.splitlines()[0] == "writeKey: changed"
    assert "newkey456" not in result.out
    assert json.loads(Destination.objects.get(id=rows[1].id).secrets) == {"writeKey": "newkey456"}


def test_a_destination_is_disabled_and_renamed(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    result = jetbridge("settings", str(rows[0].id), "--disable", "--name", "Shop")
    assert result.out.splitlines()[:2] == ["name: Mailjet (Customers) → Shop", "enabled: yes → no"]
    row = Destination.objects.get(id=rows[0].id)
    assert (row.enabled, row.name) == (False, "Shop")
    assert jetbridge("settings").out.startswith(f"{row.id}  Shop (mailjet, disabled), from HTTP API")
    taken = jetbridge("settings", str(rows[1].id), "--name", "Shop")
    assert taken.err == "Error: Another destination is named Shop. Nothing was changed.\n"


def test_an_unknown_destination_is_one_clear_sentence(jetbridge: "Jetbridge", home: Path) -> None:
    assert jetbridge("settings").out == "Nothing is set up yet: see `jetbridge setup --help`.\n"
    assert jetbridge("settings", "99").err == (
        "Error: There is no destination 99: `jetbridge settings` lists them.\n"
    )
    assert jetbridge("settings", "--disable").err.startswith("Error: Say which destination")


def test_a_running_worker_takes_a_change_up(
    jetbridge: "Jetbridge", rows: list[Destination], start_jetbridge: Any, eventually: Any
) -> None:
    start_jetbridge("worker")
    reader = ledger.destination_reader(rows[0].id)
    Destination.objects.filter(id=rows[0].id).update(settings={"listId": "7", "mapping": "="})

    def hold() -> str:
        status = jetbridge("status", "--json").json
        (row,) = (row for row in status["destinations"] if row["id"] == rows[0].id)
        return str(row["hold"] and row["hold"]["code"])

    eventually(lambda: hold() == "INVALID_SETTINGS", f"{reader} is held for its mapping")
    jetbridge("settings", str(rows[0].id), "mapping=")
    eventually(lambda: hold() == "None", "the hold ends")
