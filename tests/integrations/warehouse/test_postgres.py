"""What is PostgreSQL's alone: logins, rights, locks of others, and one loader per schema."""

import sys
import threading
from typing import Any, cast

import psycopg
import pytest
from tests import postgres
from tests.processes import free_port

from jetbridge.errors import PauseError, TransientError
from jetbridge.integrations.warehouse import postgres as engine
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.integrations.warehouse.postgres import PostgreSQL

from .conftest import Warehouse, identify, track


@pytest.fixture
def parameters(postgres_server: postgres.Server) -> dict[str, str | int]:
    return postgres_server.parameters(postgres_server.create_database())


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"user": "nobody"}, {"dbname": "nothing"}])
def test_a_login_that_is_refused_waits_for_a_person(
    parameters: dict[str, str | int], change: dict[str, str]
) -> None:
    with pytest.raises(PauseError) as caught:
        load(PostgreSQL(parameters | change), [Arrival("web", track("A"))])
    assert caught.value.code == "INVALID_AUTHENTICATION"
    assert "Correct the url" in str(caught.value)
    assert str(parameters["password"]) not in str(caught.value)


def test_a_server_that_is_down_is_tried_again(parameters: dict[str, str | int]) -> None:
    with pytest.raises(TransientError) as caught:
        load(PostgreSQL(parameters | {"port": free_port()}), [Arrival("web", track("A"))])
    assert caught.value.code == "WAREHOUSE_UNAVAILABLE"


def test_a_right_that_is_missing_waits_for_a_person(parameters: dict[str, str | int]) -> None:
    with psycopg.connect(**cast(Any, parameters), autocommit=True) as connection:
        connection.execute("CREATE ROLE loader LOGIN PASSWORD 'x'")
        connection.execute("CREATE SCHEMA shop AUTHORIZATION loader")
    loader = PostgreSQL(parameters | {"user": "loader", "password": "x"})
    with pytest.raises(PauseError, match="lacks a right"):
        load(loader, [Arrival("web", track("A"))])
    assert not load(loader, [Arrival("shop", track("A"))]).waiting


def test_a_table_that_somebody_has_locked_holds_up_itself_alone_and_says_who(
    postgres_warehouse: Warehouse, parameters: dict[str, str | int]
) -> None:
    warehouse = PostgreSQL(parameters)
    load(warehouse, [Arrival("web", track("A"))])
    with psycopg.connect(**cast(Any, parameters), application_name="a report") as connection:
        connection.execute("LOCK TABLE web.a IN ACCESS EXCLUSIVE MODE")
        result = load(warehouse, [Arrival("web", track("A")), Arrival("web", track("B"))])
        assert list(result.waiting) == [0]
        process = connection.info.backend_pid
        assert f"web.a is locked: process {process} (❝postgres, a report❞) has it since " in result.waiting[0]
    assert not load(warehouse, [Arrival("web", track("A"))]).waiting


def test_a_schema_that_another_session_loads_is_tried_again(
    parameters: dict[str, str | int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SCHEMA_LOCK_SECONDS", 1)
    with psycopg.connect(**cast(Any, parameters)) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('jetbridge web', 0))")
        with pytest.raises(
            TransientError, match=rf"schema web: process {connection.info.backend_pid} "
        ) as caught:
            load(PostgreSQL(parameters), [Arrival("web", track("A"))])
    assert caught.value.code == "WAREHOUSE_LOCKED"


def test_two_workers_load_a_schema_one_after_the_other(parameters: dict[str, str | int]) -> None:
    calls = [
        Arrival("web", call)
        for number in range(20)
        for call in (
            track("A", {f"n{number}": 1}, message_id=f"t{number}"),
            identify({"n": number}, at=number),
        )
    ]

    def fill() -> None:
        for start in range(0, len(calls), 4):
            assert not load(PostgreSQL(parameters), calls[start : start + 4]).waiting

    threads = [threading.Thread(target=fill) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(**cast(Any, parameters)) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM web.a").fetchone() == (20, 20)
        assert connection.execute("SELECT id, n FROM web.users").fetchall() == [("ann", 19)]


def test_an_id_is_a_primary_key(postgres_warehouse: Warehouse) -> None:
    postgres_warehouse.load(track("A", message_id="m"), track("A" * 80, message_id="m"))
    with pytest.raises(psycopg.errors.UniqueViolation):
        postgres_warehouse.run("INSERT INTO web.a (id) VALUES ('m')")


def test_names_with_percent_signs_and_quotes_are_no_sql(postgres_warehouse: Warehouse) -> None:
    postgres_warehouse.load(track("A"))
    postgres_warehouse.run('ALTER TABLE web.a ADD COLUMN "50%s ""off""" TEXT')
    postgres_warehouse.load(track("A", {"50%s": 1, 'x"; DROP TABLE web.a; --': 2}))
    assert postgres_warehouse.rows("a", "_50_s, x_drop_table_web_a") == [(1, 2), (None, None)]


def test_a_missing_extra_is_named(parameters: dict[str, str | int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(PauseError, match=r"pip install 'jetbridge\[postgres\]'"):
        load(PostgreSQL(parameters), [Arrival("web", track("A"))])
