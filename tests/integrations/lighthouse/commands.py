import click


@click.group()
def commands() -> None:
    """Who keeps the lighthouses."""


@commands.command()
def crew() -> None:
    click.echo("Ida")
