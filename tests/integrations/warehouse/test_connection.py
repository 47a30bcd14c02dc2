"""The test of a connection: a real DuckDB, a real PostgreSQL, and everything that stands in the way."""

import os
import resource
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import psycopg
import pytest
from django.conf import settings
from psycopg.conninfo import make_conninfo
from tests import postgres
from tests.processes import free_port

from jetbridge.config import private_networks
from jetbridge.control.models import Workspace
from jetbridge.errors import Backpressure
from jetbridge.integrations.connection import TESTS_AT_ONCE, limited
from jetbridge.integrations.warehouse import connection, location
from jetbridge.integrations.warehouse.definition import WAREHOUSE
from jetbridge.services import destination_settings
from jetbridge.services.destination_settings import ConnectionStep

from .test_duckdb import held

NAMES = ["reach", "login", "schema", "write", "read"]


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace.objects.create(name="Shop")


def check(workspace: Workspace, url: str, upto: str | None = None, **more: Any) -> list[ConnectionStep]:
    sources = list(workspace.sources.values_list("id", flat=True))
    draft = destination_settings.connection_draft(
        WAREHOUSE, workspace.id, {"url": url, **more}, sources=sources
    )
    return destination_settings.check_connection(WAREHOUSE, draft, upto)


def states(steps: list[ConnectionStep]) -> list[str]:
    assert [step.name for step in steps] == NAMES
    return [step.state for step in steps]


def failure(steps: list[ConnectionStep]) -> ConnectionStep:
    [failed] = [step for step in steps if step.state == "failed"]
    assert {step.state for step in steps[: steps.index(failed)]} <= {"passed"}
    return failed


class Role:
    """A user of a database of its own, with the rights that a test grants."""

    def __init__(self, server: postgres.Server) -> None:
        self.server, self.database = server, server.create_database()
        self.name = f"ann_of_{self.database}"
        self.run(f"CREATE ROLE {self.name} LOGIN PASSWORD 'pass/word'")

    def run(self, sql: Any, database: str = "") -> list[tuple[Any, ...]]:
        parameters = make_conninfo(**self.server.parameters(database or self.database))
        with psycopg.connect(parameters, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def url(self, *, password: str = "pass/word", database: str = "") -> str:
        where = f"127.0.0.1:{self.server.port}/{database or self.database}"
        return f"postgresql://{self.name}:{quote(password, safe='')}@{where}"

    @property
    def leftovers(self) -> list[tuple[Any, ...]]:
        return self.run(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '_connection%' "
            "UNION ALL SELECT table_name FROM information_schema.tables WHERE table_name LIKE '_connection%'"
        )


@pytest.fixture
def role(postgres_server: postgres.Server) -> Role:
    return Role(postgres_server)


class TestPostgreSQL:
    def test_every_step_passes_and_nothing_is_left(self, workspace: Workspace, role: Role) -> None:
        role.run(f"GRANT CREATE ON DATABASE {role.database} TO {role.name}")
        steps = check(workspace, role.url())
        assert states(steps) == ["passed"] * 5
        assert steps[0].message == f"127.0.0.1 answers at port {role.server.port}."
        assert steps[1].message == f"The user {role.name} may use the database {role.database}."
        assert role.leftovers == []

    def test_who_stops_early_leaves_nothing_and_sees_what_comes_next(
        self, workspace: Workspace, role: Role
    ) -> None:
        role.run(f"GRANT CREATE ON DATABASE {role.database} TO {role.name}")
        assert states(check(workspace, role.url(), upto="")) == ["running"] + ["waiting"] * 4
        steps = check(workspace, role.url(), upto="write")
        assert states(steps) == ["passed"] * 4 + ["running"]
        assert role.leftovers == []

    def test_a_user_who_may_create_no_schema_is_told_what_to_run(
        self, workspace: Workspace, role: Role
    ) -> None:
        steps = check(workspace, role.url())
        assert states(steps) == ["passed", "passed", "failed", "skipped", "skipped"]
        assert f"The user {role.name} may create no schemas" in steps[2].message
        role.run(steps[2].command)
        assert states(check(workspace, role.url())) == ["passed"] * 5

    def test_schemas_that_are_there_will_do(self, workspace: Workspace, role: Role) -> None:
        workspace.sources.create(name="Web Shop", kind="http")
        role.run("CREATE SCHEMA web_shop")
        role.run(f"GRANT USAGE ON SCHEMA web_shop TO {role.name}")
        failed = failure(check(workspace, role.url()))
        assert (failed.name, failed.command) == (
            "write",
            f'GRANT USAGE, CREATE ON SCHEMA "web_shop" TO "{role.name}";',
        )
        role.run(failed.command)
        steps = check(workspace, role.url())
        assert states(steps) == ["passed"] * 5
        assert (
            steps[2].message == "It may create none, and loads into those that are there, such as web_shop."
        )
        assert role.leftovers == []
        workspace.sources.create(name="App", kind="http")
        assert failure(check(workspace, role.url())).name == "schema"
        assert states(check(workspace, role.url(), schemas={"App": "web_shop"})) == ["passed"] * 5

    def test_a_wrong_password_and_a_database_that_is_not_there(
        self, workspace: Workspace, role: Role
    ) -> None:
        failed = failure(check(workspace, role.url(password="word")))
        assert failed.name == "login"
        assert "password authentication failed" in failed.message
        assert "'word'" not in failed.message
        failed = failure(check(workspace, role.url(database="nowhere")))
        assert (failed.name, failed.command) == ("login", f'CREATE DATABASE "nowhere" OWNER "{role.name}";')

    def test_a_login_fails_as_clearly_in_a_process_with_many_open_files(
        self, workspace: Workspace, role: Role
    ) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4_096)), hard))
        with ExitStack() as files:
            for _ in range(1_100):
                files.enter_context(Path(os.devnull).open())
            assert failure(check(workspace, role.url(password="word"))).name == "login"
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_a_server_that_is_read_only(self, workspace: Workspace, role: Role) -> None:
        role.run(f"GRANT CREATE ON DATABASE {role.database} TO {role.name}")
        role.run(f"ALTER DATABASE {role.database} SET default_transaction_read_only = on")
        failed = failure(check(workspace, role.url()))
        assert failed.name == "schema"
        assert "read-only" in failed.message
        assert "enter the URL of the primary server" in failed.message
        assert "tried again by itself" not in failed.message

    def test_nobody_answers(self, workspace: Workspace) -> None:
        port = free_port()
        failed = failure(check(workspace, f"postgresql://ann:secret@127.0.0.1:{port}/shop"))
        assert failed.name == "reach"
        assert f"Nothing answers at 127.0.0.1, port {port}" in failed.message
        assert "firewall" in failed.message

    def test_a_host_that_answers_and_is_no_database(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jetbridge.integrations.warehouse.postgres.CONNECT_SECONDS", 2)
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"postgresql://ann:secret@127.0.0.1:{server.getsockname()[1]}/shop"
            failed = failure(check(workspace, url))
        assert failed.name == "login"

    def test_a_host_that_is_not_found(self, workspace: Workspace) -> None:
        failed = failure(check(workspace, "postgresql://ann:secret@no-such-host.invalid/shop"))
        assert (failed.name, "is not found" in failed.message) == ("reach", True)

    def test_a_network_that_is_not_allowed(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        networks = private_networks("10.0.0.0/8")
        monkeypatch.setattr(settings, "CONFIG", replace(settings.CONFIG, warehouse_networks=networks))
        failed = failure(check(workspace, "postgresql://ann:secret@127.0.0.1/shop"))
        assert failed.name == "reach"
        assert "JETBRIDGE_WAREHOUSE_NETWORKS" in failed.message


class TestDuckDB:
    def test_a_new_warehouse_leaves_no_file(self, workspace: Workspace) -> None:
        steps = check(workspace, "")
        assert states(steps) == ["passed"] * 5
        assert str(location.warehouse_folder()) in steps[0].message
        assert list(location.warehouse_folder().iterdir()) == []

    def test_a_file_that_is_there_keeps_what_it_has(self, workspace: Workspace) -> None:
        path = location.warehouse_folder() / "shop.duckdb"
        path.parent.mkdir(exist_ok=True)
        with duckdb.connect(path) as connection:
            connection.execute("CREATE TABLE mine AS SELECT 1 AS n")
        assert states(check(workspace, location.file_url(path))) == ["passed"] * 5
        with duckdb.connect(path) as connection:
            tables = "SELECT table_schema, table_name FROM information_schema.tables"
            assert connection.execute(tables).fetchall() == [("main", "mine")]
            schemas = (
                "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '_connection%'"
            )
            assert connection.execute(schemas).fetchall() == []
        path.unlink()

    def test_a_file_that_another_program_has_open(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "LOCKED_SECONDS", 0.3)
        path = location.warehouse_folder() / "shop.duckdb"
        path.parent.mkdir(exist_ok=True)
        duckdb.connect(path).close()
        with held(path) as pid:
            failed = failure(check(workspace, location.file_url(path)))
        assert failed.name == "login"
        assert f"PID {pid}" in failed.message
        assert failed.message.endswith("Close it there, and test again.")
        assert states(check(workspace, location.file_url(path))) == ["passed"] * 5
        path.unlink()

    def test_what_is_no_database_and_a_folder_that_is_not_there(self, workspace: Workspace) -> None:
        path = location.warehouse_folder() / "notes.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("not a database " * 1_000)
        failed = failure(check(workspace, location.file_url(path)))
        assert (failed.name, "notes.txt cannot be written" in failed.message) == ("login", True)
        assert path.read_text().startswith("not a database")
        path.unlink()
        failed = failure(check(workspace, location.file_url(location.warehouse_folder() / "x" / "y.duckdb")))
        assert (failed.name, "There is no folder" in failed.message) == ("reach", True)
        failed = failure(check(workspace, "duckdb:///etc/passwd"))
        assert "JETBRIDGE_WAREHOUSE_DIRS" in failed.message


def test_few_are_made_at_once(workspace: Workspace) -> None:
    with ExitStack() as stack:
        for _ in range(TESTS_AT_ONCE):
            stack.enter_context(limited())
        with pytest.raises(Backpressure, match="Try again in a moment"):
            check(workspace, "")
    assert states(check(workspace, "")) == ["passed"] * 5
