"""What the calls of destinations, failures, tasks, replays and contacts do."""

import json
from typing import Any

import pytest

from jetbridge.control.models import AppConnection
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import pauses
from jetbridge.delivery.models import RetryEntry, destination_consumer
from jetbridge.jobs.models import Task

from .filled import NOON, Filled, fill


def test_the_status_tells_the_figures_of_the_workspace(shop: Filled, elsewhere: Filled) -> None:
    told = shop.get("workspace")
    row, _ = told["destinations"]
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
    assert (taken.status_code, taken.json()["detail"]) == (409, "Another source is named Mailjet events.")
    entries = AuditEntry.objects.order_by("id")
    assert [(row.action, row.thing) for row in entries] == [
        ("source.added", "Website"),
        ("source.renamed", "Store"),
        ("source.disabled", "Store"),
    ]
    assert {row.who for row in entries} == {"deploy, a token of olga@example.com"}


def test_a_source_is_removed_when_nothing_of_it_is_unread(shop: Filled, event_log: Any) -> None:
    path = f"sources/{shop.call('POST', 'sources', {'name': 'Website'}).json()['id']}"
    refused = shop.call("DELETE", path)
    assert (refused.status_code, "disable it" in refused.json()["detail"]) == (409, True)
    shop.call("PATCH", path, {"enabled": False})
    removed = shop.call("DELETE", path)
    assert (removed.status_code, removed.json()["name"]) == (200, "Website")
    assert shop.call("GET", path).status_code == 404


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
    assert names == [*(f"Website {number}" for number in (3, 2, 1, 0)), "Engage", *others]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limit": 0}, "limit: Input should be greater than or equal to 1."),
        ({"limit": 201}, "limit: Input should be less than or equal to 200."),
        ({"after": "x"}, "after: 'x' is no key of a page."),
        ({"page": 2}, "page: This call has no such query parameter. It takes after, limit."),
    ],
)
def test_a_query_that_means_nothing_is_refused(shop: Filled, query: dict[str, Any], sentence: str) -> None:
    answer = shop.call("GET", "sources", **query)
    assert (answer.status_code, answer.json()["detail"]) == (422, sentence)
    assert [fault["parameter"] for fault in answer.json()["errors"]] == list(query)


@pytest.mark.parametrize(
    ("body", "sentence", "pointer"),
    [
        ({}, "name: Field required.", "/name"),
        ({"name": 1}, "name: Input should be a valid string.", "/name"),
        ({"name": "a", "kind": "http"}, "kind: Extra inputs are not permitted.", "/kind"),
        ([], "The body: Input should be an object.", ""),
        ({"kind": "x"}, "name: Field required. There is 1 more fault.", "/name"),
    ],
)
def test_a_body_that_means_nothing_is_refused(shop: Filled, body: Any, sentence: str, pointer: str) -> None:
    problem = shop.call("POST", "sources", body).json()
    assert (problem["code"], problem["detail"]) == ("INVALID_REQUEST", sentence)
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b"\xff",
        b"[" * 100_000,
        b'{"name": [' + b"1," * 20_000 + b"1]}",
        b"{" + b",".join(b'"%d":1' % number for number in range(20_001)) + b"}",
    ],
    ids=["cut off", "NaN", "half a pair", "no UTF-8", "deep", "many values", "many names"],
)
def test_a_body_that_cannot_be_read_is_a_bad_request(shop: Filled, body: bytes) -> None:
    answer = shop.call("POST", "sources", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_JSON")
    assert answer.json()["detail"].startswith("The body cannot be read: ")


def test_an_error_names_few_of_many_faults_and_nothing_in_full(shop: Filled) -> None:
    body = {f"{'x' * 5_000}{number}": 1 for number in range(500)}
    answer = shop.call("POST", "sources", body)
    assert len(answer.json()["errors"]) == 20
    assert len(answer.content) < 5_000


def test_a_destination_is_changed_as_commands_do_it(shop: Filled) -> None:
    path = "destinations/{destination}"
    assert shop.get(path)["settings"]["apiKey"] == "••••••••"
    wrong = shop.call("PATCH", path, {"settings": {"listId": "one"}, "name": "Other"})
    assert wrong.status_code == 422
    assert wrong.json()["detail"].startswith("listId: ")
    assert shop.get(path)["name"] == "Mailjet"
    changed = shop.call("PATCH", path, {"settings": {"listId": "10002"}, "enabled": False}).json()
    assert [(row["what"], row["before"], row["after"]) for row in changed["changed"]] == [
        ("listId", "10001", "10002"),
        ("enabled", "yes", "no"),
    ]
    assert changed["destination"] == shop.get(path)
    told = {row.action: row.details for row in AuditEntry.objects.all()}
    assert told == {"destination.disabled": {}, "destination.changed": {"listId": ["10001", "10002"]}}


def test_a_list_that_is_not_there_is_refused_unless_it_is_wanted_anyway(
    people: Any, event_log: Any, sandbox: str
) -> None:
    of = fill(event_log, people.workspace, people.owner, (sandbox, "public", "private"))
    path, wanted = "destinations/{destination}", {"listId": "5"}
    refused = of.call("PATCH", path, {"settings": wanted})
    assert (refused.status_code, "has no contacts list 5" in refused.json()["detail"]) == (422, True)
    assert of.get(path)["settings"]["listId"] == "10001"
    assert of.call("PATCH", path, {"settings": wanted, "anyway": True}).status_code == 200
    key = AppConnection.objects.get().authentication_key
    new = {"kind": "mailjet", "settings": {"apiKey": key, "listId": "6"}}
    assert of.call("POST", "destinations", new).status_code == 422
    assert of.call("POST", "destinations", {**new, "anyway": True}).status_code == 201


def test_a_paused_destination_is_resumed(shop: Filled) -> None:
    pauses.pause(destination_consumer(shop.ids["destination"]), "FORBIDDEN", "The keys are refused.")
    assert shop.get("workspace")["destinations"][0]["pause"] == {
        "code": "FORBIDDEN",
        "reason": "The keys are refused.",
    }
    path = "destinations/{destination}/resume"
    assert [shop.call("POST", path).json()["resumed"] for _ in range(2)] == [True, False]
    assert AuditEntry.objects.get().action == "destination.resumed"


def test_failures_are_listed_explained_and_tried_again(shop: Filled) -> None:
    (row,) = shop.get("destinations/{destination}/failures", reason="INVALID_EMAIL")["items"]
    assert (row["message_id"], row["detail"], row["messages"]) == ("m-shop", "No address of shop.", 1)
    assert shop.get("destinations/{destination}/failures", since="2100-01-01T00:00:00")["items"] == []
    full = shop.get("destinations/{destination}/failures/{failure}")
    assert full["failure"] == row
    assert full["message"]["_settings"] == {"apiKey": "***"}
    retry = "destinations/{destination}/retry"
    assert shop.call("POST", retry, {}).json()["detail"].startswith("Nothing says which failures are meant.")
    assert shop.call("POST", retry, {"ids": [row["id"]]}).json() == {
        "pending": 1,
        "lost": 0,
        "no_longer_kept": 0,
    }
    assert RetryEntry.objects.filter(destination_id=shop.ids["destination"]).count() == 1
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
        assert shop.call("POST", path, wish).json()["detail"] == sentence


def test_a_replay_reads_what_was_counted(shop: Filled) -> None:
    path = "destinations/{destination}/replays"
    task = shop.call("POST", "destinations/{destination}/tasks", {"kind": "count"}).json()["id"]
    too_early = shop.call("POST", path, {"task": task})
    assert too_early.status_code == 409
    assert too_early.json()["detail"].startswith(f"Task {task} is no count that has ended")
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
        assert [(each["destination"], each["outcome"], each["reason"]) for each in row["statuses"]] == [
            ("Mailjet", "failed", "INVALID_EMAIL")
        ]
    for query in ({}, {"message_id": "a", "person": "b"}):
        answer = shop.call("GET", "trace", **query)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
        assert answer.json()["detail"] == "Either message_id or person is needed, and not both."


def test_contacts_are_found_and_listed(shop: Filled) -> None:
    path = "destinations/{destination}/contacts"
    nobody = {"items": [], "without_address": [], "next": None}
    assert shop.get(path, name="nobody@example.com") == nobody
    assert [shop.get(path, which=which) for which in ("recent", "due", "job")] == [nobody] * 3
    assert shop.call("GET", path, which="all").status_code == 422


def test_a_person_is_forgotten_and_the_audit_does_not_name_them(shop: Filled) -> None:
    asked = shop.call("POST", "forget", {"name": "ada@example.com"})
    assert (asked.status_code, asked.json()["ended_at"], asked.json()["done"]) == (202, None, [])
    assert shop.get(f"forget/{asked.json()['id']}") == asked.json()
    row = AuditEntry.objects.get()
    assert row.action == "person.forgotten"
    assert "ada" not in f"{row.thing} {row.details}"
