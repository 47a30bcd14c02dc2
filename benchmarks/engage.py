"""Row 16: audiences with a hundred thousand people and a million events; PEOPLE=1000000 for ten times as many.

All goes through real processes and is seen from outside: by the API, in the event log, and in the contacts of the sandbox. People and
their events are there when Jetbridge starts. In the end everybody's memberships are compared with those that the oracle of the tests finds.
"""

import functools
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import urllib3
from tests.engage import oracle
from urllib3.util import make_headers

from benchmarks import engage_people, fixtures
from benchmarks.engage_people import DAY_MS, EVERYBODY, MAIN, SEEDS, TRAITS
from benchmarks.figures import line, percentile, title
from benchmarks.options import Options
from benchmarks.outside import (
    calls_of,
    children,
    delivered,
    forget_calls,
    megabytes,
    pending,
    processor_seconds,
)
from benchmarks.place import KEYS, Place, place
from jetbridge.demo.processes import Processes
from jetbridge.engage import store
from jetbridge.engage.definition import DAY_MS as RETENTION_UNIT
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import decode

PEOPLE, QUICK = 100_000, 20_000
AUDIENCES = 50
#: Events a second, in bodies of so many, and for how long; of people who enter and leave, so many a second are watched.
RATE, BODY, LIVE_SECONDS, WATCHED = 1_000, 100, 30.0, 5
#: How long before its moment an order is sent that is nearly 30 days old.
LEAD_SECONDS = 10.0
WINDOW_MS = 30 * DAY_MS
#: Events of people without one count for three years where a condition has no window.
RETENTION_MS = 1_095 * RETENTION_UNIT
#: The oracle compares as many people for each audience but the first, for which it compares all.
COMPARED = 10_000


def run(options: Options) -> None:
    people = int(os.environ.get("PEOPLE", QUICK if options.quick else PEOPLE))
    title(f"16. Engage: {people:,} people, {AUDIENCES} audiences (load {os.getloadavg()[0]:.0f})")
    made: dict[str, Any] = {}
    with place("serve", prepare=lambda processes: made.update(_prepare(processes, people))) as here:
        bench = Bench(here, people, **made)
        _preview(bench)
        _first_sync(bench)
        _other_audiences(bench)
        _idle(bench)
        _live(bench)
        worker = children(here)["worker"]
        line("worker, resident, at its highest", megabytes(worker, field="VmHWM"), "400 MB")
        line("worker, processor time", f"{processor_seconds(worker):,.0f} s")
        here.processes.stop("serve")
        _rounds(bench)
        _compare(bench)


def _prepare(processes: Processes, people: int) -> dict[str, Any]:
    made = _in_home(processes, "open_up")
    filled = _in_home(processes, "fill", made["workspace"], made["source"], people)
    line("events", f"{filled['events']:,}, written in {filled['seconds']:,.0f} s")
    return made


def _in_home(processes: Processes, *arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.engage_home", *map(str, arguments)]
    result: dict[str, Any] = json.loads(subprocess.check_output(command, env=processes.env))
    return result


@dataclass
class Bench:
    """`counts`: how many members each audience of MAIN is said to have by its preview."""

    here: Place
    people: int
    workspace: int
    source: int
    engage_source: int
    token: str = field(repr=False)
    ids: dict[str, int] = field(default_factory=dict)
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=8, retries=False))

    @property
    def file(self) -> Path:
        return store.path(self.here.processes.home, self.workspace)

    @property
    def mailjet_id(self) -> int:
        return next(int(row["id"]) for row in self.here.told["destinations"] if row["kind"] == "mailjet")

    def api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        response = self._pool.request(
            method, f"{self.here.jetbridge}/api/v1/{path}", json=body, headers=headers, timeout=60.0
        )
        assert response.status < 300, (path, response.status, response.data)
        return response.json()

    def create(self, key: str, definition: Any) -> None:
        created = self.api("POST", "audiences", {"name": key, "definition": definition})
        assert created["key"] == key
        self.ids[key] = created["id"]

    def activate(self, key: str, **options: Any) -> None:
        self.api("PUT", f"audiences/{self.ids[key]}/destinations/{self.mailjet_id}", options)

    def audience(self, key: str) -> Any:
        return self.api("GET", f"audiences/{self.ids[key]}")

    def wait_until_live(self) -> None:
        for key in self.ids:
            while (state := self.audience(key)["state"]) != "live":
                assert state == "computing", (key, self.audience(key)["error"])
                time.sleep(0.1)

    def wait_until_delivered(self) -> None:
        """Nothing waits at Engage or at the Mailjet destination, and nothing came in between."""
        before = -1
        while True:
            left = sum(sync["left"] for key in self.ids for sync in self._first_syncs(key))
            waiting = left + pending(self.here, "mailjet") + len(self.rows("SELECT 1 FROM outbox LIMIT 1"))
            now = delivered(self.here)
            if not waiting and now == before:
                return
            before = now
            time.sleep(0.5)

    def _first_syncs(self, key: str) -> Iterator[Any]:
        for activation in self.audience(key)["destinations"]:
            if activation["first_sync"]:
                yield activation["first_sync"]

    def contact(self, email: str) -> dict[str, Any] | None:
        """The properties of a contact, as the sandbox has them; None if it has none of that address."""
        response = self._pool.request(
            "GET",
            f"{self.here.mailjet}/v3/REST/contactdata/{email}",
            headers=make_headers(basic_auth=":".join(KEYS)),
        )
        if response.status == 404:
            return None
        (row,) = response.json()["Data"]
        return {pair["Name"]: pair["Value"] for pair in row["Data"]}

    def send(self, calls: Sequence[Mapping[str, Any]]) -> None:
        _send(self._pool, self.here, calls)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self.file.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(statement, values).fetchall()


def _send(pool: urllib3.PoolManager, here: Place, calls: Sequence[Mapping[str, Any]]) -> None:
    body = {"writeKey": here.write_key, "sentAt": datetime.now(UTC).isoformat(), "batch": calls}
    response = pool.request("POST", f"{here.jetbridge}/v1/batch", json=body)
    assert response.status == 200, response.data


# ---- previews and the first sync


def _preview(bench: Bench) -> None:
    waits, shares = dict[str, float](), dict[str, float]()
    bench.api("GET", "audiences")  # the first call to a process loads pages and API
    for key, definition in (MAIN | TRAITS).items():
        path = "computed-traits" if key in TRAITS else "audiences"
        began = time.perf_counter()
        preview = bench.api("POST", f"{path}/preview", {"definition": definition})
        waits[key] = time.perf_counter() - began
        shares[key] = preview["looked_at"]
        assert len(preview["items"]) == min(10, preview["count"])
    slowest = max(waits, key=lambda key: waits[key])
    line(f"preview, the slowest of {len(waits)} ({slowest})", f"{waits[slowest]:.2f} s", "5 s")
    processor = _in_home(bench.here.processes, "previews")["processor"]
    line("  processor time, the longest", f"{max(processor.values()):.2f} s")
    line("  the median", f"{percentile(list(waits.values()), 0.5):.2f} s", "5 s")
    estimated = {key: share for key, share in shares.items() if share < 1}
    line("  estimated by a part of the people, for want of time", estimated or "none")


def _first_sync(bench: Bench) -> None:
    """Of everybody: all become contacts by it."""
    bench.create(EVERYBODY, MAIN[EVERYBODY])
    began = time.perf_counter()
    bench.wait_until_live()
    line("an audience of everybody, until it is computed", f"{time.perf_counter() - began:,.1f} s")
    forget_calls(bench.here)
    before, worker = delivered(bench.here), children(bench.here)["worker"]
    used = processor_seconds(worker)
    with LiveIdentifies(bench) as identifies:
        began = time.perf_counter()
        bench.activate(EVERYBODY, adds_members=True)
        while delivered(bench.here) - before < bench.people:
            time.sleep(0.5)
        took, used = time.perf_counter() - began, processor_seconds(worker) - used
    target = (
        "180 s"
        if bench.people == 1_000_000
        else f"{180 * bench.people / 1_000_000:,.0f} s (a million: 180 s)"
    )
    line("its first sync to the sandbox", f"{took:,.1f} s ({bench.people / took:,.0f}/s)", target)
    line("  the worker's processor time for each", f"{used / bench.people * 1e6:,.0f} µs")
    line("  a live identify meanwhile, to Mailjet: p50, p99", identifies.waits(), "5 s")
    line("  bulk calls", calls_of(bench.here).get("POST contactslist/managemanycontacts", 0))
    bench.wait_until_delivered()
    calls = [user for user, value, *_ in _calls(bench, EVERYBODY) if value]
    line(
        "  people who were sent it; more than once",
        f"{len(set(calls)):,}; {len(calls) - len(set(calls))}",
        "0",
    )
    assert len(set(calls)) == bench.people + identifies.entered
    wrong = [
        number
        for number in engage_people.spread(bench.people, 1_000)
        if (bench.contact(engage_people.person(number).email) or {}).get(EVERYBODY) is not True
    ]
    line("  of 1,000 contacts looked at without the property", len(wrong), "0")


class LiveIdentifies:
    """Somebody new is identified every half second; how long until the contact is there."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._ending = bench, threading.Event()
        self._seconds: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        #: Of them, how many enter the audience of everybody.
        self.entered = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def waits(self) -> str:
        return _in_words(self._seconds)

    def _run(self) -> None:
        number = 20_000_000
        while not self._ending.wait(0.5):
            number += 1
            call = fixtures.call(number) | {"timestamp": datetime.now(UTC).isoformat()}
            self._bench.send([call])
            acknowledged = time.perf_counter()
            while self._bench.contact(call["traits"]["email"]) is None:
                time.sleep(0.02)
            self._seconds.append(time.perf_counter() - acknowledged)
            self.entered += "plan" in call["traits"]


def _other_audiences(bench: Bench) -> None:
    began = time.perf_counter()
    for key, definition in engage_people.audiences(AUDIENCES).items():
        if key not in bench.ids:
            bench.create(key, definition)
    bench.wait_until_live()
    line(f"{AUDIENCES - 1} more audiences, until they are computed", f"{time.perf_counter() - began:,.1f} s")
    for key in (SEEDS, "viewed_not_bought", "abandoned_cart"):
        bench.activate(key)
    bench.wait_until_delivered()
    differing = [key for key in MAIN if not _is_as_previewed(bench, key)]
    line("audiences whose size is not that of a preview", ", ".join(differing) or 0, "0")


def _is_as_previewed(bench: Bench, key: str) -> bool:
    """Of the same moment: some leave between the two."""
    for _ in range(10):
        size = bench.audience(key)["size"]
        count = bench.api("POST", "audiences/preview", {"definition": MAIN[key]})["count"]
        if size == count or size == bench.audience(key)["size"] == count:
            return True
    return False


# ---- entries and exits


@dataclass
class Watched:
    """Somebody who is to have a value at Mailjet after a moment (seconds since 1970), and when that was seen."""

    number: int
    due: float
    value: bool
    seen: float = 0.0


class Watch:
    """Looks at the contacts that are due, again and again, from a thread of its own."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._waiting, self._lock = bench, list[Watched](), threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def add(self, watched: Watched) -> None:
        with self._lock:
            self._waiting.append(watched)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Return when all was seen."""
        deadline = time.time() + 120
        while kind is None and self._waiting:
            assert time.time() < deadline, f"not seen at Mailjet: {self._waiting[:3]}"
            time.sleep(0.1)
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(0.02):
            for watched in [row for row in self._waiting if row.due <= time.time()]:
                properties = self._bench.contact(engage_people.person(watched.number).email)
                if (properties or {}).get(SEEDS) is watched.value:
                    watched.seen = time.time()
                    with self._lock:
                        self._waiting.remove(watched)


def _order(number: int, at_ms: int) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": f"order-{number}-{at_ms}",
        "userId": engage_people.person(number).user_id,
        "event": "Order Completed",
        "properties": {"category": "tea", "total": 20},
        "timestamp": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(),
    }


def _newcomers(bench: Bench, count: int) -> list[int]:
    """People who have never ordered."""
    rows = bench.rows(
        "SELECT id FROM profile WHERE id <= ? AND id % 7 = 0 AND NOT EXISTS (SELECT 1 FROM event WHERE profile = id "
        "AND name = 'Order Completed') ORDER BY id LIMIT ?",
        bench.people,
        count,
    )
    assert len(rows) == count
    return [number for (number,) in rows]


def _idle(bench: Bench) -> None:
    entered = []
    with Watch(bench) as watch:
        for number in _newcomers(bench, 30):
            bench.send([_order(number, time.time_ns() // 1_000_000)])
            entered.append(Watched(number, time.time(), value=True))
            watch.add(entered[-1])
            time.sleep(0.3)
    line("entry, idle: acknowledged to Mailjet: p50, p99", _waits(entered), "1 s")


def _live(bench: Bench) -> None:
    seconds = LIVE_SECONDS * (2 if bench.people >= 1_000_000 else 1)
    count = int(seconds * WATCHED)
    newcomers = _newcomers(bench, 2 * count)
    entering, leaving = newcomers[:count], newcomers[count:]
    began = time.time()
    moments = {number: int((began + LEAD_SECONDS + at / WATCHED) * 1000) for at, number in enumerate(leaving)}
    for first in range(0, count, BODY):
        bench.send([_order(number, moments[number] - WINDOW_MS) for number in leaving[first : first + BODY]])
    exits = [Watched(number, moment / 1000, value=False) for number, moment in moments.items()]
    entries, sent_at = list[Watched](), dict[int, int]()
    with Watch(bench) as watch, Stream(bench, seconds + LEAD_SECONDS, newcomers) as stream:
        for exit_ in exits:
            watch.add(exit_)
        time.sleep(max(0.0, began + LEAD_SECONDS - time.time()))
        for at, number in enumerate(entering):
            time.sleep(max(0.0, began + LEAD_SECONDS + at / WATCHED - time.time()))
            bench.send([_order(number, time.time_ns() // 1_000_000)])
            sent_at[number] = time.time_ns() // 1_000_000
            entries.append(Watched(number, time.time(), value=True))
            watch.add(entries[-1])
        line("events a second meanwhile", stream.rate(), f"{RATE:,}/s")
    began = time.time()
    bench.wait_until_delivered()
    line("from the last event to the last delivery", f"{time.time() - began:,.1f} s")
    _report(bench, entries, exits, sent_at, moments)


def _report(
    bench: Bench,
    entries: Sequence[Watched],
    exits: Sequence[Watched],
    sent_at: Mapping[int, int],
    moments: Mapping[int, int],
) -> None:
    numbers = {engage_people.person(number).user_id: number for number in (*sent_at, *moments)}
    calls = defaultdict[int, list[tuple[bool, int, int]]](list)
    for user, value, at, received_at in _calls(bench, SEEDS):
        if user in numbers:
            calls[numbers[user]].append((value, at, received_at))
    wrong = [number for number in sent_at if [call[0] for call in calls[number]] != [True]]
    wrong += [number for number in moments if [call[0] for call in calls[number]] != [True, False]]
    appended = [max(0, calls[number][0][2] - at) / 1000 for number, at in sent_at.items()]
    line("entry: acknowledged to appended: p50, p99", _in_words(appended), "5 s")
    line("  to Mailjet: p50, p99", _waits(entries), "5 s")
    late = [(calls[number][-1][2] - moment) / 1000 for number, moment in moments.items()]
    early = [number for number, moment in moments.items() if calls[number][-1][1] < moment]
    line("exit: its moment to appended: p50, p99", _in_words(late), "5 s")
    line("  to Mailjet: p50, p99", _waits(exits), "5 s")
    line("  exits before their moment", len(early), "0")
    line("people who were sent something else than their entry or exit", len(wrong), "0")


class Stream:
    """A process that sends RATE events a second, of anybody but `but`."""

    def __init__(self, bench: Bench, seconds: float, but: Sequence[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_stream,
            args=((bench.here.jetbridge, bench.here.write_key), bench.people, seconds, set(but), theirs),
        )

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def rate(self) -> str:
        """When it has ended."""
        sent, seconds = self._pipe.recv()
        return f"{sent / seconds:,.0f}/s ({sent:,} in {seconds:,.0f} s)"


def _stream(here: tuple[str, str], people: int, seconds: float, but: set[int], pipe: Connection) -> None:
    url, write_key = here
    pool, chance = urllib3.PoolManager(retries=False), random.Random(engage_people.SEED)
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        if sent > passed * RATE:
            time.sleep(0.01)
            continue
        numbers = [
            number for number in (chance.randrange(1, people + 1) for _ in range(BODY)) if number not in but
        ]
        now = datetime.now(UTC).isoformat()
        batch = [
            engage_people.track(number, chance) | {"messageId": f"stream-{sent + at}", "timestamp": now}
            for at, number in enumerate(numbers)
        ]
        response = pool.request(
            "POST", f"{url}/v1/batch", json={"writeKey": write_key, "sentAt": now, "batch": batch}
        )
        assert response.status == 200, response.data
        sent += len(batch)
    pipe.send((sent, time.monotonic() - began))


def _calls(bench: Bench, key: str) -> Iterator[tuple[str | None, Any, int, int]]:
    """User, value, timestamp and time of appending (ms) of each call of an audience, in the order of the log."""
    with closing(SqliteEventLog(bench.here.processes.home / "eventlog.db")) as log:
        position = 0
        while records := log.read(position, limit=10_000, max_bytes=1 << 26):
            position = records[-1].position
            for record in records:
                if record.source == bench.engage_source and f'"{key}"'.encode() in record.body:
                    call = decode(record.body)
                    if key in (call.traits or {}):
                        at = int(call.timestamp.timestamp() * 1000)
                        yield call.user_id, (call.traits or {})[key], at, record.received_at


def _waits(watched: Sequence[Watched]) -> str:
    return _in_words([row.seen - row.due for row in watched])


def _in_words(seconds: Sequence[float]) -> str:
    middle, most = percentile(seconds, 0.5), percentile(seconds, 0.99)
    return f"{middle:.2f} s, {most:.2f} s (longest {max(seconds):.2f} s, n={len(seconds)})"


# ---- without `serve`


def _rounds(bench: Bench) -> None:
    result = _in_home(bench.here.processes, "rounds", bench.people)
    seconds, processor = result["seconds"], result["processor"]
    line(
        f"a round of 1,000 events, {result['audiences']} audiences",
        f"{percentile(seconds, 0.5):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}, n={len(seconds)})",
        "1 s",
    )
    line(
        "  processor time",
        f"{percentile(processor, 0.5):.2f} s ({min(processor):.2f} to {max(processor):.2f})",
    )


def _compare(bench: Bench) -> None:
    """Memberships of the last moment of evaluation, beside what the oracle finds by looking at every event."""
    ((now,),) = bench.rows("SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'now'")
    sample = set(engage_people.spread(bench.people, COMPARED))
    members = {
        key: {
            profile
            for (profile,) in bench.rows("SELECT profile FROM membership WHERE audience = ? AND member", key)
        }
        for key in bench.ids
    }
    definitions = engage_people.audiences(AUDIENCES)
    compared, differing, found = 0, 0, 0
    for number, profile in _profiles(bench):
        in_seeds = oracle.truth(MAIN[SEEDS], profile, RETENTION_MS)(now)
        found += in_seeds
        known = oracle.Profile(profile.traits, profile.events, frozenset({SEEDS} if in_seeds else ()))
        for key in definitions if number in sample else (SEEDS,):
            compared += 1
            is_member = oracle.truth(definitions[key], known, RETENTION_MS)(now)
            differing += is_member is not (number in members[key])
    line(f"members of {SEEDS}; the oracle finds", f"{len(members[SEEDS]):,}; {found:,}")
    line("memberships compared with the oracle; differences", f"{compared:,}; {differing}", "0")
    assert differing == 0


#: Many events have the same properties.
_decoded = functools.lru_cache(maxsize=10_000)(json.loads)


def _profiles(bench: Bench) -> Iterator[tuple[int, oracle.Profile]]:
    """Everybody whom the store knows, with traits and events."""
    with closing(sqlite3.connect(f"{bench.file.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT profile, name, ts, props, seq FROM event ORDER BY profile")
        row = rows.fetchone()
        for number, traits in connection.execute("SELECT id, traits FROM profile ORDER BY id"):
            events = []
            while row is not None and row[0] == number:
                events.append(oracle.Event(row[1], row[2], _decoded(row[3]), row[4]))
                row = rows.fetchone()
            yield number, oracle.Profile(json.loads(traits), events)
