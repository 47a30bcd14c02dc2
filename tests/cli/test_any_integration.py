"""An integration that is a folder and one line (tests/integrations/lighthouse) is in the commands and in the worker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jetbridge.control.models import Destination as Row
from jetbridge.control.models import SourceKind, Workspace
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import pauses
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.base import Destination
from jetbridge.integrations.setting import MASK
from jetbridge.integrations.testing import Response, StubService, serving
from jetbridge.services import new_destinations
from jetbridge.worker import plan

OIL, FLAG = "whale-oil-0815", "flag-4711-secret"


@pytest.fixture
def service() -> Iterator[StubService]:
    with serving(StubService()) as service:
        yield service


@pytest.fixture
def row(lighthouse: Destination, event_log: SqliteEventLog, service: StubService) -> Row:
    plan._event_log.cache_clear()
    workspace = Workspace.objects.create(name="Shop")
    source = workspace.sources.create(kind=SourceKind.HTTP, name="Shop")
    values = {"url": service.url, "oil": OIL, "signals": {"x-flag": FLAG}}
    return new_destinations.add(event_log, workspace, "lighthouse", "Eddystone", values, sources=[source])


def test_the_commands_know_it(row: Row, jetbridge: Any, service: StubService, worker_at_home: None) -> None:
    check = jetbridge("doctor").out
    assert "the sea is calm" in check
    assert "Eddystone needs paint" in check
    assert "Paint it." in check
    assert "Eddystone: two ships did not see it" in check
    assert "Eddystone accounts for all messages (0)" in check
    (status,) = jetbridge("status", "--json").json["destinations"]
    assert (status["name"], status["kind"], status["remarks"]) == (
        "Eddystone",
        "lighthouse",
        ["two ships did not see it"],
    )
    assert "Eddystone" in jetbridge("status").out
    shown = jetbridge("destinations", "list", "Eddystone").out
    assert f'signals              {{"x-flag": "{MASK}"}}' in shown
    changed = jetbridge(
        "destinations",
        "set",
        str(row.id),
        "height=7",
        "horn=no",
        f'signals={{"x-flag": "{MASK}", "z": "new"}}',
    )
    assert "height: 30 → 7" in changed.out
    assert "horn: true → false" in changed.out
    row.refresh_from_db()
    assert json.loads(row.secrets)["signals"] == {"x-flag": FLAG, "z": "new"}
    refused = jetbridge("destinations", "set", str(row.id), "height=tall")
    assert (refused.status, "'tall' is no whole number from 1 to 100." in refused.err) == (1, True)
    stdin = json.dumps({"type": "track", "event": "Ship Passed", "userId": "u1"})
    assert (
        f"POST {service.url}/beam" in jetbridge("destinations", "preview", "Eddystone", "-", stdin=stdin).out
    )
    assert OIL not in check + shown + changed.out


def test_a_test_call_is_sent_and_its_response_shown(
    row: Row, jetbridge: Any, service: StubService, event_log: SqliteEventLog
) -> None:
    call = json.dumps({"type": "track", "event": "Ship Passed", "userId": "u1"})
    service.echoes = True
    taken = jetbridge("destinations", "test", "Eddystone", "-", stdin=call)
    assert taken.status == 0
    assert "Status 200 after" in taken.out
    assert "It is taken." in taken.out
    assert OIL not in taken.out
    service.response = Response(401)
    refused = jetbridge("destinations", "test", str(row.id), "-", "--json", stdin=call)
    assert refused.status == 1
    shown = json.loads(refused.out)
    assert (shown["status"], shown["outcome"], shown["destination"]) == (401, "paused", row.id)
    assert shown["message"] == "The keeper shakes his head (401)."
    sent = [json.loads(request.body)["messageId"] for request in service.requests]
    assert sent[1] == shown["message_id"]
    written = set(AuditEntry.objects.values_list("who", "action"))
    assert written == {("jetbridge destinations test", "destination.test-called")}
    assert jetbridge("destinations", "test", "Eddystone").status == 2


def test_its_own_commands_are_there(lighthouse: Destination, jetbridge: Any) -> None:
    assert "Who keeps the lighthouses." in jetbridge("--help").out
    assert jetbridge("lighthouse", "crew").out == "Ida\n"


def test_without_its_line_its_commands_are_gone(home: Path, jetbridge: Any) -> None:
    assert "lighthouse" not in jetbridge("--help").out


def test_a_pause_is_told_in_its_own_words(row: Row, jetbridge: Any, worker_at_home: None) -> None:
    pauses.pause(
        destination_consumer(row.id), "OIL_REFUSED", "The keeper shakes his head (401). Fill in oil."
    )
    check = jetbridge("doctor")
    assert check.status == 1
    assert "FAIL  Eddystone is paused (OIL_REFUSED)" in check.out
    assert "The keeper shakes his head (401). Fill in oil." in check.out
    (light,) = jetbridge("status", "--json").json["lights"]
    assert light["fix"] == "The keeper shakes his head (401). Fill in oil."


def test_the_worker_runs_its_threads(row: Row) -> None:
    wanted = plan.thread_specs()
    assert {"tides", f"horn:{row.id}", f"destination {row.id} (Eddystone)"} <= wanted.keys()
    assert plan.dependents(wanted)[f"horn:{row.id}"] == {row.id}
    row.enabled = False
    row.save()
    assert {name for name in plan.thread_specs() if str(row.id) in name} == set()
