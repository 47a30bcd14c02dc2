"""DuckDB, in a file that is open for a flush only: while one process has it open for writing, nobody else can even read it.

Closing takes as long as committing ten times: DuckDB moves what its log holds into the file, and compresses it. In a stream of full
batches a thread does that while the next batch is read.

`duckdb` is loaded with the first flush. It takes 28 MB, and only a worker with such a warehouse needs it.
"""

import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jetbridge.errors import PauseError, TransientError
from jetbridge.integrations.warehouse.column_types import ColumnType, Value
from jetbridge.integrations.warehouse.database import (
    Database,
    NothingLoaded,
    QueryResult,
    Reader,
    Session,
    TableName,
    quoted,
    refused,
)
from jetbridge.integrations.warehouse.sql import SQLSession
from jetbridge.text import for_editors

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Files are written so that DuckDB from 1.2 on can read them: other tools still pin such versions.
STORAGE_VERSION: Final = "v1.2.0"
log = logging.getLogger(__name__)

#: Of DuckDB's buffers; the process takes some 200 MB more.
MEMORY_LIMIT: Final = "128MB"

#: Of DuckDB's own, beside the thread that calls it.
THREADS: Final = 2
#: How soon a file is tried again that somebody has open.
LOCKED_RETRY_SECONDS: Final = 2.0
#: How soon who only wants to read tries again.
LOCKED_POLL_SECONDS: Final = 0.05
#: For how long a file is free between two loads that follow each other at once: who tries again and again gets it.
FREE_SECONDS: Final = 2 * LOCKED_POLL_SECONDS

#: "Conflicting lock is held in /usr/bin/python3.11 (PID 16411). See also https://…"
_HOLDER = re.compile(r"Conflicting lock is held in (.+?)\.?(?: See also .*)?$", re.MULTILINE)

#: What to do about what DuckDB says of a file.
_ADVICE: Final = (
    (re.compile("No space left|File too large|Disk quota"), "Free space on its disk."),
    (re.compile("version number"), "A newer DuckDB has written it: have Jetbridge upgraded."),
    (
        re.compile("not a valid DuckDB|[Cc]orrupt|WAL|enough bytes|no regular file"),
        "Put a copy of it back; or move it away with the .wal file beside it: a new one is made, and a replay loads the past.",
    ),
)

#: Two destinations may name one file; within a process DuckDB would let both write.
_locks: dict[Path, threading.Lock] = {}
_locks_lock = threading.Lock()


class DuckDB(Database):
    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"DuckDB({self._path})"

    @contextmanager
    def transaction(self, schemas: Sequence[str], *, more_follows: bool = False) -> Iterator[Session]:
        del schemas  # whoever has the file open has all of it
        duckdb = _import_duckdb()
        try:
            with ExitStack() as stack:
                stack.enter_context(self._lock())
                if more_follows:
                    stack.callback(time.sleep, FREE_SECONDS)
                connection = stack.enter_context(closing(self._open(duckdb)))
                connection.begin()
                yield _Session(duckdb, connection)
                connection.commit()  # what is not committed is rolled back by closing
                if more_follows:
                    self._close_meanwhile(stack.pop_all())
        except (duckdb.Error, OSError) as error:
            raise self._unavailable(error) from None

    @contextmanager
    def reading(self, seconds: float) -> Iterator[Reader]:
        duckdb = _import_duckdb()
        if not self._path.exists():
            raise NothingLoaded(f"{self._path.name} is made by the first load.")
        try:
            with self._lock(), closing(self._open_to_read(duckdb, seconds)) as connection:
                # DuckDB has no timeout of its own.
                timer = threading.Timer(seconds, connection.interrupt)
                timer.start()
                try:
                    yield _Session(duckdb, connection)
                finally:
                    timer.cancel()
        except duckdb.InterruptException:
            raise TransientError(
                "WAREHOUSE_UNAVAILABLE", f"{self._path.name} was not read within {seconds:g} s."
            ) from None
        except (duckdb.Error, OSError) as error:
            if holder := _HOLDER.search(str(error)):
                message = (
                    f"{self._path.name} is open in another program, {for_editors(holder[1])}. Look again when it has "
                    "closed it."
                )
                raise TransientError("WAREHOUSE_LOCKED", message) from None
            raise TransientError(
                "WAREHOUSE_UNAVAILABLE", f"{self._path.name} cannot be read: {for_editors(str(error))}."
            ) from None

    def _open_to_read(self, duckdb: ModuleType, seconds: float) -> "DuckDBPyConnection":
        """Waits for a load to end, and for others that have the file open for a moment."""
        if not self._path.is_file():
            raise OSError(f"{self._path.name} is no regular file")
        # A file may hold what somebody else has put there: it reaches no other file.
        config = {"memory_limit": MEMORY_LIMIT, "threads": THREADS, "enable_external_access": False}
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection: DuckDBPyConnection = duckdb.connect(self._path, read_only=True, config=config)
            except duckdb.Error as error:
                if not _HOLDER.search(str(error)) or time.monotonic() > deadline:
                    raise
                time.sleep(LOCKED_POLL_SECONDS)
            else:
                return connection

    def _close_meanwhile(self, stack: ExitStack) -> None:
        def close() -> None:
            try:
                stack.close()
            except Exception as error:  # noqa: BLE001 - the next load opens the file, and meets what is wrong with it
                log.warning("%s was not closed in order: %s", self._path.name, error)

        try:
            threading.Thread(target=close, name=f"close {self._path.name}").start()
        except RuntimeError:  # there is no thread to be had
            close()

    def _lock(self) -> threading.Lock:
        with _locks_lock:
            return _locks.setdefault(self._path.resolve(), threading.Lock())

    def _open(self, duckdb: ModuleType) -> "DuckDBPyConnection":
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path.exists() and not self._path.is_file():
            raise OSError(
                f"{self._path.name} is no regular file"
            )  # DuckDB would wait for the other end of a pipe
        config = {
            "storage_compatibility_version": STORAGE_VERSION,
            "memory_limit": MEMORY_LIMIT,
            "threads": THREADS,
        }
        connection: DuckDBPyConnection = duckdb.connect(self._path, config=config)
        return connection

    def _unavailable(self, error: Exception) -> TransientError:
        if holder := _HOLDER.search(str(error)):
            return TransientError(
                "WAREHOUSE_LOCKED",
                f"{self._path.name} is open in another program, {for_editors(holder[1])}, and only one may have it open. "
                "It is loaded as soon as that program has closed it.",
                retry_after_seconds=LOCKED_RETRY_SECONDS,
            )
        advice = next((f"{advice} " for pattern, advice in _ADVICE if pattern.search(str(error))), "")
        return TransientError(
            "WAREHOUSE_UNAVAILABLE",
            f"{self._path.name} cannot be written: {for_editors(str(error))}. {advice}It is tried again by itself.",
        )


class _Session(SQLSession):
    parameter = "?"
    native_types: ClassVar[Mapping[ColumnType, str]] = {
        ColumnType.TEXT: "VARCHAR",
        ColumnType.INTEGER: "BIGINT",
        ColumnType.FLOAT: "DOUBLE",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    }
    temporary_schema = "temp"

    def __init__(self, duckdb: ModuleType, connection: "DuckDBPyConnection") -> None:
        self._duckdb, self._connection = duckdb, connection
        # A file web.duckdb is the catalog "web": with a schema "web" in it, only a full name is clear.
        [(self._catalog,)] = connection.execute("SELECT current_database()").fetchall()

    def execute(
        self, sql: str, parameters: Sequence[Any] = (), *, table: TableName | None = None
    ) -> list[tuple[Any, ...]]:
        with self._refusals(table):
            return self._connection.execute(sql, parameters).fetchall()

    def select(self, sql: str) -> QueryResult:
        result = self._connection.execute(sql)
        return QueryResult([name for name, *_ in result.description], result.fetchall())

    def insert(
        self, table: TableName, columns: Mapping[str, ColumnType], rows: Iterable[Sequence[Value]]
    ) -> None:
        with self._refusals(table):
            appender = self._connection.appender(self.qualified(table), columns=list(columns))
            try:
                appender.append_rows(rows)
                appender.flush()
            finally:
                appender.clear()  # of rows that were refused, which it would warn of

    @contextmanager
    def _refusals(self, table: TableName | None) -> Iterator[None]:
        """Tell an error of one table from one of the file, of memory or of DuckDB itself."""
        duckdb = self._duckdb
        try:
            yield
        except duckdb.Error as error:
            is_ours = isinstance(
                error, duckdb.OperationalError | duckdb.FatalException | duckdb.InternalException
            )
            if table is None or is_ours:
                raise
            raise refused(table, "DuckDB", error) from None

    def qualified(self, table: TableName) -> str:
        catalog, schema = self._catalog, table.schema
        if schema == self.temporary_schema:
            catalog, schema = "temp", "main"
        return f"{quoted(catalog)}.{quoted(schema)}.{quoted(table.name)}"

    def create_schema(self, schema: str) -> None:
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._catalog)}.{quoted(schema)}")

    def create_table(self, table: TableName, columns: Mapping[str, ColumnType]) -> None:
        # No index: with one the file is five times as large, and every flush reads it.
        self.execute(f"CREATE TABLE {self.definition(table, columns)}", table=table)


def _import_duckdb() -> ModuleType:
    try:
        return import_module("duckdb")
    except ImportError:
        raise PauseError(
            "EXTRA_MISSING",
            "DuckDB is not installed: run `pip install 'jetbridge[warehouse]'` and start Jetbridge again.",
        ) from None
