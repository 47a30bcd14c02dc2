"""Calls dlt: loads rows, and deletes from what it has loaded. What is particular to dlt stands here and in `dlt_erase`.

dlt has one configuration and one active pipeline per process, so one thread at a time uses it. Each call has a folder of its own that is
removed afterwards. What dlt would keep there from run to run (rows, pending packages, a schema) is in the warehouse or in our `State`.
Observed with dlt 1.31.
"""

import json
import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, quote_plus

from jetbridge.errors import DeliveryError, PauseError, TransientError
from jetbridge.heartbeat import beat
from jetbridge.integrations.setting import MASK
from jetbridge.integrations.warehouse.column_types import ColumnType, Value
from jetbridge.integrations.warehouse.database import Person, TableName, TableRefused
from jetbridge.integrations.warehouse.dlt_erase import Forget, erase_files, erase_sql
from jetbridge.integrations.warehouse.dlt_places import DltPlace
from jetbridge.integrations.warehouse.rows import LATEST_TABLES
from jetbridge.text import for_editors

#: dlt's names of the types.
TYPES: Final[Mapping[ColumnType, str]] = {
    ColumnType.TEXT: "text",
    ColumnType.INTEGER: "bigint",
    ColumnType.FLOAT: "double",
    ColumnType.BOOLEAN: "bool",
    ColumnType.TIMESTAMP: "timestamp",
}
#: dlt's configuration, which it reads from the environment.
_ENVIRONMENT: Final = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # Its log shows what drivers say, addresses and more; errors come to us as exceptions.
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "RUNTIME__INTERCEPT_SIGNALS": "false",
    "ENABLE_RUNTIME_TRACE": "false",
    "RESTORE_FROM_DESTINATION": "false",
    # It leaves our names as they are: small letters, digits and single underscores.
    "SCHEMA__NAMING": "sql_ci_v1",
    "LOAD__WORKERS": "2",
    "LOAD__RAISE_ON_MAX_RETRIES": "1",  # we try again ourselves
}
#: How long a call of dlt may take: a warehouse that sleeps takes minutes to wake up.
CALL_SECONDS: Final = 600.0
#: So that nobody's lock, and no server that hangs, holds up a load through PostgreSQL without end.
_POSTGRES_OPTIONS: Final = "-clock_timeout=2s -cstatement_timeout=240s"
#: Where dlt cannot load Parquet without a bucket or a driver beside it.
_WITHOUT_PARQUET: Final = frozenset({"redshift", "mssql"})
#: Where a row that is there already is replaced by the same one, because dlt cannot leave it.
_WITHOUT_INSERT_ONLY: Final = frozenset({"redshift", "clickhouse"})
_LOGIN_REFUSED = re.compile(
    r"password authentication failed|no pg_hba.conf entry|(role|database) \".*\" does not exist|"
    r"InvalidAccessKeyId|SignatureDoesNotMatch|AuthenticationFailed|invalid_grant|"
    r"Incorrect username or password|Authentication failed|Login failed",
    re.IGNORECASE,
)
_RIGHT_MISSING = re.compile(r"permission denied|access ?denied|insufficient privilege", re.IGNORECASE)

_one_at_a_time = threading.RLock()


class Rows(NamedTuple):
    """New rows of a table: a value for each of the columns, in their order."""

    columns: Mapping[str, ColumnType]
    rows: Sequence[Sequence[Value]]


class Runner:
    """One place. Raises PauseError, TransientError or TableRefused, and no secret is in what they say."""

    def __init__(self, place: DltPlace, folder: Path, address: str = "") -> None:
        """`folder` is where dlt may write; `address` the one at which the place's host was found."""
        self._place, self._folder, self._address = place, folder, address

    def try_out(self, schema: str) -> None:
        """Load a row into a schema that is not there, and drop the schema again."""
        columns = {"id": ColumnType.TEXT, "tested": ColumnType.BOOLEAN}
        try:
            self.load(schema, "1", {"test": columns}, {"test": Rows(columns, [["1", True]])})
        finally:
            with suppress(DeliveryError), self._client(schema) as client:
                client.drop_storage()

    def load(
        self,
        schema: str,
        batch: str,
        columns: Mapping[str, Mapping[str, ColumnType]],
        tables: Mapping[str, Rows],
    ) -> None:
        """Load rows of some tables. `columns` are those of all tables of the schema.

        What is loaded under the name of a batch may be loaded again under it.
        """
        with self._pipeline(schema, batch) as (dlt, pipeline):
            described = dlt.Schema(schema)
            for table, types in columns.items():
                described.update_table(self._described(table, types))
            resources = [
                dlt.resource([_arrow(rows)], name=table, **self._disposition(table))
                for table, rows in tables.items()
            ]
            pipeline.run(resources, schema=described, loader_file_format=self._file_format)

    @property
    def _file_format(self) -> str | None:
        return None if self._place.destination in _WITHOUT_PARQUET else "parquet"

    def _disposition(self, table: str) -> dict[str, Any]:
        """What becomes of rows whose id is there: the first message with an id stays, the latest state of a person replaces the last."""
        if self._place.is_files:
            return {"write_disposition": "append"}
        is_first = table not in LATEST_TABLES and self._place.destination not in _WITHOUT_INSERT_ONLY
        strategy = "insert-only" if is_first else "delete-insert"
        return {"write_disposition": {"disposition": "merge", "strategy": strategy}, "primary_key": "id"}

    def _described(self, table: str, types: Mapping[str, ColumnType]) -> dict[str, Any]:
        """A table as dlt has it after its rows: alike in every run, so that dlt stores its schema when something changes and at no other time."""
        pyarrow = import_module("dlt.common.libs.pyarrow")
        columns = pyarrow.py_arrow_to_table_schema_columns(_arrow_schema(types))
        described = {
            "name": table,
            "resource": table,
            "columns": columns,
            "write_disposition": "append",
            "x-normalizer": {"seen-data": True},
        }
        if self._file_format:
            described["file_format"] = self._file_format
        if not self._place.is_files:
            columns["id"]["primary_key"] = True
            described["write_disposition"] = "merge"
            described["x-merge-strategy"] = self._disposition(table)["write_disposition"]["strategy"]
        return described

    def discard(self, schema: str, batch: str, tables: Iterable[str]) -> None:
        """Remove what a run has left whose end is unknown: its files, or its rows on the way into their tables."""
        with self._client(schema) as client:
            if not self._place.is_files:
                _drop_staging(client)
                return
            for table in tables:
                with suppress(_undefined()):
                    for path in client.list_table_files(table):
                        if path.endswith(f"/{batch}.parquet"):
                            client.fs_client.rm_file(path)

    def stored_columns(self, schema: str) -> dict[str, dict[str, ColumnType]]:
        """The tables of a schema with their columns, as dlt has stored them beside the tables; none if it has not."""
        with self._client(schema) as client, suppress(_undefined()):
            if client.is_storage_initialized() and (stored := client.get_stored_schema(schema)):
                return _columns_of(json.loads(stored.schema))
        return {}

    def widen(self, table: TableName, column: str) -> None:
        """Make a column of integers one of floats. Files stay as they are; those that come have floats."""
        if self._place.is_files:
            return
        with self._client(table.schema, table.name) as client, suppress(_undefined()):
            sql = client.sql_client
            name, quoted = sql.make_qualified_table_name(table.name), sql.escape_column_name(column)
            sql.execute_sql(f"ALTER TABLE {name} ALTER COLUMN {quoted} TYPE double precision")
            _drop_staging(client)  # the next run makes its tables anew

    def erase(
        self,
        schema: str,
        tables: Mapping[str, Mapping[str, ColumnType]],
        person: Person,
        forget: Forget,
    ) -> Counter[str]:
        """Delete the rows of a person; how many went, by table."""
        erase = erase_files if self._place.is_files else erase_sql
        with self._client(schema) as client:
            return erase(client, tables, person, forget, _undefined())

    @contextmanager
    def _client(self, schema: str, table: str = "") -> Iterator[Any]:
        """The client that dlt has of the destination, connected."""
        with self._pipeline(schema, "none", table) as (_, pipeline), pipeline.destination_client() as client:
            yield client

    @contextmanager
    def _pipeline(self, schema: str, batch: str, table: str = "") -> Iterator[tuple[Any, Any]]:
        """dlt, and a pipeline into a schema; `table` is the one that is to blame when the database refuses."""
        folder = self._folder / "run"
        with _one_at_a_time, self._translated(schema, table):
            beat(waits_seconds=CALL_SECONDS)
            dlt = _import_dlt(self._folder)
            # Else the rows of a run that were merged stay in the schema that they went through.
            os.environ["LOAD__TRUNCATE_STAGING_DATASET"] = str(not self._place.is_files)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700, parents=True)
            try:
                pipeline = dlt.pipeline(
                    schema,
                    pipelines_dir=str(folder),
                    destination=self._destination(dlt, batch),
                    dataset_name=schema,
                )
                yield dlt, pipeline
            finally:
                beat()
                # It notes each value of its configuration for a trace that we have switched off: 4 MB a run.
                import_module("dlt.common.configuration.utils").get_resolved_traces().clear()
                shutil.rmtree(folder, ignore_errors=True)

    def _destination(self, dlt: Any, batch: str) -> Any:
        arguments = dict(self._place.arguments)
        if self._place.is_files:
            # A batch has one file per table, and no name twice: one that is loaded again replaces its files.
            arguments |= {"layout": "{table_name}/{batch}.{ext}", "extra_placeholders": {"batch": batch}}
        elif self._place.destination == "postgres":
            arguments["credentials"] = self._postgres_credentials(arguments["credentials"])
        return getattr(dlt.destinations, self._place.destination)(**arguments)

    def _postgres_credentials(self, values: Mapping[str, Any]) -> Any:
        base = import_module("dlt.destinations.impl.postgres.configuration").PostgresCredentials

        def to_native_representation(self: Any) -> str:
            # libpq takes no space in a URL, nor + for one in its options; dlt writes both.
            address, _, options = str(base.to_native_representation(self)).partition("?")
            return f"{address.replace(' ', '%20')}?{options.replace('+', '%20')}"

        ours = type("Credentials", (base,), {"to_native_representation": to_native_representation})
        query = {**values["query"], "options": _POSTGRES_OPTIONS}
        if self._address:
            query["hostaddr"] = self._address
        configspec = import_module("dlt.common.configuration").configspec
        credentials = configspec(init=False)(ours)()
        credentials.update({**values, "query": query})
        credentials.resolve()
        return credentials

    @contextmanager
    def _translated(self, schema: str, table: str) -> Iterator[None]:
        """Make an error of dlt one of ours."""
        try:
            yield
        except (DeliveryError, TableRefused):
            raise
        except ImportError as error:
            raise self._missing(error) from None
        except Exception as error:  # noqa: BLE001 - of whichever driver
            raise self._error(schema, table, error) from None

    def _missing(self, error: ImportError) -> PauseError:
        # `jetbridge[dlt]` has dlt and Arrow; what else is missing is the destination's driver.
        is_ours = (error.name or "").partition(".")[0] in {"dlt", "pyarrow", "fsspec"}
        extra = "jetbridge[dlt]" if is_ours else self._place.extra
        return PauseError(
            "EXTRA_MISSING",
            f"What Jetbridge needs for {self._place.title} is not installed: run `pip install '{extra}'` and start Jetbridge again.",
        )

    def _error(self, schema: str, table: str, error: Exception) -> DeliveryError | TableRefused:
        causes = list(_causes(error))
        reason = for_editors(self._without_secrets(str(causes[-1])))
        title = self._place.title
        if missing := next((cause for cause in causes if isinstance(cause, ImportError)), None):
            return self._missing(missing)
        if _LOGIN_REFUSED.search(str(causes[-1])):
            return PauseError(
                "INVALID_AUTHENTICATION", f"{title} refuses the login: {reason}. Correct the url."
            )
        if _RIGHT_MISSING.search(str(causes[-1])):
            return PauseError(
                "WAREHOUSE_FORBIDDEN", f"The login at {title} lacks a right: {reason}. Grant it."
            )
        table = table or _refused_table(causes)
        if table:
            name = TableName(schema, table)
            return TableRefused(
                name,
                f"{title} refuses {name}: {reason}. Correct the table. If it is gone, delete the rows of _dlt_version in its schema, "
                "and it is made anew.",
            )
        return TransientError("WAREHOUSE_UNAVAILABLE", f"{title} cannot be loaded at the moment: {reason}.")

    def _without_secrets(self, text: str) -> str:
        for secret in self._place.secrets:
            for written in {
                secret,
                quote(secret),
                quote(secret, safe=""),
                quote_plus(secret),
                quote_plus(secret, safe=" +"),
            }:
                text = text.replace(written, MASK)
        return text


def _import_dlt(folder: Path) -> Any:
    """Raises ImportError."""
    os.environ.update(_ENVIRONMENT)
    # Else it would read settings in the folder that Jetbridge was started in, and write to ~/.dlt.
    os.environ.update({"DLT_PROJECT_DIR": str(folder), "DLT_DATA_DIR": str(folder)})
    import_module("pyarrow")
    return import_module("dlt")


def _undefined() -> Any:
    """The error that dlt has of a table or schema that is not there."""
    return import_module("dlt.common.destination.exceptions").DestinationUndefinedEntity


def _drop_staging(client: Any) -> None:
    """Drop the schema through which rows go that are merged."""
    with suppress(_undefined()), client.sql_client.with_staging_dataset():
        if client.sql_client.has_dataset():
            client.sql_client.drop_dataset()


def _columns_of(stored: Mapping[str, Any]) -> dict[str, dict[str, ColumnType]]:
    """Tables of ours, with their columns, in a schema as dlt writes it down."""
    types = {name: type_ for type_, name in TYPES.items()}
    tables = {
        table: {
            name: types[column["data_type"]]
            for name, column in described["columns"].items()
            if column.get("data_type") in types
        }
        for table, described in stored["tables"].items()
        if not table.startswith("_dlt_")
    }
    return {table: columns for table, columns in tables.items() if "received_at" in columns}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what is behind it, to the one that a driver has raised."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        names = ("client_exception", "exception", "dbapi_exception")
        inner = (getattr(error, name, None) for name in names)
        error = next(
            (exception for exception in inner if isinstance(exception, BaseException)), error.__cause__
        )


def _refused_table(causes: Sequence[BaseException]) -> str:
    """The table whose load a database refuses; "" if what fails is the connection, or everything."""
    # Of a statement that cannot be right dlt says that it may be tried again.
    kinds = {kind.__name__ for kind in type(causes[-1]).__mro__}
    is_rejection = bool(kinds & {"ProgrammingError", "DataError", "IntegrityError", "NotSupportedError"})
    for cause in causes:
        if type(cause).__name__ == "LoadClientJobFailed" or (is_rejection and hasattr(cause, "job_id")):
            return str(getattr(cause, "job_id", "")).partition(".")[0]
    return ""


def _arrow_schema(types: Mapping[str, ColumnType]) -> Any:
    pa = import_module("pyarrow")
    arrow = {
        ColumnType.TEXT: pa.string(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.FLOAT: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(name, arrow[type_], nullable=name != "id") for name, type_ in types.items()])


def _arrow(rows: Rows) -> Any:
    pa = import_module("pyarrow")
    schema = _arrow_schema(rows.columns)
    values = zip(*rows.rows, strict=True)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)], schema=schema
    )
