"""Moments on the command line: `--since 2026-11-23T10:00`, `--since 90m`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from jetbridge.spec.times import parse_time

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGE = re.compile(r"(\d{1,6})([smhd])")


class Moment(click.ParamType[datetime]):
    """ISO 8601, in UTC unless it names a zone; or how long ago, such as 90m, 12h or 7d."""

    name = "TIME"

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        if age := _AGE.fullmatch(value):
            return self._now() - timedelta(**{_UNITS[age[2]]: int(age[1])})
        if moment := parse_time(value):
            return moment
        raise click.BadParameter(
            f"{value!r} is no time. Write 2026-11-23, 2026-11-23T10:00+01:00, or an age: 90m, 12h, 7d."
        )


def since_option(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--since", type=Moment(), help=help_)


def until_option(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--until", type=Moment(), help=help_)
