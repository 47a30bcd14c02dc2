"""The commands of audiences, and the same ones of computed traits."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from jetbridge.cli.engage.nouns import AUDIENCES, TRAITS, Noun
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, YES, examples, start
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.control.audit import Actor
    from jetbridge.engage.models import Computation

#: Bytes of a definition's file: 50 conditions with lists of 200 texts fit.
MAX_FILE_BYTES = 4 * 1024 * 1024

WORKSPACE = click.option("--workspace", metavar="NAME", help="Its workspace; needed if there are several.")
NAME = click.argument("name", metavar="ID|KEY|NAME")
DEFINITION = click.option(
    "--definition", "file", type=click.File("rb"), metavar="FILE", help="A file with its JSON; - reads it from stdin."
)  # fmt: skip
NO_HISTORY = click.option("--no-history", is_flag=True, help="Count events from now on only.")
ANONYMOUS = click.option(
    "--include-anonymous", is_flag=True, help="Count people who are known by an anonymousId alone, too."
)


def group_of(noun: Noun) -> click.Group:
    """`jetbridge audiences` or `jetbridge traits`."""
    made = {
        "list": list_command,
        "add": add_command,
        "show": show_command,
        "members": members_command,
        "explain": explain_command,
        "preview": preview_command,
        "set": set_command,
        "delete": delete_command,
    }
    about = {
        "audiences": "Who fulfils a condition now, and where that is sent.",
        "traits": "Values made of each person's events, and where they are sent.",
    }
    commands = {name: make(noun) for name, make in made.items()}
    return click.Group(noun.command, commands, help=about[noun.command])


def list_command(noun: Noun) -> click.Command:
    @click.command(
        "list",
        help=f"List {noun.plural}: state, size, and where they are sent.",
        epilog=examples(f"jetbridge {noun.command} list", f"jetbridge {noun.command} list --json"),
    )
    @WORKSPACE
    @JSON
    def command(*, workspace: str | None, as_json: bool) -> None:
        start()
        from jetbridge.cli.engage import table  # noqa: PLC0415
        from jetbridge.engage import queries  # noqa: PLC0415
        from jetbridge.engage.models import ComputationClass  # noqa: PLC0415
        from jetbridge.services import lookup  # noqa: PLC0415 - models need a started Django

        space = queries.space_of(lookup.workspace(workspace))
        items = queries.computations(space, ComputationClass(noun.computation_class))
        if as_json:
            echo(json.dumps({noun.command: [table.as_object(item) for item in items]}))
        else:
            nothing = f"There is no {noun.singular} yet: see `jetbridge {noun.command} add --help`."
            echo(table.text(items) or nothing)

    return command


def add_command(noun: Noun) -> click.Command:
    @click.command(
        "add",
        help=f"Add {noun.a}, and send it to destinations. The first one switches Engage on. Its key is the name in "
        "snake_case, and never changes.",
        epilog=examples(
            f'jetbridge {noun.command} add "{noun.name}" --definition definition.json --destination Mailjet',
            f"echo '{noun.definition}' | jetbridge {noun.command} add \"{noun.name}\" --definition -",
        ),
    )
    @click.argument("name")
    @DEFINITION
    @click.option(
        "--destination", "destinations", multiple=True, metavar="ID|NAME", help="Where it is sent; several times for several."
    )  # fmt: skip
    @NO_HISTORY
    @ANONYMOUS
    @WORKSPACE
    @JSON
    def command(
        name: str,
        *,
        file: Any,
        destinations: tuple[str, ...],
        no_history: bool,
        include_anonymous: bool,
        workspace: str | None,
        as_json: bool,
    ) -> None:
        definition = _definition(file)
        start()
        from jetbridge.cli.engage import table  # noqa: PLC0415
        from jetbridge.engage import queries  # noqa: PLC0415
        from jetbridge.engage.models import ComputationClass  # noqa: PLC0415
        from jetbridge.services import computations, lookup  # noqa: PLC0415

        of = lookup.workspace(workspace)
        made = computations.create(
            _actor(noun, "add", of),
            ComputationClass(noun.computation_class),
            name,
            definition,
            include_history=not no_history,
            include_anonymous=include_anonymous,
            destinations=[lookup.destination(destination, of) for destination in destinations],
        )
        item = queries.computation(made.row)
        if as_json:
            echo(json.dumps({**table.as_object(item), "engage_switched_on": made.switched_on}))
            return
        echo(table.details(item))
        if made.switched_on:
            echo(f"Engage was off in {of}, and is on now: a running worker reads from now on.")

    return command


def show_command(noun: Noun) -> click.Command:
    @click.command(
        "show",
        help=f"Show {noun.a}: its definition, state, size, changes of the last week and destinations.",
        epilog=examples(f'jetbridge {noun.command} show "{noun.name}"', f"jetbridge {noun.command} show {noun.key} --json"),
    )  # fmt: skip
    @NAME
    @WORKSPACE
    @JSON
    def command(name: str, *, workspace: str | None, as_json: bool) -> None:
        start()
        from jetbridge.cli.engage import table  # noqa: PLC0415 - models need a started Django
        from jetbridge.engage import queries  # noqa: PLC0415

        item = queries.computation(_row(noun, name, workspace))
        echo(json.dumps(table.as_object(item)) if as_json else table.details(item))

    return command


def members_command(noun: Noun) -> click.Command:
    @click.command(
        "members",
        help=f"List the {noun.people}, with their identifiers; --csv prints all of them.",
        epilog=examples(
            f'jetbridge {noun.command} members "{noun.name}" --search ada@',
            f'jetbridge {noun.command} members "{noun.name}" --csv > people.csv',
        ),
    )
    @NAME
    @click.option(
        "--search", default="", metavar="TEXT", help="Only those with an identifier that begins so."
    )
    @click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200), help="How many.")
    @click.option(
        "--after", default=0, type=click.IntRange(0), metavar="KEY", help="`next` of the page before."
    )
    @click.option("--csv", "as_csv", is_flag=True, help="Print all as a table; the audit log records it.")
    @WORKSPACE
    @JSON
    def command(
        name: str,
        *,
        search: str,
        limit: int,
        after: int,
        as_csv: bool,
        workspace: str | None,
        as_json: bool,
    ) -> None:
        if as_csv and (as_json or search or after):
            raise click.UsageError("--csv prints all of them: leave out --json, --search and --after.")
        start()
        from jetbridge.cli.engage import table  # noqa: PLC0415 - models need a started Django
        from jetbridge.engage import memberships  # noqa: PLC0415
        from jetbridge.services import computations  # noqa: PLC0415

        row = _row(noun, name, workspace)
        if as_csv:
            computations.note_export(_actor(noun, "members", row.space.workspace), row, "csv")
            for part in memberships.csv_parts(row):
                sys.stdout.buffer.write(part)
            return
        page = memberships.page(row, after=after, limit=limit, search=search)
        if as_json:
            echo(json.dumps({"items": [table.person(member) for member in page.items], "next": page.next}))
            return
        echo("\n".join(table.person_line(member) for member in page.items) or "Nobody.")
        if page.next is not None:
            echo(f"There are more: --after {page.next}", err=True)

    return command


def explain_command(noun: Noun) -> click.Command:
    @click.command(
        "explain",
        help=f"{noun.explain} PERSON is a userId, an address, an anonymousId, or type:value.",
        epilog=examples(f'jetbridge {noun.command} explain "{noun.name}" ada@example.com --json'),
    )
    @NAME
    @click.argument("person")
    @WORKSPACE
    @JSON
    def command(name: str, person: str, *, workspace: str | None, as_json: bool) -> None:
        start()
        from jetbridge.cli.engage import table  # noqa: PLC0415 - models need a started Django
        from jetbridge.engage import explaining  # noqa: PLC0415

        row = _row(noun, name, workspace)
        explained = explaining.explain(row.space, person, of=row)
        if explained is None:
            raise ConfigurationError(f"Engage knows nobody by {person[:100]} in {row.space.workspace}.")
        echo(
            json.dumps(table.explanation(explained))
            if as_json
            else table.explanation_text(row.name, explained)
        )

    return command


def preview_command(noun: Noun) -> click.Command:
    @click.command(
        "preview",
        help=f"{noun.preview} Nothing is changed.",
        epilog=examples(
            f"jetbridge {noun.command} preview --definition definition.json",
            f"echo '{noun.definition}' | jetbridge {noun.command} preview --definition - --json",
        ),
    )
    @DEFINITION
    @NO_HISTORY
    @ANONYMOUS
    @WORKSPACE
    @JSON
    def command(
        *, file: Any, no_history: bool, include_anonymous: bool, workspace: str | None, as_json: bool
    ) -> None:
        definition = _definition(file)
        start()
        from jetbridge.cli.engage import table  # noqa: PLC0415
        from jetbridge.engage import explaining, queries  # noqa: PLC0415
        from jetbridge.engage.models import ComputationClass  # noqa: PLC0415
        from jetbridge.services import lookup  # noqa: PLC0415 - models need a started Django

        seen = explaining.preview(
            queries.space_of(lookup.workspace(workspace)),
            ComputationClass(noun.computation_class),
            definition,
            include_history=not no_history,
            include_anonymous=include_anonymous,
        )
        echo(json.dumps(table.preview(seen)) if as_json else table.preview_text(seen))

    return command


def set_command(noun: Noun) -> click.Command:
    list_option = click.option(
        "--contacts-list/--no-contacts-list",
        default=None,
        help="Let a contacts list that is made for it follow the members at --destination, or no longer.",
    )

    @click.command(
        "set",
        help=f"Change {noun.a}: its name, its definition, whether it is enabled, or where it is sent. The key stays.",
        epilog=examples(
            f'jetbridge {noun.command} set "{noun.name}" --definition definition.json',
            f'jetbridge {noun.command} set "{noun.name}" --destination Mailjet --add-members',
            f'jetbridge {noun.command} set "{noun.name}" --disable',
        ),
    )
    @NAME
    @click.option("--name", "new_name", help="Give it another name.")
    @DEFINITION
    @click.option("--enable/--disable", "enabled", default=None, help="Compute and send it, or do not.")
    @click.option("--destination", metavar="ID|NAME", help="Send it there, too, or change how.")
    @click.option(
        "--add-members/--no-add-members",
        default=None,
        help="Whether members who are no contacts at --destination become contacts.",
    )
    @list_option
    @click.option("--without", "removed", metavar="ID|NAME", help="Send it to this destination no more.")
    @WORKSPACE
    @JSON
    def command(
        name: str,
        *,
        new_name: str | None,
        file: Any,
        enabled: bool | None,
        destination: str | None,
        add_members: bool | None,
        contacts_list: bool | None,
        removed: str | None,
        workspace: str | None,
        as_json: bool,
    ) -> None:
        if not any((new_name, file, enabled is not None, destination, removed)):
            raise click.UsageError(
                "Say what to change: --name, --definition, --enable, --disable, --destination, or --without."
            )
        if destination is None and not (add_members is None and contacts_list is None):
            raise click.UsageError("Say where: --destination ID|NAME.")
        definition = _definition(file) if file else None
        start()
        from jetbridge.cli.engage import table  # noqa: PLC0415
        from jetbridge.engage import queries  # noqa: PLC0415
        from jetbridge.services import computations, lookup  # noqa: PLC0415

        row = _row(noun, name, workspace)
        actor = _actor(noun, "set", row.space.workspace)
        computations.change(actor, row, name=new_name, definition=definition, enabled=enabled)
        if destination is not None:
            computations.activate(
                actor,
                row,
                lookup.destination(destination, actor.workspace),
                adds_members=add_members,
                contacts_list=contacts_list,
            )
        if removed is not None and not computations.deactivate(
            actor, row, lookup.destination(removed, actor.workspace)
        ):
            raise ConfigurationError(f"{row} is not sent to {removed[:60]}.")
        item = queries.computation(row)
        echo(json.dumps(table.as_object(item)) if as_json else table.details(item))

    return command


def delete_command(noun: Noun) -> click.Command:
    @click.command(
        "delete",
        help=f"Delete {noun.a} for good, if no other definition refers to it. Its key is never used again.",
        epilog=examples(f'jetbridge {noun.command} delete "{noun.name}" --members false --yes'),
    )
    @NAME
    @click.option(
        "--members",
        type=click.Choice(["keep", "false"]),
        default="keep",
        show_default=True,
        help="Keep the property at destinations, or send false (null) to those who were sent true (a value).",
    )
    @YES
    @WORKSPACE
    @JSON
    def command(name: str, *, members: Any, yes: bool, workspace: str | None, as_json: bool) -> None:
        if not yes and not sys.stdin.isatty():
            raise click.UsageError("There is no way back: say --yes.")
        start()
        from jetbridge.cli.engage import table  # noqa: PLC0415 - models need a started Django
        from jetbridge.engage import queries  # noqa: PLC0415
        from jetbridge.services import computations  # noqa: PLC0415

        row = _row(noun, name, workspace)
        if not yes:
            click.confirm(
                f"Delete the {noun.singular} {row.name} (id {row.id}) for good?", abort=True, err=True
            )
        deleted = table.as_object(queries.computation(row))
        computations.delete(_actor(noun, "delete", row.space.workspace), row, members=members)
        echo(json.dumps({"deleted": deleted}) if as_json else f"Deleted {row.name}.")

    return command


def _definition(file: Any) -> object:
    """The JSON of a file, decoded. Raises ConfigurationError, click.UsageError."""
    if file is None:
        raise click.UsageError("Say which definition: --definition FILE.")
    text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        megabytes = MAX_FILE_BYTES // 1024**2
        raise ConfigurationError(f"The file has more than {megabytes} MB, and is no definition.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"The definition is no JSON: {error}.") from error


def _row(noun: Noun, name: str, workspace: str | None) -> "Computation":
    from jetbridge.services import lookup  # noqa: PLC0415 - models need a started Django

    return lookup.computation(noun.computation_class, noun.singular, noun.command, name, workspace)


def _actor(noun: Noun, verb: str, workspace: Any) -> "Actor":
    from jetbridge.services import lookup  # noqa: PLC0415 - models need a started Django

    return lookup.actor(workspace, f"{noun.command} {verb}")


audiences = group_of(AUDIENCES)
traits = group_of(TRAITS)
