"""`jetbridge destinations retry` and `messages list`: failures are found by what is known of them, and tried again."""

import json
from typing import TYPE_CHECKING

from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import DeliveryRecordRow, RetryEntry
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, RETRIED, Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect

from .test_status import SPEC, identify

if TYPE_CHECKING:
    from conftest import Jetbridge


def fill(log: SqliteEventLog) -> int:
    """Three failures: u1 and u2 as A (u2's is of five messages), u3 as B."""
    joined = connect.join(SPEC)
    source, destination = joined.http_source.id, joined.to_mailjet.id
    ledger.begin_destination(destination, [source], log.counts())
    settings = {"_settings": {"apiKey": "of the app connection", "listId": "1"}}
    bodies = [identify(1, **settings), *[identify(2)] * 5, identify(3)]
    log.append(Entry(source, "identify", 1_000, body) for body in bodies)
    counts = DeliveryCounts()
    for position, total, user, reason in ((1, 1, "u1", "A"), (6, 5, "u2", "A"), (7, 1, "u3", "B")):
        counts.fail(
            DeliveryRecord(
                FAILED, reason, "No.", position, total, f"m{position}", user, '{"Email":1}', "answer"
            )
        )
    with ledger.commit(destination, 7, {source: 7}, counts):
        pass
    return destination


def ids() -> list[int]:
    return list(DeliveryRecordRow.objects.order_by("id").values_list("id", flat=True))


def test_failures_are_found_by_reason_person_time_and_id(
    jetbridge: "Jetbridge", event_log: SqliteEventLog
) -> None:
    fill(event_log)

    def people(*arguments: str) -> list[str]:
        out = jetbridge("messages", "list", "--outcome", "failed", *arguments, "--json").out
        return sorted(json.loads(line)["person"] for line in out.splitlines())

    assert people("--reason", "A") == ["u1", "u2"]
    assert people("--person", "u3") == ["u3"]
    assert people("--since", "1h") == ["u1", "u2", "u3"]
    assert people("--until", "1h") == []
    assert people("--since", "2999-01-01") == []
    assert people(str(ids()[0])) == ["u1"]


def test_all_that_is_known_of_a_failure_is_shown_with_secrets_masked(
    jetbridge: "Jetbridge", event_log: SqliteEventLog
) -> None:
    fill(event_log)
    first = ids()[0]
    row = jetbridge("messages", "list", str(first), "--full", "--json").json
    assert (row["id"], row["request"], row["response"]) == (first, '{"Email":1}', "answer")
    assert (row["message"]["userId"], row["message"]["_settings"]) == ("u1", {"apiKey": "***", "listId": "1"})
    text = jetbridge("messages", "list", str(first), "--full").out
    assert text.startswith(f"#{first}  ")
    assert '\n    request: {"Email":1}\n    response: answer\n' in text
    assert "of the app connection" not in text


def test_failures_are_counted_first_and_then_retried(
    jetbridge: "Jetbridge", event_log: SqliteEventLog
) -> None:
    fill(event_log)
    counted = "Mailjet (Customers): 6 failed, A\n"
    assert jetbridge("destinations", "retry", "--reason", "A", "--dry-run").out == counted
    assert RetryEntry.objects.count() == 0
    assert jetbridge("destinations", "retry", "--reason", "A").out == (
        counted + "Mailjet (Customers): 6 messages are pending again.\n"
        "No worker is running: nothing is delivered. Start `jetbridge serve`.\n"
    )
    (row,) = jetbridge("status", "--json").json["destinations"]
    assert (row["failed"], row["awaiting_retry"], row["pending"], row["balanced"]) == (1, 6, 6, True)
    pending = [
        json.loads(line)
        for line in jetbridge("messages", "list", "--outcome", "pending", "--json").out.splitlines()
    ]
    assert [(line["reason"], line["person"], line["total"]) for line in pending] == [
        ("RETRY_QUEUED", "u1", 1),
        ("RETRY_QUEUED", "u2", 5),
    ]
    assert "There is no destination 99" in jetbridge("destinations", "retry", "1", "--destination", "99").err
    assert (
        jetbridge("destinations", "retry", "--reason", "LIST_NOT_FOUND").out == "There is nothing to retry.\n"
    )


def test_what_is_not_there_is_said_and_retries_nothing(
    jetbridge: "Jetbridge", event_log: SqliteEventLog
) -> None:
    destination = fill(event_log)
    for command in (("destinations", "retry"), ("messages", "list", "--outcome", "failed")):
        missing = jetbridge(*command, str(ids()[0]), "999999")
        assert (missing.status, missing.out) == (1, "")
        assert "There is no failure 999999" in missing.err
        unknown = jetbridge(*command, "--reason", "NOPE")
        assert (unknown.status, unknown.out) == (2, "")
        assert "There is no reason NOPE; there are A, B." in unknown.err
    nowhere = jetbridge("messages", "list", "--outcome", "filtered", "--destination", str(destination + 1))
    assert (nowhere.status, nowhere.out) == (1, "")
    assert "There is no enabled destination" in nowhere.err
    assert (
        "nothing is filtered"
        in jetbridge("messages", "list", "--outcome", "filtered", "--reason", "NOPE").err
    )
    assert RetryEntry.objects.count() == 0


def test_failures_are_retried_in_json(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    destination = fill(event_log)
    command = ("destinations", "retry", "--reason", "A", "--json")
    row = {"id": destination, "name": "Mailjet (Customers)", "failed": {"A": 6}}
    assert jetbridge(*command, "--dry-run").json == {"destinations": [{**row, "retried": 0, "lost": 0}]}
    assert jetbridge(*command).json == {"destinations": [{**row, "retried": 6, "lost": 0}]}
    assert RetryEntry.objects.count() == 2
    (entry,) = AuditEntry.objects.all()
    assert (entry.who, entry.action) == ("jetbridge destinations retry", "destination.retried")


def test_what_cannot_be_retried_is_said(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    destination = fill(event_log)
    DeliveryRecordRow.objects.filter(reason="B").delete()
    event_log.retain(received_before=10**15, max_bytes=0, upto=1)
    assert jetbridge("destinations", "retry", "--all").out.splitlines()[:4] == [
        "Mailjet (Customers): 6 failed, A",
        (
            "Mailjet (Customers): 1 older failure is counted but no longer kept one by one, and cannot be "
            f"retried. `jetbridge destinations replay {destination}` reads their messages again."
        ),
        "Mailjet (Customers): 5 messages are pending again.",
        (
            "Mailjet (Customers): 1 message stays failed: the event log does not retain "
            "what is that old (JETBRIDGE_RETENTION_DAYS)."
        ),
    ]


def test_retrying_everything_has_to_be_said(jetbridge: "Jetbridge") -> None:
    result = jetbridge("destinations", "retry")
    assert result.status == 2
    assert "Say which failures: ids, --reason, --since, --until, --email-events, or --all." in result.err
    assert "no time" in jetbridge("destinations", "retry", "--since", "soon").err


def test_email_events_that_raised_are_read_again(jetbridge: "Jetbridge", event_log: SqliteEventLog) -> None:
    source = connect.join(SPEC).account.event_source_id
    error = "internal_error: Jetbridge has a bug that this message meets."
    event_log.append([Entry(source, INVALID, 1_000, b'{"event":"open"}', error)])
    event_log.append([Entry(source, INVALID, 1_000, b"{}", "bad_request: It is no event.")])
    assert "1 email event is replayed." in jetbridge("destinations", "retry", "--email-events").out
    records = event_log.read(0)
    assert [row.type for row in records] == [INVALID, INVALID, EMAIL_EVENT]
    assert records[-1].error == RETRIED, "it counts as received once"
    assert " 0 email events are replayed." in jetbridge("destinations", "retry", "--email-events").out
    assert jetbridge("destinations", "retry", "--email-events", "--all").status == 2
