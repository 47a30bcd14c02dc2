"""Audiences, computed traits and profiles by the API."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from tests.engage.stored import Store

from jetbridge.control.models import Workspace
from jetbridge.control.people import AuditEntry, Membership, Role
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.engage.models import Computation, Space

from .filled import Filled, token_of

ORDERED = {"event": "Order Completed", "within": "30d"}
SPENT = {"computed": "sum", "event": "Order Completed", "property": "total"}


@pytest.fixture
def bare(people: Any) -> Filled:
    """A workspace in which Engage was never on."""
    workspace = Workspace.objects.create(name="New")
    Membership.objects.create(user=people.owner, workspace=workspace, role=Role.OWNER)
    token_of(workspace, people.owner, "token of new")
    return Filled(workspace, {}, "token of new", [])


def created(of: Filled, name: str = "Buyers", definition: Any = None, **fields: Any) -> dict[str, Any]:
    path = "computed-traits" if definition and "computed" in definition else "audiences"
    answer = of.call("POST", path, {"name": name, "definition": definition or ORDERED, **fields})
    assert answer.status_code == 201, answer.content
    row: dict[str, Any] = answer.json()
    return row


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    told: dict[str, Any] = answer.json()
    return told


def test_the_first_audience_switches_engage_on_and_says_so(bare: Filled) -> None:
    assert bare.get("audiences") == {"items": [], "next": None}
    assert bare.get("workspace")["engage"] is False
    row = created(bare, "Order completed, last 30days", include_anonymous=True)
    assert row["engage_switched_on"] is True
    assert bare.get("workspace")["engage"] is True
    assert {
        name: row[name] for name in ("key", "property", "state", "size", "text", "include_anonymous")
    } == {
        "key": "order_completed_last_30days",
        "property": "order_completed_last_30days",
        "state": "computing",
        "size": 0,
        "text": "Order Completed at least once within 30 days",
        "include_anonymous": True,
    }
    assert created(bare, "30 day active")["property"] == "p_30_day_active"
    assert created(bare, "Others")["engage_switched_on"] is False
    page = bare.get("audiences", limit=2)
    assert [item["name"] for item in page["items"]] == ["Others", "30 day active"]
    assert [item["id"] for item in bare.get("audiences", after=page["next"])["items"]] == [row["id"]]


def test_the_switch_and_its_settings(bare: Filled) -> None:
    for body in ({"engage_retention_days": 365}, {"engage_load_history": True}):
        assert "never on" in problem(bare.call("PATCH", "workspace", body), 409, "CONFLICT")["detail"]
    source = bare.call("POST", "sources", {"name": "Website"}).json()["id"]
    body = {
        "engage": True,
        "engage_retention_days": 365,
        "engage_excluded_sources": [source],
        "engage_load_history": True,
    }
    changed = bare.call("PATCH", "workspace", body)
    assert changed.status_code == 200, changed.content
    assert changed.json() == {
        "id": bare.workspace.id,
        "name": "New",
        "time_zone": "UTC",
        "engage": True,
        "engage_retention_days": 365,
        "engage_excluded_sources": [source],
    }
    kept = bare.get("workspace/engage")
    assert (kept["enabled"], kept["days_kept"], kept["history_requested_at"] is not None) == (True, 90, True)
    problem(bare.call("PATCH", "workspace", {"engage_retention_days": 89}), 422, "INVALID_REQUEST")
    created(bare, definition={"event": "Order Completed", "within": "365d"})
    refused = bare.call("PATCH", "workspace", {"name": "Never", "engage_retention_days": 364})
    assert "Buyers" in problem(refused, 409, "CONFLICT")["detail"]
    assert bare.get("workspace")["name"] == "New"
    assert bare.call("PATCH", "workspace", {"engage": False}).json()["engage"] is False
    assert bare.get("audiences")["items"][0]["state"] == "disabled"


def test_an_editor_switches_engage_on_and_renames_nothing(bare: Filled, people: Any) -> None:
    Membership.objects.create(user=people.editor, workspace=bare.workspace, role=Role.EDITOR)
    token_of(bare.workspace, people.editor, "token of editor")
    editor = replace(bare, secret="token of editor")
    for body in ({"name": "Mine"}, {"time_zone": "Europe/Paris", "engage": True}):
        problem(editor.call("PATCH", "workspace", body), 403, "INSUFFICIENT_ROLE")
    assert bare.get("workspace")["engage"] is False
    assert editor.call("PATCH", "workspace", {"engage": True}).json()["engage"] is True


def test_why_what_is_sent_waits_and_what_a_removal_ends(shop: Filled) -> None:
    made, path = created(shop, "Waiting"), "destinations/{destination}"
    shop.call("PATCH", path, {"enabled": False})
    there = f"audiences/{made['id']}/destinations/{shop.ids['destination']}"
    assert shop.call("PUT", there, {}).json()["error"] == ""
    reading = ConsumerOffset.objects.filter(consumer=f"destination:{shop.ids['destination']}")
    reading.update(last_error="Mailjet cannot be read for now.", pause_code="", pause_reason="")
    (sent,) = shop.get(f"audiences/{made['id']}")["destinations"]
    assert sent["error"] == "Mailjet cannot be read for now."
    reading.update(pause_code="WRONG_KEY", pause_reason="Mailjet rejects the key.")
    assert shop.get(f"audiences/{made['id']}")["destinations"][0]["error"] == "Mailjet rejects the key."
    removed = shop.call("DELETE", path).json()
    assert "With it ends what is sent here of Engage" in removed["note"]
    assert "Waiting" in removed["note"]


def test_a_change_of_another_version_is_refused(shop: Filled) -> None:
    path = f"audiences/{shop.ids['audience']}"
    version = shop.get(path)["version"]
    newer = {"definition": {"event": "A"}, "version": version}
    assert shop.call("PATCH", path, newer).json()["version"] == version + 1
    refused = problem(shop.call("PATCH", path, {**newer, "definition": {"event": "B"}}), 409, "CONFLICT")
    assert f"version {version + 1} now" in refused["detail"]
    assert shop.get(path)["definition"] == {"event": "A"}


@pytest.mark.parametrize(
    ("definition", "pointer"),
    [
        ({"all": [ORDERED, {"event": "A", "where": [["x", "<", "5"]]}]}, "/definition/all/1/where/0/2"),
        ({}, "/definition"),
        ({"sql": "SELECT 1"}, "/definition/sql"),
        ({"event": "A", "within": "1200d"}, "/definition/within"),
        ({"any": [ORDERED, {"not": {"audience": "nobody"}}]}, "/definition/any/1/not/audience"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_place(shop: Filled, definition: Any, pointer: str) -> None:
    audiences = Computation.objects.count()
    for method, path in (
        ("POST", "audiences"),
        ("POST", "audiences/preview"),
        ("PATCH", "audiences/{audience}"),
    ):
        body = {"definition": definition} | ({"name": "Buyers"} if path == "audiences" else {})
        told = problem(shop.call(method, path, body), 422, "INVALID_VALUE")
        assert [fault["pointer"] for fault in told["errors"]] == [pointer]
    assert Computation.objects.count() == audiences


def test_keys_cycles_and_references(shop: Filled) -> None:
    first, second = created(shop, "First"), created(shop, "Second", {"audience": "first"})
    problem(shop.call("POST", "audiences", {"name": "first!", "definition": ORDERED}), 409, "CONFLICT")
    cycle = shop.call("PATCH", f"audiences/{first['id']}", {"definition": {"audience": "second"}})
    assert "First → Second → First" in problem(cycle, 409, "CONFLICT")["detail"]
    used = problem(shop.call("DELETE", f"audiences/{first['id']}"), 409, "CONFLICT")
    assert used["detail"].startswith("First is in the definition of Second")
    assert shop.call("DELETE", f"audiences/{second['id']}").json()["name"] == "Second"
    assert shop.call("DELETE", f"audiences/{first['id']}").status_code == 200
    assert shop.call("GET", f"audiences/{first['id']}").status_code == 404


def test_a_changed_definition_and_its_versions(shop: Filled) -> None:
    path = f"audiences/{created(shop)['id']}"
    definition = {"event": "Order Completed", "within": "7d"}
    changed = shop.call("PATCH", path, {"definition": definition, "enabled": False}).json()
    assert (changed["version"], changed["definition"], changed["state"]) == (2, definition, "disabled")
    versions = shop.get(f"{path}/versions", limit=1)
    assert [row["text"] for row in versions["items"]] == ["Order Completed at least once within 7 days"]
    (first,) = shop.get(f"{path}/versions", after=versions["next"])["items"]
    assert (first["definition"], first["written_by"]) == (ORDERED, "deploy, a token of olga@example.com")
    assert len(shop.get(f"{path}/days", days=30)["days"]) == 30


def test_activations(shop: Filled) -> None:
    row = created(shop, "Buyers", destinations=[shop.ids["destination"]])
    (activated,) = row["destinations"]
    assert {name: activated[name] for name in ("destination", "property", "adds_members", "list_id")} == {
        "destination": shop.ids["destination"],
        "property": "buyers",
        "adds_members": False,
        "list_id": None,
    }
    path = f"audiences/{row['id']}/destinations/{{destination}}"
    preview = shop.get(f"{path}/preview")
    assert (preview["type"], preview["adds_members"], preview["problem"]) == ("boolean", False, "")
    assert shop.call("PUT", path, {"adds_members": True}).json()["adds_members"] is True
    assert shop.call("PUT", path, {}).json()["adds_members"] is True
    # The source of Engage is connected by this, and is none of the sources that people choose.
    assert Space.objects.get(workspace=shop.workspace).source.destinations.count() == 1
    assert shop.get("destinations/{destination}")["sources"] == [shop.ids["source"]]
    assert shop.call("DELETE", path).json()["destination"] == shop.ids["destination"]
    assert shop.call("DELETE", path).status_code == 404
    email = created(shop, "Email")
    refused = shop.call("PUT", f"audiences/{email['id']}/destinations/{{destination}}", {})
    assert "holds the contact's address" in problem(refused, 409, "CONFLICT")["detail"]


def test_a_deletion_may_clear_the_property(shop: Filled) -> None:
    row = created(shop, "Buyers", destinations=[shop.ids["destination"]])
    assert shop.call("DELETE", f"audiences/{row['id']}", members="false").status_code == 200
    stored = Computation.objects.get(id=row["id"])
    assert (stored.clears_members, stored.activations.count()) == (True, 1)
    problem(shop.call("DELETE", "audiences/{audience}", members="true"), 422, "INVALID_REQUEST")


def test_members_and_their_export(shop: Filled) -> None:
    stored = Store(settings.CONFIG.home, shop.workspace.id)
    row = created(shop)
    people = [
        stored.person(f"user_id:u{n}", f"email:u{n}@example.com", f"anonymous_id:=cmd{n}") for n in range(5)
    ]
    stored.members(row["key"], *people, since=1_767_225_600_123)
    stored.close()
    path = f"audiences/{row['id']}/members"
    page = shop.get(path, limit=3)
    assert page["items"][0] == {
        "profile": "use_user_id:u0",
        "identifiers": [
            {"type": "user_id", "value": "u0"},
            {"type": "email", "value": "u0@example.com"},
            {"type": "anonymous_id", "value": "=cmd0"},
        ],
        "value": None,
        "since": "2026-01-01T00:00:00Z",
    }
    rest = shop.get(path, limit=3, after=page["next"])
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (3, 2, None)
    assert [item["profile"] for item in shop.get(path, search="u3@")["items"]] == ["use_user_id:u3"]
    before = AuditEntry.objects.count()
    answer = shop.call("GET", f"{path}/export")
    assert answer["content-disposition"] == 'attachment; filename="buyers.csv"'
    table = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [line["email"] for line in table] == [f"u{n}@example.com" for n in range(5)]
    assert table[0]["since"] == "2026-01-01T00:00:00+00:00"
    assert table[0]["anonymous_id"] == "'=cmd0"  # no formula of a spreadsheet
    lines = shop.call("GET", f"{path}/export", format="json").getvalue().splitlines()
    assert [json.loads(line) for line in lines] == page["items"] + rest["items"]
    exports = AuditEntry.objects.order_by("id")[before:]
    assert [(entry.action, entry.details["format"]) for entry in exports] == [
        ("audience.exported", "csv"),
        ("audience.exported", "json"),
    ]


def test_previews_and_explanations(shop: Filled) -> None:
    definition = {"event": "Ordered shop", "within": "30d"}
    seen = shop.call("POST", "audiences/preview", {"definition": definition}).json()
    assert (seen["count"], seen["without_address"], seen["looked_at"]) == (1, 0, 1.0)
    assert seen["items"][0]["why"] == ["Ordered shop at least once within 30 days: yes, once"]
    body = {"definition": {"not": definition}, "person": "email:SHOP@example.com"}
    told = shop.call("POST", "audiences/explain", body).json()
    assert (told["member"], told["why"]) == (False, ["Ordered shop at least once within 30 days: yes, once"])
    assert [(row["depth"], row["kind"], row["is_met"]) for row in told["conditions"]] == [
        (0, "not", False),
        (1, "condition", True),
    ]
    told = shop.get("audiences/{audience}/explain", person="u-shop")
    assert (told["member"], told["excluded"], told["until"] is not None) == (True, "", True)
    value = shop.get("computed-traits/{computed_trait}/explain", person="{identifier}".format(**shop.ids))
    assert (value["member"], value["value"], value["conditions"]) == (True, 1, [])
    unknown = shop.call("GET", "audiences/{audience}/explain", person="nobody")
    assert problem(unknown, 404, "NOT_FOUND")["detail"] == "There is no person nobody in Shop."
    assert shop.call("GET", "audiences/{audience}/explain").status_code == 422


def test_a_computed_trait(shop: Filled) -> None:
    row = created(shop, "Lifetime value", SPENT, destinations=[shop.ids["destination"]])
    assert (row["key"], row["text"]) == ("lifetime_value", "sum of total of Order Completed")
    path = f"computed-traits/{row['id']}"
    assert shop.get(f"{path}/destinations/{{destination}}/preview")["type"] == "number"
    assert shop.call("GET", f"audiences/{row['id']}").status_code == 404
    seen = shop.call("POST", "computed-traits/preview", {"definition": SPENT}).json()
    assert seen["count"] == 0
    listed = shop.call("PUT", f"{path}/destinations/{{destination}}", {"contacts_list": True})
    assert "lists follow audiences" in problem(listed, 422, "INVALID_VALUE")["detail"]


def test_profiles(shop: Filled) -> None:
    for name in ("user_id:u-shop", "email:shop@example.com", "u-shop", "use_user_id:u-shop"):
        told = shop.get(f"profiles/{name}")
        assert told["profile"] == "use_user_id:u-shop"
    assert told["traits"] == {"of": "shop"}
    assert [(item["name"], item["value"]) for item in told["audiences"]] == [("Buyers of shop", True)]
    assert [(item["name"], item["value"]) for item in told["computed_traits"]] == [("Orders of shop", 1)]
    assert [(event["name"], event["properties"]) for event in told["events"]] == [
        ("Ordered shop", {"shop": "shop"})
    ]
    assert shop.get("profiles/u-shop", events=0)["events"] == []
    assert shop.call("GET", "profiles/user_id:a/b").status_code == 404


def test_people_are_for_editors(shop: Filled, people: Any) -> None:
    token = token_of(shop.workspace, people.viewer, "token of a viewer")
    token.role = Role.VIEWER
    token.save()
    viewer = Filled(shop.workspace, shop.ids, "token of a viewer", [])
    assert viewer.call("GET", "audiences/{audience}").status_code == 200
    for path in (
        "audiences/{audience}/members",
        "audiences/{audience}/members/export",
        "computed-traits/{computed_trait}/members",
        "profiles/{identifier}",
    ):
        problem(viewer.call("GET", path), 403, "INSUFFICIENT_ROLE")
