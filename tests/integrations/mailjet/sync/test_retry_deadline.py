"""Retry limit, breaker, releases and isolation, with a Mailjet that fails on request."""

import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jetbridge.control.directory import AccountRef, load_accounts, load_destinations
from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import DeliveryRecordRow, destination_consumer
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.errors import TransientError
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact, RejectedValue
from jetbridge.integrations.mailjet.sync import account as account_
from jetbridge.integrations.mailjet.sync.reconcile import Reconciler
from jetbridge.integrations.mailjet.sync.unsubscribes import Unsubscribes
from mailjet_sandbox.settings import Settings

from .conftest import NOON, Bridge, bridge_at

MANAGE = "POST contactslist/*/manage*"


def fault(bridge: Bridge, kind: str, **fields: Any) -> None:
    body = json.dumps({"kind": kind, **fields}).encode()
    request = urllib.request.Request(f"{bridge.url}/sandbox/faults", method="POST", data=body)
    urllib.request.urlopen(request).close()


def mend(bridge: Bridge) -> None:
    request = urllib.request.Request(f"{bridge.url}/sandbox/faults", method="DELETE")
    urllib.request.urlopen(request).close()


def account() -> AccountRef:
    (found,) = load_accounts()
    return found


@pytest.fixture(autouse=True)
def _probes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_, "PROBE_MS", 300)


def start(bridge: Bridge, *, retry_seconds: float = 3_600) -> None:
    """Start with another patience than the configuration's."""
    consumer = Consumer(
        event_log=bridge.log,
        destination_id=bridge.destination.id,
        destination=MAILJET.open(bridge.destination),
        route=MAILJET.route(bridge.destination),
    )
    reconciler = Reconciler(
        account(),
        lambda: {bridge.destination.id: bridge.list_id},
        Unsubscribes(account(), list),
        retry_seconds=retry_seconds,
    )
    bridge.threads.keep({"consumer": (1, consumer.run), "reconcile": (1, reconciler.run)})


def send(bridge: Bridge, total: int, name: str = "p") -> None:
    bridge.log.append(bridge.identify(f"{name}{n}", {"email": f"{name}{n}@b.com"}) for n in range(total))


@pytest.fixture
def poison(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Somebody whom Mailjet never manages to take, alone; two calls about him are sent."""
    poisonous = {"poison": True}

    def poisoned(call: Callable[..., Any]) -> Callable[..., Any]:
        def stumble(client: MailjetClient, list_id: int, body: Any) -> Any:
            if poisonous["poison"] and "poison@b.com" in str(body):
                raise TransientError("SERVER_ERROR", "Mailjet has an internal problem.", status=500)
            return call(client, list_id, body)

        return stumble

    for name in ("managecontact", "managemanycontacts"):
        monkeypatch.setattr(MailjetClient, name, poisoned(getattr(MailjetClient, name)))
    bridge.log.append([bridge.identify("poison", {"email": "poison@b.com", "n": n}) for n in range(2)])
    return poisonous


def failed(bridge: Bridge) -> dict[str, int]:
    return bridge.report().reasons["failed"]


@pytest.mark.usefixtures("poison")
def test_a_contact_that_alone_does_not_get_through_fails_after_the_limit(
    bridge: Bridge, eventually: Any
) -> None:
    start(bridge, retry_seconds=1)
    for number in range(100):
        bridge.send(f"u{number}", {"email": f"u{number}@b.com"})
        if bridge.report().failed:
            break
        time.sleep(0.1)
    eventually(lambda: not bridge.report().pending, "the others arrive")
    assert (failed(bridge), bridge.report().state) == ({"RETRIES_EXHAUSTED": 2}, "running")
    row = DeliveryRecordRow.objects.get(person="poison@b.com")
    assert row.detail.partition(" h ")[2] == (
        "without success, while others went through. The last error: Mailjet has an internal problem."
    )
    contact = Contact.objects.get(email="poison@b.com")
    assert (contact.first_failed_at, contact.next_attempt_at, contact.pending) == (None, None, None)


def test_a_contact_that_failed_is_told_everything_by_its_next_call(
    bridge: Bridge, eventually: Any, poison: dict[str, bool]
) -> None:
    test_a_contact_that_alone_does_not_get_through_fails_after_the_limit(bridge, eventually)
    poison["poison"] = False
    bridge.send("poison", {"email": "poison@b.com", "plan": "pro"})
    bridge.settle()
    assert bridge.properties("poison@b.com") == {"n": 1, "plan": "pro"}


def test_when_nobody_gets_through_nobody_fails_and_the_destination_is_held(
    bridge: Bridge, eventually: Any
) -> None:
    fault(bridge, "status", status=503, endpoint="*")
    send(bridge, 3)
    start(bridge, retry_seconds=1)
    eventually(lambda: bridge.report().state == "paused", "it is held after the limit")
    row = bridge.report()
    assert (row.pause_code, row.pending, row.failed) == ("RETRIES_EXHAUSTED", 3, 0)
    assert row.pause_reason.startswith("Nothing has gone through since 20")
    assert "UTC; it goes on trying. The last error: Mailjet has an internal problem. (" in row.pause_reason
    mend(bridge)
    assert pauses.resume_by_hand(destination_consumer(bridge.destination.id))
    assert bridge.settle(25).delivered == 3
    eventually(lambda: bridge.report().state == "running", "it runs again")


def test_trouble_is_said_until_something_gets_through(bridge: Bridge, eventually: Any) -> None:
    fault(bridge, "status", status=503, endpoint=MANAGE)
    send(bridge, 3)
    start(bridge)
    eventually(
        lambda: bridge.report().last_error.startswith("Mailjet has an internal problem."), "it is said"
    )
    assert bridge.report().state == "running"
    mend(bridge)
    bridge.settle(70)
    eventually(lambda: bridge.report().last_error == "", "it is over")


def test_trouble_is_over_when_there_is_nobody_left_to_tell(
    bridge: Bridge, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[str] = []
    record_error = pauses.record_error

    def recorded(readers: Any, message: str, **since: Any) -> None:
        record_error(readers, message, **since)
        errors.append(message)

    monkeypatch.setattr(pauses, "record_error", recorded)
    RejectedValue.objects.create(
        account_id=account().id, property="n", message="text where Mailjet has int", at=NOON
    )
    fault(bridge, "status", status=503, endpoint="GET contactmetadata")
    start(bridge)
    eventually(lambda: errors, "Datatypes cannot be read")
    eventually(lambda: bridge.report().last_error == "", "nobody waits for that")


def test_it_goes_on_by_itself_when_the_service_is_back(bridge: Bridge, eventually: Any) -> None:
    fault(bridge, "status", status=503, endpoint="*")
    send(bridge, 3)
    start(bridge, retry_seconds=0.5)
    eventually(lambda: bridge.report().state == "paused", "it is held after the limit")
    mend(bridge)
    assert bridge.settle(70).delivered == 3
    eventually(lambda: bridge.report().state == "running", "it runs again")


def test_when_nearly_all_is_refused_the_destination_is_paused_and_the_rest_stays_pending(
    bridge: Bridge, eventually: Any
) -> None:
    fault(bridge, "status", status=400, message="No.", endpoint=MANAGE)
    send(bridge, 50)
    start(bridge)
    eventually(lambda: bridge.report().state == "paused", "it is held")
    time.sleep(1)  # a few probes
    row = bridge.report()
    assert (row.pause_code, failed(bridge), row.pending) == ("CIRCUIT_OPEN", {}, 50)
    assert row.pause_reason.startswith(
        "20 of the last 20 were permanently rejected, 20 of them as BAD_REQUEST: Mailjet rejects the request."
    )
    assert row.pause_reason.endswith("Fix the cause, or resume it and accept such failures.")
    mend(bridge)
    assert bridge.settle().delivered == 50
    eventually(lambda: bridge.report().state == "running", "a success ends the hold")


def test_a_release_lets_what_is_refused_fail(
    bridge: Bridge, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_, "PROBE_MS", 600_000)
    fault(bridge, "status", status=400, message="No.", endpoint=MANAGE)
    send(bridge, 50)
    start(bridge)
    eventually(lambda: bridge.report().state == "paused", "it is held")
    assert pauses.resume_by_hand(destination_consumer(bridge.destination.id))
    assert (bridge.settle(25).failed, bridge.report().state) == (50, "running")


def test_addresses_that_mailjet_refuses_trip_nothing(bridge: Bridge) -> None:
    words = 'Invalid email address "x", reason: "No @ character in mail"'
    fault(bridge, "status", status=400, message=words, endpoint=MANAGE)
    send(bridge, 50)
    start(bridge)
    assert (bridge.settle().failed, failed(bridge)) == (50, {"INVALID_EMAIL": 50})
    assert bridge.report().state == "running"


def test_a_body_that_never_gets_through_is_halved_until_its_contacts_arrive(bridge: Bridge) -> None:
    fault(bridge, "status", status=503, endpoint="POST contactslist/*/managemanycontacts")
    send(bridge, 15)
    start(bridge)
    assert bridge.settle(60).delivered == 15


def test_a_cleared_property_that_no_body_gets_through_goes_singly(bridge: Bridge) -> None:
    start(bridge)
    bridge.send("u1", {"email": "a@b.com", "plan": "pro"})
    bridge.settle()
    fault(bridge, "status", status=503, endpoint="POST contactslist/*/managemanycontacts")
    bridge.send("u1", {"email": "a@b.com", "plan": None})
    assert bridge.settle(60).delivered == 2
    assert bridge.properties("a@b.com") == {}


def test_a_release_brings_a_list_back_at_once(bridge: Bridge, eventually: Any) -> None:
    gone = f"POST contactslist/{bridge.list_id}/managecontact"
    fault(bridge, "status", status=404, message="Object not found", endpoint=gone)
    start(bridge)
    bridge.send("u1", {"email": "a@b.com"})
    eventually(lambda: bridge.report().state == "paused", "it is held")
    assert bridge.report().pause_code == "LIST_NOT_FOUND"
    mend(bridge)
    pauses.resume_by_hand(destination_consumer(bridge.destination.id))
    assert bridge.settle(25).delivered == 1


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a service that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_mailjet_that_hangs_delays_no_other_account_and_no_consumer(
    bridge: Bridge, silent: str, eventually: Any
) -> None:
    spec = connect.ConnectionSpec("Elsewhere", silent, "other", "private", 1, "Customers")
    joined = connect.join(spec)
    hanging = next(ref for ref in load_destinations() if ref.id == joined.to_mailjet.id)
    ledger.begin_destination(hanging.id, hanging.source_kinds, bridge.log.counts())
    bridge.start()
    consumer = Consumer(
        event_log=bridge.log,
        destination_id=hanging.id,
        destination=MAILJET.open(hanging),
        route=MAILJET.route(hanging),
    )
    bridge.threads.keep(
        {
            "consumer": (1, None),
            "hanging": (1, consumer.run),
            **MAILJET.companion_threads(bridge.destination),
            **MAILJET.companion_threads(hanging),
        }
    )
    entries = [bridge.identify(f"h{n}", {"email": f"h{n}@b.com"}) for n in range(5)]
    bridge.log.append(entry._replace(source=joined.http_source.id) for entry in entries)

    def figures() -> dict[int, DestinationReport]:
        return {row.id: row for row in report(bridge.log.counts)}

    eventually(lambda: figures()[hanging.id].in_flight == 5, "its consumer folds")
    for number in range(20):
        bridge.send(f"u{number}", {"email": f"u{number}@b.com"})
        eventually(
            lambda n=number: figures()[bridge.destination.id].delivered == n + 1, "at once", seconds=20
        )
    assert (figures()[hanging.id].pending, figures()[hanging.id].failed) == (5, 0)


def test_a_worker_that_backs_off_or_is_paused_stops_within_a_second(
    bridge: Bridge, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "jetbridge")
    fault(bridge, "status", status=429, retry_after=3_000, endpoint="*")
    send(bridge, 3)
    start(bridge)
    eventually(lambda: "Next try in" in caplog.text, "it backs off")
    began = time.monotonic()
    bridge.threads.stop()
    assert time.monotonic() - began < 10


def test_a_429_on_one_client_holds_the_reconciler_back_too(home: Any) -> None:
    settings = Settings(api_key="public", secret_key="private", job_delay_seconds=0.05)
    with bridge_at(home, settings) as bridge:
        fault(bridge, "status", status=429, retry_after=1, endpoint="GET user", times=1)
        with pytest.raises(Exception, match="Mailjet asks for fewer calls"):
            bridge.mailjet.user()
        began = time.monotonic()
        bridge.send("u1", {"email": "a@b.com"})
        bridge.start()
        assert bridge.settle().delivered == 1
        assert time.monotonic() - began > 0.7
