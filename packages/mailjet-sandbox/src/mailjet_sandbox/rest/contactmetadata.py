"""contactmetadata: the definitions of contact properties."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mailjet_sandbox import errors
from mailjet_sandbox.faults.kinds import LateProperties
from mailjet_sandbox.faults.register import Trigger
from mailjet_sandbox.model import Property
from mailjet_sandbox.properties import DATATYPES, NAME
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.resource import Fields, Resource, by_id, one_of, read_only, required_text
from mailjet_sandbox.store import MAX_PROPERTIES
from mailjet_sandbox.wire import Row


def _name(field: str, value: Any) -> Any:
    if not NAME.fullmatch(required_text(field, value)):
        raise errors.invalid_property(field, "letters, digits and underscores are expected, a letter first")
    return value.lower()


class ContactMetadata(Resource[Property]):
    name = "contactmetadata"
    type_name = "ContactMetadata"
    operations = frozenset({"GET", "PUT", "POST", "DELETE"})
    fields = {
        "Datatype": one_of(*DATATYPES),
        "ID": read_only,
        "Name": _name,
        "NameSpace": one_of("static", "historic"),
    }

    def rows(self, _query: Query) -> Iterable[Property]:
        return list(self.store.properties.values())

    def find(self, key: str) -> Property | None:
        namespace, separator, name = key.lower().partition("|")
        return self._named(namespace, name) if separator else by_id(self.store.properties, key)

    def predicates(self, query: Query) -> Iterator[Callable[[Property], bool]]:
        if (datatype := query.text("DataType")) is not None:
            yield lambda row: row.datatype == datatype.lower()
        if (namespace := query.text("Namespace")) is not None:
            yield lambda row: row.namespace == namespace.lower()

    def sort_keys(self) -> Mapping[str, Callable[[Property], Any]]:
        return {"ID": lambda row: row.id, "Name": lambda row: row.name}

    def render(self, row: Property, _query: Query) -> Row:
        return {"Datatype": row.datatype, "ID": row.id, "Name": row.name, "NameSpace": row.namespace}

    def create(self, fields: Fields) -> Property:
        name = _name("Name", fields.get("Name", ""))
        namespace = fields.get("NameSpace", "static")
        self._reject_duplicate(namespace, name)
        if len(self.store.properties) >= MAX_PROPERTIES:
            raise errors.invalid_properties(f"At most {MAX_PROPERTIES} contact properties are allowed")  # [X]
        row = Property(self.store.new_id("property"), name, fields.get("Datatype", "str"), namespace)
        self.store.add_property(row)
        for trigger in self.state.faults.trigger(LateProperties):
            self.store.hide_property(row)
            self.state.run(self._show_later(row, trigger))
        return row

    async def _show_later(self, row: Property, trigger: Trigger[LateProperties]) -> None:
        await trigger.active.wait(trigger.fault.seconds)
        self.store.show_property(row)

    def update(self, row: Property, fields: Fields) -> bool:
        """Change Name or Datatype; values that are stored already stay as they are [X]."""
        name = fields.get("Name", row.name)
        datatype = fields.get("Datatype", row.datatype)
        if (name, datatype) == (row.name, row.datatype):
            return False
        if name != row.name:
            self._reject_duplicate(row.namespace, name)
            self.store.rename_property(row, name)
        row.datatype = datatype
        return True

    def delete(self, row: Property) -> None:
        self.store.remove_property(row)

    def _named(self, namespace: str, name: str) -> Property | None:
        rows = self.store.properties.values()
        return next((row for row in rows if (row.namespace, row.name) == (namespace, name)), None)

    def _reject_duplicate(self, namespace: str, name: str) -> None:
        if self._named(namespace, name):
            # The resource's spelling in this text was not recorded. [X]
            raise errors.already_exists("ContactMetadata", f"{namespace}|{name}", "Namespace|Name")
