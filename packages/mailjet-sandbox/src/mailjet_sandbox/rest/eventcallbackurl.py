"""eventcallbackurl: where events are sent; one address per event type and backup flag."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from mailjet_sandbox import errors, wire
from mailjet_sandbox.body import as_bool
from mailjet_sandbox.model import EVENT_TYPES, Callback
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.account import API_KEY_ID
from mailjet_sandbox.rest.resource import (
    Action,
    Fields,
    Resource,
    boolean,
    by_id,
    integer,
    one_of,
    read_only,
    required_text,
)
from mailjet_sandbox.state import Call, State
from mailjet_sandbox.wire import Row


def _url(name: str, value: Any) -> Any:
    try:
        parts = urlsplit(required_text(name, value))
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise errors.invalid_property(name, f'"{value}" is not a valid URL')  # [X]
    return value


def _version(name: str, value: Any) -> Any:
    version = integer(name, value)
    if version not in (1, 2):
        raise errors.invalid_property(name, "1 or 2 is expected")
    return version


def _test(state: State, row: Callback, call: Call, _rest: list[str]) -> Response:
    """Send a sample event; test events carry contact 0 [R]."""
    state.callbacks.send_test(row)
    return wire.envelope([EventCallbackUrls(state).render(row, call.query)], 201)


class EventCallbackUrls(Resource[Callback]):
    name = "eventcallbackurl"
    type_name = "EventCallbackURL"
    operations = frozenset({"GET", "PUT", "POST", "DELETE"})
    fields = {
        # For delivery into a cloud queue, which custom plans have and this does not: taken and ignored.
        **dict.fromkeys(
            ("AccountID", "ProjectID", "QueueName", "Region", "Resource", "SharedAccessSignature", "Topic"),
            read_only,
        ),
        "APIKeyID": read_only,
        "EventType": one_of(*EVENT_TYPES),
        "ID": read_only,
        "IsBackup": boolean,
        "Status": one_of("alive", "dead"),
        "Url": _url,
        "Version": _version,
    }
    actions = {"test": Action({"POST": _test})}

    def rows(self, _query: Query) -> Iterable[Callback]:
        return list(self.store.callbacks.values())

    def find(self, key: str) -> Callback | None:
        event_type, separator, backup = key.lower().partition("|")
        if separator:
            return self.store_row(event_type, is_backup=as_bool(backup) or False)
        return by_id(self.store.callbacks, key)

    def store_row(self, event_type: str, *, is_backup: bool) -> Callback | None:
        rows = self.store.callbacks.values()
        return next(
            (row for row in rows if row.event_type == event_type and row.is_backup is is_backup), None
        )

    def predicates(self, query: Query) -> Iterator[Callable[[Callback], bool]]:
        if (event_type := query.text("EventType")) is not None:  # As a word or as its number. [S]
            yield lambda row: event_type.lower() in (row.event_type, str(EVENT_TYPES[row.event_type]))
        if (backup := query.flag("Backup")) is not None:
            yield lambda row: row.is_backup is backup
        if (status := query.text("Status")) is not None:
            yield lambda row: row.status == status.lower()
        if (version := query.integer("Version")) is not None:
            yield lambda row: row.version == version

    def sort_keys(self) -> Mapping[str, Callable[[Callback], Any]]:
        return {"ID": lambda row: row.id}

    def render(self, row: Callback, _query: Query) -> Row:
        return {
            "APIKeyID": API_KEY_ID,
            "EventType": row.event_type,
            "ID": row.id,
            "IsBackup": row.is_backup,
            "Status": row.status,
            "Url": row.url,
            "Version": row.version,
        }

    def create(self, fields: Fields) -> Callback:
        """Register a URL. EventType defaults to ``open`` [D, implied], Version to 1 [R]."""
        event_type, is_backup = fields.get("EventType", "open"), fields.get("IsBackup", False)
        url = _url("Url", fields.get("Url", ""))
        self._reject_duplicate(event_type, is_backup)
        row = Callback(self.store.new_id("callback"), event_type, url, is_backup, fields.get("Version", 1))
        self.store.callbacks[row.id] = row
        return row

    def update(self, row: Callback, fields: Fields) -> bool:
        """Change a registration; a suspended one comes back to life with a new Url only [D]."""
        after = Callback(
            row.id,
            fields.get("EventType", row.event_type),
            fields.get("Url", row.url),
            fields.get("IsBackup", row.is_backup),
            fields.get("Version", row.version),
            "alive" if fields.get("Url", row.url) != row.url else row.status,
        )
        if after == row:
            return False
        if (after.event_type, after.is_backup) != (row.event_type, row.is_backup):
            self._reject_duplicate(after.event_type, after.is_backup)
        for attribute in after.__struct_fields__:
            setattr(row, attribute, getattr(after, attribute))
        self.state.callbacks.refresh()
        return True

    def delete(self, row: Callback) -> None:
        del self.store.callbacks[row.id]
        self.state.callbacks.refresh()

    def _reject_duplicate(self, event_type: str, is_backup: bool) -> None:  # noqa: FBT001 - half of the key
        if self.store_row(event_type, is_backup=is_backup):
            value = f"{EVENT_TYPES[event_type]}|{'true' if is_backup else 'false'}"
            raise errors.already_exists("EventCallbackURL", value, "EventType|Backup")
