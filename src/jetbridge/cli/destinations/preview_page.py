"""A call, looked up or read, and what it would become, for `jetbridge destinations preview`."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings
from rich.console import Group
from rich.text import Text

from jetbridge import eventlog
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.errors import ConfigurationError, MessageRejected
from jetbridge.eventlog.search import with_message_id
from jetbridge.imports.files.calls import row_of
from jetbridge.imports.files.options import Options
from jetbridge.imports.files.records import Place, object_of
from jetbridge.integrations import registry
from jetbridge.integrations.base import Preview
from jetbridge.services import destination_settings, lookup
from jetbridge.services.queries import dry_run
from jetbridge.spec.message import CALL_TYPES, Message, decode
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_single

_OTHER_TYPES = set(CALL_TYPES) - {"identify"}


class Routed(NamedTuple):
    """`outcome` "delivered" (or would be), or "filtered" with a code and a message; then there is no preview."""

    outcome: str
    code: str = ""
    message: str = ""
    preview: Preview | None = None


def destination(name: str, values: Mapping[str, str]) -> DestinationRef:
    """The destination that is meant, with these settings tried on. Raises ConfigurationError."""
    ref = directory.destination(lookup.destination(name).id)
    assert ref
    return destination_settings.tried_on(ref, values)


def of_log(ref: DestinationRef, message_id: str) -> tuple[Message, int]:
    """The message as the event log has it, and the id of its source; the last one if it came more than once."""
    with eventlog.open(settings.CONFIG) as event_log:
        records = list(event_log.find(with_message_id(ref.source_kinds, message_id)))
    if not records:
        raise ConfigurationError(
            f"The event log holds no message {message_id} from a source of {ref.name}, as far as it is retained."
        )
    return decode(records[-1].body), records[-1].source


def of_file(content: bytes) -> Message:
    """A call of any type, or a flat object of traits."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError("What was given is no text in UTF-8.") from error
    record = object_of(Place(1), text)
    if isinstance(record.values, dict) and record.values.get("type") in _OTHER_TYPES:
        try:
            return dry_run.message_of(text)
        except MessageRejected as error:
            raise ConfigurationError(f"No ingest endpoint would take this call: {error}") from error
    row = row_of(record, [], Options())
    if row.call is None:
        raise ConfigurationError(f"What was given {row.reason}.")
    parsed = parse_single(row.call, Arrival(received_at=datetime.now(UTC), type="identify"))
    if parsed.rejected:
        raise ConfigurationError(f"No ingest endpoint would take this call: {parsed.rejected[0].reason}")
    return decode(parsed.accepted[0].body)


def look(ref: DestinationRef, message: Message, source: int | None = None, *, offline: bool) -> Routed:
    """Route the message and preview it, as if `source` had brought it (None: the first one). Raises DeliveryError for
    settings that lead nowhere.
    """
    integration = registry.destination(ref.kind)
    if message.type not in integration.accepts:
        types = ", ".join(sorted(integration.accepts))
        raise ConfigurationError(f"This is a {message.type} call; {ref.name} accepts {types}.")
    route = integration.route(ref)
    route.suppressed.refresh()
    if source is None:
        source = next(iter(ref.source_kinds), 0)
    reason, message, detail = route.decide(message, source)
    if reason:
        return Routed("filtered", reason, detail or "Routing keeps the call from this destination.")
    preview = integration.preview(ref, message, offline=offline)
    if preview.error:
        raise ConfigurationError(preview.error)
    return Routed("delivered", preview=preview)


def as_object(routed: Routed) -> dict[str, Any]:
    """With what the kind knows beyond the request."""
    shown = {"outcome": routed.outcome, "code": routed.code, "message": routed.message}
    if routed.preview is None:
        return shown
    detail = routed.preview.detail
    more = dataclasses.asdict(detail) if dataclasses.is_dataclass(detail) else {}  # type: ignore[arg-type]
    return {**shown, "request": routed.preview.request, "warning": routed.preview.warning, **more}


def page(ref: DestinationRef, message: Message, routed: Routed) -> Group:
    title = Text(f"{ref.name}, message {message.message_id}", style="bold")
    if routed.preview is None:
        return Group(title, Text(f"{routed.outcome} ({routed.code}): {routed.message}"))
    warning = [Text(routed.preview.warning, style="yellow")] if routed.preview.warning else []
    own = registry.destination(ref.kind).preview_for_terminal(routed.preview)
    request = routed.preview.request or routed.preview.no_request
    return Group(title, *warning, own or Text(request or "The request is not known beforehand."))
