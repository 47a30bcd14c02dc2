"""`jetbridge contacts verify`: compares contacts with Mailjet, prints the differences, and repairs them with `--repair`."""

import json
import sys
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.terminal import Terminal
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.control.directory import AccountRef
    from jetbridge.integrations.mailjet.verification.comparer import Difference
    from jetbridge.integrations.mailjet.verification.verify import Report


@click.command(
    epilog=examples("jetbridge contacts verify", "jetbridge contacts verify --repair --limit 20 --json")
)
@click.option("--account", type=int, help="Only this Mailjet account, by its id.")
@click.option("--repair", is_flag=True, help="Have the worker send Mailjet what differs.")
@JSON
@click.option("--limit", default=100, show_default=True, type=click.IntRange(0), help="Differences to show.")
@click.option(
    "--reads-per-second",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0.01),
    help="Calls to Mailjet at the most; each reads up to 1,000 rows.",
)
def verify(*, account: int | None, repair: bool, as_json: bool, limit: int, reads_per_second: float) -> None:
    """Compare contacts with what is in Mailjet. Status 1 if differences remain."""
    start()
    from jetbridge.integrations.mailjet.commands import accounts  # noqa: PLC0415 - models need a started Django

    objects, lines, remaining = [], [], 0
    for ref in accounts.choose(account):
        report, shown = _verify(ref, repair=repair, limit=limit, per_second=reads_per_second)
        remaining += report.remaining
        # The keys are a promise to scripts.
        differences = [difference.as_object() for difference in shown]
        objects.append({"id": ref.id, "name": ref.name, **report.figures(), "shown": differences})
        lines += _lines(ref.name, report, shown, repair=repair)
    echo(json.dumps({"accounts": objects, "remaining": remaining}) if as_json else "\n".join(lines))
    sys.exit(1 if remaining else 0)


def _verify(
    ref: "AccountRef", *, repair: bool, limit: int, per_second: float
) -> "tuple[Report, list[Difference]]":
    from jetbridge.control.models import MailjetAccount  # noqa: PLC0415
    from jetbridge.integrations.mailjet.api.client import MailjetClient  # noqa: PLC0415
    from jetbridge.integrations.mailjet.services import accounts  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations.mailjet.sync.remote import Reads  # noqa: PLC0415
    from jetbridge.integrations.mailjet.verification.verify import Verification  # noqa: PLC0415
    from jetbridge.services import lookup  # noqa: PLC0415

    shown: list[Difference] = []

    def show(difference: "Difference") -> None:
        if len(shown) < limit:
            shown.append(difference)

    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    client = MailjetClient(ref.api_url, ref.api_key, ref.secret_key)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(ref.name, total=None)
        verification = Verification(
            ref.id,
            Reads(client, per_second=per_second, on_rows=lambda rows: progress.advance(task, rows)),
            repair=repair,
            show=show,
            expect=lambda rows: progress.reset(task, total=rows),
        )
        if not repair:
            return verification.run(), shown
        account = MailjetAccount.objects.select_related("workspace").get(id=ref.id)
        actor = lookup.actor(account.workspace, "contacts verify")
        return accounts.repair(actor, account, verification), shown


def _lines(name: str, report: "Report", shown: "list[Difference]", *, repair: bool) -> list[str]:
    lines = [f"{difference.email}: {difference.message}" for difference in shown]
    if report.differences > len(shown):
        lines.append(f"... and {report.differences - len(shown):,} more: see --limit.")
    lines += [
        f"Mailjet has no contacts list {list_id} any more; who should be on it was not looked for there."
        for list_id in report.lists_gone
    ]
    lines.append(
        f"{name}: contacts compared: {report.compared:,}, under way: {report.under_way:,}, "
        f"at Mailjet and unknown to Segment: {report.unknown:,}, rejected values: {report.rejected:,}."
    )
    if not report.differences:
        return [*lines, "No differences."]
    parts = []
    if report.learned:
        parts.append(f"{report.learned:,} learned as the person's own word")
    if repair:
        parts.append(f"{report.repaired:,} for the worker to send")
    if report.remaining:
        parts.append(f"{report.remaining:,} remain: `jetbridge contacts verify --repair` repairs them")
    return [*lines, f"Differences: {report.differences:,}; {', '.join(parts)}."]
