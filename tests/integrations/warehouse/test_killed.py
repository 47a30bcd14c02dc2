"""A loader that is killed at any moment, again and again: every id once in every table, `users` as if nothing had happened."""

import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from tests.fuzz import Effort

from jetbridge.spec.message import Message, decode, encode

from .conftest import Warehouse, identify, track

MESSAGES, KILLS = Effort(6_000, 100_000).cases, Effort(6, 50).cases

#: Reads messages from where it stood, as a consumer does: the position is written after the load.
_LOADER = """
import json, os, sys
from pathlib import Path
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.integrations.warehouse.postgres import PostgreSQL
from jetbridge.spec.message import decode

folder, where = Path(sys.argv[1]), json.loads(sys.argv[2])
bodies = (folder / "bodies").read_bytes().split(b"\\n")
database = DuckDB(Path(where)) if isinstance(where, str) else PostgreSQL(where)
position = int((folder / "position").read_text())
print("begins", flush=True)
while position < len(bodies):
    batch = [Arrival("web", decode(body)) for body in bodies[position : position + 500]]
    load(database, batch, more_follows=position % 1_000 == 0)
    position += 500
    (folder / "next").write_text(str(position))
    os.replace(folder / "next", folder / "position")
"""


def test_whenever_it_is_killed_nothing_is_lost_and_nothing_is_double(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    chance = random.Random(7)
    messages = _messages(chance, MESSAGES)
    (tmp_path / "bodies").write_bytes(b"\n".join(map(encode, messages)))
    (tmp_path / "position").write_text("0")
    where = warehouse.database
    target = str(getattr(where, "_path", "")) or getattr(where, "_parameters", {})
    command = [sys.executable, "-c", _LOADER, tmp_path, msgspec.json.encode(target).decode()]
    kills = 0
    while True:
        before = (tmp_path / "position").read_text()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()  # so that no kill is spent on its imports, nor comes too late on a quick machine
            if kills < KILLS and not _ends_within(process, chance.random() / 5):
                process.kill()
                kills += 1
            else:
                assert process.wait() == 0
                break
        assert int((tmp_path / "position").read_text()) >= int(before)
    assert kills
    _check(warehouse, messages)


def _messages(chance: random.Random, count: int) -> list[Message]:
    """Track calls of ten events and identify calls of 200 people; one in twenty comes twice."""
    messages: list[Message] = []
    for number in range(count):
        if messages and number % 20 == 0:
            messages.append(chance.choice(messages))
        elif number % 3:
            messages.append(
                track(f"Event {number % 10}", {f"n{number % 50}": number}, message_id=f"t{number}")
            )
        else:
            traits = {f"trait{number % 7}": number, "seen": number}
            messages.append(
                identify(
                    traits,
                    message_id=f"i{number}",
                    user_id=f"u{chance.randrange(200)}",
                    at=chance.randrange(99),
                )
            )
    return [decode(encode(each)) for each in messages]


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.poll() is not None


def _check(warehouse: Warehouse, messages: list[Message]) -> None:
    tracks = {each.message_id: each for each in messages if each.type == "track"}
    assert warehouse.rows("tracks", "id") == [(id_,) for id_ in sorted(tracks)]
    for event in {each.event for each in tracks.values()}:
        expected = sorted(id_ for id_, each in tracks.items() if each.event == event)
        assert warehouse.rows(str(event).lower().replace(" ", "_"), "id") == [(id_,) for id_ in expected]
    identifies = {each.message_id: each for each in messages if each.type == "identify"}
    assert warehouse.rows("identifies", "id") == [(id_,) for id_ in sorted(identifies)]
    people: dict[str, dict[str, int]] = {}
    for call in sorted(identifies.values(), key=lambda call: (call.timestamp, call.message_id)):
        people.setdefault(str(call.user_id), {}).update(call.traits or {})
    traits = [f"trait{number}" for number in range(7)] + ["seen"]
    assert warehouse.rows("users", ", ".join(["id", *traits])) == [
        (id_, *(person.get(trait) for trait in traits)) for id_, person in sorted(people.items())
    ]
