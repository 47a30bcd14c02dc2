"""Every command of `jetbridge`, as a person reaches it."""

from collections.abc import Iterator

import click

from jetbridge import cli


def nodes(
    group: click.Group = cli.cli, path: tuple[str, ...] = ("jetbridge",)
) -> Iterator[tuple[str, click.Command]]:
    """All groups and commands below one, each with what is typed for it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from nodes(command, (*path, name))


def leaves() -> dict[str, click.Command]:
    return {typed: command for typed, command in nodes() if not isinstance(command, click.Group)}
