"""`jetbridge setup`: does without a console what the console will do later."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from jetbridge.cli.secret_option import secret, secret_option


@click.command()
@click.option("--mailjet-url", default="https://api.mailjet.com", show_default=True, help="Mailjet's API.")
@click.option("--api-key", required=True, envvar="JETBRIDGE_SETUP_API_KEY", help="Mailjet API key.")
@secret_option("secret-key", "JETBRIDGE_SETUP_SECRET_KEY", "Mailjet secret key.")
@click.option("--list", "wanted_list", required=True, help="Contacts list: its name, or its id.")
@click.option("--segment-url", default="https://api.segment.io", show_default=True, help="Where events go.")
@secret_option("segment-write-key", "JETBRIDGE_SETUP_SEGMENT_WRITE_KEY", "Segment source for email events.")
@click.option("--workspace", default="Main", show_default=True, help="Workspace in Jetbridge.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def setup(
    *,
    mailjet_url: str,
    api_key: str,
    secret_key: str,
    secret_key_file: Path | None,
    wanted_list: str,
    segment_url: str,
    segment_write_key: str,
    segment_write_key_file: Path | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Join a Segment workspace and a Mailjet account; run again, it finds what it made."""
    from jetbridge.cli import contacts_list  # noqa: PLC0415 - Django must not load for `--help`
    from jetbridge.control import database  # noqa: PLC0415
    from jetbridge.mailjet.client import MailjetClient  # noqa: PLC0415

    database.start()
    database.migrate()
    from jetbridge.cli import joining  # noqa: PLC0415 - models need a started Django
    from jetbridge.control.connect import Wish  # noqa: PLC0415

    key = secret(secret_key, secret_key_file, "secret key")
    client = MailjetClient(mailjet_url, api_key, key)
    chosen = contacts_list.find_or_create(client, wanted_list)
    write_key = segment_write_key or (segment_write_key_file and segment_write_key_file.read_text().strip())
    result = joining.join(
        client,
        Wish(
            workspace=workspace,
            mailjet_url=mailjet_url,
            api_key=api_key,
            secret_key=key,
            list_id=chosen.id,
            list_name=chosen.name,
            segment_url=segment_url,
            segment_write_key=write_key or "",
        ),
    )
    if as_json:
        click.echo(json.dumps(result))
    else:
        _show(result)


def _show(result: dict[str, Any]) -> None:
    console = Console(highlight=False, markup=False)
    console.rule("Segment and Mailjet are joined")
    for label, value in (
        ("Workspace", result["workspace"]),
        ("Segment's libraries", f"host {result['tracking_url']}, write key {result['write_key']}"),
        ("Segment's workspace", result["subscription_url"]),
        ("  or, as a webhook", result["webhooks_url"]),
        ("  Authentication key", result["authentication_key"]),
        ("  List ID", f"{result['list_id']} ({result['list_name']})"),
        ("Mailjet's events", result["mailjet_events_url"]),
        *((f"  {event}", state) for event, state in result["event_callback_urls"].items()),
        ("Destinations", ", ".join(row["name"] for row in result["destinations"])),
        ("Next", "jetbridge serve, then jetbridge check"),
    ):
        # soft_wrap: keys and addresses are copied from here and must stay in one piece
        console.print(f"{label:<22}{value}", soft_wrap=True)
