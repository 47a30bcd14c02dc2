"""What row 16 does in the home of the Jetbridge that it measures: `python -m benchmarks.engage_home ACTION`, which prints JSON.

A process of its own, because a benchmark that has started Django in one home cannot look into another.
"""

import json
import random
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import engage_people
from jetbridge.control import database

#: Events of one round, and rounds that are timed.
EVENTS, ROUNDS = 1_000, 10


def open_up() -> dict[str, Any]:
    """Switch Engage on, and make a token of the API."""
    from jetbridge.control import api_tokens  # noqa: PLC0415
    from jetbridge.control.audit import Actor  # noqa: PLC0415 - models need a started Django
    from jetbridge.control.models import Source, SourceKind, Workspace  # noqa: PLC0415
    from jetbridge.control.people import Membership, Role, User  # noqa: PLC0415
    from jetbridge.services import computations  # noqa: PLC0415

    workspace = Workspace.objects.get()
    space = computations.switch(Actor(workspace, None, "a benchmark"), enabled=True)
    assert space
    owner = User.objects.create_user(email="owner@example.com", password="a bridge of boats")
    Membership.objects.create(user=owner, workspace=workspace, role=Role.OWNER)
    _, token = api_tokens.make(workspace, owner, "Benchmark", Role.OWNER)
    source = Source.objects.get(kind=SourceKind.HTTP)
    return {"workspace": workspace.id, "source": source.id, "engage_source": space.source_id, "token": token}


def rounds() -> dict[str, Any]:
    """How long the engine takes for EVENTS events that wait in the log, while nothing else runs on the home."""
    from jetbridge.control.models import Source, SourceKind  # noqa: PLC0415
    from jetbridge.control.settings import CONFIG  # noqa: PLC0415
    from jetbridge.engage.consumer import Engine  # noqa: PLC0415
    from jetbridge.engage.models import Computation, Space  # noqa: PLC0415
    from jetbridge.eventlog.base import Entry  # noqa: PLC0415
    from jetbridge.eventlog.sqlite import SqliteEventLog  # noqa: PLC0415
    from jetbridge.spec.message import Message, encode  # noqa: PLC0415

    source, space = Source.objects.get(kind=SourceKind.HTTP).id, Space.objects.get()
    chance, people = random.Random(engage_people.SEED), int(sys.argv[2])
    with closing(SqliteEventLog(CONFIG.log_path)) as log, closing(Engine(space, log)) as engine:
        _rest(engine)
        seconds, processor = [], []
        for number in range(ROUNDS):
            entries = []
            for at in range(EVENTS):
                call = engage_people.track(chance.randrange(1, people + 1), chance)
                moment = datetime.now(UTC)
                message = Message(
                    type="track",
                    message_id=f"round-{number}-{at}",
                    timestamp=moment,
                    received_at=moment,
                    user_id=call["userId"],
                    event=call["event"],
                    properties=call["properties"],
                )
                entries.append(Entry(source, "track", int(moment.timestamp() * 1000), encode(message)))
            log.append(entries)
            began, used = time.perf_counter(), time.process_time()
            engine.turn()
            seconds.append(time.perf_counter() - began)
            processor.append(time.process_time() - used)
            _rest(engine)
    audiences = Computation.objects.filter(deleted_at=None).count()
    return {"seconds": seconds, "processor": processor, "audiences": audiences}


def previews() -> dict[str, Any]:
    """The processor's time for each of MAIN and TRAITS, however long that takes."""
    from jetbridge.engage import explaining  # noqa: PLC0415
    from jetbridge.engage.models import ComputationClass, Space  # noqa: PLC0415

    explaining.PREVIEW_SECONDS = 600.0
    processor = {}
    for key, definition in (engage_people.MAIN | engage_people.TRAITS).items():
        of = ComputationClass.TRAIT if key in engage_people.TRAITS else ComputationClass.AUDIENCE
        used = time.process_time()
        assert explaining.preview(Space.objects.get(), of, definition).looked_at == 1
        processor[key] = time.process_time() - used
    return {"processor": processor}


def _rest(engine: Any) -> None:
    """Until it has nothing to do: what it appends is read in the next turn."""
    idle = 0
    while idle < 3:
        idle = idle + 1 if engine.turn() else 0


def fill() -> dict[str, Any]:
    from jetbridge.control.settings import CONFIG  # noqa: PLC0415

    workspace, source, people = map(int, sys.argv[2:])
    began = time.perf_counter()
    events = engage_people.fill(Path(CONFIG.home), workspace, source, people, time.time_ns() // 1_000_000)
    return {"events": events, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    database.start()
    print(
        json.dumps({action.__name__: action for action in (open_up, fill, previews, rounds)}[sys.argv[1]]())
    )
