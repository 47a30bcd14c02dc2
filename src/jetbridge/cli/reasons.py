"""The reason codes that a command accepts: those that a destination has had, or could have."""

from collections.abc import Collection, Mapping

import click

from jetbridge.delivery.models import Outcome
from jetbridge.integrations import reasons, registry


def check_reason(kinds: Mapping[int, str], outcomes: Collection[str], reason: str) -> None:
    """Raises click.UsageError for a reason that none of these destinations (kinds by id) has had or could have."""
    rows = Outcome.objects.filter(destination_id__in=kinds, outcome__in=outcomes).order_by("reason")
    known = list(rows.values_list("reason", flat=True).distinct())
    possible = (reasons.codes(registry.destination(kind)) for kind in kinds.values())
    if reason not in known and not any(reason in codes for codes in possible):
        available = f"there are {', '.join(known)}" if known else f"nothing is {' or '.join(outcomes)}"
        raise click.UsageError(f"There is no reason {reason[:60]}; {available}.")
