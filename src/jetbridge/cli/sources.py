"""`jetbridge sources`: where messages come from. A source has a write key, and may keep parts of messages from all destinations."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, YES, confirm_irreversible, examples, start
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.control.models import Source

SOURCE = click.argument("source", metavar="ID|NAME")
TYPE = click.argument("call_type", metavar="TYPE")
EVENT = click.option("--event", default="", help="Of track calls with this event.")
PROPERTY = click.option(
    "--property", "properties", multiple=True, metavar="NAME", help="Only this property of the event."
)
TRAIT = click.option(
    "--trait", "traits", multiple=True, metavar="NAME", help="Only this trait of identify or group calls."
)


@click.group()
def sources() -> None:
    """Where messages come from: list sources, add them, rotate their keys, block what no destination shall get."""


@sources.command("list", epilog=examples("jetbridge sources list", "jetbridge sources list --json"))
@click.option("--workspace", metavar="NAME", help="Only those of this workspace.")
@JSON
def list_(*, workspace: str | None, as_json: bool) -> None:
    """List sources with their kinds and write keys."""
    start()
    from jetbridge.control.models import Source
    from jetbridge.services import lookup

    rows = Source.objects.select_related("workspace").prefetch_related("credentials").order_by("id")
    rows = rows.filter(workspace=lookup.workspace(workspace)) if workspace else rows
    if as_json:
        echo(json.dumps({"sources": [as_object(row) for row in rows]}))
    else:
        echo("\n".join(map(text, rows)) or "There is no source yet: see `jetbridge sources add --help`.")


@sources.command(
    epilog=examples("jetbridge sources add Website", "jetbridge sources add App --workspace Shop --json")
)
@click.argument("name")
@click.option("--workspace", metavar="NAME", help="Its workspace; needed if there are several.")
@JSON
def add(name: str, *, workspace: str | None, as_json: bool) -> None:
    """Add a source for Segment's libraries and HTTP API, and print its write key."""
    start()
    from jetbridge.services import lookup
    from jetbridge.services import sources as source_services

    row = source_services.add(lookup.actor(lookup.workspace(workspace), "sources add"), name)
    echo(json.dumps({"source": as_object(row)}) if as_json else text(row))


@sources.command("rotate-key", epilog=examples("jetbridge sources rotate-key Website --yes"))
@SOURCE
@click.option(
    "--grace-hours",
    type=click.IntRange(0, 720),
    default=0,
    help="How long the old key is accepted; 0: not at all.",
)
@click.option(
    "--end-grace", is_flag=True, help="Rotate nothing: reject the key before the last rotation now."
)
@YES
@JSON
def rotate_key(source: str, *, grace_hours: int, end_grace: bool, yes: bool, as_json: bool) -> None:
    """Give a source a new write key, or Mailjet's email events a new callback URL."""
    start()
    from jetbridge.services import lookup
    from jetbridge.services import sources as source_services

    row = lookup.source(source)
    actor = lookup.actor(row.workspace, "sources rotate-key")
    if end_grace:
        ended = source_services.end_grace(actor, row)
        message = "The old key is rejected from now on." if ended else "No old key is accepted any more."
        echo(json.dumps({"ended": ended}) if as_json else message)
        return
    ends = f"in {grace_hours} hours" if grace_hours else "at once"
    confirm_irreversible(f"Replace the key of {row}? Senders with the old one are rejected {ends}.", yes=yes)
    source_services.rotate_key(actor, row, grace_hours)
    echo(json.dumps({"source": as_object(row)}) if as_json else text(row))


@sources.command(epilog=examples("jetbridge sources delete Website --yes"))
@SOURCE
@YES
@JSON
def delete(source: str, *, yes: bool, as_json: bool) -> None:
    """Disable a source and delete it for good, once all its destinations have read its messages."""
    start()
    from jetbridge.services import lookup
    from jetbridge.services import sources as source_services
    from jetbridge.services.log import event_log

    row = lookup.source(source)
    confirm_irreversible(f"Delete {row} (id {row.id}) for good?", yes=yes)
    deleted = as_object(row)
    actor = lookup.actor(row.workspace, "sources delete")
    source_services.change(actor, row, enabled=False)
    with event_log() as log:
        source_services.remove(actor, row, log.counts())
    echo(json.dumps({"source": deleted}) if as_json else f"{deleted['name']} is deleted.")


@sources.command(epilog=examples("jetbridge sources blocks Website", "jetbridge sources blocks 1 --json"))
@SOURCE
@JSON
def blocks(source: str, *, as_json: bool) -> None:
    """List what no destination gets of a source: events, properties, traits."""
    start()
    from jetbridge.services import lookup

    print_blocks(lookup.source(source), as_json=as_json)


@sources.command(
    epilog=examples(
        'jetbridge sources block Website track --event "Order Completed"',
        'jetbridge sources block Website track --event "Order Completed" --property total',
        "jetbridge sources block Website identify --trait phone",
    )
)
@SOURCE
@TYPE
@EVENT
@PROPERTY
@TRAIT
@JSON
def block(
    source: str,
    call_type: str,
    *,
    event: str,
    properties: tuple[str, ...],
    traits: tuple[str, ...],
    as_json: bool,
) -> None:
    """Keep an event, or a property or trait of one, from all destinations. The event log keeps it."""
    name = blocked_name(call_type, properties, traits)
    start()
    from jetbridge.services import lookup
    from jetbridge.services import sources as source_services

    row = lookup.source(source)
    hint = source_services.block(lookup.actor(row.workspace, "sources block"), row, call_type, event, name)
    print_blocks(row, as_json=as_json)
    if hint:
        echo(hint, err=True)


@sources.command(epilog=examples('jetbridge sources unblock Website track --event "Order Completed"'))
@SOURCE
@TYPE
@EVENT
@PROPERTY
@TRAIT
@JSON
def unblock(
    source: str,
    call_type: str,
    *,
    event: str,
    properties: tuple[str, ...],
    traits: tuple[str, ...],
    as_json: bool,
) -> None:
    """Let destinations have it again, from the next message on."""
    name = blocked_name(call_type, properties, traits)
    start()
    from jetbridge.services import lookup
    from jetbridge.services import sources as source_services

    row = lookup.source(source)
    if not row.blocks.filter(type=call_type, event=event, name=name).exists():
        raise ConfigurationError(
            f"That is not blocked at {row}: `jetbridge sources blocks {row.id}` lists what is."
        )
    source_services.unblock(lookup.actor(row.workspace, "sources unblock"), row, call_type, event, name)
    print_blocks(row, as_json=as_json)


def blocked_name(call_type: str, properties: Sequence[str], traits: Sequence[str]) -> str:
    """The one property or trait, or "". Raises click.UsageError."""
    from jetbridge.routing.properties import WITH_TRAITS

    if len(names := [*properties, *traits]) > 1:
        raise click.UsageError("Name one property or trait at a time.")
    if properties and call_type in WITH_TRAITS:
        raise click.UsageError(f"{call_type} calls have traits: say --trait {names[0]}.")
    if traits and call_type not in WITH_TRAITS:
        raise click.UsageError(f"{call_type} calls have properties: say --property {names[0]}.")
    if names == [""]:
        raise click.UsageError("The name of the property or trait is empty.")
    return "".join(names)


def print_blocks(row: "Source", *, as_json: bool) -> None:
    blocks = list(row.blocks.order_by("id").values("type", "event", "name"))
    if as_json:
        echo(json.dumps({"source": row.id, "blocks": blocks}))
        return
    lines = [
        " ".join(filter(None, [block["type"], block["event"] and repr(block["event"]), block["name"]]))
        for block in blocks
    ]
    first = f"{row.name} blocks for all destinations:" if lines else f"{row.name} blocks nothing."
    echo("\n".join([first, *lines]))


def as_object(row: "Source") -> dict[str, Any]:
    """The JSON of one source; its keys are a promise to scripts."""
    return {
        "id": row.id,
        "workspace": row.workspace.name,
        "name": row.name,
        "kind": row.kind,
        "enabled": row.enabled,
        "write_key": row.current_key if row.kind == "http" else None,
    }


def text(row: "Source") -> str:
    """The same for a person."""
    fields = as_object(row)
    key = f", write key {fields['write_key']}" if fields["write_key"] else ""
    return f"{row.id}  {row.name} ({row.kind}{'' if row.enabled else ', disabled'}){key}"
