"""`jetbridge destinations backfill`: counted first, started, followed, listed, cancelled."""

import threading
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control import directory
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import AuditEntry
from jetbridge.eventlog.base import EMAIL_EVENT
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.integrations.mailjet.events.backfill import Job
from jetbridge.integrations.mailjet.models import Backfill
from jetbridge.integrations.mailjet.services.accounts import add_account

if TYPE_CHECKING:
    from conftest import Jetbridge

BACKFILL = ("destinations", "backfill")


@pytest.fixture
def client(home: Any, mailjet: str) -> MailjetClient:
    """Three messages were sent and opened, and no callback came."""
    client = MailjetClient(mailjet, "public", "private")
    list_id = client.create_contactslist("Customers").id
    connect.join(
        ConnectionSpec("Main", mailjet, "public", "private", list_id, "Customers", segment_write_key="k")
    )
    for number in range(3):
        client.managecontact(list_id, {"Email": f"p{number}@example.com", "Action": "addforce"})
    body = {"list_id": list_id, "subject": "News", "open": 1}
    client._transport.call("POST", "/sandbox/campaigns", body=body)
    return client


def work(log: SqliteEventLog) -> None:
    [account] = directory.load_accounts()
    Job(Backfill.objects.get().id, account, log, per_second=10_000).run(threading.Event())


def test_messages_and_calls_are_counted_first(jetbridge: "Jetbridge", client: MailjetClient) -> None:
    result = jetbridge(*BACKFILL, "--dry-run")
    assert result.status == 0
    assert "3 messages arrived at Mailjet from" in result.out
    assert "takes up to 5 calls, about 1 s." in result.out
    assert "open: ip, geo, Payload" in result.out
    assert not Backfill.objects.exists()


def test_it_is_started_and_listed(
    jetbridge: "Jetbridge", client: MailjetClient, event_log: SqliteEventLog
) -> None:
    result = jetbridge(*BACKFILL, "--since", "1h", "--yes")
    row = Backfill.objects.get()
    assert f"Backfill {row.id} is started." in result.out
    assert "No worker is running" in result.out
    work(event_log)
    assert (
        jetbridge(*BACKFILL, "--list")
        .out.splitlines()[0]
        .endswith("Mailjet public  ended  3 of 3 messages, 6 events added, 0 known")
    )
    assert len([row for row in event_log.read(0) if row.type == EMAIL_EVENT]) == 6
    entry = AuditEntry.objects.get(action="account.backfill-started")
    assert entry.who == "jetbridge destinations backfill"


def test_json_has_what_it_costs_and_how_far_it_is(
    jetbridge: "Jetbridge", client: MailjetClient, event_log: SqliteEventLog
) -> None:
    made = jetbridge(*BACKFILL, "--json").json
    assert {name: made["preview"][name] for name in ("messages", "calls", "seconds", "log_since")} == {
        "messages": 3,
        "calls": 5,
        "seconds": 1,
        "log_since": None,
    }
    assert (made["backfill"]["state"], made["backfill"]["account"]) == ("running", 1)
    work(event_log)
    [row] = jetbridge(*BACKFILL, "--list", "--json").json["backfills"]
    assert {name: row[name] for name in ("state", "done", "added", "known", "calls")} == {
        "state": "ended",
        "done": 3,
        "added": 6,
        "known": 0,
        "calls": 5,
    }


@pytest.mark.usefixtures("worker_at_home")
def test_it_waits_for_the_end(
    jetbridge: "Jetbridge", client: MailjetClient, event_log: SqliteEventLog
) -> None:
    stop = threading.Event()

    def worker() -> None:
        from django.db import connections  # noqa: PLC0415 - Django is started by the root conftest

        while not stop.wait(0.05):
            if Backfill.objects.exists():
                work(event_log)
                break
        connections.close_all()

    thread = threading.Thread(target=worker)
    thread.start()
    try:
        result = jetbridge(*BACKFILL, "--yes", "--wait")
    finally:
        stop.set()
        thread.join(60)
    assert "ended  3 of 3 messages, 6 events added, 0 known" in result.out


def test_a_destination_of_the_events_names_the_account(
    jetbridge: "Jetbridge", client: MailjetClient, event_log: SqliteEventLog
) -> None:
    first = MailjetAccount.objects.get()
    add_account(event_log, first.workspace, client.api_url, "other", "private")
    several = jetbridge(*BACKFILL, "--dry-run")
    assert several.status == 1
    assert "Say which with --account: 1 (Mailjet public), 2 (Mailjet other)." in several.err
    for row in first.workspace.destinations.all():
        assert "Mailjet public: 3 messages" in jetbridge(*BACKFILL, row.name, "--dry-run").out
    assert "Mailjet public: 3 messages" in jetbridge(*BACKFILL, "--account", "1", "--dry-run").out
    assert "with the id 7." in jetbridge(*BACKFILL, "--account", "7", "--dry-run").err
    source = first.workspace.sources.get(kind="http")
    alone = first.workspace.destinations.create(kind="segment", name="Alone")
    alone.sources.add(source)
    assert "There is no Mailjet account whose email events Alone gets." in jetbridge(*BACKFILL, "Alone").err


def test_it_is_cancelled(jetbridge: "Jetbridge", client: MailjetClient) -> None:
    jetbridge(*BACKFILL, "--yes")
    row = Backfill.objects.get()
    assert "reads no further" in jetbridge(*BACKFILL, "--cancel", str(row.id)).out
    assert "There is no running backfill" in jetbridge(*BACKFILL, "--cancel", str(row.id)).err
    assert jetbridge(*BACKFILL, "--cancel", "77").status == 1


def test_two_things_at_once_are_refused_and_so_is_a_second_one(
    jetbridge: "Jetbridge", client: MailjetClient
) -> None:
    assert jetbridge(*BACKFILL, "--list", "--cancel", "1").status == 2
    jetbridge(*BACKFILL, "--yes")
    second = jetbridge(*BACKFILL, "--yes")
    assert (second.status, "is running" in second.err) == (1, True)


def test_without_an_account_there_is_nothing_to_do(jetbridge: "Jetbridge", home: Any) -> None:
    assert jetbridge(*BACKFILL).err == "Error: There is no Mailjet account.\n"
    assert jetbridge(*BACKFILL, "--list").out == "There was no backfill yet.\n"
