"""Tests the connection of a warehouse: reach it, log in, create a schema, write a row, read it back. What it writes goes again."""

import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Source
from jetbridge.errors import DeliveryError, PauseError, TransientError
from jetbridge.integrations.connection import ConnectionDraft, ConnectionStep, StepResult
from jetbridge.integrations.warehouse import location
from jetbridge.integrations.warehouse.column_types import ColumnType
from jetbridge.integrations.warehouse.database import (
    Database,
    InvalidURL,
    TableName,
    TableRefused,
    quoted,
)
from jetbridge.integrations.warehouse.dlt_database import Dlt
from jetbridge.integrations.warehouse.dlt_places import DltPlace
from jetbridge.integrations.warehouse.models import Schema
from jetbridge.integrations.warehouse.names import schema_name
from jetbridge.integrations.warehouse.postgres import NO_DATABASE, LoginRefused, PostgreSQL
from jetbridge.integrations.warehouse.sql import SQLSession
from jetbridge.text import for_editors

REACH, LOGIN, SCHEMA, WRITE, READ = "reach", "login", "schema", "write", "read"
#: How long a server may take to accept a connection, and to answer one statement.
REACH_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 10
#: A worker has a file open for a moment while it loads.
LOCKED_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.25

#: What a test makes begins so.
TEST_NAME: Final = "_connection_test"
_COLUMNS: Final = {"id": ColumnType.TEXT, "tested_at": ColumnType.TIMESTAMP}


def steps(url: str) -> Sequence[ConnectionStep]:
    with suppress(InvalidURL):
        if url and isinstance(place := location.parse_url(url), DltPlace):
            return (
                ConnectionStep(REACH, f"Find {place.title}"),
                ConnectionStep(WRITE, "Log in, write a row, and delete it"),
            )
    is_file = not url or url.startswith("duckdb:")
    return (
        ConnectionStep(REACH, "Find the folder of the file" if is_file else "Reach the server"),
        ConnectionStep(LOGIN, "Open the file" if is_file else "Log in"),
        ConnectionStep(SCHEMA, "Create a schema"),
        ConnectionStep(WRITE, "Write a row"),
        ConnectionStep(READ, "Read it back, and delete it"),
    )


def check_connection(draft: ConnectionDraft) -> Iterator[StepResult]:
    """One result per step, up to the first that fails. Bounded in time; who stops early leaves nothing behind either."""
    url = str(draft.values.get("url") or "")
    try:
        place = location.place_of(draft.destination, url) if url or draft.destination else _new_file()
    except InvalidURL as error:
        yield StepResult(REACH, "failed", str(error))
        return
    if isinstance(place, DltPlace):
        yield from _check_dlt(draft, place)
        return
    test = _Test(draft, place)
    try:
        yield from test.run()
    except (DeliveryError, TableRefused, OSError) as error:
        yield test.failure(error)
    finally:
        test.clean_up()


def _check_dlt(draft: ConnectionDraft, place: DltPlace) -> Iterator[StepResult]:
    step = REACH
    try:
        url, key = (str(draft.values.get(name) or "") for name in ("url", "key"))
        database = location.open_database(_ref(draft), url, key)
        assert isinstance(database, Dlt)
        yield StepResult(
            step,
            "passed",
            _connect(place.host, place.port) if place.host else f"{place.location} is where dlt will write.",
        )
        step = WRITE
        database.try_out(f"connection_test_{secrets.token_hex(4)}")
    except (DeliveryError, OSError) as error:
        yield StepResult(step, "failed", str(error))
        return
    yield StepResult(step, "passed", "A row was written, and the test has left nothing behind.")


def _ref(draft: ConnectionDraft) -> DestinationRef:
    """As much of the destination as opening its database needs."""
    return DestinationRef(draft.destination, draft.workspace, location.KIND, "", {}, {}, {})


def _new_file() -> location.File:
    """In the folder where the file of a destination will be that is not there yet."""
    return location.File(location.warehouse_folder() / f"test-{secrets.token_hex(8)}.duckdb")


class _Test:
    def __init__(self, draft: ConnectionDraft, place: location.File | location.Server) -> None:
        self._draft, self._place = draft, place
        self._step = REACH
        self._database: Database | None = None
        #: What the test has made: a schema, or a table in one that was there.
        self._made = ""

    def run(self) -> Iterator[StepResult]:
        yield self._passed(self._reach())
        self._step = LOGIN
        self._database = self._open()
        with self._transaction():
            pass
        yield self._passed(self._whereabouts())
        self._step = SCHEMA
        table = TableName(self._schema(), f"{TEST_NAME}_{secrets.token_hex(4)}")
        yield self._passed(
            "It can create schemas."
            if table.schema.startswith(TEST_NAME)
            else f"It may create none, and loads into those that are there, such as {table.schema}."
        )
        self._step, id_ = WRITE, secrets.token_hex(8)
        with self._transaction() as session:
            session.create_table(table, _COLUMNS)
            self._made = self._made or f"TABLE {session.qualified(table)}"
            session.insert(table, _COLUMNS, [(id_, datetime.now(UTC))])
        yield self._passed("It can create tables and write.")
        self._step = READ
        with self._transaction() as session:
            if session.known_ids(table, [id_]) != {id_}:
                raise TransientError("WAREHOUSE_UNAVAILABLE", "The row that was written is not there.")
        self._drop()
        yield self._passed("The row is there, and the test has left nothing behind.")

    def _reach(self) -> str:
        if isinstance(self._place, location.Server):
            return _connect(self._place.host, self._place.port)
        folder = self._place.path.parent
        if folder == location.warehouse_folder():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not folder.is_dir():
            raise PauseError(
                "INVALID_SETTINGS", f"There is no folder {folder}. Create it, or enter another one."
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PauseError(
                "INVALID_SETTINGS",
                f"The user that Jetbridge runs as may not write into {folder}. Give it the right to, or enter another folder.",
            )
        return f"The folder {folder} can be written."

    def _open(self) -> Database:
        place, draft = self._place, self._draft
        if isinstance(place, location.Server):
            return PostgreSQL(
                place.parameters,
                lambda: location.find_addresses(place.host, place.port),
                statement_seconds=STATEMENT_SECONDS,
            )
        return location.open_database(_ref(draft), location.file_url(place.path))

    @contextmanager
    def _transaction(self) -> Iterator[SQLSession]:
        """One that waits for a file that is open in another program, as it is for a moment while a worker loads."""
        assert self._database
        deadline = time.monotonic() + LOCKED_SECONDS
        with ExitStack() as stack:
            while True:
                try:
                    session = stack.enter_context(self._database.transaction([]))
                    break
                except TransientError as error:
                    if error.code != "WAREHOUSE_LOCKED" or time.monotonic() >= deadline:
                        raise
                    time.sleep(_LOOK_SECONDS)
            assert isinstance(session, SQLSession)
            yield session

    def _whereabouts(self) -> str:
        if isinstance(self._place, location.Server):
            return f"The user {self._user} may use the database {self._name}."
        return "DuckDB can open it, and no other program has it open."

    def _schema(self) -> str:
        """A new schema; else, for a user who may create none, one of those that are there for the sources."""
        schema = f"{TEST_NAME}_{secrets.token_hex(4)}"
        try:
            with self._transaction() as session:
                session.create_schema(schema)
                self._made = f"SCHEMA {quoted(schema)}"
        except PauseError:
            self._made = ""
            schemas = self._expected_schemas()
            with self._transaction() as session:
                query = "SELECT schema_name FROM information_schema.schemata"
                there = {name for (name,) in session.execute(query)}
            if not schemas or not there.issuperset(schemas):
                raise
            return schemas[0]
        return schema

    def _expected_schemas(self) -> list[str]:
        kept = dict(
            Schema.objects.filter(destination_id=self._draft.destination).values_list("source_id", "name")
        )
        chosen = self._draft.values.get("schemas") or {}
        rows = Source.objects.filter(workspace_id=self._draft.workspace, id__in=self._draft.sources)
        names = [
            kept.get(row.id) or schema_name(str(chosen.get(row.name, row.name)))
            for row in rows.order_by("id")
        ]
        return [name or "" for name in names]

    def _drop(self) -> None:
        if self._made:
            with self._transaction() as session:
                session.execute(f"DROP {self._made} CASCADE")
        self._made = ""

    def clean_up(self) -> None:
        """Whatever has happened, or if somebody has seen enough."""
        with suppress(DeliveryError, TableRefused, OSError):
            self._drop()
        if isinstance(self._place, location.File) and self._place.path.name.startswith("test-"):
            for path in (self._place.path, self._place.path.with_name(f"{self._place.path.name}.wal")):
                path.unlink(missing_ok=True)

    @property
    def _user(self) -> str:
        return str(self._place.parameters["user"]) if isinstance(self._place, location.Server) else ""

    @property
    def _name(self) -> str:
        return str(self._place.parameters["dbname"]) if isinstance(self._place, location.Server) else ""

    def _passed(self, message: str) -> StepResult:
        return StepResult(self._step, "passed", message)

    def failure(self, error: Exception) -> StepResult:
        """What happened in the step that is under way, and what to do."""
        message, command = str(error).replace(" It is tried again by itself.", ""), ""
        code = getattr(error, "code", "")
        if code == "WAREHOUSE_LOCKED":
            message = message.replace(" It is loaded as soon as that program has closed it.", "")
            message += " Close it there, and test again."
        elif isinstance(error, LoginRefused) and error.sqlstate == NO_DATABASE:
            command = f"CREATE DATABASE {quoted(self._name)} OWNER {quoted(self._user)};"
        elif self._step == SCHEMA and code == "WAREHOUSE_FORBIDDEN":
            message = (
                f"The user {self._user} may create no schemas in the database {self._name}. Run this as its owner and test "
                "again; or give that user a schema for each source."
            )
            command = f"GRANT CREATE ON DATABASE {quoted(self._name)} TO {quoted(self._user)};"
        elif self._step == WRITE and isinstance(error, TableRefused) and "permission denied" in message:
            schema = error.table.schema
            message = f"The user {self._user} may create no tables in the schema {schema}. Run this as its owner and test again."
            command = f"GRANT USAGE, CREATE ON SCHEMA {quoted(schema)} TO {quoted(self._user)};"
        return StepResult(self._step, "failed", message, command)


def _connect(host: str, port: int) -> str:
    """Only connect: whether anything answers there. Raises PauseError or TransientError."""
    reason = ""
    for address in location.find_addresses(host, port):
        try:
            socket.create_connection((address, port), REACH_SECONDS).close()
        except OSError as error:
            reason = f"{address}: {error.strerror or error}"
        else:
            return f"{host} answers at port {port}."
    raise TransientError(
        "WAREHOUSE_UNAVAILABLE",
        f"Nothing answers at {host}, port {port} ({for_editors(reason)}). See whether the server runs, listens at that address, and "
        "lets Jetbridge's machine through its firewall.",
    )
