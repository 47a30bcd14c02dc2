import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jetbridge.control.models import Source
from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.base import INVALID, Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.connect import ConnectionSpec

if TYPE_CHECKING:
    from conftest import Jetbridge

NO_WORKER = {
    "code": "NO_WORKER",
    "state": "warn",
    "thing": "worker",
    "message": "No worker is running, nothing is delivered",
    "fix": "Start `jetbridge serve`. What is accepted meanwhile waits and is delivered then.",
    "since": None,
}
SPEC = ConnectionSpec("Main", "http://127.0.0.1:1", "public", "private", 1, "Customers")


def identify(number: int, **fields: object) -> bytes:
    at = "2026-01-01T00:00:00Z"
    call = {"type": "identify", "messageId": f"m{number}", "timestamp": at, "receivedAt": at}
    return json.dumps({**call, "userId": f"u{number}", **fields}).encode()


def fill(log: SqliteEventLog) -> int:
    """Before the destination begins one message; then six, of which four were read: one of each outcome."""
    joined = connect.join(SPEC)
    source, destination = joined.http_source.id, joined.to_mailjet.id
    off = {"integrations": {"Mailjet": False}}
    log.append([Entry(source, "identify", 1_000, identify(0, **off))])
    ledger.begin_destination(destination, [source], log.counts())
    log.append(
        [
            Entry(source, "identify", 1_000, identify(1)),
            Entry(source, "identify", 1_000, identify(2)),
            Entry(source, "identify", 1_000, identify(3, **off)),
            Entry(source, "identify", 1_000, identify(4)),
            Entry(source, INVALID, 1_000, b"{", "invalid_json: The body is no JSON."),
        ]
    )
    counts = DeliveryCounts(delivered=1, in_flight=1)
    counts.filtered["FILTERED_BY_INTEGRATIONS_OBJECT"] = 1
    counts.fail(DeliveryRecord(FAILED, "INVALID_EMAIL", "Mailjet rejects the address.", 5, 1, "m4", "u4"))
    with ledger.commit(destination, log.counts().end, {source: 4}, counts):
        pass
    log.append(Entry(source, "identify", 1_000, identify(number)) for number in (5, 6))
    return destination


def test_status_is_one_json_object_in_the_promised_shape(
    jetbridge: "Jetbridge", event_log: SqliteEventLog, worker_at_home: None
) -> None:
    fill(event_log)
    result = jetbridge("status", "--json").json
    (row,) = result["destinations"]
    promised = ("name", "kind", "state", "received", "delivered", "filtered", "failed", "pending")
    assert {name: row[name] for name in promised} == {
        "name": "Mailjet (Customers)",
        "kind": "mailjet",
        "state": "stalled",
        "received": 6,
        "delivered": 1,
        "filtered": 1,
        "failed": 1,
        "pending": 3,
    }
    assert row["reasons"] == {
        "filtered": {"FILTERED_BY_INTEGRATIONS_OBJECT": 1},
        "failed": {"INVALID_EMAIL": 1},
    }
    assert (row["unread"], row["in_flight"], row["pause"], row["last_error"]) == (2, 1, None, None)
    assert (result["balanced"], result["worker_runs"]) == (True, True)
    assert result["sources"][0]["failed_on_ingest"] == 1
    assert result["sources"][0]["incomplete"] == 0
    assert (row["health"], row["lag"], row["open_jobs"]) == ("fail", 2, 0)
    assert row["oldest_pending_seconds"] > 10**9  # since 1970
    (light,) = result["lights"]
    assert (light["code"], light["state"], light["thing"]) == ("BACKLOG", "fail", f"destination:{row['id']}")
    assert result["health"] == "fail"


def test_status_for_people_names_figures_reasons_and_holds(
    jetbridge: "Jetbridge", event_log: SqliteEventLog
) -> None:
    destination = fill(event_log)
    pauses.pause(destination_consumer(destination), "INVALID_AUTHENTICATION", "Enter the pair again.")
    lines = jetbridge("status").out.splitlines()
    assert "Mailjet (Customers): 1 failed, INVALID_EMAIL" in lines
    held = "Mailjet (Customers) is paused (INVALID_AUTHENTICATION) since "
    assert any(line.startswith(held) and line.endswith(": Enter the pair again.") for line in lines)
    assert (
        "No worker is running, nothing is delivered: Start `jetbridge serve`. What is accepted meanwhile waits and is "
        "delivered then."
    ) in lines


def test_status_of_an_empty_home_says_how_to_begin(jetbridge: "Jetbridge") -> None:
    assert "Nothing is set up yet: see `jetbridge setup --help`." in jetbridge("status").out
    assert jetbridge("status", "--json").json == {
        "destinations": [],
        "sources": [],
        "balanced": True,
        "worker_runs": False,
        "health": "warn",
        "lights": [NO_WORKER],
        "threads": [],
    }


def listed(jetbridge: "Jetbridge", outcome: str, *arguments: str) -> list[tuple[str, str, int]]:
    command = ("rejected",) if outcome == "rejected" else ("list", "--outcome", outcome)
    out = jetbridge("messages", *command, *arguments, "--json").out
    lines = [json.loads(line) for line in out.splitlines()]
    return [(line["reason"], line["message_id"], line["total"]) for line in lines]


def test_every_outcome_can_be_listed_with_its_reason(
    jetbridge: "Jetbridge", event_log: SqliteEventLog
) -> None:
    fill(event_log)
    assert listed(jetbridge, "failed") == [("INVALID_EMAIL", "m4", 1)]
    assert listed(jetbridge, "filtered") == [("FILTERED_BY_INTEGRATIONS_OBJECT", "m3", 1)]
    assert listed(jetbridge, "pending") == [("IN_FLIGHT", "", 1), ("UNREAD", "m5", 1), ("UNREAD", "m6", 1)]
    assert listed(jetbridge, "rejected") == [("invalid_json", "", 1)]
    assert listed(jetbridge, "pending", "--limit", "1") == [("IN_FLIGHT", "", 1)]
    assert listed(jetbridge, "failed", "--destination", "99") == []


def test_an_outcome_for_people_is_one_line(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    fill(event_log)
    assert jetbridge("messages", "rejected").out == (
        "1970-01-01T00:00:01+00:00  HTTP API  invalid_json    The body is no JSON.\n"
    )


def test_a_home_that_cannot_be_made_is_one_clear_sentence(own_process: "Jetbridge", tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = own_process("worker", env={"JETBRIDGE_HOME": str(tmp_path / "file" / "home")})
    assert (result.status, result.out) == (1, "")
    assert result.err == f"Error: JETBRIDGE_HOME: {tmp_path}/file/home cannot be made: Not a directory.\n"
    assert sys.executable not in result.err


def test_status_in_a_pipe_breaks_no_name(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    fill(event_log)
    Source.objects.filter(name="HTTP API").update(name="A name " * 20)
    assert "A name " * 19 in jetbridge("status", env={"COLUMNS": "40"}).out


def test_status_cuts_nothing_off_in_a_terminal_of_80_columns(
    jetbridge: "Jetbridge", event_log: SqliteEventLog, worker_at_home: None
) -> None:
    fill(event_log)
    out = jetbridge("status", env={"COLUMNS": "80", "FORCE_COLOR": "1", "TERM": "dumb"}).out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    for words in ("Name", "State", "Received", "Jobs", "Mailjet", "(Customers)", "HTTP API", "Email events"):
        assert words in out
