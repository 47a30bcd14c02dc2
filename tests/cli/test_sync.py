"""`jetbridge destinations sync` and `jetbridge workspaces`."""

from typing import TYPE_CHECKING, Any

import pytest
from tests.processes import free_port

from jetbridge.control.models import Destination, Workspace
from jetbridge.delivery.models import SyncRow
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import new_destinations

if TYPE_CHECKING:
    from conftest import Jetbridge


@pytest.fixture
def row(event_log: SqliteEventLog) -> Destination:
    workspace = Workspace.objects.create(name="Shop")
    return new_destinations.add(event_log, workspace, "warehouse", "Warehouse", {}, sources=[])


def schedule(jetbridge: "Jetbridge", row: Destination, *values: str) -> Any:
    return jetbridge("destinations", "set", str(row.id), *values)


def test_a_destination_with_a_schedule_is_asked_to_sync(jetbridge: "Jetbridge", row: Destination) -> None:
    assert "schedule: continuous → daily" in schedule(jetbridge, row, "schedule=daily", "syncTime=03:30").out
    shown = jetbridge("destinations", "sync", str(row.id), "--show").out
    assert "Warehouse (daily at 03:30 (UTC)): Next sync in " in shown
    assert "(03:30)." in shown
    assert not SyncRow.objects.exists()
    asked = jetbridge("destinations", "sync", str(row.id)).out
    assert "Next sync now." in asked
    assert "No worker is running: it syncs with the next `jetbridge serve`." in asked
    assert SyncRow.objects.get().requested_at
    found = jetbridge("destinations", "sync", str(row.id), "--show", "--json").json
    assert (found["schedule"], found["requested"], found["running"]) == ("daily at 03:30 (UTC)", True, False)
    (status,) = jetbridge("status", "--json").json["destinations"]
    assert status["sync"] == found
    assert "Warehouse syncs daily at 03:30 (UTC). Next sync now." in jetbridge("status").out


def test_one_that_delivers_continuously_has_no_syncs(jetbridge: "Jetbridge", row: Destination) -> None:
    result = jetbridge("destinations", "sync", str(row.id))
    assert result.status == 1
    assert "Warehouse delivers continuously" in result.err
    assert "There is no destination 99:" in jetbridge("destinations", "sync", "99").err


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("schedule=weekly", "is none of continuous, 5m,"),
        ("syncTime=25:00", "is no time of day such as 03:00"),
    ],
)
def test_what_is_no_schedule_is_refused(
    jetbridge: "Jetbridge", row: Destination, value: str, error: str
) -> None:
    result = schedule(jetbridge, row, value)
    assert result.status == 1
    assert error in result.err


def test_a_database_that_cannot_be_reached_is_refused_unless_anyway(
    jetbridge: "Jetbridge", row: Destination
) -> None:
    row.workspace.sources.create(name="Web", kind="http")
    url = f"url=postgresql://ann:secret-word@127.0.0.1:{free_port()}/shop"
    add = ("destinations", "add", "warehouse", url, "--source", "all", "--name", "Orders")
    refused = jetbridge(*add)
    assert refused.status == 1
    assert "Reach the server: Nothing answers at 127.0.0.1" in refused.err
    assert "--anyway adds it all the same." in refused.err
    assert "secret-word" not in refused.err
    assert jetbridge(*add, "--anyway").status == 0
    assert jetbridge("destinations", "set", str(row.id), url).status == 1
    assert "the database can be reached, logged in to, written and read" in jetbridge("doctor").out
    assert "Orders: Nothing answers at 127.0.0.1" in jetbridge("doctor").out


def test_the_schedule_is_on_the_clock_of_the_workspace(jetbridge: "Jetbridge", row: Destination) -> None:
    schedule(jetbridge, row, "schedule=daily")
    assert jetbridge("workspaces", "list", "--json").json["workspaces"][0]["time_zone"] == "UTC"
    assert "Shop  Asia/Tokyo" in jetbridge("workspaces", "set", "--time-zone", "Asia/Tokyo").out
    assert (
        jetbridge("destinations", "sync", str(row.id), "--show", "--json").json["next_at"][11:19]
        == "15:00:00"
    )
    result = jetbridge("workspaces", "set", "--time-zone", "tokyo")
    assert (result.status, result.err) == (1, "Error: 'tokyo' is no time zone. Do you mean Asia/Tokyo?\n")
    assert "no workspace Store" in jetbridge("workspaces", "set", "Store", "--name", "x").err
    assert jetbridge("workspaces", "set", "Shop", "--name", "Store").out == "Store  Asia/Tokyo\n"
    Workspace.objects.create(name="Other")
    assert "Say which with --workspace" in jetbridge("workspaces", "set", "--time-zone", "UTC").err
