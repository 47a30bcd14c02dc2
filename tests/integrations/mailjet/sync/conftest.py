"""The Mailjet destination at work in this process: a real log, a real state database, a real sandbox."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import mailjet_rest
import pytest

from jetbridge.control.directory import DestinationRef, load_destinations
from jetbridge.delivery import ledger
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.delivery.threads import Threads
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.integrations.mailjet.sync import bulk_jobs, reconcile
from jetbridge.integrations.mailjet.sync.reconcile import SendPolicy
from jetbridge.routing.route import Route
from jetbridge.spec.message import Message, encode
from mailjet_sandbox.server import running
from mailjet_sandbox.settings import Settings

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many contacts wait for company, and jobs are looked at: as ever, but for a shorter time."""
    monkeypatch.setattr(
        reconcile, "SEND_POLICY", SendPolicy(debounce_ms=100, linger_ms=1_000, cooldown_ms=1_000)
    )
    monkeypatch.setattr(bulk_jobs, "FIRST_POLL_MS", 20)


@dataclass
class Bridge:
    """One Mailjet destination with everything around it. Messages are a second apart unless told otherwise."""

    log: SqliteEventLog
    mailjet: MailjetClient
    url: str
    list_id: int
    source: int
    destination: DestinationRef
    threads: Threads = field(default_factory=Threads)
    _numbers: "count[int]" = field(default_factory=count)

    def identify(
        self,
        user: str | None,
        traits: dict[str, Any],
        *,
        at: int | None = None,
        received: int | None = None,
        integrations: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Entry:
        number = next(self._numbers)
        moment = NOON + timedelta(seconds=number if at is None else at)
        received_at = moment if received is None else NOON + timedelta(seconds=received)
        message = Message(
            type="identify",
            message_id=f"m-{number}",
            timestamp=moment,
            received_at=received_at,
            user_id=user,
            traits=traits,
            integrations=integrations,
            settings=settings,
        )
        return Entry(self.source, "identify", int(received_at.timestamp() * 1000), encode(message))

    def send(self, user: str | None, traits: dict[str, Any], **options: Any) -> None:
        self.log.append([self.identify(user, traits, **options)])

    def send_delete(self, user: str) -> None:
        """As a Segment workspace sends it."""
        number = next(self._numbers)
        moment = NOON + timedelta(seconds=number)
        message = Message(
            type="delete", message_id=f"m-{number}", timestamp=moment, received_at=moment, user_id=user
        )
        self.log.append([Entry(self.source, "delete", int(moment.timestamp() * 1000), encode(message))])

    def start(self) -> None:
        run = self._consumer().run
        self.threads.keep({"consumer": (1, run), **MAILJET.companion_threads(self.destination)})

    def merge(self) -> None:
        """Read the log into the contact state, and send Mailjet nothing."""
        threads = Threads()
        threads.keep({"consumer": (1, self._consumer().run)})
        deadline = time.monotonic() + 60
        while self.report().unread:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        threads.stop()

    def _consumer(self) -> Consumer:
        return Consumer(
            event_log=self.log,
            destination_id=self.destination.id,
            destination=MAILJET.open(self.destination),
            route=MAILJET.route(self.destination),
        )

    def report(self) -> DestinationReport:
        (row,) = report(self.log.counts)
        assert row.balanced
        return row

    def settle(self, seconds: float = 60.0) -> DestinationReport:
        """Wait until nothing is pending."""
        deadline = time.monotonic() + seconds
        while (row := self.report()).pending:
            assert time.monotonic() < deadline, row
            time.sleep(0.02)
        return row

    def rest(self, seconds: float = 60.0) -> DestinationReport:
        """Wait until nothing is pending and no contact is to be told anything."""
        row = self.settle(seconds)
        deadline = time.monotonic() + seconds
        while Contact.objects.exclude(next_attempt_at=None, job_id=None).exists():
            assert time.monotonic() < deadline, list(Contact.objects.values())
            time.sleep(0.02)
        return row

    def properties(self, email: str) -> dict[str, Any]:
        return self.mailjet.contactdata(email)

    def subscriptions(self, email: str) -> dict[int, bool]:
        """List id -> subscribed, not unsubscribed."""
        return {row.list_id: not row.is_unsub for row in self.mailjet.getcontactslists(email)}

    def calls(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/sandbox/calls") as answer:
            calls: dict[str, int] = json.load(answer)["calls"]
        return {call: total for call, total in calls.items() if not call.startswith("GET")}

    def reset_calls(self) -> None:
        urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/sandbox/reset", method="POST", data=b"{}")
        ).close()

    def delivery_records(self) -> list[tuple[str, str, int]]:
        rows = DeliveryRecordRow.objects.order_by("id")
        return [(row.reason, row.person, row.total) for row in rows]


@contextmanager
def bridge_at(home: Path, settings: Settings) -> Iterator[Bridge]:
    with running(settings) as sandbox:
        log = SqliteEventLog(home / "eventlog.db")
        mailjet = MailjetClient(sandbox.url, settings.api_key, settings.secret_key)
        spec = connect.ConnectionSpec(
            workspace="Shop",
            mailjet_url=sandbox.url,
            api_key=settings.api_key,
            secret_key=settings.secret_key,
            list_id=mailjet.create_contactslist("Customers").id,
            list_name="Customers",
        )
        joined = connect.join(spec)
        (ref,) = load_destinations()
        ledger.begin_destination(ref.id, ref.source_kinds, log.counts())
        bridge = Bridge(log, mailjet, sandbox.url, spec.list_id, joined.http_source.id, ref)
        yield bridge
        bridge.threads.stop()
        log.close()


@pytest.fixture
def bridge(home: Path) -> Iterator[Bridge]:
    """Not started: what is sent before `start()` is read in one batch."""
    settings = Settings(api_key="public", secret_key="private", job_delay_seconds=0.05)
    with bridge_at(home, settings) as bridge:
        yield bridge


@pytest.fixture
def started(bridge: Bridge) -> Bridge:
    bridge.start()
    return bridge


@dataclass
class TwoLists:
    """`first` and `second` are lists; calls of the HTTP source go to both, those of `second_only` to one."""

    bridge: Bridge
    first: int
    second: int
    second_only: int
    refs: list[DestinationRef]

    def start(self) -> None:
        wanted: dict[str, Any] = {}
        for ref in self.refs:
            route = Route(MAILJET.accepts, MAILJET.names, ref.source_kinds)
            consumer = Consumer(
                event_log=self.bridge.log,
                destination_id=ref.id,
                destination=MAILJET.open(ref),
                route=route,
            )
            wanted |= {f"consumer:{ref.id}": (1, consumer.run), **MAILJET.companion_threads(ref)}
        self.bridge.threads.keep(wanted)

    def reports(self) -> list[DestinationReport]:
        rows = report(self.bridge.log.counts)
        assert all(row.balanced for row in rows)
        return rows

    def settle(self, seconds: float = 60.0) -> list[DestinationReport]:
        deadline = time.monotonic() + seconds
        while any(row.pending for row in self.reports()):
            assert time.monotonic() < deadline, self.reports()
            time.sleep(0.02)
        return self.reports()

    def send(self, *users: str, second_only: bool = False, **options: Any) -> None:
        entries = [self.bridge.identify(user, {"email": f"{user}@b.com"}, **options) for user in users]
        if second_only:
            entries = [entry._replace(source=self.second_only) for entry in entries]
        self.bridge.log.append(entries)

    def set_deleted(self, list_id: int, *, deleted: bool) -> None:
        client = mailjet_rest.Client(auth=("public", "private"), api_url=self.bridge.url + "/")
        client.contactslist.update(id=list_id, data={"IsDeleted": deleted})
        client.close()


@pytest.fixture
def two(bridge: Bridge) -> Iterator[TwoLists]:
    second = bridge.mailjet.create_contactslist("Newsletter").id
    joined = connect.join(
        connect.ConnectionSpec(
            workspace="Shop",
            mailjet_url=bridge.url,
            api_key="public",
            secret_key="private",
            list_id=second,
            list_name="Newsletter",
        )
    )
    refs = load_destinations()
    new = next(ref for ref in refs if ref.id == joined.to_mailjet.id)
    ledger.begin_destination(new.id, new.source_kinds, bridge.log.counts())
    two = TwoLists(bridge, bridge.list_id, second, joined.connection.source_id, refs)
    yield two
    bridge.threads.stop()
