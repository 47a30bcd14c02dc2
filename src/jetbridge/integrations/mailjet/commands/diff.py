"""`jetbridge contacts diff`: what would be sent to Mailjet now. Sends nothing."""

import json
from typing import TYPE_CHECKING, Any

import click

from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo, pluralize

if TYPE_CHECKING:
    from jetbridge.control.directory import AccountRef
    from jetbridge.integrations.mailjet.sync.plan import Plan


@click.command(epilog=examples("jetbridge contacts diff", "jetbridge contacts diff --account 1 --json"))
@click.option("--account", type=int, help="Only this Mailjet account, by its id.")
@JSON
def diff(*, account: int | None, as_json: bool) -> None:
    """Show what the worker would send to Mailjet for contacts that wait, and send nothing."""
    start()
    from jetbridge.integrations.mailjet.commands import accounts  # noqa: PLC0415 - models need a started Django

    rows = [(ref, _plan(ref), _unread(ref)) for ref in accounts.chosen(account)]
    if as_json:
        echo(json.dumps({"accounts": [as_object(*row) for row in rows]}))
    else:
        echo("\n".join(line for row in rows for line in lines(*row)))


def as_object(ref: "AccountRef", found: "Plan", unread: int) -> dict[str, Any]:
    """The JSON of one account; its keys are a promise to scripts."""
    return {"id": ref.id, "name": ref.name, **found.figures(), "unread": unread}


def lines(ref: "AccountRef", found: "Plan", unread: int) -> list[str]:
    """The same for a person."""
    from jetbridge.integrations.mailjet.sync.plan import FATES  # noqa: PLC0415 - models need a started Django

    fates = ", ".join(f"{name}: {getattr(found, name):,}" for name in FATES if getattr(found, name))
    later = f" ({found.later:,} of them later, after a failure)" if found.later else ""
    lines = [f"{ref.name}: contacts waiting: {found.due:,}{later}."]
    if fates:
        lines.append(f"  {fates}")
    lines += [
        f"  property {name} would be created as {kind}" for name, kind in sorted(found.properties.items())
    ]
    lines += [
        f"  property {name}: {reason} (rejected values: {total:,})"
        for (name, reason), total in sorted(found.rejected_values.items())
    ]
    lines += [
        f"  {email}: its stored state cannot be read; see `jetbridge contacts verify`"
        for email in found.unreadable
    ]
    if found.calls:
        lines.append(
            f"  calls: {found.jobs:,} for many, up to {pluralize(found.calls - found.jobs, 'other')}"
        )
    if found.open_jobs:
        lines.append(
            f"  in jobs already: {pluralize(found.carried, 'contact')}, {pluralize(found.open_jobs, 'job')}"
        )
    if unread:
        lines.append(f"  messages not read yet: {unread:,}")
    return lines


def _plan(ref: "AccountRef") -> "Plan":
    from jetbridge.integrations.mailjet.api.client import MailjetClient  # noqa: PLC0415
    from jetbridge.integrations.mailjet.sync.plan import plan  # noqa: PLC0415 - models need a started Django

    return plan(ref.id, MailjetClient(ref.api_url, ref.api_key, ref.secret_key))


def _unread(ref: "AccountRef") -> int:
    """Messages that wait in the log for destinations of this account."""
    from jetbridge.cli import account  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations.mailjet.definition import destinations_of  # noqa: PLC0415

    mine = destinations_of(ref)
    return sum(row.unread for row in account.read().destinations if row.id in mine)
