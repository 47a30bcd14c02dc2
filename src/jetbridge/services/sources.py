"""Sources: added, renamed, switched, connected with destinations, removed."""

from datetime import timedelta

from django.db import transaction

from jetbridge.control import credentials, directory, sources
from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, SchemaBlock, Source, SourceKind
from jetbridge.delivery import ledger
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import Counts
from jetbridge.routing.properties import WHOLE, WITH_TRAITS, path_of
from jetbridge.services import removal
from jetbridge.services.log import event_log
from jetbridge.source_schema.models import NameRow
from jetbridge.spec.person import carries_consent

#: Events, properties and traits that can be blocked at one source.
MOST_BLOCKS = 500

_ACTIVATE = "Activate an audience or computed trait at the destination, or deactivate all of them."


def add(actor: Actor, name: str) -> Source:
    """One for Segment's libraries and HTTP API."""
    with transaction.atomic():
        row = sources.add_http(actor.workspace, name)
        actor.audit("source.added", row)
    return row


def change(actor: Actor, row: Source, *, name: str | None = None, enabled: bool | None = None) -> None:
    """All of it, or nothing. A source that is off refuses its senders."""
    if enabled is not None:
        sources.reject_engage(row, "Switch Engage on or off for the workspace.")
    with transaction.atomic():
        if name is not None and (renamed := sources.rename(row, name)):
            actor.audit("source.renamed", row, {"before": renamed.before})
        if enabled is not None and sources.switch(row, enabled=enabled):
            actor.audit("source.enabled" if enabled else "source.disabled", row)


def rotate_key(actor: Actor, row: Source, hours: int = 0) -> str:
    """A new write key, or token of the event callback URL; the old one is valid for so many hours more. The worker registers the
    new URL at Mailjet. Raises ConfigurationError for a source without one.
    """
    if row.kind == SourceKind.SEGMENT:
        raise ConfigurationError(
            f"Rotate the authentication key of {row} at its app connection: destinations hold it, too."
        )
    sources.reject_engage(row, "It has no write key.")
    with transaction.atomic():
        key = credentials.rotate(row, timedelta(hours=hours))
        actor.audit("source.key-rotated", row, {"grace hours": hours})
    return key


def end_grace(actor: Actor, row: Source) -> bool:
    """The key before the last rotation is valid no longer; False if there is none."""
    with transaction.atomic():
        ended = credentials.end_grace(row)
        if ended:
            actor.audit("source.old-key-ended", row)
    return ended


def remove(actor: Actor, row: Source, counts: Counts) -> None:
    """There is no way back. Raises ConfigurationError."""
    with transaction.atomic():
        actor.audit("source.removed", row, {"kind": row.kind})
        removal.remove_source(row, counts)


def connect(actor: Actor, row: Source, destination: Destination) -> None:
    """From now on the destination gets its messages. Raises ConfigurationError."""
    sources.reject_engage(row, _ACTIVATE)
    with event_log() as log, transaction.atomic():
        if ledger.connect(row, destination, log):
            actor.audit("source.connected", row, {"destination": destination.name})


def disconnect(actor: Actor, row: Source, destination: Destination) -> None:
    """From now on it gets none. What the source has sent before is still delivered. Raises ConfigurationError."""
    sources.reject_engage(row, _ACTIVATE)
    with event_log() as log, transaction.atomic():
        if ledger.disconnect(row, destination, log):
            actor.audit("source.disconnected", row, {"destination": destination.name})


def block(actor: Actor, row: Source, call_type: str, event: str, name: str) -> str:
    """Keep an event, or a property or trait of one (`name`), from all destinations. Raises ConfigurationError.

    Returns a hint where the source has sent no such thing yet, or "".
    """
    _check_block(row, call_type, event, name)
    with transaction.atomic():
        _, is_new = SchemaBlock.objects.get_or_create(source=row, type=call_type, event=event, name=name)
        if is_new:
            actor.audit("source.blocked", row, _what(call_type, event, name))
    if NameRow.objects.filter(source_id=row.id, type=call_type, event=event, name=name).exists():
        return ""
    what = " ".join(filter(None, [call_type, event and repr(event[:100]), name[:100]]))
    return f"The schema of {row} has no {what} so far. Names are case-sensitive: check the spelling."


def _check_block(row: Source, call_type: str, event: str, name: str) -> None:
    """Raises ConfigurationError where such a block would do nothing, or harm."""
    sources.reject_engage(row, "Deactivate the audience or computed trait at the destination.")
    consent = directory.consent_traits([row.workspace_id])[row.workspace_id]
    if call_type not in WHOLE | WITH_TRAITS:
        types = ", ".join(sorted(WHOLE | WITH_TRAITS))
        raise ConfigurationError(f"{call_type[:40]!r} cannot be blocked: it is none of {types}.")
    if event and call_type != "track":
        raise ConfigurationError(f"{call_type} calls have no event: {event[:40]!r} cannot be blocked.")
    if call_type == "track" and not event:
        raise ConfigurationError("Track calls are blocked by their event: name it.")
    if not name and call_type not in WHOLE:
        raise ConfigurationError(f"{call_type} calls cannot be blocked as a whole: they say who somebody is.")
    if name and call_type in WITH_TRAITS and carries_consent(name, consent):
        raise ConfigurationError(f"{name[:40]} says whether a person has unsubscribed. It cannot be blocked.")
    if row.blocks.count() >= MOST_BLOCKS:
        raise ConfigurationError(f"{row} has {MOST_BLOCKS} blocks, as many as there can be.")


def unblock(actor: Actor, row: Source, call_type: str, event: str, name: str) -> None:
    """Let destinations have it again, from now on."""
    with transaction.atomic():
        removed, _ = row.blocks.filter(type=call_type, event=event, name=name).delete()
        if removed:
            actor.audit("source.unblocked", row, _what(call_type, event, name))


def _what(call_type: str, event: str, name: str) -> dict[str, str]:
    what = {"type": call_type, "event": event, "name": name and path_of(call_type, name)}
    return {key: value for key, value in what.items() if value}
