"""`jetbridge destinations backfill`: add the email events that callbacks have missed, from Mailjet's message history."""

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import (
    JSON,
    WAIT,
    YES,
    confirmed,
    examples,
    since_option,
    start,
    until_option,
)
from jetbridge.text import duration, echo, pluralize

if TYPE_CHECKING:
    from jetbridge.control.models import MailjetAccount
    from jetbridge.integrations.mailjet.events.backfill import Estimate
    from jetbridge.integrations.mailjet.models import Backfill

POLL_SECONDS = 0.5
#: In what `--json` prints of a backfill.
FIELDS = ("id", "account_id", "state", "messages", "done", "calls", "added", "known", "skipped", "unreadable", "waits_for", "problem")  # fmt: skip
TIMES = ("since", "until", "requested_at", "ended_at")


@click.command(
    epilog=examples(
        "jetbridge destinations backfill --dry-run",
        "jetbridge destinations backfill Warehouse --since 7d --wait",
        "jetbridge destinations backfill --list",
    )
)
@click.argument("destination", metavar="[ID|NAME]", required=False)
@click.option(
    "--account", type=int, metavar="ID", help="The Mailjet account, by its id; needed if there are several."
)
@since_option("Messages that arrived at Mailjet since then; else 30 days, as far as the event log reaches.")
@until_option("Messages that arrived at Mailjet before then.")
@click.option("--dry-run", is_flag=True, help="Only count messages and calls.")
@YES
@WAIT
@click.option("--list", "listed", is_flag=True, help="Show all backfills.")
@click.option("--cancel", type=int, metavar="ID", help="Read no further.")
@JSON
def backfill(
    *,
    destination: str | None,
    account: int | None,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    listed: bool,
    cancel: int | None,
    as_json: bool,
) -> None:
    """Add email events that callbacks have missed: those of Mailjet's message history that the event log does not have.

    The history belongs to a Mailjet account, and every destination of its email events gets what is added. Name one of them,
    or the account, if there are several accounts.
    """
    if [destination is not None or account is not None, listed, cancel is not None].count(True) > 1:
        raise click.UsageError("Name a destination or an account, or say --list, or --cancel ID.")
    start()
    from jetbridge.integrations.mailjet.models import Backfill  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations.mailjet.services import backfills  # noqa: PLC0415
    from jetbridge.services import lookup  # noqa: PLC0415

    if listed:
        rows = list(Backfill.objects.select_related("account").order_by("-id"))
        if as_json:
            echo(json.dumps({"backfills": [_as_object(row) for row in rows]}))
        else:
            echo("\n".join(map(_line, rows)) or "There was no backfill yet.")
    elif cancel is not None:
        row = Backfill.objects.select_related("account__workspace").filter(id=cancel).first()
        if row is None or not backfills.cancel(
            lookup.actor(row.account.workspace, "destinations backfill"), row.account, row
        ):
            raise ConfigurationError(
                f"There is no running backfill {cancel}: see `jetbridge destinations backfill --list`."
            )
        row.refresh_from_db()
        done = f"Backfill {cancel} reads no further. What it has added stays."
        echo(json.dumps({"backfill": _as_object(row)}) if as_json else done)
    else:
        mailjet_account = _find_account(destination, account)
        _estimate_and_start(
            mailjet_account, since, until, dry_run=dry_run, yes=yes or as_json, wait=wait, as_json=as_json
        )


def _estimate_and_start(
    account: "MailjetAccount",
    since: datetime | None,
    until: datetime | None,
    *,
    dry_run: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    from jetbridge.control import processes  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations.mailjet.events import message_history  # noqa: PLC0415
    from jetbridge.integrations.mailjet.services import backfills  # noqa: PLC0415
    from jetbridge.services import lookup  # noqa: PLC0415

    plan = backfills.estimate(account, since, until)
    missing_fields = message_history.missing_fields()
    if not as_json:
        echo("\n".join(_estimate_lines(account.name, plan, missing_fields)))
    row: Backfill | None = None
    question = f"Make up to {pluralize(plan.calls, 'call')} to Mailjet?"
    if plan.messages and not dry_run and confirmed(question, yes=yes):
        actor = lookup.actor(account.workspace, "destinations backfill")
        row = backfills.start(actor, account, plan.since, plan.until)
        worker_runs = processes.worker_runs()
        if not as_json:
            echo(
                f"Backfill {row.id} is started. `jetbridge destinations backfill --list` shows how far it is."
            )
            if not worker_runs:
                echo("No worker is running: nothing is read. Start `jetbridge serve`.")
        if worker_runs and wait:
            _wait(row, quiet=as_json)
    if as_json:
        preview = {
            **{name: _iso(getattr(plan, name)) for name in ("since", "until", "log_since")},
            "messages": plan.messages,
            "calls": plan.calls,
            "seconds": plan.seconds,
            "missing_fields": missing_fields,
        }
        echo(json.dumps({"preview": preview, "backfill": _as_object(row) if row else None}))


def _estimate_lines(name: str, plan: "Estimate", missing_fields: dict[str, list[str]]) -> list[str]:
    span = f"from {plan.since:%Y-%m-%d %H:%M} to {plan.until:%Y-%m-%d %H:%M} UTC"
    if not plan.messages:
        return [f"{name}: no message arrived at Mailjet {span}."]
    lines = []
    lines.append(
        f"{name}: {pluralize(plan.messages, 'message')} arrived at Mailjet {span}. To read what happened to them takes up to "
        f"{pluralize(plan.calls, 'call')}, about {duration(plan.seconds)}."
    )
    if plan.log_since:
        lines.append(
            f"The event log knows no events from before {plan.log_since:%Y-%m-%d %H:%M} UTC: those are added again, under the "
            "same messageIds."
        )
    fields = "; ".join(f"{event_type}: {', '.join(names)}" for event_type, names in missing_fields.items())
    return [*lines, f"Events from the history come without some fields. {fields}."]


def _wait(row: "Backfill", *, quiet: bool) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from jetbridge.terminal import Terminal  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Terminal(), disable=quiet) as bar:
        task = bar.add_task(f"Backfill {row.id}", total=row.messages)
        waits_for = ""
        while row.ended_at is None:
            time.sleep(POLL_SECONDS)
            row.refresh_from_db()
            bar.update(task, completed=row.done)
            if row.waits_for != waits_for:
                waits_for = row.waits_for
                if waits_for and not quiet:
                    bar.console.print(f"It waits: {waits_for}", markup=False, highlight=False)
    if not quiet:
        echo(_line(row))


def _line(row: "Backfill") -> str:
    counts = [
        f"{row.done:,} of {pluralize(row.messages, 'message')}",
        f"{pluralize(row.added, 'event')} added",
        f"{row.known:,} known",
    ]
    if row.skipped:
        counts.append(f"{row.skipped:,} of nobody")
    if row.unreadable:
        counts.append(f"{pluralize(row.unreadable, 'message')} unreadable")
    reason = row.problem or row.waits_for
    line = (
        f"#{row.id}  {row.requested_at:%Y-%m-%d %H:%M}  {row.account.name}  {row.state}  {', '.join(counts)}"
    )
    return f"{line}  {reason}" if reason else line


def _find_account(destination: str | None, account: int | None) -> "MailjetAccount":
    """The account with this id, or whose email events the destination gets, or the only one. Raises ConfigurationError."""
    from jetbridge.control import directory  # noqa: PLC0415 - models need a started Django
    from jetbridge.control.models import MailjetAccount  # noqa: PLC0415
    from jetbridge.integrations.mailjet import settings  # noqa: PLC0415
    from jetbridge.services import lookup  # noqa: PLC0415

    rows = MailjetAccount.objects.select_related("workspace").order_by("id")
    what = "Mailjet account"
    if destination is not None:
        row = lookup.destination(destination)
        ref = directory.destination(row.id)
        behind = settings.account_behind(ref) if ref else None
        rows = rows.filter(id=behind.id) if behind else rows.filter(event_source__destinations=row)
        what = f"Mailjet account whose email events {row.name} gets"
    if account is not None:
        rows = rows.filter(id=account)
        what = f"{what} with the id {account}"
    accounts = list(rows)
    if not accounts:
        raise ConfigurationError(f"There is no {what}.")
    if len(accounts) > 1:
        ids = ", ".join(f"{row.id} ({row.name})" for row in accounts)
        raise ConfigurationError(f"There are several Mailjet accounts. Say which with --account: {ids}.")
    return accounts[0]


def _as_object(row: "Backfill") -> dict[str, Any]:
    """Its keys are a promise to scripts."""
    fields = {name.removesuffix("_id"): getattr(row, name) for name in FIELDS}
    return {**fields, **{name: _iso(getattr(row, name)) for name in TIMES}}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
