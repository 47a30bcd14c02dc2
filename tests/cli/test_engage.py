"""`jetbridge audiences` and `jetbridge traits`."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.engage.stored import Store

from jetbridge.control.models import Destination, Workspace
from jetbridge.control.people import AuditEntry
from jetbridge.engage.models import Computation, Space
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import new_destinations

if TYPE_CHECKING:
    from conftest import Jetbridge

ORDERED = {"event": "Order Completed", "within": "30d"}
SPENT = {"computed": "sum", "event": "Order Completed", "property": "total"}


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace.objects.create(name="Shop")


@pytest.fixture
def there(workspace: Workspace, event_log: SqliteEventLog) -> Destination:
    return new_destinations.add(event_log, workspace, "segment", "There", {"writeKey": "k"}, sources=[])


@pytest.fixture
def stored(home: Path, workspace: Workspace) -> Iterator[Store]:
    made = Store(home, workspace.id)
    yield made
    made.close()


def add(jetbridge: "Jetbridge", name: str = "Buyers", definition: Any = None, *options: str) -> Any:
    noun = "traits" if definition and "computed" in definition else "audiences"
    text = json.dumps(definition or ORDERED)
    return jetbridge(noun, "add", name, "--definition", "-", *options, "--json", stdin=text).json


def test_from_nothing_to_an_audience(jetbridge: "Jetbridge", there: Destination, tmp_path: Path) -> None:
    assert jetbridge("audiences", "list").out.startswith(
        "There is no audience yet: see `jetbridge audiences add"
    )
    assert jetbridge("audiences", "list", "--json").json == {"audiences": []}
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(ORDERED))
    made = jetbridge("audiences", "add", "Buyers", "--definition", str(file), "--destination", "There")
    assert made.status == 0, made.err
    assert "Engage was off in Shop, and is on now" in made.out
    assert "Order Completed at least once within 30 days" in made.out
    shown = jetbridge("audiences", "show", "buyers", "--json").json
    assert (shown["key"], shown["state"], shown["definition"]) == ("buyers", "computing", ORDERED)
    assert [row["name"] for row in shown["destinations"]] == ["There"]
    assert jetbridge("audiences", "list", "--json").json == {"audiences": [shown]}
    assert jetbridge("audiences", "list").out.startswith(
        f"{shown['id']}  Buyers (computing, 0%): 0 people, to There"
    )
    assert (
        add(jetbridge, "Others", None, "--no-history", "--include-anonymous")["engage_switched_on"] is False
    )
    row = Computation.objects.get(key="others")
    assert (row.include_history, row.include_anonymous) == (False, True)
    entries = AuditEntry.objects.order_by("id").values_list("who", "action")
    assert list(entries)[:3] == [
        ("jetbridge audiences add", "engage.enabled"),
        ("jetbridge audiences add", "audience.added"),
        ("jetbridge audiences add", "audience.activated"),
    ]


def test_changes(jetbridge: "Jetbridge", there: Destination) -> None:
    add(jetbridge)
    changed = jetbridge(
        "audiences", "set", "Buyers", "--name", "Customers", "--definition", "-", "--disable", "--json",
        stdin=json.dumps({"event": "Order Completed", "within": "7d"}),
    ).json  # fmt: skip
    assert (changed["name"], changed["key"], changed["version"], changed["state"]) == (
        "Customers", "buyers", 2, "disabled",
    )  # fmt: skip
    sent = jetbridge("audiences", "set", "buyers", "--enable", "--destination", str(there.id), "--json").json
    assert (sent["state"], [row["adds_members"] for row in sent["destinations"]]) == ("computing", [False])
    refused = jetbridge("audiences", "set", "buyers", "--destination", "There", "--add-members")
    assert (refused.status, "has no contacts" in refused.err) == (1, True)
    assert jetbridge("audiences", "set", "buyers", "--without", "There", "--json").json["destinations"] == []
    Destination.objects.filter(id=there.id).update(name="The webhook of the shop")
    there.refresh_from_db()
    long = jetbridge("audiences", "set", "buyers", "--destination", there.name)
    assert long.out.splitlines()[-1] == f"   to {there.name} property buyers"
    assert "last week" not in long.out, "nothing has changed"
    Destination.objects.filter(id=there.id).update(name="There")
    assert jetbridge("audiences", "set", "buyers", "--without", "There", "--json").json["destinations"] == []
    again = jetbridge("audiences", "set", "buyers", "--without", "There")
    assert (again.status, again.err) == (1, "Error: Customers is not sent to There.\n")


def test_deletion(jetbridge: "Jetbridge", workspace: Workspace) -> None:
    add(jetbridge)
    add(jetbridge, "Loyal", {"audience": "buyers"})
    assert jetbridge("audiences", "delete", "Buyers").status == 2
    refused = jetbridge("audiences", "delete", "Buyers", "--yes")
    assert (refused.status, refused.err[:43]) == (1, "Error: Buyers is in the definition of Loyal")
    deleted = jetbridge("audiences", "delete", "Loyal", "--members", "false", "--yes", "--json").json
    assert deleted["deleted"]["key"] == "loyal"
    assert Computation.objects.get(key="loyal").clears_members
    assert jetbridge("audiences", "delete", "Buyers", "--yes").out == "Deleted Buyers.\n"


def test_people(jetbridge: "Jetbridge", stored: Store) -> None:
    add(jetbridge, "Buyers", {"all": [ORDERED, {"not": {"trait": "plan", "op": "=", "value": "free"}}]})
    people = [
        stored.person(f"user_id:u{n}", f"email:u{n}@example.com", traits={"plan": "pro"}) for n in range(3)
    ]
    stored.members("buyers", *people)
    stored.happened(people[0], "Order Completed", 1, 2, total=5)
    page = jetbridge("audiences", "members", "Buyers", "--limit", "2", "--json").json
    assert [item["profile"] for item in page["items"]] == ["use_user_id:u0", "use_user_id:u1"]
    rest = jetbridge("audiences", "members", "Buyers", "--after", str(page["next"]))
    assert rest.out == "u2, u2@example.com\n"
    assert jetbridge("audiences", "members", "Buyers", "--search", "u1@").out == "u1, u1@example.com\n"
    assert jetbridge("audiences", "members", "Buyers", "--search", "x").out == "Nobody.\n"
    table = jetbridge("audiences", "members", "Buyers", "--csv")
    rows = list(csv.DictReader(io.StringIO(table.out.removeprefix("\ufeff"))))
    assert [row["email"] for row in rows] == [f"u{n}@example.com" for n in range(3)]
    assert AuditEntry.objects.order_by("-id")[0].action == "audience.exported"
    explained = jetbridge("audiences", "explain", "Buyers", "U0@example.com")
    assert explained.out.startswith(
        "u0, u0@example.com is in Buyers\n"
        "   yes  all of\n"
        "      yes  Order Completed at least once within 30 days (2 times)\n"
        "      yes  not\n"
        "         no   plan is 'free' ('pro')\n"
        "Time alone changes nothing before "
    )
    told = jetbridge("audiences", "explain", "Buyers", "u1", "--json").json
    assert (told["member"], told["why"]) == (
        False,
        ["Order Completed at least once within 30 days: no, 0 times"],
    )
    unknown = jetbridge("audiences", "explain", "Buyers", "nobody")
    assert (unknown.status, unknown.err) == (1, "Error: Engage knows nobody by nobody in Shop.\n")


def test_previews_and_computed_traits(jetbridge: "Jetbridge", stored: Store) -> None:
    row = add(jetbridge, "Lifetime value", SPENT)
    assert row["text"] == "sum of total of Order Completed"
    person = stored.person("user_id:u1", "email:u1@example.com")
    stored.happened(person, "Order Completed", 1, 2, total=5.5)
    stored.value("lifetime_value", person, 11)
    assert jetbridge("traits", "members", "lifetime_value").out == "u1, u1@example.com  11\n"
    assert jetbridge("traits", "explain", "lifetime_value", "u1").out.startswith(
        "u1, u1@example.com: Lifetime value is 11\nOrder Completed 2 times\n"
    )
    seen = jetbridge("traits", "preview", "--definition", "-", "--json", stdin=json.dumps(SPENT)).json
    assert (seen["count"], seen["items"][0]["value"]) == (1, 11)
    seen = jetbridge("audiences", "preview", "--definition", "-", stdin=json.dumps({"not": ORDERED}))
    assert seen.out == "not (Order Completed at least once within 30 days)\n0 people\n"
    assert jetbridge("audiences", "show", "lifetime_value").status == 1


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "message"),
    [
        (("audiences", "add", "A"), "", 2, "--definition FILE"),
        (("audiences", "add", "A", "--definition", "-"), "{", 1, "is no JSON"),
        (("audiences", "add", "A", "--definition", "-"), "[" * 100_000, 1, "is no JSON"),
        (("audiences", "add", "A", "--definition", "-"), '{"event": 1}', 1, "event: 1 is no text"),
        (("traits", "add", "A", "--definition", "-"), '{"sql": "SELECT 1"}', 1, "SQL traits are not in this"),
        (("audiences", "add", "7", "--definition", "-"), '{"event": "A"}', 1, "has no letter"),
        (("audiences", "show", "A"), "", 1, "There is no audience A: `jetbridge audiences list` lists them."),
        (("traits", "show", "A"), "", 1, "There is no computed trait A: `jetbridge traits list` lists"),
        (("audiences", "set", "A"), "", 2, "Say what to change"),
        (("audiences", "set", "A", "--add-members"), "", 2, "Say"),
        (("audiences", "set", "A", "--enable", "--add-members"), "", 2, "Say where"),
        (("audiences", "members", "A", "--csv", "--json"), "", 2, "leave out --json"),
        (("audiences", "list", "--workspace", "Nowhere"), "", 1, "There is no workspace Nowhere"),
        (("audiences", "delete", "A", "--members", "true", "--yes"), "", 2, "'true' is not one of"),
    ],
)
def test_what_cannot_be_done_is_one_clear_message(
    jetbridge: "Jetbridge", arguments: tuple[str, ...], stdin: str, status: int, message: str
) -> None:
    Workspace.objects.create(name="Shop")
    result = jetbridge(*arguments, stdin=stdin)
    assert (result.status, result.out) == (status, "")
    assert message in result.err
    assert not Space.objects.exists()


def test_a_name_that_two_workspaces_have(jetbridge: "Jetbridge", workspace: Workspace) -> None:
    Workspace.objects.create(name="Elsewhere")
    for name in ("Shop", "Elsewhere"):
        add(jetbridge, "Buyers", None, "--workspace", name)
    result = jetbridge("audiences", "show", "Buyers")
    assert (result.status, "Several audiences are named Buyers. Give an id:" in result.err) == (1, True)
    assert jetbridge("audiences", "show", "Buyers", "--workspace", "Shop").status == 0


def test_engage_is_switched_for_a_workspace(jetbridge: "Jetbridge", workspace: Workspace) -> None:
    source = workspace.sources.create(name="Website", kind="http")
    (row,) = jetbridge("workspaces", "set", "--engage", "on", "--json").json["workspaces"]
    assert row["engage"] is True
    changed = jetbridge(
        "workspaces", "set", "--retention-days", "400", "--exclude-source", "Website", "--load-history"
    )
    assert changed.status == 0, changed.err
    space = Space.objects.get()
    assert (space.retention_days, list(space.excluded_sources.all())) == (400, [source])
    assert space.history_requested_at
    assert jetbridge("workspaces", "set", "--exclude-source", "none").status == 0
    assert not space.excluded_sources.exists()
    assert "Engage is on" in jetbridge("workspaces", "list").out
    jetbridge("workspaces", "set", "--engage", "off")
    assert not Space.objects.get().enabled
    assert jetbridge("workspaces", "set", "--retention-days", "1").status == 1
