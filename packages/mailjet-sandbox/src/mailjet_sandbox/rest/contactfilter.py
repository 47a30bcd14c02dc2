"""contactfilter: segments. Their expressions are kept as they are; the sandbox does not evaluate them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mailjet_sandbox import errors
from mailjet_sandbox.model import Filter
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.resource import (
    Fields,
    Resource,
    assign,
    by_id,
    one_of,
    read_only,
    required_text,
    text,
)
from mailjet_sandbox.wire import Row

_ATTRIBUTES = {"Description": "description", "Expression": "expression", "Name": "name", "Status": "status"}


class ContactFilters(Resource[Filter]):
    name = "contactfilter"
    type_name = "ContactFilter"
    operations = frozenset({"GET", "PUT", "POST", "DELETE"})
    fields = {
        "Description": text,
        "Expression": required_text,
        "ID": read_only,
        "Name": required_text,
        "Status": one_of("unused", "used", "deleted"),
    }

    def rows(self, _query: Query) -> Iterable[Filter]:
        return list(self.store.filters.values())

    def find(self, key: str) -> Filter | None:
        return by_id(self.store.filters, key) or self._named(key)

    def predicates(self, query: Query) -> Iterator[Callable[[Filter], bool]]:
        if (status := query.text("Status")) is not None:
            yield lambda row: row.status == status.lower()

    def sort_keys(self) -> Mapping[str, Callable[[Filter], Any]]:
        return {"ID": lambda row: row.id, "Name": lambda row: row.name}

    def render(self, row: Filter, _query: Query) -> Row:
        return {"ID": row.id, **{name: getattr(row, attribute) for name, attribute in _ATTRIBUTES.items()}}

    def create(self, fields: Fields) -> Filter:
        name = required_text("Name", fields.get("Name", ""))
        expression = required_text("Expression", fields.get("Expression", ""))
        if self._named(name):
            raise errors.already_exists("ContactFilter", name, "Name")
        row = Filter(self.store.new_id("filter"), name, expression, fields.get("Description", ""))
        self.store.filters[row.id] = row
        return row

    def update(self, row: Filter, fields: Fields) -> bool:
        name = fields.get("Name", row.name)
        if name != row.name and self._named(name):
            raise errors.already_exists("ContactFilter", name, "Name")
        return assign(row, _ATTRIBUTES, fields)

    def delete(self, row: Filter) -> None:
        del self.store.filters[row.id]

    def _named(self, name: str) -> Filter | None:
        return next((row for row in self.store.filters.values() if row.name == name), None)
