import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.models import F

from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.control.models import Credential, Destination
from jetbridge.delivery import ledger
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import ConsumerOffset, destination_consumer
from jetbridge.eventlog.base import Counts
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.worker import plan

SPEC = ConnectionSpec(
    "Main", "http://127.0.0.1:1", "public", "private", 1, "Customers", "http://127.0.0.1:1", "w"
)


@pytest.fixture
def joined(home: Path) -> connect.Joined:
    plan._event_log.cache_clear()
    joined = connect.join(SPEC)
    for row in joined.destinations:
        ledger.begin_destination(row.id, row.sources.values_list("id", flat=True), Counts(0, {}))
    return joined


def test_everything_that_is_configured_has_its_thread(joined: connect.Joined) -> None:
    account = joined.account
    assert sorted(plan.thread_specs()) == sorted(
        [
            "alerts",
            "end of the log",
            "erasures",
            "notifications",
            "removed accounts",
            "unreadable contacts",
            "retention",
            "files of imports",
            "schema",
            f"destination {joined.to_mailjet.id} (Mailjet (Customers))",
            f"destination {joined.destinations[1].id} (Segment)",
            f"reconcile:{account.id}",
            f"unsubscribes:{account.id}",
            f"source {account.event_source_id} ({account.name})",
            f"callback URLs {account.event_source_id} ({account.name})",
        ]
    )


def test_the_same_configuration_wants_the_same_threads(joined: connect.Joined) -> None:
    first, second = plan.thread_specs(), plan.thread_specs()
    assert {name: made_from for name, (made_from, _) in first.items()} == {
        name: made_from for name, (made_from, _) in second.items()
    }


def test_a_disabled_destination_has_no_thread(joined: connect.Joined) -> None:
    Destination.objects.update(enabled=False)
    after = plan.thread_specs()
    assert [name for name in after if name.startswith(("destination", "unsubscribes"))] == []


def test_a_consumer_that_starts_late_delivers_nothing_for_a_destination_disabled_meanwhile(
    joined: connect.Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was wanted while the destination was enabled. Was: it took what it found then for the current state."""
    name = f"destination {joined.destinations[1].id} (Segment)"
    _, consume = plan.thread_specs()[name]
    Destination.objects.update(enabled=False)
    monkeypatch.setattr(Consumer, "run", lambda *_: pytest.fail("It delivers."))
    consume(threading.Event())


def test_people_are_erased_at_an_account_whatever_is_enabled(joined: connect.Joined) -> None:
    """Never by two threads at once: the name is the same, and what it is made from differs."""
    name = f"reconcile:{joined.account.id}"
    delivering = plan.thread_specs()[name][0]
    Destination.objects.update(enabled=False)
    erasing = plan.thread_specs()[name][0]
    assert erasing != delivering
    Destination.objects.all().delete()
    assert plan.thread_specs()[name][0] == erasing
    assert [keeper.readers for keeper in plan.erasure_handlers(joined.workspace.id)] == [[]]
    joined.account.delete()
    assert name not in plan.thread_specs()


def test_a_destination_that_cannot_be_opened_is_paused_and_dies_not(
    joined: connect.Joined, eventually: Any
) -> None:
    row = joined.to_mailjet
    row.secrets = '{"apiKey": "of nobody"}'
    row.save()
    _, runnable = plan.thread_specs()[f"destination {row.id} ({row.name})"]
    stop = threading.Event()

    def body() -> None:
        runnable(stop)
        connections.close_all()

    thread = threading.Thread(target=body)
    thread.start()
    reading = ConsumerOffset.objects.filter(consumer=destination_consumer(row.id))
    eventually(lambda: reading.get().pause_code == "INVALID_AUTHENTICATION", "it says why it is held")
    assert thread.is_alive()
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_a_destination_opens_anew_when_its_key_has_ended(joined: connect.Joined) -> None:
    name = f"destination {joined.to_mailjet.id} (Mailjet (Customers))"
    before, _ = plan.thread_specs()[name]
    Credential.objects.update(digest=F("id"))
    after, _ = plan.thread_specs()[name]
    assert after != before


def test_a_rule_that_was_made_or_changed_is_looked_at_anew(joined: connect.Joined) -> None:
    def made_from() -> object:
        return plan.thread_specs()["alerts"][0]

    AlertRule.objects.all().delete()
    seen = [made_from()]
    rule = joined.workspace.alert_rules.create(kind=AlertKind.PAUSE)
    seen.append(made_from())
    rule.since += timedelta(seconds=1)
    rule.save()
    seen.append(made_from())
    AlertRule.objects.update(enabled=False)
    assert len(set(seen)) == 3
    assert made_from() == seen[0]
