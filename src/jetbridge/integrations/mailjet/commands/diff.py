"""`jetbridge contacts diff`: what would be sent to Mailjet now. Sends nothing."""

import json
from typing import TYPE_CHECKING

import click

from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo, pluralize

if TYPE_CHECKING:
    from jetbridge.integrations.mailjet.sync.plan import Plan


@click.command(epilog=examples("jetbridge contacts diff", "jetbridge contacts diff --account 1 --json"))
@click.option("--account", type=int, help="Only this Mailjet account, by its id.")
@JSON
def diff(*, account: int | None, as_json: bool) -> None:
    """Show what the worker would send to Mailjet for contacts that wait, and send nothing."""
    start()
    from jetbridge.delivery.report import report  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations.mailjet.api.client import MailjetClient  # noqa: PLC0415
    from jetbridge.integrations.mailjet.commands import accounts  # noqa: PLC0415
    from jetbridge.integrations.mailjet.definition import destinations_of  # noqa: PLC0415
    from jetbridge.integrations.mailjet.sync.plan import plan  # noqa: PLC0415
    from jetbridge.services.log import event_log  # noqa: PLC0415

    refs = accounts.choose(account)
    with event_log() as log:
        #: Messages that wait in the log, by destination.
        unread = {row.id: row.unread for row in report(log.counts)}
    objects, lines = [], []
    for ref in refs:
        account_plan = plan(ref.id, MailjetClient(ref.api_url, ref.api_key, ref.secret_key))
        account_unread = sum(unread.get(destination, 0) for destination in destinations_of(ref))
        # The keys are a promise to scripts.
        objects.append({"id": ref.id, "name": ref.name, **account_plan.figures(), "unread": account_unread})
        lines += _lines(ref.name, account_plan, account_unread)
    echo(json.dumps({"accounts": objects}) if as_json else "\n".join(lines))


def _lines(name: str, plan: "Plan", unread: int) -> list[str]:
    from jetbridge.integrations.mailjet.sync.plan import CHANGES  # noqa: PLC0415 - models need a started Django

    changes = ", ".join(f"{name}: {getattr(plan, name):,}" for name in CHANGES if getattr(plan, name))
    later = f" ({plan.later:,} of them later, after a failure)" if plan.later else ""
    lines = [f"{name}: contacts waiting: {plan.due:,}{later}."]
    if changes:
        lines.append(f"  {changes}")
    lines += [
        f"  property {property_} would be created as {datatype}"
        for property_, datatype in sorted(plan.properties.items())
    ]
    lines += [
        f"  property {property_}: {reason} (rejected values: {total:,})"
        for (property_, reason), total in sorted(plan.rejected_values.items())
    ]
    lines += [
        f"  {email}: its stored state cannot be read; see `jetbridge contacts verify`"
        for email in plan.unreadable
    ]
    if plan.calls:
        lines.append(f"  calls: {plan.jobs:,} for many, up to {pluralize(plan.calls - plan.jobs, 'other')}")
    if plan.open_jobs:
        carried = f"{pluralize(plan.carried, 'contact')}, {pluralize(plan.open_jobs, 'job')}"
        lines.append(f"  in jobs already: {carried}")
    if unread:
        lines.append(f"  messages not read yet: {unread:,}")
    return lines
