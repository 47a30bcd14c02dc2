"""`jetbridge contacts verify`: does Mailjet hold what it should? Tells the differences; mends them when asked to."""

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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

    refs = accounts.chosen(account)
    verified = [_verify(ref, repair=repair, limit=limit, per_second=reads_per_second) for ref in refs]
    remaining = sum(each.report.remaining for each in verified)
    if as_json:
        rows = [each.as_object() for each in verified]
        echo(json.dumps({"accounts": rows, "remaining": remaining}))
    else:
        for each in verified:
            echo("\n".join(each.lines(repair=repair)))
    sys.exit(1 if remaining else 0)


@dataclass
class _Verified:
    ref: "AccountRef"
    report: "Report"
    shown: "list[Difference]" = field(default_factory=list)

    def as_object(self) -> dict[str, Any]:
        """The JSON of one account; its keys are a promise to scripts."""
        shown = [each.as_object() for each in self.shown]
        return {"id": self.ref.id, "name": self.ref.name, **self.report.figures(), "shown": shown}

    def lines(self, *, repair: bool) -> list[str]:
        report = self.report
        lines = [f"{each.email}: {each.message}" for each in self.shown]
        if report.differences > len(self.shown):
            lines.append(f"... and {report.differences - len(self.shown):,} more: see --limit.")
        lines += [
            f"Mailjet has no contacts list {list_id} any more; who should be on it was not looked for there."
            for list_id in report.lists_gone
        ]
        figures = [
            f"contacts compared: {report.compared:,}",
            f"under way: {report.under_way:,}",
            f"at Mailjet and unknown to Segment: {report.unknown:,}",
            f"rejected values: {report.rejected:,}",
        ]
        lines.append(f"{self.ref.name}: {', '.join(figures)}.")
        return [*lines, self._outcome(repair=repair)]

    def _outcome(self, *, repair: bool) -> str:
        report = self.report
        if not report.differences:
            return "No differences."
        learned = f"{report.learned:,} learned as the person's own word" if report.learned else ""
        mended = f"{report.repaired:,} for the worker to send" if repair else ""
        left = (
            f"{report.remaining:,} remain: `jetbridge contacts verify --repair` repairs them"
            if report.remaining
            else ""
        )
        return f"Differences: {report.differences:,}; {', '.join(filter(None, [learned, mended, left]))}."


def _verify(ref: "AccountRef", *, repair: bool, limit: int, per_second: float) -> _Verified:
    from jetbridge.control.audit import Actor  # noqa: PLC0415 - models need a started Django
    from jetbridge.control.models import MailjetAccount  # noqa: PLC0415
    from jetbridge.integrations.mailjet.api.client import MailjetClient  # noqa: PLC0415
    from jetbridge.integrations.mailjet.services import accounts  # noqa: PLC0415
    from jetbridge.integrations.mailjet.sync.remote import Reads  # noqa: PLC0415
    from jetbridge.integrations.mailjet.verification.verify import Report, Verification  # noqa: PLC0415

    verified = _Verified(ref, Report())

    def show(difference: "Difference") -> None:
        if len(verified.shown) < limit:
            verified.shown.append(difference)

    client = MailjetClient(ref.api_url, ref.api_key, ref.secret_key)
    with _progress() as progress:
        task = progress.add_task(ref.name, total=None)
        reads = Reads(client, per_second=per_second, on_rows=lambda rows: progress.advance(task, rows))
        verification = Verification(
            ref.id,
            reads,
            repair=repair,
            show=show,
            expect=lambda rows: progress.reset(task, total=rows),
        )
        if repair:
            account = MailjetAccount.objects.select_related("workspace").get(id=ref.id)
            actor = Actor(account.workspace, None, "jetbridge contacts verify")
            verified.report = accounts.repair(actor, account, verification)
        else:
            verified.report = verification.run()
    return verified


def _progress() -> Progress:
    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
