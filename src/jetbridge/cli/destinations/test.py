"""`jetbridge destinations test`: send one message as a test, and see what comes back."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO

import click

from jetbridge.cli.destinations.manage import DESTINATION
from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.integrations.exchange import Exchange

_FOLLOWS = {
    "delivered": "It is taken.",
    "retried": "In delivery it would be tried again.",
    "failed": "In delivery the message would fail.",
    "paused": "In delivery the destination would be paused.",
}


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
        echo(_text(sent, exchange))
    if exchange.outcome != "delivered":
        raise SystemExit(1)


def _text(message_id: str, exchange: "Exchange") -> str:
    status = f"Status {exchange.status}" if exchange.status else "No response"
    headers = [f"{name}: {value}" for name, value in exchange.headers.items()]
    response = ["", *headers, "", exchange.body] if headers or exchange.body else []
    happened = [f"{status} after {exchange.seconds:.3f} s, for {message_id}. {_FOLLOWS[exchange.outcome]}"]
    return "\n".join([exchange.request, "", *happened, *filter(None, [exchange.message]), *response])
