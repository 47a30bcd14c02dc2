"""`jetbridge destinations list`, `add`, `set`, `enable`, `disable` and `delete`."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from jetbridge.cli.destinations.assignments import HELP
from jetbridge.cli.destinations.deliveries import warn_without_worker
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, YES, confirm_irreversible, examples, start
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.integrations.base import Destination
    from jetbridge.services.destination_settings import ConnectionStep

DESTINATION = click.argument("destination", metavar="ID|NAME")
VALUES = click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
ANYWAY = click.option("--anyway", is_flag=True, help="Also settings that lead nowhere at the other side now.")


@click.command(
    "list", epilog=examples("jetbridge destinations list", "jetbridge destinations list Warehouse --json")
)
@click.argument("destination", metavar="[ID|NAME]", required=False)
@JSON
def list_(destination: str | None, *, as_json: bool) -> None:
    """List destinations with their settings, or show one. Secrets are masked."""
    start()
    from jetbridge.cli.destinations import table
    from jetbridge.control.models import Destination as Row
    from jetbridge.services import lookup

    rows = list(Row.objects.select_related("workspace").order_by("id"))
    rows = rows if destination is None else [lookup.destination(destination)]
    if as_json:
        echo(json.dumps({"destinations": [table.as_object(row) for row in rows]}))
    else:
        echo(table.text(rows) or "There is no destination yet: see `jetbridge destinations add --help`.")


@click.command(
    help=f"""Add a destination of a KIND, set to these values. It takes messages that come from then on; `jetbridge
    destinations replay` brings the past.

    {HELP}""",
    epilog=examples(
        "jetbridge destinations add warehouse --source all",
        "jetbridge destinations add warehouse url=- --source Website --name Warehouse",
        "jetbridge destinations add webhook url=https://example.com/in signingSecret=@secret --source all",
    ),
)
@click.argument("kind")
@VALUES
@click.option(
    "--source", "sources", multiple=True, metavar="NAME|all", help="Whose messages it gets; several times for several. all: every source there is now."
)  # fmt: skip
@click.option("--name", help="What it is called; else by its kind, with a number if that is taken.")
@click.option("--workspace", metavar="NAME", help="Its workspace; needed if there are several.")
@click.option("--disabled", is_flag=True, help="Do not enable it yet.")
@click.option(
    "--dry-run", is_flag=True, help="Only check the settings, and connect where a kind can be tried."
)
@ANYWAY
@JSON
def add(
    kind: str,
    values: tuple[str, ...],
    *,
    sources: tuple[str, ...],
    name: str | None,
    workspace: str | None,
    disabled: bool,
    dry_run: bool,
    anyway: bool,
    as_json: bool,
) -> None:
    start()
    from jetbridge.cli.destinations import assignments, table
    from jetbridge.integrations import registry
    from jetbridge.services import destination_settings, lookup, new_destinations
    from jetbridge.services import destinations as destination_services

    integration = registry.destination(kind)
    of = lookup.workspace(workspace)
    ids = lookup.sources(of, sources)
    if not ids:
        raise click.UsageError("Say whose messages it gets: --source NAME, or --source all.")
    given = assignments.parse(values)
    for setting in integration.settings if sys.stdin.isatty() else ():
        if setting.is_secret and setting.required and setting.name not in given:
            given[setting.name] = assignments.prompt_for(setting.name)
    new_destinations.check(integration, given)
    if name is not None:
        new_destinations.check_name(of, name)
    steps: Sequence[ConnectionStep] = ()
    if not anyway:
        _check(of.id, integration, {}, given)
        steps = _try_connection(of.id, integration, given, ids)
    for step in () if as_json else steps:
        echo(f"{step.title}: passed. {step.message}".strip())
    if dry_run:
        rows = [{"step": step.name, "title": step.title, "message": step.message} for step in steps]
        echo(json.dumps({"steps": rows}) if as_json else "Nothing was added: --dry-run.")
        return
    actor = lookup.actor(of, "destinations add")
    row = destination_services.add(actor, kind, name, given, ids, enabled=not disabled)
    notes = destination_settings.notes_of(row)
    if as_json:
        echo(json.dumps({"destination": table.as_object(row), "notes": notes}))
    else:
        echo("\n".join([table.text([row]), *(f"   {note}" for note in notes)]))
        if row.enabled:
            warn_without_worker()
        else:
            echo(f"It takes messages once it is enabled: `jetbridge destinations enable {row.id}`.")


@click.command("set", epilog=examples("jetbridge destinations set 2 batchSize=100", "jetbridge destinations set Webhook --source all --name Orders", "jetbridge destinations set 1 mapping=@mapping.txt"),
    help=f"""Change settings, name or sources of a destination. KEY= goes back to the default. All of it is done, or nothing.

    {HELP}""")  # fmt: skip
@DESTINATION
@VALUES
@click.option(
    "--source", "sources", multiple=True, metavar="NAME|all", help="From now on it gets the messages of these sources, and of no others."
)  # fmt: skip
@click.option("--name", help="Give it another name.")
@ANYWAY
@JSON
def set_(
    destination: str,
    values: tuple[str, ...],
    *,
    sources: tuple[str, ...],
    name: str | None,
    anyway: bool,
    as_json: bool,
) -> None:
    if not (values or sources or name):
        raise click.UsageError("Say what to change: KEY=VALUE, --source, or --name.")
    start()
    from jetbridge.cli.destinations import assignments
    from jetbridge.services import destination_settings, lookup

    row = lookup.destination(destination)
    given = assignments.parse(values)
    ids = lookup.sources(row.workspace, sources) if sources else None
    if not anyway:
        integration, stored = destination_settings.integration_of(row), destination_settings.values_of(row)
        of_row = [source.id for source in row.sources.all()]
        _check(row.workspace_id, integration, stored, given, destination=row.id, sources=ids or of_row)
    _change(row.id, "set", as_json=as_json, values=given, name=name, sources=ids)


@click.command(epilog=examples("jetbridge destinations enable Warehouse"))
@DESTINATION
@JSON
def enable(destination: str, *, as_json: bool) -> None:
    """Let a destination take messages again. It goes on where it was."""
    start()
    from jetbridge.services import lookup

    _change(lookup.destination(destination).id, "enable", as_json=as_json, enabled=True)


@click.command(epilog=examples("jetbridge destinations disable Warehouse"))
@DESTINATION
@JSON
def disable(destination: str, *, as_json: bool) -> None:
    """Send a destination nothing until it is enabled again. Its messages wait in the event log."""
    start()
    from jetbridge.services import lookup

    _change(lookup.destination(destination).id, "disable", as_json=as_json, enabled=False)


@click.command(epilog=examples("jetbridge destinations delete Webhook --yes"))
@DESTINATION
@YES
@JSON
def delete(destination: str, *, yes: bool, as_json: bool) -> None:
    """Delete a destination for good, with the failures that are kept. Nothing changes at the other side."""
    start()
    from jetbridge.cli.destinations import table
    from jetbridge.services import destination_settings, lookup
    from jetbridge.services import destinations as destination_services

    row = lookup.destination(destination)
    note = destination_settings.removal_note(row)
    question = f"Delete {row.name} ({row.kind}, id {row.id}) for good?"
    confirm_irreversible(f"{note}\n{question}" if note else question, yes=yes)
    deleted = table.as_object(row)
    destination_services.remove(lookup.actor(row.workspace, "destinations delete"), row)
    text = " ".join(filter(None, [f"{deleted['name']} is deleted.", note]))
    echo(json.dumps({"destination": deleted}) if as_json else text)


def _check(
    workspace: int,
    integration: "Destination",
    stored: Mapping[str, Any],
    given: Mapping[str, str],
    **of: Any,
) -> None:
    from jetbridge.services import destination_settings

    try:
        destination_settings.check_at_the_other_side(workspace, integration, stored, given, **of)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} --anyway sets it all the same.") from None


def _try_connection(
    workspace: int, integration: "Destination", given: Mapping[str, str], sources: Sequence[int]
) -> "Sequence[ConnectionStep]":
    from jetbridge.services import destination_settings

    try:
        draft = destination_settings.connection_draft(integration, workspace, given, sources=sources)
        return destination_settings.require_connection(integration, draft)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} --anyway adds it all the same.") from None


def _change(destination: int, verb: str, *, as_json: bool, **changes: Any) -> None:
    from jetbridge.cli.destinations import table
    from jetbridge.services import destinations as destination_services
    from jetbridge.services import lookup

    row = lookup.destination(str(destination))
    made = destination_services.change(lookup.actor(row.workspace, f"destinations {verb}"), row, **changes)
    if as_json:
        echo(json.dumps(table.as_changed(lookup.destination(str(destination)), made)))
    else:
        echo(table.text_of_changes(made))
