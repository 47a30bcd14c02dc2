"""`jetbridge setup`: connects a Segment workspace and a Mailjet account, both ways, without a console."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, examples, read_secret, secret_option
from jetbridge.terminal import Terminal
from jetbridge.text import echo, pasted

if TYPE_CHECKING:
    from jetbridge.integrations.mailjet.api.client import MailjetClient
    from jetbridge.integrations.mailjet.api.resources import ContactsList

#: The workspace that is created where there is none.
MAIN = "Main"
#: Lists that are named when none matches.
SHOWN = 10
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
@click.option("--list", "list_name", required=True, help="Contacts list: its name, or its id.")
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
    list_name: str,
    create_list: bool,
    segment_url: str,
    segment_write_key: str,
    segment_write_key_file: Path | None,
    custom_id_is_user_id: bool | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Join a Segment workspace and a Mailjet account; run again, it finds what it made."""
    from django.conf import settings  # noqa: PLC0415 - Django must not load for `--help`

    from jetbridge.control import database  # noqa: PLC0415
    from jetbridge.http.addresses import checked_address  # noqa: PLC0415
    from jetbridge.integrations.mailjet.api.client import (  # noqa: PLC0415
        MailjetClient,
        SwappedKeys,
        check_key_pair,
    )

    database.start()
    database.migrate()
    from jetbridge.errors import DeliveryError  # noqa: PLC0415
    from jetbridge.integrations.mailjet.accounts import subscription_url, webhooks_url  # noqa: PLC0415
    from jetbridge.integrations.mailjet.connect import ConnectionSpec  # noqa: PLC0415
    from jetbridge.integrations.mailjet.events import callbacks  # noqa: PLC0415
    from jetbridge.integrations.mailjet.services import accounts, email_events  # noqa: PLC0415

    workspace = workspace or _default_workspace()
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
    contacts_list = find_list(client, list_name, create=create_list)
    write_key = segment_write_key or (segment_write_key_file and segment_write_key_file.read_text())
    spec = ConnectionSpec(
        workspace=workspace,
        mailjet_url=mailjet_url,
        api_key=api_key,
        secret_key=key,
        list_id=contacts_list.id,
        list_name=contacts_list.name,
        segment_url=segment_url,
        segment_write_key=pasted(write_key or ""),
        custom_id_is_user_id=custom_id_is_user_id,
    )
    joined = accounts.set_up("jetbridge setup", spec)

    # A state or a message per event type. Without callback URLs, the rest of the setup stands.
    events_url = email_events.events_url(joined.account)
    try:
        states = callbacks.repair(client, joined.account.id, events_url)
        registered = {
            row.event_type: row.state if row.is_ours else f"{row.state}: {row.message}" for row in states
        }
    except DeliveryError as error:
        registered = {"all": f"not registered: {error} `jetbridge serve` tries again."}

    public_url = settings.CONFIG.public_url
    result = {
        "write_key": joined.http_source.current_key,
        "authentication_key": joined.connection.authentication_key,
        "list_id": joined.connection.list_id,
        "list_name": joined.connection.list_name,
        "tracking_url": public_url,
        "subscription_url": subscription_url(public_url),
        "webhooks_url": webhooks_url(public_url, joined.connection),
        "mailjet_events_url": events_url,
        "workspace": joined.workspace.name,
        "source": joined.http_source.name,
        "mailjet_account": joined.account.name,
        "custom_id_is_user_id": joined.account.custom_id_is_user_id,
        "destinations": [{"id": row.id, "name": row.name, "kind": row.kind} for row in joined.destinations],
        "event_callback_urls": registered,
    }
    if as_json:
        echo(json.dumps(result))
    else:
        _print(result)


def _default_workspace() -> str:
    """The one that was created in the console: a second one would show there to nobody. Else Main."""
    from jetbridge.control.models import Workspace  # noqa: PLC0415 - models need a started Django

    names = list(Workspace.objects.order_by("id").values_list("name", flat=True)[:20])
    if len(names) > 1 and MAIN not in names:
        raise ConfigurationError(
            f"There are several workspaces: {', '.join(names)}. Say which with --workspace."
        )
    return names[0] if len(names) == 1 else MAIN


def find_list(client: "MailjetClient", name: str, *, create: bool) -> "ContactsList":
    """The list with this name or else this id; with `create` a new one of this name. Blocks.

    Names are compared without case and blanks: "customers " means Customers, and no near-double of it. Raises
    ConfigurationError if no list matches, or several do.
    """
    name = pasted(name)
    lists = client.contactslists()
    matches = [row for row in lists if row.name == name] or [row for row in lists if row.is_named(name)]
    matches = matches or [row for row in lists if str(row.id) == name]
    if len(matches) > 1:
        ids = ", ".join(str(row.id) for row in matches)
        raise ConfigurationError(f"Several contacts lists are named {name}: give the id of one of {ids}.")
    if matches:
        return matches[0]
    if create and not name.isdecimal():  # nobody means a new list called "10234"
        return client.create_contactslist(name)
    known = ", ".join(f"{row.name} ({row.id})" for row in lists[:SHOWN]) or "none yet"
    more = f", and {len(lists) - SHOWN:,} more" if len(lists) > SHOWN else ""
    raise ConfigurationError(
        f"This Mailjet account has no contacts list {name!r}. It has: {known}{more}. Give the name or id of one, or a new "
        "name with --create-list."
    )


def _print(result: dict[str, Any]) -> None:
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
