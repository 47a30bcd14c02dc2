"""What pages, API and commands show of a warehouse, by the id of its destination."""

from collections.abc import Sequence
from typing import NamedTuple

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.errors import ConfigurationError, PauseError
from jetbridge.integrations.email_event_names import email_event_names_of
from jetbridge.integrations.warehouse import location, queries, rejected
from jetbridge.integrations.warehouse.database import QueryResult
from jetbridge.integrations.warehouse.models import Schema, Table
from jetbridge.integrations.warehouse.queries import Query
from jetbridge.integrations.warehouse.rejected import EVERYTHING, Filter, Rejected


class QueryPage(NamedTuple):
    """`command` opens the warehouse in a terminal, to read."""

    command: str
    queries: Sequence[Query]


def warehouse(destination: int) -> DestinationRef:
    """Raises ConfigurationError for a destination that is none."""
    ref = directory.destination(destination)
    if ref is None or ref.kind != location.KIND:
        raise ConfigurationError(f"There is no warehouse with the id {destination}.")
    return ref


def loaded_tables(destination: int) -> list[Table]:
    """Each as it was after the last load."""
    return list(Table.objects.filter(destination_id=destination).order_by("schema", "name"))


def query_page(destination: int) -> QueryPage:
    ref = warehouse(destination)
    url = _url(ref)
    try:
        names = email_event_names_of(ref.settings)
    except PauseError:  # the destination is paused for it
        names = {}
    return QueryPage(queries.open_command(ref.id, url), queries.queries(ref, url, names))


def run_queries(destination: int, queries: Sequence[Query], seconds: float) -> dict[str, QueryResult]:
    """Their results, by name; those that have no SQL yet are left out.

    Raises TransientError, PauseError or NotReadable if the warehouse cannot be read.
    """
    ref = warehouse(destination)
    statements = {query.name: query.sql for query in queries if query.sql}
    if not statements:
        return {}
    with location.open_database(ref, _url(ref)).reading(seconds) as reader:
        return {name: reader.select(sql) for name, sql in statements.items()}


def read_rejected(
    destination: int, filter_: Filter = EVERYTHING, *, skip: int = 0, limit: int = 50
) -> Rejected:
    """Raises TransientError, PauseError or NotReadable if the warehouse cannot be read."""
    ref = warehouse(destination)
    schemas = Schema.objects.filter(destination_id=ref.id).values_list("name", flat=True)
    if not schemas:
        return Rejected()
    return rejected.read(
        location.open_database(ref, _url(ref), ref.secrets.get("key", "")),
        schemas,
        filter_,
        skip=skip,
        limit=limit,
    )


def _url(ref: DestinationRef) -> str:
    return ref.secrets.get("url", "")
