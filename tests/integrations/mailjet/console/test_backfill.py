"""Missed events: what a backfill costs is shown, then it is started, watched, cancelled."""

import threading
from typing import Any

from jetbridge.control import directory
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.events.backfill import Job
from jetbridge.integrations.mailjet.models import Backfill, State
from jetbridge.spec.email_events import EVENT_NAMES


def send_to(mailjet: MailjetClient, size: int) -> None:
    list_id = mailjet.create_contactslist("Customers").id
    for number in range(size):
        mailjet.managecontact(list_id, {"Email": f"p{number}@example.com", "Action": "addforce"})
    body = {"list_id": list_id, "subject": "News", "open": 1}
    mailjet._transport.call("POST", "/sandbox/campaigns", body=body)


def work(log: SqliteEventLog) -> None:
    [account] = directory.load_accounts()
    Job(Backfill.objects.latest("id").id, account, log, per_second=10_000).run(threading.Event())


def test_it_is_counted_then_started_then_it_has_ended(
    page: Any, mailjet: MailjetClient, text: Any, audited: Any, event_log: SqliteEventLog
) -> None:
    send_to(mailjet, 3)
    assert "Add missed events" in page.read()
    assert "Which messages" in page.read("backfill")
    counted = text(page.post("backfill/count"))
    assert "3 messages: up to 5 calls to Mailjet, about 1 s" in counted
    assert not Backfill.objects.exists()

    started = text(page.post("backfill/start"))
    assert "3 messages are looked at." in started
    assert "0 of 3 messages looked at" in started
    assert "No worker is running" in started
    assert "Which messages" not in started
    assert "is running. Wait for its end, or cancel it first." in text(page.post("backfill/start"))

    work(event_log)
    ended = page.read("backfill")
    assert "Ended" in ended
    assert "3 of 3 6 0 0" in ended  # looked at, added, known, left out
    assert "Which messages" in ended
    assert audited() == ["account.backfill-started"]


def test_it_can_be_cancelled(page: Any, mailjet: MailjetClient, text: Any, audited: Any) -> None:
    send_to(mailjet, 1)
    page.post("backfill/start")
    row = Backfill.objects.get()
    assert "The events that it has added stay." in text(page.post(f"backfill/{row.id}/cancel"))
    row.refresh_from_db()
    assert row.state == State.CANCELLED
    assert "It reads no further" not in text(page.post(f"backfill/{row.id}/cancel"))
    assert audited() == ["account.backfill-started", "account.backfill-cancelled"]


def test_what_it_waits_for_and_why_it_failed_are_shown(page: Any, mailjet: MailjetClient) -> None:
    send_to(mailjet, 1)
    page.post("backfill/start")
    Backfill.objects.update(waits_for="Mailjet asks for fewer calls.")
    assert "Waiting, it resumes by itself: Mailjet asks for fewer calls." in page.read("backfill")
    Backfill.objects.update(state="failed", problem="It broke.", unreadable=2)
    assert "Failed It broke." in page.read("backfill")
    assert "2 could not be read" in page.read("backfill")


def test_what_the_log_does_not_know_is_said(
    page: Any, mailjet: MailjetClient, text: Any, event_log: SqliteEventLog
) -> None:
    send_to(mailjet, 1)
    event_log.append([Entry(9, "track", 0, b"{}"), Entry(9, "track", 1_900_000_000_000, b"{}")])
    event_log.retain(received_before=1, max_bytes=2**40, upto=10)
    told = text(page.post("backfill/count", since="2026-01-01T00:00"))
    assert "The event log knows no events from before 2030-03-17 17:46 UTC." in told


def test_no_message_is_said_and_times_are_checked(page: Any, text: Any) -> None:
    assert "No message arrived at Mailjet in this time" in text(page.post("backfill/count"))
    assert "It has to be later" in text(
        page.post("backfill/count", since="2026-01-02T00:00", until="2026-01-01T00:00")
    )
    assert "Nothing was sent then yet." in text(page.post("backfill/count", since="2999-01-02T00:00"))
    assert "from before 2010" in text(page.post("backfill/count", since="1999-01-02T00:00"))
    assert "from before 2010" in text(page.post("backfill/start", since="1999-01-02T00:00"))


def test_a_mailjet_that_does_not_answer_is_said(silent: Any, text: Any) -> None:
    answer = silent.post("backfill/count")
    assert answer.status_code == 422
    assert "Mailjet" in text(answer)
    assert not Backfill.objects.exists()


def test_a_viewer_sees_how_far_it_is_and_starts_nothing(
    page: Any, mailjet: MailjetClient, client_of: Any, text: Any
) -> None:
    send_to(mailjet, 1)
    page.post("backfill/start")
    viewer = client_of("viewer")
    seen = text(viewer.get(page.path + "backfill"))
    assert "0 of 1 message looked at" in seen
    assert "Cancel" not in seen
    assert viewer.post(page.path + "backfill/start").status_code == 403


def test_every_event_is_named_with_what_is_missing(page: Any) -> None:
    told = page.read("backfill")
    assert [name for name in EVENT_NAMES.values() if name not in told] == []
