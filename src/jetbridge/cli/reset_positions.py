"""`jetbridge admin reset-positions`: let readers that are paused because the event log was replaced start in this one."""

from datetime import UTC, datetime
from typing import Any

import click

from jetbridge.cli.confirm import confirmed
from jetbridge.cli.log_bar import log_bar
from jetbridge.cli.moment_option import Moment
from jetbridge.integrations.command_parts import start
from jetbridge.text import echo

#: What the audit log names instead of a person.
WHO = "jetbridge admin reset-positions"


class _Start(Moment):
    """`earliest`, `latest` or a moment."""

    name = "earliest|latest|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        ends = {"earliest": datetime(1, 1, 1, tzinfo=UTC), "latest": datetime(9999, 1, 1, tzinfo=UTC)}
        return ends[value] if value in ends else super().convert(value, param, ctx)


@click.command()
@click.option("--to", type=_Start(), required=True, help="Where to start in the log that is there.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset_positions(*, to: datetime, yes: bool) -> None:
    """Let readers start in the event log that is there, after it was replaced.

    Only those are moved whose position means nothing in it. Jetbridge may run meanwhile. For example:

        jetbridge admin reset-positions --to earliest
    """
    start()
    from django.conf import settings  # noqa: PLC0415 - after Django

    from jetbridge import eventlog  # noqa: PLC0415
    from jetbridge.delivery import log_reader  # noqa: PLC0415
    from jetbridge.services import installation  # noqa: PLC0415

    with eventlog.open(settings.CONFIG) as event_log:
        stale = list(log_reader.problems(event_log))
        if not stale:
            echo("Every reader stands where it should in this event log. Nothing was changed.")
            return
        for row, error in stale:
            echo(f"{row.consumer} stands at {row.position:,} ({error.code})")
        end = event_log.counts().end
        if not confirmed(f"Let these start anew in this log, which ends at {end:,}?", yes=yes):
            raise SystemExit(1)
        with log_bar() as bar:
            moved = installation.reset_positions(WHO, bar.watch(event_log), to)
    for each in moved:
        echo(f"{each.consumer} goes on after position {each.after:,}.")
