"""A receiver or a warehouse that is away for hours, on a clock that the test moves: nothing is lost, it comes back by itself, and
`status`, the API and `/metrics` say since when and why, at once and all the time.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

import duckdb
import msgspec
import psycopg
import pytest
from django.db import connections
from django.test import Client
from tests import postgres
from tests.api.filled import token_of
from tests.proxy import Proxy

from jetbridge.cli import account
from jetbridge.cli.status import as_object
from jetbridge.control import directory
from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.control.people import Membership, Role, User
from jetbridge.delivery import ledger, syncs
from jetbridge.delivery.base import DeliveryItem, Progress, Sink
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import DeliveryRecordRow, PauseRow, RetryEntry
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.delivery.retry import RetryDeadline
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.ingest.metrics import metrics
from jetbridge.integrations import registry
from jetbridge.integrations.testing import Request, Response, StubService, serving
from jetbridge.integrations.warehouse import location
from jetbridge.integrations.webhook import client
from jetbridge.services import destination_settings
from jetbridge.spec.message import Message, encode

from .warehouse.test_duckdb import held

pytestmark = [pytest.mark.usefixtures("django_test_environment"), pytest.mark.timeout(240)]

Eventually = Callable[..., None]
HOUR = 3_600.0
#: The token that reads the API.
TOKEN = "jb_token"


class Clock:
    """Goes as clocks do, and `forward` as the test says."""

    def __init__(self) -> None:
        self._offset = 0.0

    def forward(self, seconds: float) -> None:
        self._offset += seconds

    def monotonic(self) -> float:
        return time.monotonic() + self._offset

    def seconds(self) -> float:
        return time.time() + self._offset

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._offset)


@dataclass
class CountedSink:
    """A sink, and how often it was called."""

    sink: Sink
    tries: int = 0

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        self.tries += 1
        self.sink.deliver(items, progress)

    def close(self) -> None:
        self.sink.close()


class OtherSide(Protocol):
    """Where messages go. `reason` is a part of why they cannot while it is away."""

    kind: str
    reason: str

    def settings(self, destination: int) -> dict[str, Any]: ...
    def go_away(self) -> None: ...
    def come_back(self) -> None: ...
    def ids(self) -> list[str]:
        """The messageIds that have arrived; each once where nobody but us can make a repetition."""


class Silent(StubService):
    """Answers only while `answers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()
        self.answers.set()

    def respond(self, request: Request) -> Response:
        self.answers.wait()
        return super().respond(request)


class Receiver:
    """A receiver of webhooks: away by refusing connections, by 503, or by never answering."""

    kind = "webhook"

    def __init__(self, way: str, stack: ExitStack) -> None:
        self.way = way
        self.service = Silent()
        stack.enter_context(serving(self.service))
        stack.callback(self.service.answers.set)
        self._port = int(self.service.url.rpartition(":")[2])
        self.proxy = Proxy(self._port)
        stack.callback(self.close)
        self.reason = {"refuses": "refused", "503": "503", "silent": "did not respond"}[way]

    def settings(self, destination: int) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{self.proxy.port}/", "batchSize": 10}

    def close(self) -> None:
        self.proxy.close()

    def go_away(self) -> None:
        if self.way == "503":
            self.service.response = Response(503, b"maintenance")
        elif self.way == "silent":
            self.service.answers.clear()
        else:
            self.proxy.close()

    def come_back(self) -> None:
        self.service.response = Response(200)
        self.service.answers.set()
        if self.way == "refuses":
            self.proxy.close()
            self.proxy = Proxy(self._port, self.proxy.port)

    def ids(self) -> list[str]:
        calls = [call for request in self.service.requests for call in msgspec.json.decode(request.body)]
        ids = [call["messageId"] for call in calls]
        return ids if self.way == "refuses" else list(set(ids))


class PostgreSQL:
    kind = "warehouse"
    reason = "onnection refused"

    def __init__(self, server: postgres.Server, stack: ExitStack, schedule: str = "") -> None:
        self.server, self.schedule, self.database = server, schedule, server.create_database()
        self.proxy = Proxy(server.port)
        stack.callback(self.close)

    def settings(self, destination: int) -> dict[str, Any]:
        url = f"postgresql://postgres:se%20cret%2F1@127.0.0.1:{self.proxy.port}/{self.database}"
        return {"url": url} | ({"schedule": self.schedule} if self.schedule else {})

    def close(self) -> None:
        self.proxy.close()

    def go_away(self) -> None:
        self.close()

    def come_back(self) -> None:
        self.proxy = Proxy(self.server.port, self.proxy.port)

    def ids(self) -> list[str]:
        with psycopg.connect(**cast(Any, self.server.parameters(self.database))) as connection:
            return [row[0] for row in connection.execute("SELECT id FROM website.tracks")]


class LockedFile:
    """A DuckDB file that somebody has open."""

    kind = "warehouse"
    reason = "is open in another program"

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack

    def settings(self, destination: int) -> dict[str, Any]:
        self.path = location.default_file(destination)
        return {}

    def go_away(self) -> None:
        self._holder = self.stack.enter_context(ExitStack())
        self._holder.enter_context(held(self.path))

    def come_back(self) -> None:
        self._holder.close()

    def ids(self) -> list[str]:
        with duckdb.connect(self.path, read_only=True) as connection:
            return [row[0] for row in connection.execute("SELECT id FROM website.tracks").fetchall()]


class Bridge:
    """One destination, its consumer on the clock, and what people are shown of it."""

    def __init__(self, log: SqliteEventLog, other: OtherSide) -> None:
        self.log, self.other, self.clock = log, other, Clock()
        workspace = Workspace.objects.create(name="Main")
        self.source: Source = workspace.sources.create(name="Website", kind="http")
        self.row: Destination = workspace.destinations.create(name="Away", kind=other.kind)
        self.row.sources.add(self.source)
        integration = registry.destination(other.kind)
        destination_settings.store(self.row, integration, integration.parsed(other.settings(self.row.id)))
        self.row.save()
        owner = User.objects.create(email="ann@example.com")
        Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER)
        token_of(workspace, owner, TOKEN)
        ledger.begin_destination(self.row.id, [self.source.id], log.counts())
        self.sent: list[str] = []
        self._stop: threading.Event | None = None

    def send(self, number: int) -> None:
        entries = []
        for _ in range(number):
            id_, at = f"m{len(self.sent)}", datetime.now(UTC)
            self.sent.append(id_)
            message = Message(
                type="track", message_id=id_, event="E", user_id=f"u-{id_}", timestamp=at, received_at=at
            )
            entries.append(Entry(self.source.id, "track", int(at.timestamp() * 1_000), encode(message)))
        self.log.append(entries)

    def start(self) -> None:
        ref = directory.destination(self.row.id)
        assert ref
        integration = registry.destination(ref.kind)
        sink: Any = integration.open(ref)
        if hasattr(sink, "patience"):
            sink.retry_deadline = RetryDeadline(clock=self.clock.seconds)
        self.sink = CountedSink(sink)
        consumer = Consumer(
            event_log=self.log,
            destination_id=ref.id,
            destination=self.sink,
            route=integration.route(ref),
            policy=integration.batch_policy(ref),
            schedule=integration.schedule(ref),
            retry_deadline=RetryDeadline(clock=self.clock.seconds),
            now=self.clock.now,
            clock=self.clock.monotonic,
        )
        self._stop = stop = threading.Event()

        def body() -> None:
            try:
                consumer.run(stop)
            finally:
                connections.close_all()

        self._thread = threading.Thread(target=body)
        self._thread.start()

    def stop(self) -> None:
        if self._stop:
            self._stop.set()
            self._thread.join(60)
            assert not self._thread.is_alive()
            self._stop = None

    @property
    def report(self) -> DestinationReport:
        (row,) = report(self.log.counts)
        assert row.balanced
        return row

    def lights(self) -> dict[str, dict[str, Any]]:
        """Those of the destination by code, as `status` has them."""
        lights = as_object(account.read())["lights"]
        return {light["code"]: light for light in lights if light["thing"] == f"destination:{self.row.id}"}

    def light(self, code: str) -> tuple[str, datetime]:
        """Its text, and since when it is on: `status`, the API and the metrics say the same."""
        light = self.lights()[code]
        response = Client().get("/api/v1/workspace", headers={"authorization": f"Bearer {TOKEN}"})
        assert response.status_code == 200, response.content
        (by_api,) = [
            row for row in response.json()["lights"] if (row["code"], row["thing"]) == (code, light["thing"])
        ]
        since = datetime.fromisoformat(light.pop("since"))
        assert datetime.fromisoformat(by_api.pop("since")) == since
        assert by_api == light
        page = metrics(self.log, {}).decode()
        labels = f'{{code="{code}",state="{light["state"]}",thing="{light["thing"]}"}}'
        assert f"jetbridge_light{labels} 1.0" in page
        [at] = re.findall(
            rf"^jetbridge_light_since_timestamp_seconds{re.escape(labels)} (.*)$", page, re.MULTILINE
        )
        assert float(at) == pytest.approx(since.timestamp())
        return f"{light['message']} {light['fix']}", since


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.running() as server:
        yield server


@pytest.fixture(
    params=[
        "webhook-refuses",
        "webhook-503",
        "webhook-silent",
        "postgresql",
        "postgresql-5m",
        "duckdb-locked",
    ]
)
def bridge(
    request: pytest.FixtureRequest, event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bridge]:
    kind, _, way = request.param.partition("-")
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(syncs, "LOOK_SECONDS", 0.02)
    with ExitStack() as stack:
        other: OtherSide
        if kind == "webhook":
            other = Receiver(way, stack)
        elif kind == "postgresql":
            other = PostgreSQL(request.getfixturevalue("server"), stack, way)
        else:
            other = LockedFile(stack)
        bridge = Bridge(event_log, other)
        stack.callback(bridge.stop)
        yield bridge


def test_hours_away(bridge: Bridge, eventually: Eventually) -> None:
    clock, other = bridge.clock, bridge.other
    bridge.start()
    bridge.send(3)

    def arrives() -> bool:
        clock.forward(61)  # no wait is longer, and each pass of a schedule comes
        return bridge.report.delivered == len(bridge.sent)

    eventually(arrives, "the first ones")

    other.go_away()
    gone_at = clock.now()
    bridge.send(25)
    clock.forward(301)  # the schedule's next moment
    eventually(lambda: "RETRYING" in bridge.lights(), "it is said that it waits")
    text, since = bridge.light("RETRYING")
    assert other.reason in text
    assert gone_at <= since <= clock.now()

    def is_tried_after(seconds: float) -> None:
        tries = bridge.sink.tries
        clock.forward(seconds)
        eventually(lambda: bridge.sink.tries > tries, "it goes on trying")

    for _ in range(3):
        is_tried_after(HOUR)
        assert bridge.light("RETRYING")[1] == since
        bridge.send(5)
    bridge.stop()  # the worker is started again meanwhile
    bridge.start()
    eventually(lambda: bridge.sink.tries > 1, "it goes on trying, and knows that it failed once")
    assert bridge.light("RETRYING")[1] == since
    assert bridge.report.pending == 40

    clock.forward(5 * HOUR)
    eventually(
        lambda: "RETRIES_EXHAUSTED" in bridge.lights(), "beyond the retry limit it is said to stand still"
    )
    text, paused_since = bridge.light("RETRIES_EXHAUSTED")
    assert paused_since == since, "since it is away, and not since the limit"
    assert other.reason in text
    assert "it goes on trying" in text
    is_tried_after(20 * HOUR)
    assert (bridge.report.pending, bridge.report.failed) == (40, 0)

    other.come_back()
    eventually(arrives, "all of it, by itself")
    eventually(lambda: not bridge.lights(), "no light is left")
    assert sorted(other.ids()) == sorted(bridge.sent)
    assert not RetryEntry.objects.exists()
    assert not DeliveryRecordRow.objects.exists()
    (row,) = PauseRow.objects.all()
    assert (row.code, row.by_hand) == ("RETRIES_EXHAUSTED", False)
    assert row.ended_at
