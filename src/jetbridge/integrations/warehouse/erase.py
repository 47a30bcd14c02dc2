"""Deletes what a warehouse holds of a person, and counts it by table."""

from collections import Counter
from collections.abc import Iterable

from jetbridge.integrations.warehouse.database import Database, Person, TableName
from jetbridge.spec.person import Identity


def erase(database: Database, schemas: Iterable[str], identity: Identity) -> Counter[TableName]:
    """Delete the rows of a person from every table: those with one of the ids, or with an address as a whole value.

    Rejected values of these rows go along, and those that hold a name of the person. Returns how many rows went.
    Raises TransientError, PauseError or TableRefused; then it has to be asked again.
    """
    rows: Counter[TableName] = Counter()
    person, schemas = Person.of(identity), sorted(schemas)
    with database.transaction(schemas) as session:
        for schema in schemas:
            rows += session.erase(schema, person)
    return rows
