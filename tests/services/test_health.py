"""Each light of `health`, turned on by what it watches and by nothing else."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jetbridge.alerts import watch
from jetbridge.control import home_lock
from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.control.models import Destination, Source
from jetbridge.delivery import ledger, pauses, syncs
from jetbridge.delivery.base import DeliveryCounts
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import (
    ConsumerOffset,
    HeartbeatRow,
    RetryEntry,
    SyncRow,
    destination_consumer,
    source_consumer,
)
from jetbridge.delivery.threads import SUPERVISOR, WORKER, HeartbeatWriter, Vitals
from jetbridge.eventlog.base import EMAIL_EVENT, Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.contacts.pending import Waiting
from jetbridge.integrations.mailjet.contacts.state import encode
from jetbridge.integrations.mailjet.models import Contact, Job
from jetbridge.privacy import erasure
from jetbridge.privacy.models import Erasure
from jetbridge.services import schedules
from jetbridge.services.queries import health
from jetbridge.services.queries.health import Health
from jetbridge.spec.person import Identity
from jetbridge.text import duration

SPEC = ConnectionSpec(
    "Main", "http://127.0.0.1:1", "public", "private", 1, "Customers", "http://127.0.0.1:1", "w"
)


class Bench:
    """A Mailjet and a Segment destination that have begun, and a worker that seems to be well."""

    def __init__(self, home: Path, log: SqliteEventLog) -> None:
        self.home, self.log = home, log
        joined = connect.join(SPEC)
        self.source = joined.http_source.id
        self.account = joined.account
        self.mailjet, self.segment = joined.destinations
        for row in joined.destinations:
            ledger.begin_destination(row.id, row.sources.values_list("id", flat=True), log.counts())
        ledger.begin(source_consumer(self.account.event_source_id), log.counts())

    def beat(self, *vitals: Vitals, ago: float = 0.0, dependents: Any = None) -> None:
        rows = [Vitals(SUPERVISOR, 0.0), *vitals]
        HeartbeatWriter(lambda: rows, lambda: dependents or {}).write(rows)
        earlier = datetime.now(UTC) - timedelta(seconds=ago)
        HeartbeatRow.objects.filter(thread=WORKER).update(beaten_at=earlier)

    def send(self, *, ago: float, kind: str = "identify", source: int = 0) -> None:
        received_at = int((time.time() - ago) * 1000)
        self.log.append([Entry(source or self.source, kind, received_at, b"{}")])

    def lights(self) -> list[Light]:
        return list(self.read().lights)

    def codes(self) -> list[tuple[str, str, str]]:
        return [(light.code, light.state, light.thing) for light in self.lights()]

    def read(self) -> Health:
        return health.read(self.log)


@pytest.fixture
def bench(home: Path, event_log: SqliteEventLog) -> Iterator[Bench]:
    bench = Bench(home, event_log)
    with home_lock.take(home, "worker"):
        yield bench


def test_where_all_is_well_there_is_no_light(bench: Bench) -> None:
    bench.beat(Vitals("schema", 3.0))
    bench.send(ago=health.PENDING_SECONDS - 5)
    found = bench.read()
    assert (found.lights, found.state) == ([], "ok")
    assert found.shown(bench.mailjet.id, "running") == "running"


def test_a_worker_that_is_not_there(home: Path, event_log: SqliteEventLog) -> None:
    bench = Bench(home, event_log)
    bench.beat()
    assert bench.codes() == [("NO_WORKER", "fail", "worker")]
    assert bench.read().shown(bench.mailjet.id, "running") == "stalled"
    assert bench.read().shown(bench.mailjet.id, "paused") == "paused"
    Destination.objects.update(enabled=False)
    assert bench.codes() == [("NO_WORKER", "warn", "worker")]


def test_a_worker_that_gives_no_sign_of_life(bench: Bench) -> None:
    bench.beat(ago=health.WORKER_SILENT_SECONDS + 1)
    assert bench.codes() == []  # it has only just begun
    long_ago = time.time() - 3_600
    os.utime(bench.home / "worker.lock", (long_ago, long_ago))
    (light,) = bench.lights()
    assert (light.code, light.state, light.destinations) == ("WORKER_SILENT", "fail", None)
    assert f"`kill -9 {os.getpid()}`" in light.fix
    bench.beat()
    assert bench.codes() == []


def test_a_thread_that_dies_again_and_again(bench: Bench) -> None:
    name = f"destination {bench.mailjet.id} (x)"
    died = Vitals(name, 0.0, health.DEATHS, datetime.now(UTC), "ValueError in spec/times.py:21")
    bench.beat(died._replace(deaths=health.DEATHS - 1))
    assert bench.codes() == []
    bench.beat(died, dependents={name: [bench.mailjet.id]})
    (light,) = bench.lights()
    assert (light.code, light.state) == ("THREAD_DIES", "fail")
    assert light.destinations == {bench.mailjet.id}
    assert "dies again and again (ValueError in spec/times.py:21)" in light.message
    found = bench.read()
    assert found.state_of(bench.mailjet.id) == "fail"
    assert found.state_of(bench.segment.id) == "ok"
    assert [row.position for row in found.threads if row.name == name] == [0]


def test_a_thread_that_hangs(bench: Bench) -> None:
    bench.beat(Vitals("reconcile:1", health.THREAD_SILENT_SECONDS - 5))
    assert bench.codes() == []
    bench.beat(
        Vitals("reconcile:1", health.THREAD_SILENT_SECONDS), dependents={"reconcile:1": [bench.mailjet.id]}
    )
    assert bench.codes() == [("THREAD_HANGS", "fail", "thread:reconcile:1")]
    assert bench.read().state_of(bench.mailjet.id) == "fail"


def test_a_worker_that_dies_and_a_supervisor_that_hangs_stop_everything(bench: Bench) -> None:
    bench.beat()
    HeartbeatRow.objects.filter(thread=WORKER).update(deaths=health.DEATHS)
    HeartbeatRow.objects.filter(thread=SUPERVISOR).update(beaten_at=datetime.now(UTC) - timedelta(minutes=2))
    assert [light.code for light in bench.lights()] == ["THREAD_HANGS", "THREAD_DIES"]
    assert {light.destinations for light in bench.lights()} == {None}


def test_messages_that_were_not_read(bench: Bench) -> None:
    bench.beat()
    bench.send(ago=health.PENDING_SECONDS + 5)
    (light,) = bench.lights()
    assert (light.code, light.state, light.thing) == ("BACKLOG", "fail", f"destination:{bench.mailjet.id}")
    assert "the oldest pending message (of 1) has waited for 50 s, and nothing gets through" in light.message


def test_a_backlog_that_moves_is_a_warning_until_it_is_too_old(bench: Bench) -> None:
    bench.beat()
    bench.send(ago=health.PENDING_SECONDS + 5)
    bench.send(ago=1)
    with ledger.commit(bench.mailjet.id, 1, {bench.source: 1}, DeliveryCounts(delivered=1)):
        pass
    assert bench.codes() == []  # the one that is left is young
    bench.send(ago=health.PENDING_SECONDS + 5)
    ConsumerOffset.objects.filter(consumer=destination_consumer(bench.mailjet.id)).update(position=2)
    assert bench.codes() == [("BACKLOG", "warn", f"destination:{bench.mailjet.id}")]
    bench.send(ago=health.BACKLOG_SECONDS)
    ConsumerOffset.objects.filter(consumer=destination_consumer(bench.mailjet.id)).update(position=3)
    assert bench.codes() == [("BACKLOG", "fail", f"destination:{bench.mailjet.id}")]


def test_messages_that_the_destination_has_taken_and_not_settled(bench: Bench) -> None:
    bench.beat()
    at = int((time.time() - 100) * 1000)
    waits = {bench.mailjet.id: {1: Waiting(1, 1, "m", 1, at)}}
    bench.send(ago=100)
    with ledger.commit(bench.mailjet.id, 1, {bench.source: 1}, DeliveryCounts(in_flight=1)):
        Contact.objects.create(
            account_id=bench.account.id,
            email="a@example.com",
            desired=state.encode(state.Desired()),
            delivered=b"{}",
            pending=encode(waits),
            next_attempt_at=0,
        )
    assert bench.codes() == [("BACKLOG", "fail", f"destination:{bench.mailjet.id}")]
    Contact.objects.update(next_attempt_at=int(time.time() * 1000) + 500_000)  # held back behind all others
    assert bench.codes() == [("BACKLOG", "fail", f"destination:{bench.mailjet.id}")]


def test_a_job_that_does_not_end(bench: Bench) -> None:
    bench.beat()
    test_at = int(time.time() * 1000)
    waits = {bench.mailjet.id: {1: Waiting(1, 1, "m", 1, test_at)}}
    bench.send(ago=0)
    with ledger.commit(bench.mailjet.id, 1, {bench.source: 1}, DeliveryCounts(in_flight=1)):
        Contact.objects.create(
            account_id=bench.account.id,
            email="a@example.com",
            desired=b"{}",
            delivered=b"{}",
            pending=encode(waits),
            job_id=8,
        )
    Job.objects.create(account_id=bench.account.id, job_id=8, contacts=1)
    assert bench.codes() == []
    assert bench.read().backlog(bench.mailjet.id).jobs == 1
    Job.objects.update(started_at=datetime.now(UTC) - timedelta(seconds=health.JOB_SECONDS + 5))
    assert bench.codes() == [("JOB_OPEN", "fail", f"destination:{bench.mailjet.id}")]
    Job.objects.update(given_up_at=1)
    assert bench.codes() == []


def test_failures_that_are_to_be_tried_again_and_are_not(bench: Bench) -> None:
    bench.beat()
    ConsumerOffset.objects.filter(consumer=destination_consumer(bench.mailjet.id)).update(position=0)
    ledger.add(bench.mailjet.id, DeliveryCounts())
    RetryEntry.objects.create(
        destination_id=bench.mailjet.id, position=1, total=1, source_id=bench.source, body=b"{}"
    )
    assert "BACKLOG" not in str(bench.codes())
    RetryEntry.objects.update(requested_at=datetime.now(UTC) - timedelta(minutes=2))
    assert ("BACKLOG", "fail", f"destination:{bench.mailjet.id}") in bench.codes()


def test_email_events_that_nobody_reads(bench: Bench) -> None:
    bench.beat()
    source = bench.account.event_source_id
    bench.send(ago=10, kind=EMAIL_EVENT, source=source)
    assert bench.codes() == []
    bench.send(ago=100, kind=EMAIL_EVENT, source=source)
    assert bench.codes() == []  # the first one is looked at
    ConsumerOffset.objects.filter(consumer=source_consumer(source)).update(position=1)
    assert bench.codes() == [("BACKLOG", "fail", f"source:{source}")]


@pytest.fixture
def hourly(bench: Bench) -> Destination:
    """A warehouse that syncs every hour, and began its latest sync half an hour ago."""
    bench.beat()
    row = Destination.objects.create(
        workspace=bench.mailjet.workspace, kind="warehouse", name="W", settings={"schedule": "1h"}
    )
    Destination.objects.exclude(id=row.id).update(enabled=False)
    row.sources.add(bench.source)
    ledger.begin_destination(row.id, [bench.source], bench.log.counts())
    half_an_hour_ago = datetime.now(UTC) - timedelta(minutes=30)
    at = f"{(half_an_hour_ago + timedelta(hours=1)):%H:%M}"
    Destination.objects.filter(id=row.id).update(settings={"schedule": "1h", "syncTime": at})
    SyncRow.objects.create(
        destination_id=row.id,
        counted_from=half_an_hour_ago,
        began_at=half_an_hour_ago,
        ended_at=half_an_hour_ago + timedelta(seconds=1),
    )
    return row


def test_what_waits_for_the_next_sync_is_no_trouble(bench: Bench, hourly: Destination) -> None:
    bench.send(ago=1_700)
    found = bench.read()
    assert (found.lights, found.state_of(hourly.id)) == ([], "ok")
    sync = found.syncs[hourly.id]
    assert timedelta(minutes=28) < sync.next_at - found.at <= timedelta(minutes=31)
    assert schedules.in_words(sync, found.at).startswith("Next sync in ")


def test_a_sync_that_is_due_and_does_not_begin(bench: Bench, hourly: Destination) -> None:
    SyncRow.objects.update(counted_from=datetime.now(UTC) - timedelta(minutes=92))
    (light,) = bench.lights()
    assert (light.code, light.state, light.thing) == ("SYNC_OVERDUE", "fail", f"destination:{hourly.id}")
    assert "has not begun" in light.message
    SyncRow.objects.update(counted_from=datetime.now(UTC) - timedelta(minutes=30))
    syncs.request(hourly.id)
    assert bench.codes() == []
    SyncRow.objects.update(requested_at=datetime.now(UTC) - timedelta(minutes=1))
    assert [code for code, *_ in bench.codes()] == ["SYNC_OVERDUE"]


def test_a_sync_that_does_not_move_and_one_that_takes_longer_than_its_schedule(
    bench: Bench, hourly: Destination
) -> None:
    SyncRow.objects.update(ended_at=None)
    (light,) = bench.lights()
    assert (light.code, light.state) == ("SYNC_OVERDUE", "fail")
    assert "nothing gets through" in light.message
    bench.send(ago=1)
    with ledger.commit(hourly.id, 1, {bench.source: 1}, DeliveryCounts(delivered=1)):
        pass
    assert bench.codes() == []  # it moves
    SyncRow.objects.update(began_at=datetime.now(UTC) - timedelta(minutes=61))
    (light,) = bench.lights()
    assert (light.code, light.state) == ("SYNC_OVERDUE", "warn")
    assert "the schedule is every hour" in light.message


def test_what_a_sync_has_left_over(bench: Bench, hourly: Destination) -> None:
    bench.send(ago=3_000)
    (light,) = bench.lights()
    assert (light.code, light.state) == ("BACKLOG", "fail")
    assert "the last sync has left messages over, the oldest for 50 min" in light.message


def test_pauses_and_what_is_tried_again(bench: Bench) -> None:
    bench.beat()
    reader = destination_consumer(bench.mailjet.id)
    pauses.record_error([reader], "Mailjet is away.")
    assert bench.codes() == [("RETRYING", "warn", reader)]
    since = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    ConsumerOffset.objects.filter(consumer=reader).update(retrying_since=since)
    [light] = bench.lights()
    assert (
        light.text
        == f"{bench.mailjet.name} waits and tries again since 2026-01-02 03:04 UTC: Mailjet is away."
    )
    assert light.since == since
    pauses.pause(reader, "FORBIDDEN", "Enter the pair again.")
    assert bench.codes() == [("FORBIDDEN", "fail", reader)]
    ConsumerOffset.objects.filter(consumer=reader).update(paused_at=since)
    assert bench.lights()[0].text == (
        f"{bench.mailjet.name} is paused (FORBIDDEN) since 2026-01-02 03:04 UTC: Enter the pair again."
    )
    Destination.objects.update(enabled=False)
    assert bench.codes() == []


def test_an_account_that_does_not_add_up_or_has_less_than_nothing_pending(bench: Bench) -> None:
    bench.beat()
    bench.send(ago=0)
    with ledger.commit(bench.mailjet.id, 1, {bench.source: 3}, DeliveryCounts(delivered=3)):
        pass
    found = bench.lights()
    assert [light.code for light in found] == ["UNBALANCED"]  # though 1 = 3 - 2
    assert "pending -2" in found[0].message


def test_an_erasure_that_stays_open_is_a_light_of_its_workspace_alone(bench: Bench) -> None:
    bench.beat()
    workspace = bench.mailjet.workspace_id
    for name in ("ada@example.com", "bob@example.com"):
        erasure.request(workspace, Identity.of_name(name))
    assert bench.codes() == []
    Erasure.objects.update(requested_at=datetime.now(UTC) - timedelta(seconds=health.ERASURE_SECONDS + 5))
    Destination.objects.update(enabled=False)
    found = bench.read()
    (light,) = found.lights
    assert (light.code, light.state, light.thing) == ("ERASURE_OPEN", "fail", f"erasures:{workspace}")
    assert light.message == "2 erasures are open, the oldest (receipt 1) for 50 s"
    assert found.within(workspace, [], []) == [light]
    assert found.within(workspace + 1, [bench.mailjet.id], []) == []
    assert found.of(bench.mailjet.id) == []  # no delivery waits for it
    rule = AlertRule(workspace_id=workspace, kind=AlertKind.STALL)
    assert [trouble.message for trouble in watch.violations(rule, None, [light], found.at) or ()] == [
        light.text
    ]
    Erasure.objects.update(ended_at=datetime.now(UTC))
    assert bench.codes() == []


def test_a_workspace_sees_its_own_lights_and_those_of_all(bench: Bench) -> None:
    source = bench.account.event_source_id
    bench.beat(
        Vitals("schema", 99.0),
        Vitals(f"source {source} (Mailjet public)", 99.0),
        Vitals("task 7 (verify)", 99.0),
        Vitals(f"destination {bench.mailjet.id} (x)", 99.0),
        dependents={f"destination {bench.mailjet.id} (x)": [bench.mailjet.id]},
    )
    found = bench.read()
    assert len(found.lights) == 4
    workspace = bench.mailjet.workspace_id
    assert [light.thing for light in found.within(workspace, [], [])] == ["thread:schema"]
    mine = found.within(workspace, [bench.mailjet.id], list(Source.objects.values_list("id", flat=True)))
    assert {light.thing for light in mine} == {
        "thread:schema",
        f"source:{source}",
        f"thread:destination {bench.mailjet.id} (x)",
    }


def test_reading_it_costs_the_same_however_many_destinations_there_are(
    bench: Bench,
) -> None:
    bench.beat()
    bench.send(ago=0)
    with CaptureQueriesContext(connection) as few:
        bench.read()
    for number in range(5):
        row = Destination.objects.create(workspace=bench.mailjet.workspace, kind="mailjet", name=str(number))
        row.sources.add(bench.source)
        ledger.begin_destination(row.id, [bench.source], bench.log.counts())
        bench.send(ago=0)
    with CaptureQueriesContext(connection) as many:
        bench.read()
    assert len(many) == len(few)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119.9, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2 days")]
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words
