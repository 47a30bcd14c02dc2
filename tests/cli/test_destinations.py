import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control.factories import new_source
from jetbridge.control.models import Destination, SourceKind, Workspace
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.models import ConsumerOffset, destination_consumer
from jetbridge.engage.models import Space
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.services import destination_settings

if TYPE_CHECKING:
    from conftest import Jetbridge

SPEC = ConnectionSpec(
    "Main", "http://127.0.0.1:1", "public", "private", 7, "Customers", segment_write_key="writekey123"
)

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def rows(event_log: SqliteEventLog) -> list[Destination]:
    joined = connect.join(SPEC)
    for row in joined.destinations:
        ledger.begin_destination(row.id, [source.id for source in row.sources.all()], event_log.counts())
    return joined.destinations


def test_settings_are_listed_with_secrets_masked(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    result = jetbridge("destinations", "list", "--json")
    mailjet, segment = result.json["destinations"]
    assert mailjet == {
        "id": rows[0].id,
        "workspace": "Main",
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
        "emailEventNames": "spec",
        "ownEmailEventNames": {},
        "filters": "",
    }
    keys = ("writekey123", json.loads(rows[0].secrets)["apiKey"])
    for text in (
        result.out,
        jetbridge("destinations", "list").out,
        jetbridge("destinations", "list", str(rows[0].id)).out,
    ):
        assert not any(key in text for key in keys)


def test_a_change_is_made_and_said(jetbridge: "Jetbridge", rows: list[Destination], tmp_path: Path) -> None:
    (tmp_path / "mapping").write_text("firstName = First Name\nplan\n")
    wanted = (f"mapping=@{tmp_path}/mapping", "properties=listed", "listId= 8")
    result = jetbridge("destinations", "set", str(rows[0].id), *wanted)
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        "mapping                 firstName = First Name",
        "                        plan",
        "   Line 1: the property is named first_name; names have a-z, 0-9 and _, and begin with a letter.",
        "properties: all → listed",
        "listId: 7 → 8",
        "   Who is on the former list stays there.",
        "   What still waits for it goes to the new one if that list is gone.",
        "A running worker takes it up within a second, for calls not read yet.",
    ]
    rows[0].refresh_from_db()
    assert rows[0].settings == {
        "mapping": "firstName = First Name\nplan",
        "properties": "listed",
        "listId": "8",
    }
    back = jetbridge("destinations", "set", str(rows[0].id), "mapping=", "properties=", "--json").json
    assert back["changed"] == [
        {"what": "mapping", "before": "firstName = First Name\nplan", "after": "", "notes": []},
        {"what": "properties", "before": "listed", "after": "all", "notes": []},
    ]
    assert "Nothing changed" in jetbridge("destinations", "set", str(rows[0].id), "listId=8").out


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
    result = jetbridge("destinations", "set", str(rows[0].id), "unsubscribedTrait=optOut", value)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"Error: {sentence}")
    assert Destination.objects.get(id=rows[0].id).settings == rows[0].settings


def test_a_secret_is_changed_and_never_shown(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    result = jetbridge("destinations", "set", str(rows[1].id), "writeKey=@-", stdin="newkey456\n")
    assert result.out.splitlines()[0] == "writeKey: changed"
    assert "newkey456" not in result.out
    assert json.loads(Destination.objects.get(id=rows[1].id).secrets) == {"writeKey": "newkey456"}


def test_a_destination_is_renamed_disabled_and_enabled(
    jetbridge: "Jetbridge", rows: list[Destination]
) -> None:
    renamed = jetbridge("destinations", "set", str(rows[0].id), "--name", "Shop")
    assert renamed.out.splitlines()[0] == "name: Mailjet (Customers) → Shop"
    assert jetbridge("destinations", "disable", "Shop").out.splitlines()[0] == "enabled: yes → no"
    row = Destination.objects.get(id=rows[0].id)
    assert (row.enabled, row.name) == (False, "Shop")
    assert jetbridge("destinations", "list").out.startswith(
        f"{row.id}  Shop (mailjet, disabled), from HTTP API"
    )
    enabled = jetbridge("destinations", "enable", "Shop", "--json").json
    assert (enabled["destination"]["enabled"], [each["what"] for each in enabled["changed"]]) == (
        True,
        ["enabled"],
    )
    assert "Nothing changed" in jetbridge("destinations", "enable", "Shop").out
    taken = jetbridge("destinations", "set", str(rows[1].id), "--name", "Shop")
    assert taken.err == "Error: Another destination is named Shop. Nothing was changed.\n"
    whos = set(AuditEntry.objects.values_list("who", "action"))
    assert whos == {
        ("jetbridge destinations set", "destination.changed"),
        ("jetbridge destinations disable", "destination.disabled"),
        ("jetbridge destinations enable", "destination.enabled"),
    }


def test_an_unknown_destination_is_one_clear_sentence(jetbridge: "Jetbridge", home: Path) -> None:
    assert "There is no destination yet" in jetbridge("destinations", "list").out
    for verb in ("list", "enable", "disable", "delete"):
        yes = ("--yes",) if verb == "delete" else ()
        assert jetbridge("destinations", verb, "99", *yes).err == (
            "Error: There is no destination 99: `jetbridge destinations list` lists them.\n"
        )
    nothing = jetbridge("destinations", "set", "99")
    assert (nothing.status, "Say what to change" in nothing.err) == (2, True)


def test_a_destination_is_added_and_takes_what_comes(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    command = ("destinations", "add", "webhook", "url=-", "signingSecret=-", "batchSize=5")
    given = f"https://example.com/in?key=k-4711\n{SIGNING}\n"
    added = jetbridge(*command, "--source", "all", "--json", stdin=given)
    row = added.json["destination"]
    assert (row["name"], row["kind"], row["enabled"], row["settings"]["batchSize"]) == (
        "Webhook",
        "webhook",
        True,
        5,
    )
    assert row["sources"] == ["HTTP API", "Mailjet events", "Segment workspace (Customers)"]
    assert row == jetbridge("destinations", "list", "Webhook", "--json").json["destinations"][0]
    assert not any(secret in added.out for secret in ("k-4711", SIGNING))
    stored = Destination.objects.get(id=row["id"])
    assert json.loads(stored.secrets) == {
        "url": "https://example.com/in?key=k-4711",
        "signingSecret": SIGNING,
    }
    assert destination_consumer(stored.id) in ConsumerOffset.objects.values_list("consumer", flat=True)
    (entry,) = AuditEntry.objects.all()
    assert (entry.who, entry.action, entry.thing) == (
        "jetbridge destinations add",
        "destination.added",
        "Webhook",
    )


def test_a_name_that_is_given_and_taken_is_refused(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    command = ("destinations", "add", "webhook", "url=https://example.com", "--source", "all", "--json")
    assert jetbridge(*command).json["destination"]["name"] == "Webhook"
    assert jetbridge(*command).json["destination"]["name"] == "Webhook 2"
    for more in ((), ("--dry-run",)):
        refused = jetbridge(*command, "--name", "Webhook", *more)
        assert (refused.status, refused.out) == (1, "")
        assert refused.err == "Error: Another destination is named Webhook. Nothing was added.\n"
    assert Destination.objects.count() == len(rows) + 2


def test_sources_are_named_and_changed(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    of_one = ("destinations", "add", "webhook", "url=https://example.com", "--disabled", "--name", "Tool")
    added = jetbridge(*of_one, "--source", "HTTP API")
    assert added.out.splitlines()[0].endswith("Tool (webhook, disabled), from HTTP API")
    assert "jetbridge destinations enable" in added.out
    assert jetbridge("destinations", "set", "Tool", "--source", "Mailjet events").out.startswith(
        "sources: HTTP API → Mailjet events"
    )
    nobody = jetbridge("destinations", "set", "Tool", "--source", "Shop")
    assert nobody.err == (
        "Error: There is no source Shop in Main; there are HTTP API, Mailjet events, Segment workspace (Customers). "
        "Or say all.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (
            ("fax", "--source", "all"),
            1,
            "There is no kind 'fax'; there are mailjet, segment, webhook, warehouse.",
        ),
        (
            ("webhook", "url=https://example.com"),
            2,
            "Say whose messages it gets: --source NAME, or --source all.",
        ),
        (("webhook", "--source", "all"), 1, "url: URL is needed. Nothing was added."),
        (("webhook", "url=ftp://example.com", "--source", "all"), 1, "url: "),
        (
            ("webhook", "url=https://example.com", "method=GET", "--source", "all"),
            1,
            "method: 'GET' is none of POST, PUT, PATCH. Nothing was added.",
        ),
        (("segment", "writeKey=k", "events=Eaten", "--source", "all"), 1, "events: 'Eaten' is none of Email"),
        (
            ("webhook", "url=https://example.com", "--source", "all", "--workspace", "No"),
            1,
            "There is no workspace No.",
        ),
    ],
)
def test_what_cannot_be_added_is_one_clear_sentence(
    jetbridge: "Jetbridge", rows: list[Destination], arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    result = jetbridge("destinations", "add", *arguments)
    assert (result.status, result.out) == (status, "")
    assert f"Error: {sentence}" in result.err
    assert Destination.objects.count() == 2


def test_a_destination_is_deleted_once_that_is_confirmed(
    jetbridge: "Jetbridge", rows: list[Destination]
) -> None:
    assert jetbridge("destinations", "delete", "Segment").status == 2
    assert Destination.objects.count() == 2
    deleted = jetbridge("destinations", "delete", "Segment", "--yes", "--json").json["destination"]
    assert (deleted["id"], deleted["name"]) == (rows[1].id, "Segment")
    assert jetbridge("destinations", "list", "Segment").status == 1
    (entry,) = AuditEntry.objects.all()
    assert (entry.who, entry.action, entry.thing) == (
        "jetbridge destinations delete",
        "destination.removed",
        "Segment",
    )


def test_what_a_deletion_ends_is_named(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    workspace = rows[1].workspace
    space = Space.objects.create(
        workspace=workspace, source=new_source(workspace, SourceKind.ENGAGE, "Engage")
    )
    for name in ("Buyers", "VIPs"):
        audience = space.computations.create(name=name, key=name, computation_class="audience", definition={})
        audience.activations.create(destination=rows[1])
    deleted = jetbridge("destinations", "delete", "Segment", "--yes")
    assert deleted.out.startswith(
        "Segment is deleted. With it ends what is sent here of Engage: Buyers, VIPs."
    )


def test_names_that_are_there_twice_are_told_apart(jetbridge: "Jetbridge", rows: list[Destination]) -> None:
    other = Workspace.objects.create(name="Other")
    twin = other.destinations.create(kind="segment", name="Segment", secrets="{}")
    refused = jetbridge("destinations", "disable", "Segment")
    assert refused.err == (
        f"Error: Several destinations are named Segment. Give an id: {rows[1].id} (Main), {twin.id} (Other).\n"
    )
    several = jetbridge("destinations", "add", "warehouse", "--source", "all")
    assert several.err == ("Error: There are several workspaces: Main, Other. Say which with --workspace.\n")


def test_a_running_worker_takes_a_change_up(
    jetbridge: "Jetbridge", rows: list[Destination], start_jetbridge: Any, eventually: Any
) -> None:
    start_jetbridge("worker")
    reader = destination_consumer(rows[0].id)
    Destination.objects.filter(id=rows[0].id).update(settings={"listId": "7", "mapping": "="})

    def pause() -> str:
        status = jetbridge("status", "--json").json
        (row,) = (row for row in status["destinations"] if row["id"] == rows[0].id)
        return str(row["pause"] and row["pause"]["code"])

    eventually(lambda: pause() == "INVALID_SETTINGS", f"{reader} is held for its mapping")
    jetbridge("destinations", "set", str(rows[0].id), "mapping=")
    eventually(lambda: pause() == "None", "the hold ends")


def test_a_list_that_is_not_there_is_refused_unless_it_is_wanted_anyway(
    jetbridge: "Jetbridge", mailjet: str, event_log: SqliteEventLog
) -> None:
    customers = MailjetClient(mailjet, "public", "private").create_contactslist("Customers")
    joined = connect.join(ConnectionSpec("Main", mailjet, "public", "private", customers.id, customers.name))
    row = joined.to_mailjet
    ledger.begin_destination(row.id, [], event_log.counts())

    refused = jetbridge("destinations", "set", str(row.id), "listId=5")
    assert refused.status == 1
    assert "has no contacts list 5" in refused.err
    assert "Nothing was changed. --anyway sets it all the same." in refused.err
    row.refresh_from_db()
    assert row.settings["listId"] == str(customers.id)

    assert (
        jetbridge("destinations", "set", str(row.id), f'listId="{customers.id}" ', "properties=listed").status
        == 0
    )
    assert jetbridge("destinations", "set", str(row.id), "listId=5", "--anyway").status == 0
    row.refresh_from_db()
    assert row.settings["listId"] == "5"


def test_a_warehouse_is_connected_before_it_is_added(
    jetbridge: "Jetbridge", rows: list[Destination], free_port: Any
) -> None:
    add = ("destinations", "add", "warehouse", "--source", "all")
    url = f"url=postgresql://u:p4711@127.0.0.1:{free_port()}/shop"
    refused = jetbridge(*add, url)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.endswith("Nothing was added. --anyway adds it all the same.\n")
    assert "p4711" not in refused.err
    tried = jetbridge(*add, "--dry-run")
    assert tried.out.endswith("Nothing was added: --dry-run.\n")
    assert all(": passed." in line for line in tried.out.splitlines()[:-1])
    assert len(jetbridge(*add, "--dry-run", "--json").json["steps"]) == len(tried.out.splitlines()) - 1 > 0
    assert Destination.objects.count() == 2
    assert jetbridge(*add, url, "--anyway", "--json").json["destination"]["kind"] == "warehouse"


def test_names_that_nobody_knows_get_a_hint_when_they_are_set(
    jetbridge: "Jetbridge", rows: list[Destination]
) -> None:
    table, source = "There is no table named page so far.", "There is no source named HTTP so far."
    values = ("exclude=page", 'schemas={"HTTP": "web"}')
    add = ("destinations", "add", "warehouse", "--source", "all", "--anyway")
    added = jetbridge(*add, *values, "--json").json
    assert {note.partition(" Do you")[0] for note in added["notes"]} == {table, source}
    out = jetbridge(*add, *values, "--name", "Second").out
    assert table in out
    assert source in out
    changed = jetbridge("destinations", "set", "Second", "exclude=", "schemas={}", "--anyway", "--json").json
    assert [each["notes"] for each in changed["changed"]] == [[], []]
    changed = jetbridge("destinations", "set", "Second", *values, "--anyway", "--json").json["changed"]
    assert [each["notes"][0].partition(" Do you")[0] for each in changed] == [table, source]
    assert (
        destination_settings.notes_of(rows[0]) == []
    )  # what is said of another list is not said of the first


@pytest.fixture
def serving(start_jetbridge: Any, free_port: Any) -> str:
    """Address of a Jetbridge that runs."""
    port = free_port()
    start_jetbridge("serve", "--port", str(port), health=f"http://127.0.0.1:{port}/healthz")
    return f"http://127.0.0.1:{port}"


def test_a_webhook_that_is_added_beside_a_running_jetbridge_gets_what_comes(
    own_process: "Jetbridge", serving: str, rows: list[Destination], receiver: Any, eventually: Any
) -> None:
    """In processes of their own, with a receiver that listens. Only `serve` was told which addresses it may call."""
    here = {"JETBRIDGE_ALLOW_PRIVATE_NETWORKS": ""}
    command = ("destinations", "add", "webhook", "url=-", "--source", "HTTP API", "--json")
    added = own_process(*command, stdin=f"{receiver.url}\n", env=here).json["destination"]
    source = rows[0].workspace.sources.get(name="HTTP API")
    call = {"type": "track", "userId": "u1", "event": "Order Completed", "writeKey": source.current_key}
    body = json.dumps({**call, "messageId": "m-1"}).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{serving}/v1/track", body, headers), timeout=60)
    eventually(lambda: receiver.posts, "the call arrives")
    assert json.loads(receiver.posts[0][1])["messageId"] == "m-1"
    test = ("destinations", "test", str(added["id"]), "m-1", "--json")
    tested = own_process(*test, env=here).json
    assert (tested["status"], tested["body"]) == (200, "ok")
    assert json.loads(receiver.posts[-1][1])["messageId"] == tested["message_id"]
    refused = own_process(*test, env={"JETBRIDGE_ALLOW_PRIVATE_NETWORKS": "10.0.0.0/8"})
    assert (refused.status, json.loads(refused.out)["outcome"]) == (1, "paused")
    assert own_process("destinations", "delete", "Webhook", "--yes", "--json").status == 0
