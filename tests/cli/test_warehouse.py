"""`jetbridge warehouse`, and the API beside it: both show what the tabs of a warehouse show."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from jetbridge.control.models import Destination, Workspace
from jetbridge.control.people import ApiToken, Membership, Role, User
from jetbridge.control.secret_field import digest
from jetbridge.integrations.warehouse import location, rejected, runs
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.integrations.warehouse.models import Schema
from jetbridge.spec.message import Message

NOW = datetime.now(UTC)
WRITER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def calls() -> list[Message]:
    """Two mails, one opened, and clicked by Ann, who then buys; and two values that are rejected."""
    common: dict[str, Any] = {"type": "track", "timestamp": NOW, "received_at": NOW}
    mail = {"campaign_id": "7", "campaign_name": "Sale"}
    people = [("ann", "1"), ("bob", "2")]
    delivered = [("Email Delivered", user, {**mail, "email_id": id_}) for user, id_ in people]
    of_ann = [(f"Email {name}", "ann", {**mail, "email_id": "1"}) for name in ("Opened", "Link Clicked")]
    orders = [
        ("Order Completed", user, {"total": total})
        for user, total in (("ann", 12.5), ("bob", "x"), ("bob", "y"))
    ]
    return [
        Message(
            **common,
            message_id=f"m{number}",
            event=event,
            user_id=user,
            properties=properties,
            context={"traits": {"email": f"{user}@example.com"}},
        )
        for number, (event, user, properties) in enumerate([*delivered, *of_ann, *orders])
    ]


@pytest.fixture
def row(home: Any) -> Iterator[Destination]:
    destination = Workspace.objects.create(name="Shop").destinations.create(
        name="Warehouse", kind="warehouse"
    )
    result = load(DuckDB(location.default_file(destination.id)), [Arrival("web", call) for call in calls()])
    runs.record(destination.id, NOW, len(calls()), result)
    Schema.objects.create(destination_id=destination.id, source_id=1, name="web")
    yield destination
    location.default_file(destination.id).unlink()


@pytest.fixture
def api(row: Destination, django_test_environment: None) -> Any:
    user = User.objects.create_user("olga@example.com", None, "Olga")
    for role in (Role.OWNER, Role.VIEWER):
        ApiToken.objects.create(
            workspace=row.workspace,
            user=user,
            name=role.value,
            role=role,
            digest=digest(role.value),
            ending="oken",
        )
    Membership.objects.create(user=user, workspace=row.workspace, role=Role.OWNER)

    def get(path: str, role: Role = Role.OWNER, **query: str) -> Any:
        url = f"/api/v1/destinations/{row.id}/warehouse/{path}"
        return Client().get(url, query, headers={"authorization": f"Bearer {role.value}"})

    return get


def test_tables_and_runs(row: Destination, jetbridge: Any, api: Any) -> None:
    tables = {table["name"]: table for table in jetbridge("warehouse", "tables", "--json").json["tables"]}
    assert (tables["order_completed"]["rows"], tables["order_completed"]["rejected"]) == (3, 2)
    assert tables["order_completed"]["columns"]["total"] == "float"
    assert "web.order_completed" in jetbridge("warehouse", "tables", str(row.id), env={"COLUMNS": "20"}).out
    of_api = {table["name"]: table for table in api("tables").json()["items"]}
    assert of_api.keys() == tables.keys()
    assert (of_api["tracks"]["schema_name"], of_api["tracks"]["rows"]) == ("web", 7)

    [run] = jetbridge("warehouse", "runs", "Warehouse", "--json").json["runs"]
    assert (run["messages"], run["rows"]["web.tracks"], run["rejected"]) == (7, 7, {"web.order_completed": 2})
    assert "loaded" in jetbridge("warehouse", "runs").out
    [of_api] = api("runs").json()["items"]
    assert {name: of_api[name] for name in ("messages", "rows", "rejected", "error")} == {
        name: run[name] for name in ("messages", "rows", "rejected", "error")
    }


def test_rejected_values(row: Destination, jetbridge: Any, api: Any) -> None:
    found = jetbridge("warehouse", "rejected", "--json").json
    reason = "the column is of type float"
    [kind] = found["kinds"]
    assert (kind["table"], kind["column"], kind["reason"], kind["values"]) == (
        "web.order_completed", "total", reason, 2
    )  # fmt: skip
    assert [value["value"] for value in found["values"]] == ['"x"', '"y"']
    assert reason in jetbridge("warehouse", "rejected", env={"COLUMNS": "20"}).out
    assert jetbridge("warehouse", "rejected", "--column", "id", "--json").json["values"] == []
    assert "None of them fits" in jetbridge("warehouse", "rejected", "--column", "id").out
    for option, there in (("table", "web.order_completed"), ("column", "total"), ("reason", reason)):
        unknown = jetbridge("warehouse", "rejected", f"--{option}", "nope")
        assert (unknown.status, unknown.out) == (2, "")
        assert f"There is no {option} 'nope'; there are " in unknown.err
        assert there in unknown.err

    assert api("rejected-values/kinds").json() == {"items": [kind], "next": None}
    first = api("rejected-values", limit="1", reason=reason).json()
    second = api("rejected-values", limit="1", reason=reason, after=first["next"]).json()
    assert ([first["items"][0]["value"], second["items"][0]["value"]], second["next"]) == (
        ['"x"', '"y"'],
        None,
    )
    assert api("rejected-values", table="web.none").json()["items"] == []


def test_queries_are_printed_and_run(row: Destination, jetbridge: Any, api: Any) -> None:
    command = f"duckdb -readonly {location.default_file(row.id)}"
    printed = jetbridge("warehouse", "queries").out
    assert command in printed
    assert 'FROM "web"."email_delivered" AS d' in printed
    open_rate, clicked, revenue = jetbridge("warehouse", "queries", "--run", "--json").json["queries"]
    assert open_rate["rows"] == [
        {"campaign_id": "7", "campaign": "Sale", "delivered": 2, "opened": 1, "open_rate_percent": 50.0}
    ]
    assert [(who["email"], who["clicks"]) for who in clicked["rows"]] == [("ann@example.com", 1)]
    assert [(bought["orders"], bought["revenue"]) for bought in revenue["rows"]] == [(1, "12.50")]
    out = jetbridge("warehouse", "queries", "--run").out
    assert f"{NOW:%Y-%m-%d %H:%M:%S}" in jetbridge("warehouse", "queries", "--run", env={"COLUMNS": "40"}).out
    assert [
        words for words in ("Open rate by campaign", "50.0", "ann@example.com", "12.50") if words not in out
    ] == []

    of_api = api("queries").json()
    assert of_api["command"] == command
    assert [query["sql"] for query in of_api["queries"]] == [q["sql"] for q in (open_rate, clicked, revenue)]
    assert api("queries", Role.VIEWER).json() == {**of_api, "command": ""}


def test_a_file_that_somebody_holds_is_an_error_that_says_who(
    row: Destination, jetbridge: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "READ_SECONDS", 0.1)
    command = [sys.executable, "-c", WRITER, location.default_file(row.id)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin
        assert writer.stdout
        assert writer.stdout.readline() == b"open\n"
        answer, printed = api("rejected-values"), jetbridge("warehouse", "rejected")
        writer.stdin.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "REMOTE_UNAVAILABLE")
    assert f"PID {writer.pid}" in answer.json()["detail"]
    assert printed.status == 1
    assert f"PID {writer.pid}" in printed.err


def test_which_warehouse_is_meant(row: Destination, jetbridge: Any, api: Any) -> None:
    other = row.workspace.destinations.create(name="Second", kind="warehouse")
    row.workspace.destinations.create(name="Hook", kind="webhook")
    unclear = jetbridge("warehouse", "tables")
    there = f"Warehouse (id {row.id}), Second (id {other.id})"
    assert (unclear.status, unclear.err) == (1, f"Error: Say which warehouse, by its id: {there}.\n")
    for name in ("Hook", "Nope"):
        unknown = jetbridge("warehouse", "tables", name)
        assert (unknown.status, unknown.err) == (
            1,
            f"Error: There is no warehouse {name}; there are {there}.\n",
        )
    assert jetbridge("warehouse", "tables", "Second").out == "Nothing was loaded yet.\n"
    assert "No values were rejected." in jetbridge("warehouse", "rejected", "Second").out
    assert "Email Delivered" in jetbridge("warehouse", "queries", "Second", "--run").out
    row.kind = "webhook"
    row.save()
    answer = api("tables")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"There is no warehouse {row.id} in Shop.")
    Destination.objects.filter(kind="warehouse").delete()
    assert (
        "`jetbridge destinations add warehouse --source all` adds one" in jetbridge("warehouse", "runs").err
    )
