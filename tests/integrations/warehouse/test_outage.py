"""A PostgreSQL that fails in the midst of a load: what is the server's fault holds up no table by itself, and nothing is double."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest
from tests import postgres
from tests.proxy import Proxy

from jetbridge.errors import TransientError
from jetbridge.integrations.warehouse import postgres as engine
from jetbridge.integrations.warehouse.loader import Arrival, LoadResult, load
from jetbridge.integrations.warehouse.postgres import PostgreSQL
from jetbridge.integrations.warehouse.postgres_connection import BoundedConnection

from .conftest import identify, track

CALLS = [track(f"Event {number % 3}", {"n": number}, message_id=f"m{number}") for number in range(300)]
CALLS += [identify({"n": number}, user_id=f"u{number}", message_id=f"i{number}") for number in range(50)]


class Server:
    """One database, and what an administrator does to it."""

    def __init__(self, parameters: dict[str, str | int]) -> None:
        self.parameters = parameters

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        parameters = self.parameters | {"options": "-c default_transaction_read_only=off"}
        with psycopg.connect(**cast(Any, parameters), autocommit=True) as connection:
            cursor = connection.execute(cast(Any, sql))
            return cursor.fetchall() if cursor.description else []

    def load(self, calls: Iterable[Any] = CALLS, **parameters: Any) -> LoadResult:
        return load(PostgreSQL(self.parameters | parameters), [Arrival("web", call) for call in calls])

    def holds_everything_once(self) -> bool:
        assert not self.load().waiting
        assert self.run("SELECT count(*), count(DISTINCT id) FROM web.tracks") == [(300, 300)]
        assert self.run("SELECT count(*), count(DISTINCT id) FROM web.event_1") == [(100, 100)]
        assert self.run("SELECT count(*), count(DISTINCT id) FROM web.identifies") == [(50, 50)]
        assert self.run("SELECT count(*), sum(n) FROM web.users") == [(50, 1225)]
        return True

    def trigger(self, body: str) -> None:
        """Let an insert into web.event_1 do something."""
        self.load([track("Event 1")])
        self.run(
            f"CREATE FUNCTION web.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$;"
            "CREATE TRIGGER fail BEFORE INSERT ON web.event_1 FOR EACH ROW EXECUTE FUNCTION web.fail();"
            "DELETE FROM web.event_1; DELETE FROM web.tracks"
        )


@pytest.fixture
def server(postgres_server: postgres.Server) -> Server:
    return Server(postgres_server.parameters(postgres_server.create_database()))


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with closing(Proxy(int(server.parameters["port"]))) as proxy:
        yield proxy


def in_the_midst(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Do it while the second row of a table is written."""
    insert = engine._Session.insert

    def insert_and_act(self: Any, table: Any, columns: Any, rows: Iterable[Any]) -> None:
        def watched() -> Iterator[Any]:
            for number, row in enumerate(rows):
                if number == 1:
                    monkeypatch.undo()
                    act()
                yield row

        insert(self, table, columns, watched())

    monkeypatch.setattr(engine._Session, "insert", insert_and_act)


def test_a_server_that_ends_the_connection_in_the_midst_of_a_copy(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jetbridge'"
    in_the_midst(monkeypatch, lambda: server.run(sql))
    with pytest.raises(TransientError) as caught:
        server.load()
    assert caught.value.code == "WAREHOUSE_UNAVAILABLE"
    assert server.holds_everything_once()


def test_a_server_that_falls_silent_in_the_midst_of_a_copy_is_given_up(
    server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "STATEMENT_SECONDS", 2)
    monkeypatch.setattr(engine, "RESPONSE_SECONDS", 0)
    in_the_midst(monkeypatch, proxy.freeze)
    with pytest.raises(TransientError, match="the server has not answered for 2 s"):
        server.load(port=proxy.port)
    proxy.close()  # as the server notices it at some time, by its limit for idle transactions at the latest
    assert server.holds_everything_once()


def test_a_server_that_accepts_and_says_nothing_is_given_up(
    server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 2)
    proxy.freeze()
    with pytest.raises(TransientError, match="timeout"):
        server.load(port=proxy.port)


@pytest.mark.parametrize(("addresses", "seconds"), [(0, 10), (1, 10), (3, 3), (8, 2)])
def test_a_host_of_many_addresses_is_not_waited_for_much_longer(
    server: Server, monkeypatch: pytest.MonkeyPatch, addresses: int, seconds: int
) -> None:
    asked: list[Any] = []

    def connect(**parameters: Any) -> None:
        asked.append(parameters)
        raise psycopg.OperationalError("nobody answers")

    monkeypatch.setattr(BoundedConnection, "connect", connect)
    with pytest.raises(TransientError, match="nobody answers"):
        load(PostgreSQL(server.parameters, lambda: ["127.0.0.1"] * addresses), [Arrival("web", track("A"))])
    assert [each["connect_timeout"] for each in asked] == [seconds]


def test_a_standby_after_a_failover_holds_up_all_and_not_each_table(server: Server) -> None:
    server.load([track("Event 1")])
    name = server.parameters["dbname"]
    server.run("DELETE FROM web.event_1; DELETE FROM web.tracks")
    server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(TransientError, match="enter the URL of the primary server"):
        server.load()
    server.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert server.holds_everything_once()


def test_a_server_out_of_connections_is_tried_again(server: Server) -> None:
    name = server.parameters["dbname"]
    server.run(f"CREATE ROLE one_{name} LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    with pytest.raises(TransientError, match="too many connections"):
        server.load(user=f"one_{name}", password="x")


@pytest.mark.parametrize("code", ["53100", "53200", "57P01", "58030", "40P01"])
def test_what_the_whole_server_lacks_is_no_fault_of_a_table(server: Server, code: str) -> None:
    server.trigger(f"RAISE EXCEPTION 'it lacks something' USING ERRCODE = '{code}'")
    with pytest.raises(TransientError) as caught:
        server.load()
    assert "it lacks something" in str(caught.value)
    assert ("Free space" in str(caught.value)) is (code == "53100")
    server.run("DROP TRIGGER fail ON web.event_1")
    assert server.holds_everything_once()


@pytest.mark.parametrize("code", ["54011", "55006", "42501", "P0001", "XX001"])
def test_what_one_table_meets_holds_up_no_other(server: Server, code: str) -> None:
    server.trigger(f"RAISE EXCEPTION 'not here' USING ERRCODE = '{code}'")
    assert len(server.load().waiting) == 100
    server.run("DROP TRIGGER fail ON web.event_1")
    assert server.holds_everything_once()


def test_a_statement_that_takes_too_long_holds_up_its_table_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "STATEMENT_SECONDS", 1)
    server.trigger("PERFORM pg_sleep(60)")
    result = server.load()
    assert len(result.waiting) == 100
    [(table, problem)] = result.problems.items()
    assert str(table) == "web.event_1"
    assert problem.startswith("PostgreSQL gave up a statement on web.event_1: ")
    assert problem.endswith("It is tried again by itself.")
    monkeypatch.undo()
    server.run("DROP TRIGGER fail ON web.event_1")
    assert server.holds_everything_once()
