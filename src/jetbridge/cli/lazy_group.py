"""Groups whose commands are imported when they run, so that `jetbridge status` loads nothing of the other commands."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import click

from jetbridge.integrations import registry


class LazyGroup(click.Group):
    """`at`: name -> "module:attribute" of each command, in the order of `--help`."""

    def __init__(self, *args: Any, at: Callable[[], Mapping[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._at = at

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._at())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in self._at():
            return None
        module, attribute = self._at()[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A mistyped name gets suggestions."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            names = self.list_commands(ctx)
            raise click.NoSuchCommand(error.command_name, possibilities=names, ctx=ctx) from None


def integration_commands(noun: str = "") -> dict[str, str]:
    """Commands that integrations bring: what follows the noun -> "module:attribute" of the click command."""
    commands: dict[str, str] = {}
    for package in registry.INTEGRATIONS:
        if importlib.util.find_spec(f"{package}.commands"):
            group = {package.rpartition(".")[2]: f"{package}.commands:commands"}
            commands |= getattr(importlib.import_module(f"{package}.commands"), "COMMANDS", group)
    by_noun = {tuple(typed.rpartition(" ")[::2]): at for typed, at in commands.items()}
    return {name: at for (of, name), at in by_noun.items() if of == noun}
