"""PostgreSQL through psycopg 3: rows by COPY, a primary key on `id`, one loader per schema at a time.

`psycopg` is loaded with the first flush: only a worker with such a warehouse needs it.
"""

import math
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jetbridge.errors import PauseError, TransientError
from jetbridge.integrations.warehouse.column_types import ColumnType, Value
from jetbridge.integrations.warehouse.database import (
    Database,
    Person,
    QueryResult,
    Reader,
    Session,
    TableName,
    TableRefused,
    quoted,
    refused,
)
from jetbridge.integrations.warehouse.sql import SQLSession
from jetbridge.text import for_editors

if TYPE_CHECKING:
    from jetbridge.integrations.warehouse.postgres_connection import BoundedConnection

#: SQLSTATEs of a login that is refused until a person acts: invalid authorization, and a database that is not there.
_INVALID_AUTHORIZATION, NO_DATABASE = "28", "3D000"
#: What an English server says then. For a libpq that does not tell the SQLSTATE of a refused login.
_REFUSALS = {
    _INVALID_AUTHORIZATION: re.compile(
        r'password authentication failed|no password supplied|no pg_hba.conf entry|role ".*" does not exist'
    ),
    NO_DATABASE: re.compile(r'database ".*" does not exist'),
}

CONNECT_SECONDS: Final = 10
#: How long a statement waits for a lock that somebody else has. While an ALTER TABLE waits, nobody can read the table.
LOCK_SECONDS: Final = 2
#: How long it waits until another session has loaded the same schema, or erased somebody from it.
SCHEMA_LOCK_SECONDS: Final = 20
#: How long a statement may take: one that concerns the rows of a batch, and one that goes through a whole table.
STATEMENT_SECONDS, WHOLE_TABLE_SECONDS = 40, 240
#: How much longer its answer may take, before the server counts as one that hangs.
RESPONSE_SECONDS: Final = 5
#: After so long without a statement the server gives up a transaction, whose locks would keep us out after a broken connection.
IDLE_SECONDS: Final = 60

#: Errors of the server or the connection, by the class of their SQLSTATE (PostgreSQL's Appendix A); others are of one statement.
_OF_SERVER = ("08", "40", "53", "57", "58")
_READ_ONLY = "25006"  # a standby, after a failover
_NO_RIGHT = "42501"

#: Who has a table, or the lock of a schema.
_HOLDER = """
SELECT a.pid, a.usename, a.application_name, a.xact_start
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.granted AND l.pid <> pg_backend_pid() AND (
    l.relation = to_regclass(%s)
    OR l.locktype = 'advisory' AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(%s, 0)
)
ORDER BY l.mode = 'AccessExclusiveLock' DESC, a.xact_start LIMIT 1
"""


class LoginRefused(PauseError):
    """`sqlstate` is that of the refusal, or its class."""

    def __init__(self, reason: str, sqlstate: str) -> None:
        super().__init__(
            "INVALID_AUTHENTICATION", f"PostgreSQL refuses the login: {reason}. Correct the url."
        )
        self.sqlstate = sqlstate


class PostgreSQL(Database):
    def __init__(
        self,
        parameters: Mapping[str, str | int],
        find_addresses: Callable[[], Sequence[str]] = lambda: (),
        statement_seconds: int | None = None,
    ) -> None:
        """`parameters` are libpq's, by keyword: host, port, dbname, user, password, sslmode and so on.

        `find_addresses` says at each connection which of the host's addresses may be connected to; none: any.
        `statement_seconds` None: STATEMENT_SECONDS.
        """
        self._parameters, self._find_addresses = parameters, find_addresses
        self._statement_seconds = statement_seconds

    def __repr__(self) -> str:
        return f"PostgreSQL({self._parameters.get('host')})"

    @contextmanager
    def transaction(self, schemas: Sequence[str], *, more_follows: bool = False) -> Iterator[Session]:
        del more_follows  # closing takes no time
        psycopg = _import_psycopg()
        try:
            with self._connect(CONNECT_SECONDS) as connection:
                session = _Session(psycopg, connection, self._statement_seconds or STATEMENT_SECONDS)
                session.begin(schemas)
                yield session
        except psycopg.Error as error:
            raise self._unavailable(psycopg, error) from None

    @contextmanager
    def reading(self, seconds: float) -> Iterator[Reader]:
        psycopg = _import_psycopg()
        whole_seconds = math.ceil(seconds)
        try:
            with self._connect(whole_seconds) as connection:
                connection.read_only = True
                session = _Session(psycopg, connection, whole_seconds)
                session.begin([])
                yield session
        except psycopg.Error as error:
            raise self._unavailable(psycopg, error, "read") from None

    def _connect(self, seconds: int) -> "BoundedConnection":
        connections = import_module("jetbridge.integrations.warehouse.postgres_connection")
        parameters = dict(self._parameters)
        addresses = self._find_addresses()
        if addresses:
            parameters["host"] = ",".join([str(parameters["host"])] * len(addresses))
            parameters["hostaddr"] = ",".join(addresses)
        parameters["connect_timeout"] = max(
            2, seconds // max(1, len(addresses))
        )  # of each; libpq knows no less
        parameters["application_name"] = "jetbridge"
        psycopg = _import_psycopg()
        try:
            connection: BoundedConnection = connections.BoundedConnection.connect(
                **parameters,
                prepare_threshold=None,  # pgbouncer gives every transaction another connection
            )
        except psycopg.errors.ConnectionTimeout:
            raise
        except psycopg.OperationalError as error:
            sqlstate = error.sqlstate or connections.login_sqlstate(parameters, seconds)
            raise self._login_error(error, sqlstate) from None
        return connection

    def _login_error(self, error: Any, sqlstate: str) -> Exception:
        """What a failed login means; `error` itself if it may succeed later."""
        words = str(error)
        if not sqlstate:
            sqlstate = next((code for code, pattern in _REFUSALS.items() if pattern.search(words)), "")
        if sqlstate == _NO_RIGHT:
            return _right_missing(for_editors(words))
        if sqlstate.startswith(_INVALID_AUTHORIZATION) or sqlstate == NO_DATABASE:
            return LoginRefused(for_editors(words), sqlstate)
        failed: Exception = error
        return failed

    def _unavailable(
        self, psycopg: ModuleType, error: Any, done: str = "loaded"
    ) -> TransientError | PauseError:
        reason = for_editors(str(error))
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return _right_missing(reason)
        if isinstance(error, psycopg.errors.DiskFull):
            advice = "Free space on the disk of the database."
        elif error.sqlstate == _READ_ONLY:
            advice = "Make it writable, or enter the URL of the primary server."
        else:
            advice = "See whether the server runs and can be reached from here."
        again = " It is tried again by itself." if done == "loaded" else ""
        return TransientError(
            "WAREHOUSE_UNAVAILABLE",
            f"PostgreSQL cannot be {done} at the moment: {reason}. {advice}{again}",
        )


class _Session(SQLSession):
    parameter = "%s"
    native_types: ClassVar[Mapping[ColumnType, str]] = {
        ColumnType.TEXT: "text",
        ColumnType.INTEGER: "bigint",
        ColumnType.FLOAT: "double precision",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.TIMESTAMP: "timestamp with time zone",
    }
    temporary_schema = "pg_temp"

    def __init__(self, psycopg: ModuleType, connection: "BoundedConnection", statement_seconds: int) -> None:
        self._psycopg, self._connection = psycopg, connection
        self._statement_seconds = statement_seconds

    def begin(self, schemas: Sequence[str]) -> None:
        """Let nobody else load these schemas until the transaction ends."""
        self._limit_statements(self._statement_seconds)
        self.execute(f"SET LOCAL lock_timeout = '{SCHEMA_LOCK_SECONDS}s'")
        self.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        for schema in sorted(schemas):
            lock = f"jetbridge {schema}"
            try:
                self.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
            except self._psycopg.errors.LockNotAvailable:
                raise TransientError(
                    "WAREHOUSE_LOCKED",
                    f"Another session loads the schema {schema}: {self._holder(lock=lock)}. It is tried again by itself.",
                ) from None
        self.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")

    def widen(self, table: TableName, column: str) -> None:
        self._limit_statements(WHOLE_TABLE_SECONDS)
        super().widen(table, column)

    def ids_of_large(self, table: TableName, column: str, most: int) -> list[str]:
        self._limit_statements(WHOLE_TABLE_SECONDS)
        return super().ids_of_large(table, column, most)

    def erase(self, schema: str, person: Person) -> Counter[TableName]:
        self._limit_statements(WHOLE_TABLE_SECONDS)
        return super().erase(schema, person)

    def _limit_statements(self, seconds: int) -> None:
        self._connection.response_seconds = seconds + RESPONSE_SECONDS
        self.execute(f"SET LOCAL statement_timeout = '{seconds}s'")

    def execute(
        self, sql: str, parameters: Sequence[Any] = (), *, table: TableName | None = None
    ) -> list[tuple[Any, ...]]:
        with self._refusals(table):
            # Without parameters psycopg leaves a % in a name alone.
            cursor = self._connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def select(self, sql: str) -> QueryResult:
        cursor = self._connection.execute(sql)
        return QueryResult([column.name for column in cursor.description or ()], cursor.fetchall())

    def insert(
        self, table: TableName, columns: Mapping[str, ColumnType], rows: Iterable[Sequence[Value]]
    ) -> None:
        names = ", ".join(map(quoted, columns))
        statement = f"COPY {self.qualified(table)} ({names}) FROM STDIN (FORMAT BINARY)"
        with (
            self._refusals(table),
            self._connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            copy.set_types([self.native_types[type_] for type_ in columns.values()])
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def _refusals(self, table: TableName | None) -> Iterator[None]:
        """Tell an error of one table from one of the connection or of the whole database."""
        errors = self._psycopg.errors
        try:
            yield
        except self._psycopg.Error as error:
            if table is None or (_is_of_server(error) and not isinstance(error, errors.QueryCanceled)):
                raise
            if isinstance(error, errors.LockNotAvailable):
                problem = (
                    f"{table} is locked: {self._holder(table)}. What waits is loaded once the table is free."
                )
            elif isinstance(error, errors.QueryCanceled):
                problem = f"PostgreSQL gave up a statement on {table}: {for_editors(str(error))}. It is tried again by itself."
            else:
                raise refused(table, "PostgreSQL", error) from None
            raise TableRefused(table, problem) from None

    def _holder(self, table: TableName | None = None, lock: str = "") -> str:
        """Who has a table, or the lock of a schema. The transaction has failed, and is rolled back."""
        try:
            self._connection.rollback()
            row = self._connection.execute(_HOLDER, [table and self.qualified(table), lock]).fetchone()
        except self._psycopg.Error:
            row = None
        if row is None:
            return "whoever had the lock has just let go"
        process, user, program, since = row
        name = for_editors(f"{user}, {program}" if program else str(user))
        return f"process {process} ({name}) has it since {since:%Y-%m-%d %H:%M:%S %Z}"

    def qualified(self, table: TableName) -> str:
        return f"{quoted(table.schema)}.{quoted(table.name)}"

    def create_schema(self, schema: str) -> None:
        # IF NOT EXISTS alone would ask for the right to create one that is there.
        if not self.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]):
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")

    def create_table(self, table: TableName, columns: Mapping[str, ColumnType]) -> None:
        definition = self.definition(table, columns)
        if "id" in columns:
            # Indexes share the names of tables, and keep theirs when a table is renamed: this one is nobody else's.
            definition = f'{definition[:-1]}, CONSTRAINT "_id_{secrets.token_hex(8)}" PRIMARY KEY ("id"))'
        self.execute(f"CREATE TABLE {definition}", table=table)


def _right_missing(reason: str) -> PauseError:
    return PauseError("WAREHOUSE_FORBIDDEN", f"The database user lacks a right: {reason}. Grant it.")


def _is_of_server(error: Any) -> bool:
    """Whether other tables meet the same; one that lost its connection has no code."""
    code: str | None = error.sqlstate
    return code is None or code.startswith(_OF_SERVER) or code == _READ_ONLY


def _import_psycopg() -> ModuleType:
    try:
        return import_module("psycopg")
    except ImportError:
        raise PauseError(
            "EXTRA_MISSING",
            "psycopg is not installed: run `pip install 'jetbridge[postgres]'` and start Jetbridge again.",
        ) from None
