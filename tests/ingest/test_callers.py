"""The doors' view of the configuration: never older than a second, and at once for somebody new."""

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jetbridge.control.directory import Doors, SourceRef
from jetbridge.errors import Backpressure
from jetbridge.ingest.callers import REFRESH_SECONDS, THROTTLE_SECONDS, Callers


class Tables:
    def __init__(self) -> None:
        self.doors = Doors()
        self.reads = 0
        self.error: Exception | None = None

    def load(self) -> Doors:
        self.reads += 1
        if self.error:
            raise self.error
        return self.doors


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def callers(tables: Tables) -> Iterator[Callers]:
    callers = Callers(tables.load)
    yield callers
    callers.close()


def find(callers: Callers, key: str) -> SourceRef | None:
    return asyncio.run(callers.find(lambda doors: doors.by_write_key.get(key)))


def test_somebody_made_a_moment_ago_is_known_at_the_first_call(tables: Tables, callers: Callers) -> None:
    assert find(callers, "new") is None
    tables.doors = Doors({"new": SourceRef(1, "http", "new")})
    assert find(callers, "new") == SourceRef(1, "http", "new")


def test_strangers_make_it_read_at_most_ten_times_a_second(tables: Tables, callers: Callers) -> None:
    async def strangers() -> None:
        end = time.monotonic() + 5 * THROTTLE_SECONDS
        while time.monotonic() < end:
            asking = [callers.find(lambda doors: doors.by_write_key.get("x")) for _ in range(50)]
            assert await asyncio.gather(*asking) == [None] * 50

    began, before = time.monotonic(), tables.reads
    asyncio.run(strangers())
    assert tables.reads - before <= (time.monotonic() - began) / THROTTLE_SECONDS + 3


def test_those_known_are_served_while_the_tables_cannot_be_read(tables: Tables, callers: Callers) -> None:
    tables.doors = Doors({"known": SourceRef(1, "http", "known")})
    assert find(callers, "known")
    tables.error = OSError("disk gone")
    with pytest.raises(Backpressure, match="cannot read its configuration"):
        find(callers, "new")
    assert callers.trouble == "disk gone"
    assert find(callers, "known")
    tables.error = None
    assert find(callers, "new") is None
    assert callers.trouble is None


def test_who_is_disabled_is_out_within_a_second(tables: Tables, callers: Callers, eventually: Any) -> None:
    tables.doors = Doors({"known": SourceRef(1, "http", "known")})
    assert find(callers, "known")
    tables.doors = Doors()
    eventually(lambda: callers.known(lambda doors: doors.by_write_key.get("known")) is None, "it is out")
    assert REFRESH_SECONDS <= 1


def test_the_doors_answer_503_and_unready_then(serve: Any) -> None:
    tables = Tables()
    tables.error = OSError("disk gone")
    server = serve(load_doors=tables.load)
    answer = server.post("/v1/identify", {"userId": "u", "writeKey": server.write_key})
    assert (answer.status, answer.json()["code"]) == (503, "unavailable")
    assert server.get("/readyz").status == 503
    tables.error, tables.doors = None, server.doors
    assert server.post("/v1/identify", {"userId": "u", "writeKey": server.write_key}).status == 200
    assert server.get("/readyz").status == 200


def test_keys_are_not_in_its_repr() -> None:
    doors = dataclasses.replace(Doors(), authentication_keys={1: "secret"})
    assert "secret" not in repr(doors)
