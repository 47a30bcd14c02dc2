"""The worker dies by `kill -9` at random moments of a first sync and of live rounds: every change is sent once.

ENGAGE_DEATHS asks for more deaths than `make test` has, CRASH_SEED for other choices (the moments are the machine's).
"""

import os
import random
import sqlite3
import threading
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, Source, SourceKind, Workspace
from jetbridge.engage import dialect, store
from jetbridge.engage.compiler import compile_definition
from jetbridge.engage.definition import parse_definition
from jetbridge.engage.models import ComputationClass
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import computations
from jetbridge.spec.message import Message, decode, encode

from .mortal import Mortal

if TYPE_CHECKING:
    from conftest import Place

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]

DEATHS = int(os.environ.get("ENGAGE_DEATHS", "6"))
SEED = os.environ.get("CRASH_SEED", "1")
PEOPLE = 3_000
DEFINITIONS: dict[str, Any] = {
    "buyers": {"event": "Order Completed", "within": "30d"},
    # Who enters leaves by time alone, while the worker dies.
    "recent": {"event": "Viewed", "within": "4s"},
    "idle_buyers": {"all": [{"audience": "buyers"}, {"not": {"audience": "recent"}}]},
}


class Stream:
    """What people do, in the event log: all of them before, some of them again and again until `finish`."""

    def __init__(self, log: SqliteEventLog, source: int, chance: random.Random) -> None:
        self._log, self._source, self._chance = log, source, chance
        self._ending = threading.Event()
        self._number = 0
        self._append([self._identify(number) for number in range(PEOPLE)])
        self._append([self._track(number, "Order Completed") for number in range(0, PEOPLE, 2)])
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(self._chance.uniform(0.02, 0.2)):
            people = self._chance.sample(range(PEOPLE), 5)
            self._append(
                [self._track(number, self._chance.choice(("Viewed", "Order Completed"))) for number in people]
            )

    def _identify(self, number: int) -> Message:
        return self._message("identify", number, traits={"email": f"u{number}@example.com"})

    def _track(self, number: int, event: str) -> Message:
        return self._message("track", number, event=event)

    def _message(self, kind: str, number: int, **fields: Any) -> Message:
        now = datetime.now(UTC)
        self._number += 1
        return Message(
            type=kind,
            message_id=f"m{self._number}",
            timestamp=now,
            received_at=now,
            user_id=f"u{number}",
            **fields,
        )

    def _append(self, messages: list[Message]) -> None:
        at = int(datetime.now(UTC).timestamp() * 1_000)
        self._log.append([Entry(self._source, message.type, at, encode(message)) for message in messages])


def test_every_change_is_sent_once_through_all_deaths(
    place: "Place", home: Path, tmp_path: Path, eventually: Any
) -> None:
    chance = random.Random(SEED)
    place.set_up()
    workspace, destination = Workspace.objects.get(), Destination.objects.get(kind="mailjet")
    actor = Actor(workspace, None, "a test")
    computations.switch(actor, enabled=True)
    file = store.path(home, workspace.id)
    log = SqliteEventLog(home / "eventlog.db")
    stream = Stream(log, Source.objects.filter(kind=SourceKind.HTTP).earliest("id").id, chance)

    def query(statement: str) -> list[Any]:
        with closing(sqlite3.connect(file, timeout=30)) as connection:
            return connection.execute(statement).fetchall()

    def position() -> int:
        with store.open_for_reading(home, workspace.id) as connection:
            return store.Meta(connection).number("position") if connection else 0

    with Mortal("worker", tmp_path / "worker.log", position) as worker:
        start = worker.time_its_start()
        for name, definition in DEFINITIONS.items():
            computations.create(
                actor, ComputationClass.AUDIENCE, name, definition, destinations=[destination]
            )
        stream.start()
        worker.kill(DEATHS, chance, 3 * start)
        worker.wait()
        stream.finish()
        eventually(lambda: query("SELECT state FROM definition") == [("live",)] * 3, "computed", seconds=180)
        eventually(
            lambda: query("SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM sync_run)") == [(0,)],
            "all is sent",
            seconds=180,
        )
        eventually(
            lambda: query("SELECT * FROM membership WHERE audience = 'recent'") == [],
            "all views are old",
            seconds=60,
        )
        place.settle(seconds=180)
        assert worker.ended_by_itself == []
    assert worker.deaths == DEATHS

    members = {key: from_scratch(file, key) for key in DEFINITIONS}
    assert {key: stored(file, key) for key in DEFINITIONS} == members
    assert len(members["buyers"]) >= PEOPLE / 2
    own = Source.objects.get(kind=SourceKind.ENGAGE).id
    calls = [
        decode(record.body)
        for record in log.read(0, limit=1_000_000, max_bytes=1 << 40)
        if record.source == own
    ]
    log.close()
    assert len({call.message_id for call in calls}) == len(calls), "no call is appended twice"
    sent: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for call in calls:
        for key, value in (call.traits or {}).items():
            if key != "email":
                sent[key, str(call.user_id)].append(value)
    assert all(one != other for values in sent.values() for one, other in pairwise(values)), (
        "no value twice in a row"
    )
    for key in DEFINITIONS:
        assert {user for (of, user), values in sent.items() if of == key and values[-1]} == members[key], key
    for number in chance.sample(range(PEOPLE), 20):
        (row,) = place.mailjet.contactdata.get(id=f"u{number}@example.com").json()["Data"]
        values = {each["Name"]: each["Value"] for each in row["Data"]}
        for key in DEFINITIONS:
            assert bool(values.get(key)) == (f"u{number}" in members[key]), (number, key, values)


def stored(file: Path, key: str) -> set[str]:
    statement = (
        "SELECT value FROM membership AS m JOIN identifier AS i ON i.profile = m.profile AND i.type = 'user_id' "
        "WHERE audience = ? AND member = 1"
    )
    with closing(sqlite3.connect(file)) as connection:
        return {user for (user,) in connection.execute(statement, [key])}


def from_scratch(file: Path, key: str) -> set[str]:
    now = int((datetime.now(UTC) + timedelta(seconds=1)).timestamp() * 1_000)
    compiled = compile_definition(parse_definition(DEFINITIONS[key]))
    with closing(sqlite3.connect(file)) as connection:
        dialect.prepare(connection)
        rows = connection.execute(
            f"SELECT i.value FROM ({compiled.everybody}) AS r JOIN identifier AS i ON i.profile = r.profile AND i.type = 'user_id' "
            "WHERE r.member",
            compiled.parameters(now),
        )
        return {user for (user,) in rows}
