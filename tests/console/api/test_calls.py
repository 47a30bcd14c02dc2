"""What the calls of destinations, failures, tasks, replays and contacts do."""

import json
from typing import Any

import pytest

from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.models import AgainRow, Task

from .filled import NOON, Filled


def test_the_status_tells_the_figures_of_the_workspace(shop: Filled, elsewhere: Filled) -> None:
    told = shop.get("workspace")
    (row,) = told["destinations"]
    assert (told["name"], told["role"], told["balanced"]) == ("Shop", "owner", True)
    assert (row["received"], row["failed"], row["reasons"]["failed"]) == (1, 1, {"INVALID_EMAIL": 1})
    assert {each["messages"] for each in told["sources"]} == {0, 1}


def test_a_source_is_added_renamed_and_switched(shop: Filled) -> None:
    made = shop.call("POST", "sources", {"name": " Website "})
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["enabled"], len(made.json()["write_key"])) == (
        "Website",
        True,
        32,
    )
    path = f"sources/{made.json()['id']}"
    changed = shop.call("PATCH", path, {"name": "Store", "enabled": False}).json()
    assert (changed["name"], changed["enabled"]) == ("Store", False)
    assert shop.get(path) == changed
    taken = shop.call("PATCH", path, {"name": "Mailjet events"})
    assert (taken.status_code, taken.json()["error"]) == (422, "Another source is named Mailjet events.")
    entries = AuditEntry.objects.order_by("id")
    assert [(row.action, row.thing) for row in entries] == [
        ("source.added", "Website"),
        ("source.renamed", "Store"),
        ("source.disabled", "Store"),
    ]
    assert {row.who for row in entries} == {"deploy, a token of olga@example.com"}


def test_lists_page_by_key_and_end(shop: Filled) -> None:
    for number in range(4):
        shop.call("POST", "sources", {"name": f"Website {number}"})
    names: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while query:
        page = shop.get("sources", **query)
        names += [row["name"] for row in page["items"]]
        query = {"limit": 2, "after": page["next"]} if page["next"] else {}
    others = ["Segment workspace (Customers of shop)", "Mailjet events"]
    assert names == [f"Website {number}" for number in (3, 2, 1, 0)] + others


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limit": 0}, "Expected `int` >= 1 - at `$.limit`."),
        ({"limit": 201}, "Expected `int` <= 200 - at `$.limit`."),
        ({"after": "x"}, "'x' is no key of a page: `after` takes what `next` said."),
        ({"page": 2}, "Object contains unknown field `page`."),
    ],
)
def test_a_query_that_means_nothing_is_refused(shop: Filled, query: dict[str, Any], sentence: str) -> None:
    answer = shop.call("GET", "sources", **query)
    assert (answer.status_code, answer.json()["error"]) == (422, sentence)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Object missing required field `name`."),
        ({"name": 1}, "Expected `str`, got `int` - at `$.name`."),
        ({"name": "a", "kind": "http"}, "Object contains unknown field `kind`."),
        ([], "Expected `object`, got `array`."),
    ],
)
def test_a_body_that_means_nothing_is_refused(shop: Filled, body: Any, sentence: str) -> None:
    answer = shop.call("POST", "sources", body)
    assert (answer.status_code, answer.json()["error"]) == (422, sentence)


def test_a_destination_is_changed_as_commands_do_it(shop: Filled) -> None:
    path = "destinations/{destination}"
    assert shop.get(path)["settings"]["apiKey"] == "••••••••"
    wrong = shop.call("PATCH", path, {"settings": {"listId": "one"}, "name": "Other"})
    assert wrong.status_code == 422
    assert wrong.json()["error"].startswith("listId: ")
    assert shop.get(path)["name"] == "Mailjet"
    changed = shop.call("PATCH", path, {"settings": {"listId": "10002"}, "enabled": False}).json()
    assert [(row["what"], row["before"], row["after"]) for row in changed["changed"]] == [
        ("listId", "10001", "10002"),
        ("enabled", "yes", "no"),
    ]
    assert changed["destination"] == shop.get(path)
    told = {row.action: row.details for row in AuditEntry.objects.all()}
    assert told == {"destination.disabled": {}, "destination.changed": {"listId": ["10001", "10002"]}}


def test_a_held_destination_is_released(shop: Filled) -> None:
    ledger.hold(ledger.destination_reader(shop.ids["destination"]), "FORBIDDEN", "The keys are refused.")
    assert shop.get("workspace")["destinations"][0]["hold"] == {
        "code": "FORBIDDEN",
        "reason": "The keys are refused.",
    }
    path = "destinations/{destination}/release"
    assert [shop.call("POST", path).json()["released"] for _ in range(2)] == [True, False]
    assert AuditEntry.objects.get().action == "destination.released"


def test_failures_are_listed_explained_and_tried_again(shop: Filled) -> None:
    (row,) = shop.get("destinations/{destination}/failures", reason="INVALID_EMAIL")["items"]
    assert (row["message_id"], row["sentence"], row["messages"]) == ("m-shop", "No address of shop.", 1)
    assert shop.get("destinations/{destination}/failures", since="2100-01-01T00:00:00")["items"] == []
    full = shop.get("destinations/{destination}/failures/{failure}")
    assert full["failure"] == row
    assert full["message"]["_settings"] == {"apiKey": "***"}
    retry = "destinations/{destination}/retry"
    assert shop.call("POST", retry, {}).json()["error"].startswith("Say which failures")
    assert shop.call("POST", retry, {"ids": [row["id"]]}).json() == {
        "pending": 1,
        "lost": 0,
        "no_longer_kept": 0,
    }
    assert AgainRow.objects.filter(destination_id=shop.ids["destination"]).count() == 1
    assert AuditEntry.objects.get().details == {"messages": 1, "lost": 0, "reason": "any"}


def test_a_task_is_asked_for_once_looked_at_and_cancelled(shop: Filled) -> None:
    path = "destinations/{destination}/tasks"
    asked = shop.call("POST", path, {"kind": "verify"})
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert shop.call("POST", path, {"kind": "verify"}).json()["id"] == asked.json()["id"]
    assert [row["kind"] for row in shop.get(path)["items"]] == ["verify", "count", "plan"]
    one = f"{path}/{asked.json()['id']}"
    assert [shop.call("POST", f"{one}/cancel").json()["cancelled"] for _ in range(2)] == [True, False]
    assert (shop.get(one)["state"], shop.get(one)["problem"]) == ("failed", "Cancelled.")
    for wish, sentence in (
        ({"kind": "plan", "source": 1}, "source: only a count takes that."),
        ({"kind": "count", "source": 999}, "source: the destination has no source 999."),
    ):
        assert shop.call("POST", path, wish).json()["error"] == sentence


def test_a_replay_reads_what_was_counted(shop: Filled) -> None:
    path = "destinations/{destination}/replays"
    task = shop.call("POST", "destinations/{destination}/tasks", {"kind": "count"}).json()["id"]
    too_early = shop.call("POST", path, {"task": task})
    assert too_early.json()["error"].startswith(f"Task {task} is no count that has ended")
    counted = {
        "after": 0,
        "upto": 1,
        "source": None,
        "messages": 1,
        "let_through": 1,
        "by_type": {"identify": 1},
    }
    Task.objects.filter(id=task).update(ended_at=NOON, result=json.dumps(counted))
    asked = shop.call("POST", path, {"task": task})
    assert asked.status_code == 202
    told = asked.json()
    assert (told["after"], told["upto"], told["messages"], told["state"]) == (0, 1, 1, "open")
    cancel = f"{path}/{told['id']}/cancel"
    assert [shop.call("POST", cancel).json()["cancelled"] for _ in range(2)] == [True, False]
    assert [row["state"] for row in shop.get(path)["items"]] == ["cancelled", "open"]
    assert shop.call("POST", path, {"task": task}).status_code == 404  # the count is used up
    assert [row.action for row in AuditEntry.objects.order_by("id")] == [
        "destination.replayed",
        "destination.replay-cancelled",
    ]


def test_a_trace_finds_a_message_and_a_person(shop: Filled) -> None:
    for query in ({"message_id": "m-shop"}, {"person": "u-shop"}, {"person": "Shop@example.com"}):
        found = shop.get("trace", **query)
        (row,) = found["items"]
        assert (row["message_id"], row["type"], found["next"]) == ("m-shop", "identify", None)
        assert [(each["destination"], each["outcome"], each["reason"]) for each in row["fates"]] == [
            ("Mailjet", "failed", "INVALID_EMAIL")
        ]
    for query in ({}, {"message_id": "a", "person": "b"}):
        answer = shop.call("GET", "trace", **query)
        assert answer.json() == {"error": "Say what to trace: message_id or person."}


def test_contacts_are_found_and_listed(shop: Filled) -> None:
    path = "destinations/{destination}/contacts"
    nobody = {"items": [], "without_address": [], "next": None}
    assert shop.get(path, name="nobody@example.com") == nobody
    assert [shop.get(path, which=which) for which in ("told", "due", "job")] == [nobody] * 3
    assert shop.call("GET", path, which="all").status_code == 422


def test_a_person_is_forgotten_and_the_audit_does_not_name_them(shop: Filled) -> None:
    asked = shop.call("POST", "forget", {"name": "ada@example.com"})
    assert (asked.status_code, asked.json()["ended_at"], asked.json()["done"]) == (202, None, [])
    assert shop.get(f"forget/{asked.json()['id']}") == asked.json()
    row = AuditEntry.objects.get()
    assert row.action == "person.forgotten"
    assert "ada" not in f"{row.thing} {row.details}"
