"""`jetbridge destinations preview` and `test`: one call at a destination, without sending it, or sent as a test."""

import json
import sys
from dataclasses import asdict
from typing import BinaryIO

import click

from jetbridge.cli.destinations.manage import DESTINATION
from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.terminal import Terminal
from jetbridge.text import echo

_FOLLOWS = {
    "delivered": "It is taken.",
    "retried": "In delivery it would be tried again.",
    "failed": "In delivery the message would fail.",
    "paused": "In delivery the destination would be paused.",
}


@click.command(
    epilog=examples(
        "jetbridge destinations preview Mailjet ajs-42",
        "jetbridge destinations preview 1 --file call.json --set mapping=@mapping.txt",
        "jetbridge destinations preview Webhook - < call.json",
    )
)
@DESTINATION
@click.argument("message_id", required=False, metavar="[MESSAGE_ID|-]")
@click.option("--file", type=click.File("rb"), help="Read the call from a file instead; - is stdin.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Try a setting: mapping=@FILE.")
@click.option("--offline", is_flag=True, help="Ask nobody: of Mailjet, no Datatypes are read then.")
@JSON
def preview(
    destination: str,
    message_id: str | None,
    *,
    file: BinaryIO | None,
    values: tuple[str, ...],
    offline: bool,
    as_json: bool,
) -> None:
    """Show what a call would become at a destination: the contact, or the request. Changes nothing.

    MESSAGE_ID is looked up in the event log; `-` reads the call from stdin.
    """
    if message_id == "-":
        message_id, file = None, sys.stdin.buffer
    if (message_id is None) == (file is None):
        raise click.UsageError("Give a message's id, or a call with --file FILE or -.")
    start()
    from jetbridge.cli.destinations import assignments, preview_page

    ref = preview_page.destination(destination, assignments.parse(values))
    source = None
    if file:
        message = preview_page.of_file(file.read())
    else:
        message, source = preview_page.of_log(ref, message_id or "")
    result = preview_page.look(ref, message, source, offline=offline)
    if as_json:
        echo(
            json.dumps(
                {"destination": ref.id, "message_id": message.message_id, **preview_page.as_object(result)}
            )
        )
    else:
        Terminal(highlight=False).print_page(preview_page.page(ref, message, result))


@click.command(
    epilog=examples(
        "jetbridge destinations test Webhook ajs-42",
        "jetbridge destinations test Webhook - --json < call.json",
    )
)
@DESTINATION
@click.argument("message_id", required=False, metavar="[MESSAGE_ID|-]")
@click.option("--file", type=click.File("rb"), help="Read the call from a file instead; - is stdin.")
@JSON
def test(destination: str, message_id: str | None, *, file: BinaryIO | None, as_json: bool) -> None:
    """Send a call to one destination alone, marked as a test, and show the response. Status 1 unless it is taken.

    MESSAGE_ID is looked up in the event log; `-` reads the call from stdin. Webhook and Segment have test calls.
    """
    if message_id == "-":
        message_id, file = None, sys.stdin.buffer
    if (message_id is None) == (file is None):
        raise click.UsageError("Give a message's id, or a call with --file FILE or -.")
    start()
    from jetbridge.cli.destinations import preview_page
    from jetbridge.services import event_tester, lookup

    row = lookup.destination(destination)
    ref = preview_page.destination(destination, {})
    if file:
        message, source = preview_page.of_file(file.read()), next(iter(ref.source_kinds), 0)
    else:
        message, source = preview_page.of_log(ref, message_id or "")
    sent, exchange = event_tester.call(lookup.actor(row.workspace, "destinations test"), row, source, message)
    if as_json:
        echo(json.dumps({"destination": row.id, "message_id": sent, **asdict(exchange)}))
    else:
        status = f"Status {exchange.status}" if exchange.status else "No response"
        headers = [f"{name}: {value}" for name, value in exchange.headers.items()]
        response = ["", *headers, "", exchange.body] if headers or exchange.body else []
        outcome = f"{status} after {exchange.seconds:.3f} s, for {sent}. {_FOLLOWS[exchange.outcome]}"
        lines = [exchange.request, "", outcome, *filter(None, [exchange.message]), *response]
        echo("\n".join(lines))
    if exchange.outcome != "delivered":
        raise SystemExit(1)
