"""`jetbridge settings`: what destinations are set to, and how to change it."""

import json

import click

from jetbridge.errors import ConfigurationError


@click.command()
@click.argument("destination", required=False, type=int)
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--enable/--disable", "enabled", default=None, help="Whether it receives anything.")
@click.option("--name", help="Give it another name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def settings(
    destination: int | None, values: tuple[str, ...], *, enabled: bool | None, name: str | None, as_json: bool
) -> None:
    """Show destinations with their settings, or change one: KEY=VALUE, KEY=@FILE, KEY= for the default."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    from jetbridge.cli import assignments, settings_page  # noqa: PLC0415 - models need a started Django
    from jetbridge.destinations import changes  # noqa: PLC0415

    if not values and enabled is None and name is None:
        found = settings_page.read(destination)
        click.echo(json.dumps({"destinations": found}) if as_json else settings_page.text(found))
        return
    if destination is None:
        raise ConfigurationError("Say which destination: `jetbridge settings` lists them with their ids.")
    settings_page.read(destination)
    made = changes.change(destination, assignments.parse(values), enabled=enabled, name=name)
    if as_json:
        changed = [each._asdict() for each in made]
        click.echo(json.dumps({"destinations": settings_page.read(destination), "changed": changed}))
    else:
        click.echo(settings_page.text_of_changes(made))
