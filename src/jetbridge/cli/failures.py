"""Which failures a command is about: their reasons and ids, checked before anything is done."""

from collections.abc import Collection, Mapping, Sequence

import click

from jetbridge.delivery import delivery_records
from jetbridge.delivery.base import FAILED
from jetbridge.delivery.models import Outcome
from jetbridge.errors import ConfigurationError
from jetbridge.integrations import reasons, registry


def check_reason(kinds: Mapping[int, str], outcomes: Collection[str], reason: str | None) -> None:
    """Raises click.UsageError for a reason that none of these destinations (kinds by id) has had or could have."""
    rows = Outcome.objects.filter(destination_id__in=kinds, outcome__in=outcomes).order_by("reason")
    known = list(rows.values_list("reason", flat=True).distinct())
    possible = (reasons.codes(registry.destination(kind)) for kind in kinds.values())
    if reason and reason not in known and not any(reason in codes for codes in possible):
        available = f"there are {', '.join(known)}" if known else f"nothing is {' or '.join(outcomes)}"
        raise click.UsageError(f"There is no reason {reason[:60]}; {available}.")


def check_ids(ids: Sequence[int], destinations: Sequence[int]) -> None:
    """Raises ConfigurationError if one is no failure of these destinations."""
    if missing := delivery_records.missing(ids, destinations, FAILED):
        raise ConfigurationError(
            f"There is no failure {', '.join(map(str, missing[:20]))} of an enabled destination, or of the one named: "
            "`jetbridge messages list --outcome failed` lists them. Nothing was done."
        )
