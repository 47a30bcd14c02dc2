"""`jetbridge setup`: does without a console what the console will do later."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from jetbridge.cli.options import read_secret, secret_option
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, examples
from jetbridge.terminal import Terminal
from jetbridge.text import echo, pasted

#: The workspace that is made where there is none.
MAIN = "Main"
_USER_ID = {
    True: "their CustomID, else what Identify said of the address",
    False: "what Identify said of the address",
}


@click.command(
    epilog=examples(
        'jetbridge setup --api-key KEY --secret-key-file secret --list "Customers" --create-list',
        "jetbridge setup --api-key KEY --list 10234 --segment-write-key-file write-key --json",
    )
)
@click.option("--mailjet-url", default="https://api.mailjet.com", show_default=True, help="Mailjet's API.")
@click.option("--api-key", required=True, envvar="JETBRIDGE_SETUP_API_KEY", help="Mailjet API key.")
@secret_option("secret-key", "JETBRIDGE_SETUP_SECRET_KEY", "Mailjet secret key.")
@click.option("--list", "wanted_list", required=True, help="Contacts list: its name, or its id.")
@click.option("--create-list", is_flag=True, help="Create the contacts list if there is none of this name.")
@click.option("--segment-url", default="https://api.segment.io", show_default=True, help="Where events go.")
@secret_option("segment-write-key", "JETBRIDGE_SETUP_SEGMENT_WRITE_KEY", "Segment source for email events.")
@click.option(
    "--custom-id-is-user-id/--custom-id-is-no-user-id",
    default=None,
    help="Whether the CustomID of your messages is the userId. [default: as it is; no]",
)
@click.option("--workspace", default="", help="Workspace in Jetbridge; else the one there is, or Main.")
@JSON
def setup(
    *,
    mailjet_url: str,
    api_key: str,
    secret_key: str,
    secret_key_file: Path | None,
    wanted_list: str,
    create_list: bool,
    segment_url: str,
    segment_write_key: str,
    segment_write_key_file: Path | None,
    custom_id_is_user_id: bool | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Join a Segment workspace and a Mailjet account; run again, it finds what it made."""
    from jetbridge.control import database  # noqa: PLC0415
    from jetbridge.http.addresses import checked_address  # noqa: PLC0415
    from jetbridge.integrations.mailjet.api.client import (  # noqa: PLC0415
        MailjetClient,
        SwappedKeys,
        check_key_pair,
    )
    from jetbridge.integrations.mailjet.commands import contacts_list  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    from jetbridge.integrations.mailjet.commands import provisioning  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations.mailjet.connect import ConnectionSpec  # noqa: PLC0415

    workspace = workspace or _workspace_there_is()
    api_key = pasted(api_key)
    key = read_secret(secret_key, secret_key_file, "secret key")
    mailjet_url, segment_url = checked_address(mailjet_url), checked_address(segment_url)
    try:
        check_key_pair(mailjet_url, api_key, key)
    except SwappedKeys:
        question = "Mailjet takes the two keys the other way round. Exchange them?"
        if not sys.stdin.isatty() or not click.confirm(question, err=True):
            raise
        api_key, key = key, api_key
    client = MailjetClient(mailjet_url, api_key, key)
    chosen = contacts_list.find(client, wanted_list, create=create_list)
    write_key = segment_write_key or (segment_write_key_file and segment_write_key_file.read_text())
    result = provisioning.join(
        client,
        ConnectionSpec(
            workspace=workspace,
            mailjet_url=mailjet_url,
            api_key=api_key,
            secret_key=key,
            list_id=chosen.id,
            list_name=chosen.name,
            segment_url=segment_url,
            segment_write_key=pasted(write_key or ""),
            custom_id_is_user_id=custom_id_is_user_id,
        ),
    )
    if as_json:
        echo(json.dumps(result))
    else:
        _show(result)


def _workspace_there_is() -> str:
    """Somebody may have begun in the console: a second workspace would show there to nobody."""
    from jetbridge.control.models import Workspace  # noqa: PLC0415 - models need a started Django

    names = list(Workspace.objects.order_by("id").values_list("name", flat=True)[:20])
    if len(names) > 1 and MAIN not in names:
        raise ConfigurationError(
            f"There are several workspaces: {', '.join(names)}. Say which with --workspace."
        )
    return names[0] if len(names) == 1 else MAIN


def _show(result: dict[str, Any]) -> None:
    console = Terminal(highlight=False, markup=False)
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
        ("  their userId", _USER_ID[result["custom_id_is_user_id"]]),
        ("Destinations", ", ".join(row["name"] for row in result["destinations"])),
        ("Next", "jetbridge serve, then jetbridge doctor"),
    ):
        # soft_wrap: keys and addresses are copied from here and must stay in one piece
        console.print(f"{label:<22}{value}", soft_wrap=True)
