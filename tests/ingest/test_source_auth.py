"""The endpoints' view of the configuration: never older than a second, and at once for somebody new."""

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jetbridge.control.directory import Credentials, SourceRef
from jetbridge.errors import Backpressure
from jetbridge.ingest.ingestion import REFRESH_SECONDS, THROTTLE_SECONDS, SourceAuth


class Tables:
    def __init__(self) -> None:
        self.credentials = Credentials()
        self.reads = 0
        self.error: Exception | None = None

    def load(self) -> Credentials:
        self.reads += 1
        if self.error:
            raise self.error
        return self.credentials


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def source_auth(tables: Tables) -> Iterator[SourceAuth]:
    source_auth = SourceAuth(tables.load)
    yield source_auth
    source_auth.close()


def find(source_auth: SourceAuth, key: str) -> SourceRef | None:
    return asyncio.run(source_auth.find(lambda credentials: credentials.by_write_key_digest.get(key)))


def test_somebody_made_a_moment_ago_is_known_at_the_first_call(
    tables: Tables, source_auth: SourceAuth
) -> None:
    assert find(source_auth, "new") is None
    tables.credentials = Credentials({"new": SourceRef(1, "http", "new")})
    assert find(source_auth, "new") == SourceRef(1, "http", "new")


def test_strangers_make_it_read_at_most_ten_times_a_second(tables: Tables, source_auth: SourceAuth) -> None:
    async def strangers() -> None:
        end = time.monotonic() + 5 * THROTTLE_SECONDS
        while time.monotonic() < end:
            asking = [
                source_auth.find(lambda credentials: credentials.by_write_key_digest.get("x"))
                for _ in range(50)
            ]
            assert await asyncio.gather(*asking) == [None] * 50

    began, before = time.monotonic(), tables.reads
    asyncio.run(strangers())
    assert tables.reads - before <= (time.monotonic() - began) / THROTTLE_SECONDS + 3


def test_those_known_are_served_while_the_tables_cannot_be_read(
    tables: Tables, source_auth: SourceAuth
) -> None:
    tables.credentials = Credentials({"known": SourceRef(1, "http", "known")})
    assert find(source_auth, "known")
    tables.error = OSError("disk gone")
    with pytest.raises(Backpressure, match="cannot read its configuration"):
        find(source_auth, "new")
    assert source_auth.error == "disk gone"
    assert find(source_auth, "known")
    tables.error = None
    assert find(source_auth, "new") is None
    assert source_auth.error is None


def test_who_is_disabled_is_out_within_a_second(
    tables: Tables, source_auth: SourceAuth, eventually: Any
) -> None:
    tables.credentials = Credentials({"known": SourceRef(1, "http", "known")})
    assert find(source_auth, "known")
    tables.credentials = Credentials()
    eventually(
        lambda: source_auth.known(lambda credentials: credentials.by_write_key_digest.get("known")) is None,
        "it is out",
    )
    assert REFRESH_SECONDS <= 1


def test_the_doors_answer_503_and_unready_then(serve: Any) -> None:
    tables = Tables()
    tables.error = OSError("disk gone")
    server = serve(load_credentials=tables.load)
    response = server.post("/v1/identify", {"userId": "u", "writeKey": server.write_key})
    assert (response.status, response.json()["code"]) == (503, "unavailable")
    assert server.get("/readyz").status == 503
    tables.error, tables.credentials = None, server.credentials
    assert server.post("/v1/identify", {"userId": "u", "writeKey": server.write_key}).status == 200
    assert server.get("/readyz").status == 200


def test_keys_are_not_in_its_repr() -> None:
    credentials = dataclasses.replace(Credentials(), authentication_keys={1: "secret"})
    assert "secret" not in repr(credentials)
