"""`jetbridge sources blocks`, `block` and `unblock`: what of a source no destination gets."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, examples, start
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


@click.command(epilog=examples("jetbridge sources blocks Website", "jetbridge sources blocks 1 --json"))
@SOURCE
@JSON
def blocks(source: str, *, as_json: bool) -> None:
    """List what no destination gets of a source: events, properties, traits."""
    start()
    from jetbridge.cli import lookup  # noqa: PLC0415 - models need a started Django

    _show(lookup.source(source), as_json=as_json)


@click.command(
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
    name = _name(call_type, properties, traits)
    _change("block", source, call_type, event, name, as_json=as_json)


@click.command(epilog=examples('jetbridge sources unblock Website track --event "Order Completed"'))
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
    name = _name(call_type, properties, traits)
    _change("unblock", source, call_type, event, name, as_json=as_json)


def _name(call_type: str, properties: Sequence[str], traits: Sequence[str]) -> str:
    """The one property or trait, or "". Raises click.UsageError."""
    from jetbridge.routing.blocks import WITH_TRAITS  # noqa: PLC0415 - `--help` needs no routing

    if len(names := [*properties, *traits]) > 1:
        raise click.UsageError("Name one property or trait at a time.")
    if properties and call_type in WITH_TRAITS:
        raise click.UsageError(f"{call_type} calls have traits: say --trait {names[0]}.")
    if traits and call_type not in WITH_TRAITS:
        raise click.UsageError(f"{call_type} calls have properties: say --property {names[0]}.")
    if names == [""]:
        raise click.UsageError("The name of the property or trait is empty.")
    return "".join(names)


def _change(verb: str, source: str, call_type: str, event: str, name: str, *, as_json: bool) -> None:
    start()
    from jetbridge.cli import lookup  # noqa: PLC0415 - models need a started Django
    from jetbridge.services import sources as source_services  # noqa: PLC0415

    row = lookup.source(source)
    if verb == "unblock" and not row.blocks.filter(type=call_type, event=event, name=name).exists():
        raise ConfigurationError(
            f"That is not blocked at {row}: `jetbridge sources blocks {row.id}` lists what is."
        )
    change: Callable[..., str | None] = {"block": source_services.block, "unblock": source_services.unblock}[
        verb
    ]
    hint = change(lookup.actor(row.workspace, f"sources {verb}"), row, call_type, event, name)
    _show(row, as_json=as_json)
    if hint:
        echo(hint, err=True)


def _show(row: "Source", *, as_json: bool) -> None:
    blocked = list(row.blocks.order_by("id").values("type", "event", "name"))
    if as_json:
        echo(json.dumps({"source": row.id, "blocks": blocked}))
        return
    lines = [
        " ".join(filter(None, [block["type"], block["event"] and repr(block["event"]), block["name"]]))
        for block in blocked
    ]
    echo(
        "\n".join([f"{row.name} blocks for all destinations:", *lines])
        if lines
        else f"{row.name} blocks nothing."
    )
