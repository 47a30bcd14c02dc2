"""What all REST resources have in common: operations, fields, keys, paging, actions."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from starlette.responses import Response

from mailjet_sandbox import errors, wire
from mailjet_sandbox.requests import Query, as_bool, as_id, as_int, page, parse_object
from mailjet_sandbox.state import Call, State
from mailjet_sandbox.wire import Row

R = TypeVar("R")

#: Of the one API key that the sandbox has.
API_KEY_ID = 1234

#: Field values of a request body under their official names.
Fields = dict[str, Any]


def text(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise errors.invalid_property(name, "a string is expected")
    return value


def required_text(name: str, value: Any) -> Any:
    if not text(name, value):
        raise errors.invalid_property(name, "MJ04 Value must have at least length 1")
    return value


def boolean(name: str, value: Any) -> Any:
    result = as_bool(value)
    if result is None:
        raise errors.invalid_property(name, "a boolean is expected")
    return result


def integer(name: str, value: Any) -> Any:
    result = as_int(value)
    if result is None:
        raise errors.invalid_property(name, "an integer is expected")
    return result


def one_of(*allowed: str) -> Callable[[str, Any], Any]:
    """Take one of a few words, in any case."""

    def parse(name: str, value: Any) -> Any:
        if not isinstance(value, str) or value.lower() not in allowed:
            raise errors.invalid_property(name, f"one of {', '.join(allowed)} is expected")
        return value.lower()

    return parse


def read_only(_name: str, _value: Any) -> Any:
    """Fields that a body may name without effect [R]."""
    return None


Parser = Callable[[str, Any], Any]


@dataclass(frozen=True)
class Action:
    """A verb below a resource, such as ``contactslist/{id}/managecontact``."""

    #: Called with the state, the row that the path names, the call, and the path's rest.
    handlers: Mapping[str, Callable[[State, Any, Call, list[str]], Response]]
    #: Whether the path names a row before the action.
    on_row: bool = True


class Resource(Generic[R]):
    """One resource. Rows come out in the order of their identifiers unless sorted."""

    #: As in paths, lower case; ``type_name`` as in error texts.
    name: ClassVar[str]
    type_name: ClassVar[str]
    operations: ClassVar[frozenset[str]] = frozenset({"GET"})
    #: Every field that a body may carry, and how it is read.
    fields: ClassVar[Mapping[str, Parser]] = {}
    actions: ClassVar[Mapping[str, Action]] = {}

    def __init__(self, state: State) -> None:
        self.state = state
        self.store = state.store
        self._field_names = {name.lower(): name for name in self.fields}

    # What a resource defines.

    @abstractmethod
    def rows(self, query: Query) -> Iterable[R]:
        """Every row that may be listed; a resource with a costly filter applies it here."""

    @abstractmethod
    def find(self, key: str) -> R | None:
        """Return the row with this identifier or unique key."""

    @abstractmethod
    def render(self, row: R, query: Query) -> Row: ...

    def predicates(self, _query: Query) -> Iterator[Callable[[R], bool]]:
        """Yield the filters that the query names; filters that nobody knows are ignored [R]."""
        yield from ()

    def sort_keys(self) -> Mapping[str, Callable[[R], Any]]:
        return {}

    def create(self, _fields: Fields) -> R:
        raise errors.method_not_allowed()

    def update(self, _row: R, _fields: Fields) -> bool:
        """Change a row; return whether anything changed."""
        raise errors.method_not_allowed()

    def delete(self, _row: R) -> None:
        raise errors.method_not_allowed()

    # What all resources share.

    def require(self, key: str) -> R:
        row = self.find(key)
        if row is None:
            raise errors.not_found()
        return row

    def handle(self, call: Call) -> Response:
        segments = call.segments[1:]
        if segments and (len(segments) > 1 or segments[0].lower() in self.actions):
            return self._act(call, segments)
        if call.method not in self.operations:
            raise self.method_error(call.method)
        if call.method == "GET":
            return self.get(segments[0], call.query) if segments else self._list(call.query)
        if call.method == "POST":
            if segments:
                raise errors.InternalError
            return wire.envelope([self.render(self.create(self.parse(call.body)), call.query)], 201)
        if not segments:
            raise errors.method_not_allowed()
        row = self.require(segments[0])
        if call.method == "DELETE":
            self.delete(row)
            return wire.empty(204)
        if not self.update(row, self.parse(call.body)):
            return wire.empty(304)
        return wire.envelope([self.render(row, call.query)])

    def method_error(self, _method: str) -> errors.MailjetError:
        return errors.method_not_allowed()

    def parse(self, body: bytes) -> Fields:
        """Read a body's fields, known in any case; an unknown one rejects the whole body [R]."""
        fields: Fields = {}
        for given, value in parse_object(body).items():
            name = self._field_names.get(given.lower())
            if name is None:
                raise errors.unknown_field(self.type_name, given)
            if self.fields[name] is not read_only:
                fields[name] = self.fields[name](name, value)
        return fields

    def get(self, key: str, query: Query) -> Response:
        return wire.envelope([self.render(self.require(key), query)])

    def _list(self, query: Query) -> Response:
        tests = list(self.predicates(query))
        rows = (row for row in self.rows(query) if all(test(row) for test in tests))
        listed, total = page(rows if tests else self.rows(query), query, self.sort_keys())
        if query.flag("countonly"):
            return wire.legacy({"Count": total, "Data": [], "Total": total})
        return wire.envelope([self.render(row, query) for row in listed], total=total)

    def _act(self, call: Call, segments: list[str]) -> Response:
        on_row = segments[0].lower() not in self.actions
        action = self.actions.get(segments[1 if on_row else 0].lower())
        if action is None or action.on_row is not on_row:
            raise errors.InternalError  # [R] mailjet-apiv3-php#123
        handler = action.handlers.get(call.method)
        if handler is None:
            raise errors.method_not_allowed()
        row = self.require(segments[0]) if on_row else None
        return handler(self.state, row, call, segments[2 if on_row else 1 :])


def assign(row: Any, attributes: Mapping[str, str], fields: Fields) -> bool:
    """Copy fields to the row's attributes; return whether anything changed."""
    changed = False
    for name, value in fields.items():
        if getattr(row, attributes[name]) != value:
            setattr(row, attributes[name], value)
            changed = True
    return changed


def by_id(rows: Mapping[int, R], key: str) -> R | None:
    identifier = as_id(key)
    return None if identifier is None else rows.get(identifier)
