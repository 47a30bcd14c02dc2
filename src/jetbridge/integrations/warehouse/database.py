"""What a loader needs of a database, whatever it is: `sql.py` is what DuckDB and PostgreSQL have in common."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple, Protocol

from jetbridge.errors import ConfigurationError, JetbridgeError
from jetbridge.integrations.warehouse.column_types import ColumnType, Value, json_text
from jetbridge.integrations.warehouse.names import key
from jetbridge.spec.person import Identity
from jetbridge.text import for_editors


class InvalidURL(ConfigurationError):
    """A URL that names no warehouse. The message says what does, and repeats no password."""


class TableName(NamedTuple):
    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class TableInfo(NamedTuple):
    """A table as the database describes it: BASE TABLE or VIEW, and the database's own type of each column."""

    kind: str
    columns: dict[str, str]


class QueryResult(NamedTuple):
    """What a query gives."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def as_objects(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class TableRefused(JetbridgeError):
    """The database refuses what is done to one table; other tables can be loaded without it."""

    def __init__(self, table: TableName, reason: str) -> None:
        super().__init__(reason)
        self.table = table


class NotReadable(JetbridgeError):
    """Jetbridge only writes warehouses of this kind."""


class NothingLoaded(JetbridgeError):
    """There is no warehouse yet: the first load makes it."""


def quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def refused(table: TableName, engine: str, error: Exception) -> TableRefused:
    return TableRefused(
        table,
        f"{engine} refuses {table}: {for_editors(str(error))}. Correct the table, or rename it, and it is made anew.",
    )


class Person(NamedTuple):
    """Whose rows are erased: those with one of the `ids` in a column of ids, or with one of the `emails` as a whole text.

    `emails` are in small letters; `names` are all of them as JSON has them, in small letters: for rejected values.
    """

    ids: Sequence[str]
    emails: Sequence[str]
    names: Sequence[str]

    @classmethod
    def of(cls, identity: Identity) -> "Person":
        emails = sorted(email.lower() for email in identity.emails)
        # An address may have been sent as an id, too.
        ids = [key(name) for name in sorted(identity.users | identity.emails)]
        return cls(ids, emails, [json_text(name).lower() for name in sorted(identity.users)] + emails)


class Session(ABC):
    """One transaction. Whatever fails, the whole of it is rolled back.

    Methods that name a table raise TableRefused, or TransientError if the database as a whole cannot go on.
    """

    #: What a type is called, in definitions and where tables are described alike.
    native_types: ClassVar[Mapping[ColumnType, str]]

    @abstractmethod
    def tables(self, schema: str) -> dict[str, TableInfo]:
        """All tables and views of a schema, as they are now."""

    @abstractmethod
    def create_schema(self, schema: str) -> None: ...

    @abstractmethod
    def create_table(self, table: TableName, columns: Mapping[str, ColumnType]) -> None:
        """Make a table; one with a column `id` has one row per id."""

    @abstractmethod
    def add_columns(self, table: TableName, columns: Mapping[str, ColumnType]) -> None: ...

    @abstractmethod
    def widen(self, table: TableName, column: str) -> None:
        """Make a column of integers one of floats; the values in it become floats."""

    @abstractmethod
    def ids_of_large(self, table: TableName, column: str, most: int) -> list[str]:
        """Ids of rows whose integer in a column lies beyond ±2⁵³; no more than `most` of them."""

    @abstractmethod
    def known_ids(self, table: TableName, ids: Sequence[str]) -> set[str]:
        """Which of the ids the table has."""

    @abstractmethod
    def select_by_id(self, table: TableName, column: str, ids: Sequence[str]) -> dict[str, Any]:
        """The value of a column by id, for those of the ids that the table has."""

    @abstractmethod
    def insert(
        self, table: TableName, columns: Mapping[str, ColumnType], rows: Iterable[Sequence[Value]]
    ) -> None:
        """Append rows; each has a value for each of the columns, in their order."""

    @abstractmethod
    def update(
        self,
        table: TableName,
        columns: Mapping[str, ColumnType],
        rows: Iterable[Sequence[Value]],
        changes: Iterable[Collection[str]],
    ) -> None:
        """Set in the row of each id the columns that `changes` names for it. `rows` are as in `insert`, with their id."""

    @abstractmethod
    def delete_by_id(self, table: TableName, ids: Sequence[str]) -> None: ...

    @abstractmethod
    def erase(self, schema: str, person: Person) -> Counter[TableName]:
        """Delete the rows of a person from every table of a schema; how many went, by table."""


class Reader(Protocol):
    """A transaction that changes nothing. Whatever goes wrong is an error of the database as a whole."""

    @property
    def parameter(self) -> str:
        """How the engine marks a parameter."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""

    def select(self, sql: str) -> QueryResult:
        """Run a query and return its rows with the names of their columns."""

    def qualified(self, table: TableName) -> str:
        """The full quoted name."""


class Database(ABC):
    """One warehouse. Used by one thread at a time."""

    @abstractmethod
    def transaction(
        self, schemas: Sequence[str], *, more_follows: bool = False
    ) -> AbstractContextManager[Session]:
        """Open the warehouse, and nobody else loads these schemas meanwhile; commit and close at the end.

        `more_follows`: the caller prepares another load at once, so closing may go on meanwhile. What was committed is durable.

        Raises TransientError while it cannot be had (down, or held by somebody), PauseError when a person has to act.
        """

    def reading(self, seconds: float) -> AbstractContextManager[Reader]:  # noqa: ARG002 - for those that can
        """Open the warehouse to read, as short as can be: while a file is open nobody loads it. Each statement, and the wait for
        whoever has the file open, takes at the most so many seconds.

        Raises NotReadable, NothingLoaded, TransientError, PauseError.
        """
        raise NotReadable("Jetbridge cannot read this kind of warehouse: use the program that comes with it.")
