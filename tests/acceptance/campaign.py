"""A campaign through the whole program: Mailjet's events in, with repetitions and out of order, and what every destination holds.

`test_campaign.py` sends some thousand messages; `python -m benchmarks campaign` a hundred thousand.
"""

import base64
import hashlib
import json
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import duckdb
import psycopg
from tests import postgres

#: Shares of what recipients do. Who is blocked or bounces does nothing else.
BEHAVIOUR = {"open": 0.5, "click": 0.2, "bounce": 0.03, "blocked": 0.01, "spam": 0.02, "unsub": 0.03}
FAULTS = (
    {"kind": "duplicate_events", "rate": 0.1, "seconds": 1.0},
    {"kind": "duplicate_events", "rate": 0.02, "copies": 3},
    {"kind": "reordered_events", "rate": 0.2, "seconds": 2.0},
)
#: Share of grouped calls that Jetbridge took and of which Mailjet does not learn: it makes them again.
LOST = 0.2
SUBJECT, TITLE = "Spring is here ☀", "Spring 2026"
#: One member in so many is known to Mailjet alone: nobody identified them.
STRANGERS = 10
SCHEMA = "mailjet_events"

#: The events' names: as the log has them, as Segment's own Mailjet source has them, and Mailjet's.
SPEC = {
    "sent": "Email Delivered",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "bounce": "Email Bounced",
    "blocked": "Email Blocked",
    "spam": "Email Marked as Spam",
    "unsub": "Unsubscribed",
}
SOURCE = SPEC | {"unsub": "Email Unsubscribed"}
MAILJET = {name: name for name in SPEC}


@dataclass(frozen=True)
class Where:
    """A Jetbridge that runs with its sandbox, as `setup` has joined them. `env` is Jetbridge's; `keys` are Mailjet's."""

    url: str
    sandbox_url: str
    home: Path
    told: Mapping[str, Any]
    env: Mapping[str, str]
    keys: tuple[str, str]


class _Server(ThreadingHTTPServer):
    """Answers POSTs by `respond(path, body)`: a status."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, respond: Callable[[str, bytes], int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond = respond
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        status = self.server.respond(self.path, self.rfile.read(int(self.headers["content-length"])))
        body = b'{"success":true}' if status == 200 else b""
        with suppress(OSError):  # who has waited too long hangs up
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Between:
    """Stands between Mailjet and Jetbridge: passes on what Mailjet sends, keeps it, and loses some of Jetbridge's responses."""

    def __init__(self, seed: int) -> None:
        self.jetbridge = ""
        self._chance, self._lock = random.Random(seed), threading.Lock()
        #: Distinct events that Jetbridge has taken, by what Mailjet wrote.
        self.events: dict[str, dict[str, Any]] = {}
        #: All of them, repetitions included; and calls whose response was lost.
        self.taken = self.lost = 0
        #: Events in a row that were older than one before.
        self.overtaken = 0
        self._newest: dict[int, int] = {}

    def respond(self, path: str, body: bytes) -> int:
        request = urllib.request.Request(self.jetbridge + path, body, {"content-type": "application/json"})
        try:
            urllib.request.urlopen(request, timeout=60).close()
        except (urllib.error.URLError, OSError):
            return 503
        with self._lock:
            for event in json.loads(body):
                self._keep(event)
            is_lost = self._chance.random() < LOST
            self.lost += is_lost
            return 500 if is_lost else 200

    def _keep(self, event: dict[str, Any]) -> None:
        self.taken += 1
        self.events[json.dumps(event, sort_keys=True)] = event
        rank = list(SPEC).index(event["event"])
        self.overtaken += rank < self._newest.get(event["MessageID"], 0)
        self._newest[event["MessageID"]] = max(rank, self._newest.get(event["MessageID"], 0))


class Recorder:
    """Keeps calls by messageId, as Segment does; a call that comes again has to be the same."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, Any]] = {}
        self.received = 0
        self.problems: list[str] = []
        self._lock = threading.Lock()

    def respond(self, _: str, body: bytes) -> int:
        said = json.loads(body)
        with self._lock:
            for call in said["batch"] if isinstance(said, dict) else said:
                self.received += 1
                call.pop("receivedAt", None)  # of the repetition
                known = self.calls.setdefault(call["messageId"], call)
                if known != call:
                    self.problems.append(f"{call} came as {known} before")
        return 200


@dataclass
class Places:
    """Where the events go, and what comes between."""

    between: Between
    segment: Recorder
    webhook: Recorder
    urls: dict[str, str]
    postgres: postgres.Server
    database: str


@contextmanager
def places(seed: int = 1) -> Iterator[Places]:
    between, segment, webhook = Between(seed), Recorder(), Recorder()
    with (
        _Server(between.respond) as first,
        _Server(segment.respond) as second,
        _Server(webhook.respond) as third,
        postgres.running() as server,
    ):
        urls = {"between": first.url, "segment": second.url, "webhook": third.url}
        yield Places(between, segment, webhook, urls, server, server.create_database())


_ADD = """
import json, sys
from jetbridge.control import database
database.start()
from django.conf import settings
from jetbridge.control.models import Workspace
from jetbridge.services import new_destinations
from jetbridge.eventlog.sqlite import SqliteEventLog
log, workspace = SqliteEventLog(settings.CONFIG.log_path), Workspace.objects.get()
sources = workspace.sources.filter(kind="mailjet")
rows = [new_destinations.add(log, workspace, *wanted, sources=sources) for wanted in json.load(sys.stdin)]
print(json.dumps([row.id for row in rows]))
"""


@dataclass
class Campaign:
    """`prepare`, then `send`, then `problems`. Progress is told to `say`."""

    where: Where
    places: Places
    people: int
    say: Callable[[str], None] = lambda _: None
    #: How long anything may take.
    seconds: float = 240.0
    sent: dict[str, Any] = field(default_factory=dict)
    _file: Path = Path()

    def prepare(self) -> None:
        """Four destinations of the email events, and a list of people, most of whom were identified."""
        self.places.between.jetbridge = self.where.url
        server = self.places.postgres
        url = f"postgresql://postgres:{quote(server.password, safe='')}@127.0.0.1:{server.port}/{self.places.database}"
        segment = {"endpoint": self.places.urls["segment"], "writeKey": "k"}
        webhook = {"url": self.places.urls["webhook"], "batchSize": 500, "emailEventNames": "mailjet"}
        wanted = [
            ("segment", "Segment", segment),
            ("webhook", "Hook", webhook),
            ("warehouse", "DuckDB", {}),
            ("warehouse", "PostgreSQL", {"url": url, "emailEventNames": "source"}),
        ]
        added = subprocess.run(
            [sys.executable, "-c", _ADD],
            input=json.dumps(wanted).encode(),
            env=dict(self.where.env),
            capture_output=True,
            check=False,
        )
        assert added.returncode == 0, added.stderr.decode()
        self._file = self.where.home / "warehouses" / f"{json.loads(added.stdout)[2]}.duckdb"
        strangers = self.people // STRANGERS
        self._add_strangers(range(self.people - strangers, self.people))
        for start in range(0, self.people - strangers, 500):
            self._identify(range(start, min(start + 500, self.people - strangers)))
        self._wait_until(lambda: self._subscribers() == self.people, "everybody is on the list")

    def send(self) -> None:
        """Have the sandbox send the campaign; returns when every destination has as many events as there are."""
        between = self.places.between
        self._sandbox("POST", "faults", {"faults": FAULTS})
        campaign = {"list_id": self.where.told["list_id"], "subject": SUBJECT, "title": TITLE, "seed": 7}
        self.sent = self._sandbox("POST", "campaigns", campaign | BEHAVIOUR)
        total = sum(self.sent["events"].values())
        self.say(f"{self.sent['messages']:,} messages, {total:,} events")
        self._wait_until(lambda: len(between.events) >= total, "Mailjet has sent every event")
        self._wait_until(
            lambda: self._sandbox("GET", "events?limit=1")["pending"] == 0, "Mailjet has no more"
        )
        self.say(f"Jetbridge took {between.taken:,} events, repetitions included")
        counts = {
            "Segment": lambda: len(self.places.segment.calls),
            "webhook": lambda: len(self.places.webhook.calls),
            "DuckDB": lambda: self._count(self._in_duckdb),
            "PostgreSQL": lambda: self._count(self._in_postgres),
        }
        for name, count in counts.items():
            self._wait_until(lambda count=count: count() >= total, f"{name} has every event")  # type: ignore[misc]
            self.say(f"{name} has every event")

    def problems(self) -> list[str]:
        """What is not as it has to be; some of each kind."""
        events = self.places.between.events.values()
        wanted = {(row["event"], row["MessageID"]): self._expected(row) for row in events}
        kinds = Counter(event_type for event_type, _ in wanted)
        found = (
            [] if kinds == Counter(self.sent["events"]) else [f"Mailjet sent {kinds}, and said {self.sent}"]
        )
        ids: dict[str, str] = {}
        if self.places.segment.received != len(wanted):
            found.append(f"Segment received {self.places.segment.received} calls for {len(wanted)} events")
        for name, recorder, names in (
            ("Segment", self.places.segment, SPEC),
            ("webhook", self.places.webhook, MAILJET),
        ):
            found += recorder.problems[:3]
            rows = [_of_call(call) for call in recorder.calls.values()]
            found += _differences(name, rows, wanted, names, ids)
        for name, run, names in (
            ("DuckDB", self._in_duckdb, SPEC),
            ("PostgreSQL", self._in_postgres, SOURCE),
        ):
            rows = [row for table in names.values() for row in run(f"SELECT * FROM {_table(table)}")]
            found += _differences(name, [_of_row(row) for row in rows], wanted, names, ids)
            tracks = run(f"SELECT id, event_text FROM {SCHEMA}.tracks")
            if Counter(row["id"] for row in tracks) != Counter(row["id"] for row in rows):
                found.append(f"{name}: tracks and the tables of events have different ids")
            tables = run(
                f"SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '{SCHEMA}'"
            )
            if "_rejected_values" in {row["name"] for row in tables}:
                found += [f"{name}: {row}" for row in run(f"SELECT * FROM {SCHEMA}._rejected_values LIMIT 3")]
        return found

    def _expected(self, event: dict[str, Any]) -> "Expected":
        """What has to arrive of an event of Mailjet; docs/mailjet-events.md in other words."""
        number = int(event["email"].partition("@")[0].rpartition(".")[2])
        properties = {
            "email_id": str(event["MessageID"]),
            "email_subject": SUBJECT,
            "campaign_id": str(self.sent["campaign_id"]),
            "campaign_name": TITLE,
            "message_guid": event["Message_GUID"],
            "custom_campaign": event["customcampaign"],
        }
        for name in ("geo", "smtp_reply", "error", "error_related_to", "comment", "source"):
            if event.get(name):
                properties[name] = event[name]
        if event["event"] == "bounce":
            properties |= {"hard_bounce": event["hard_bounce"], "blocked": event["blocked"]}
        if event["event"] == "click":
            link = hashlib.blake2b(event["url"].encode(), digest_size=8).hexdigest()
            properties |= {"link_url": event["url"], "link_id": link}
        if event["event"] == "unsub":
            properties |= {"list_id": str(self.where.told["list_id"]), "list_name": "Customers"}
        email = event["email"].lower()
        user_id = None if self._is_stranger(number) else f"user-{number}"
        return Expected(
            user_id=user_id,
            anonymous_id=None if user_id else email,
            at=datetime.fromtimestamp(event["time"], UTC),
            email=email,
            ip=event.get("ip"),
            properties=properties,
        )

    def _is_stranger(self, number: int) -> bool:
        return number >= self.people - self.people // STRANGERS

    def _identify(self, numbers: range) -> None:
        batch = [
            {
                "type": "identify",
                "userId": f"user-{number}",
                "traits": {"email": f"Person.{number}@Example.com"},
            }
            for number in numbers
        ]
        body = json.dumps({"writeKey": self.where.told["write_key"], "batch": batch}).encode()
        urllib.request.urlopen(f"{self.where.url}/v1/batch", body, timeout=60).close()

    def _add_strangers(self, numbers: range) -> None:
        """Straight at Mailjet."""
        for start in range(0, len(numbers), 5_000):
            rows = [{"Email": f"person.{number}@example.com"} for number in numbers[start : start + 5_000]]
            body = {"Action": "addnoforce", "Contacts": rows}
            self._mailjet("POST", f"contactslist/{self.where.told['list_id']}/managemanycontacts", body)

    def _subscribers(self) -> int:
        row = self._mailjet("GET", f"contactslist/{self.where.told['list_id']}")["Data"][0]
        return int(row["SubscriberCount"])

    def _mailjet(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.where.sandbox_url}/v3/REST/{path}"
        token = base64.b64encode(":".join(self.where.keys).encode()).decode()
        return self._call(method, url, body, {"authorization": f"Basic {token}"})

    def _sandbox(self, method: str, path: str, body: Any = None) -> Any:
        return self._call(method, f"{self.where.sandbox_url}/sandbox/{path}", body, {})

    def _call(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            url, data, method=method, headers={**headers, "content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=self.seconds) as response:
            return json.load(response)

    def _count(self, run: "Run") -> int:
        try:
            return int(run(f"SELECT count(*) AS total FROM {SCHEMA}.tracks")[0]["total"])
        except (duckdb.CatalogException, psycopg.errors.UndefinedTable):
            return 0

    def _in_duckdb(self, query: str) -> list[dict[str, Any]]:
        """Between two loads: the file is locked while one runs."""
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                with duckdb.connect(str(self._file), read_only=True) as connection:
                    cursor = connection.execute("SET TimeZone = 'UTC'").execute(query)
                    columns = [column[0] for column in cursor.description or ()]
                    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
            except duckdb.IOException:
                assert time.monotonic() < deadline, f"{self._file} cannot be opened"
                time.sleep(0.05)

    def _in_postgres(self, query: str) -> list[dict[str, Any]]:
        parameters = self.places.postgres.parameters(self.places.database)
        with psycopg.connect(**parameters, row_factory=psycopg.rows.dict_row) as connection:  # type: ignore[arg-type]
            return connection.execute(query).fetchall()  # type: ignore[arg-type, return-value]

    def _wait_until(self, claim: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self.seconds
        while not claim():
            assert time.monotonic() < deadline, f"not in {self.seconds:,.0f} s: {what}"
            time.sleep(0.1)


Run = Callable[[str], list[dict[str, Any]]]


@dataclass(frozen=True)
class Expected:
    """What a destination has to hold of one event."""

    user_id: str | None
    anonymous_id: str | None
    at: datetime
    email: str
    ip: str | None
    properties: dict[str, Any]


#: An event as a destination holds it: messageId, type of Mailjet's event, name, and the rest.
Held = tuple[str, str, str, Expected]


def _of_call(call: dict[str, Any]) -> Held:
    context = call["context"]
    what = Expected(
        call.get("userId"),
        call.get("anonymousId"),
        datetime.fromisoformat(call["timestamp"]),
        context["traits"]["email"],
        context.get("ip"),
        call["properties"],
    )
    return call["messageId"], context["mailjet"]["event"], call["event"], what


_COLUMNS = {"id", "received_at", "timestamp", "original_timestamp", "sent_at", "user_id", "anonymous_id", "event", "event_text", "loaded_at", "uuid_ts"}  # fmt: skip


def _of_row(row: dict[str, Any]) -> Held:
    properties = {
        name: value
        for name, value in row.items()
        if value is not None and name not in _COLUMNS and not name.startswith("context_")
    }
    what = Expected(
        row["user_id"],
        row["anonymous_id"],
        row["timestamp"] if row["timestamp"].tzinfo else row["timestamp"].replace(tzinfo=UTC),
        row["context_traits_email"],
        row.get("context_ip"),
        properties,
    )
    return row["id"], row["context_mailjet_event"], row["event_text"], what


def _differences(
    place: str,
    held: list[Held],
    wanted: Mapping[tuple[str, int], Expected],
    names: Mapping[str, str],
    ids: dict[str, str],
) -> list[str]:
    """`ids`: the messageId of each event, the same at every place."""
    found: list[str] = []
    seen: Counter[tuple[str, int]] = Counter()
    for message_id, event_type, name, what in held:
        event = (event_type, int(what.properties["email_id"]))
        seen[event] += 1
        if name != names[event_type]:
            found.append(f"{place}: {event} is named {name}")
        if what != wanted.get(event):
            found.append(f"{place}: {event} is {what} and not {wanted.get(event)}")
        if ids.setdefault(f"{event}", message_id) != message_id:
            found.append(f"{place}: {event} has another messageId")
    if seen != Counter(dict.fromkeys(wanted, 1)):
        missing = [event for event in wanted if event not in seen]
        twice = [event for event, times in seen.items() if times > 1]
        found.append(f"{place}: {len(missing)} missing, {len(twice)} more than once: {(missing + twice)[:3]}")
    return found[:5]


def _table(event: str) -> str:
    return f"{SCHEMA}.{event.lower().replace(' ', '_')}"
